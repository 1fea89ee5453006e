# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The few rtnetlink requests that a pod network needs, without the `ip` program (slim machines lack it)."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import struct

_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_NEWROUTE = 16, 17, 20, 21, 24
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
_NLMSG_ERROR = 2
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 3, 10, 18, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_GATEWAY = 5
_IFF_UP = 0x1
_NESTED = 0x8000
_RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RTN_UNICAST = 254, 4, 0, 1


def attribute(kind: int, payload: bytes) -> bytes:
    """One netlink attribute: length, type, payload, padded to four bytes."""
    length = 4 + len(payload)
    return struct.pack("=HH", length, kind) + payload + b"\0" * (-length % 4)


def link_message(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


def _name(name: str) -> bytes:
    return attribute(_IFLA_IFNAME, name.encode() + b"\0")


def _request(kind: int, flags: int, payload: bytes) -> None:
    """Send one request in the network namespace we are in, and wait for the kernel's verdict."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(5)
        netlink.bind((0, 0))
        netlink.send(
            struct.pack("=IHHII", 16 + len(payload), kind, flags | _NLM_F_REQUEST | _NLM_F_ACK, 1, 0) + payload
        )
        answer = netlink.recv(65536)
    answer_kind = struct.unpack_from("=H", answer, 4)[0]
    if answer_kind == _NLMSG_ERROR:
        code = -struct.unpack_from("=i", answer, 16)[0]
        if code:
            raise OSError(code, f"rtnetlink request {kind}: {os.strerror(code)}")


def add_bridge(name: str) -> None:
    info = attribute(_IFLA_INFO_KIND, b"bridge\0")
    _request(
        _RTM_NEWLINK,
        _NLM_F_CREATE | _NLM_F_EXCL,
        link_message() + _name(name) + attribute(_IFLA_LINKINFO | _NESTED, info),
    )


def add_veth(name: str, bridge: str, peer: str, peer_namespace: int) -> None:
    """A pair of interfaces: `name` here, a port of the bridge, and `peer` in the other namespace."""
    peer_link = link_message() + _name(peer) + attribute(_IFLA_NET_NS_FD, struct.pack("=I", peer_namespace))
    data = attribute(_VETH_INFO_PEER | _NESTED, peer_link)
    info = attribute(_IFLA_INFO_KIND, b"veth\0") + attribute(_IFLA_INFO_DATA | _NESTED, data)
    _request(
        _RTM_NEWLINK,
        _NLM_F_CREATE | _NLM_F_EXCL,
        link_message(flags=_IFF_UP, change=_IFF_UP)
        + _name(name)
        + attribute(_IFLA_MASTER, struct.pack("=I", socket.if_nametoindex(bridge)))
        + attribute(_IFLA_LINKINFO | _NESTED, info),
    )


def delete_link(name: str) -> None:
    """Delete an interface; one that is not there is no error."""
    try:
        index = socket.if_nametoindex(name)
    except OSError:
        return
    try:
        _request(_RTM_DELLINK, 0, link_message(index))
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise


def set_up(name: str) -> None:
    _request(_RTM_NEWLINK, 0, link_message(socket.if_nametoindex(name), _IFF_UP, _IFF_UP))


def _address(kind: int, flags: int, name: str, interface: str) -> None:
    address = ipaddress.IPv4Interface(interface)
    header = struct.pack("=BBBBI", socket.AF_INET, address.network.prefixlen, 0, 0, socket.if_nametoindex(name))
    packed = address.ip.packed
    _request(kind, flags, header + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed))


def add_address(name: str, interface: str) -> None:
    """Give an interface an address ("10.0.0.1/24"); one that it has already is no error."""
    try:
        _address(_RTM_NEWADDR, _NLM_F_CREATE | _NLM_F_EXCL, name, interface)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


def delete_address(name: str, interface: str) -> None:
    with contextlib.suppress(OSError):
        _address(_RTM_DELADDR, 0, name, interface)


def add_default_route(gateway: str) -> None:
    header = struct.pack(
        "=BBBBBBBBI", socket.AF_INET, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RTN_UNICAST, 0
    )
    _request(
        _RTM_NEWROUTE,
        _NLM_F_CREATE | _NLM_F_EXCL,
        header + attribute(_RTA_GATEWAY, ipaddress.IPv4Address(gateway).packed),
    )

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The names that GKE gives to what it makes for a Gateway. Cleaning tools recognise them, so they must look right."""

from __future__ import annotations

import hashlib

LONGEST_NAME = 63
DEFAULT_BACKEND = "gw-serve404"
DEFAULT_BACKEND_PORT = 80
# A pool has no Service; its backend is named by this port, whatever the pods listen on.
FIRST_POOL_PORT = 54321

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(length: int, *parts: object) -> str:
    """A short hash in digits and letters."""
    number = int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest(), "big")
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(digits)


def hexadecimal(length: int, *parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:length]


def trim_evenly(limit: int, *fields: str) -> list[str]:
    """Shorten fields to `limit` characters in all, long ones more than short ones."""
    total = sum(map(len, fields))
    if total <= limit:
        return list(fields)
    excess = total - limit
    lengths = [max(0, len(field) - len(field) * excess // total - 1) for field in fields]
    for index in range(limit - sum(lengths)):
        lengths[index % len(lengths)] += 1
    return [field[:length] for field, length in zip(fields, lengths, strict=True)]


class Names:
    """Names of one cluster's resources: the cluster's identity is hashed into each."""

    def __init__(self, cluster_uid: str) -> None:
        self.cluster_uid = cluster_uid
        self.prefix = f"gkegw1-{base36(4, cluster_uid)}-"
        self.neg_prefix = f"k8s1-{hexadecimal(8, cluster_uid)}-"

    def of_gateway(self, namespace: str, name: str, *parts: object) -> str:
        """Forwarding rule, proxy, URL map, address: they differ by their hash alone."""
        room = LONGEST_NAME - len(self.prefix) - 2 - 12
        fields = trim_evenly(room, namespace, name)
        return f"{self.prefix}{'-'.join(fields)}-{base36(12, self.cluster_uid, namespace, name, *parts)}"

    def of_backend(self, namespace: str, name: str, port: int, *parts: object) -> str:
        """Backend service and health check share a name."""
        room = LONGEST_NAME - len(self.prefix) - 3 - len(str(port)) - 12
        fields = trim_evenly(room, namespace, name)
        return f"{self.prefix}{'-'.join(fields)}-{port}-{base36(12, self.cluster_uid, namespace, name, port, *parts)}"

    def of_neg(self, namespace: str, name: str, port: int) -> str:
        room = LONGEST_NAME - len(self.neg_prefix) - 3 - len(str(port)) - 8
        fields = trim_evenly(room, namespace, name)
        suffix = hexadecimal(8, self.cluster_uid, namespace, name, port)
        return f"{self.neg_prefix}{'-'.join(fields)}-{port}-{suffix}"

    def of_firewall(self, network: str, location: str) -> str:
        """One rule a network and region, shared by all Gateways of the cluster."""
        (short,) = trim_evenly(LONGEST_NAME - len(self.prefix) - len("l7--") - len(location), network)
        return f"{self.prefix}l7-{short}-{location}"

    @staticmethod
    def pool_service(pool: str) -> str:
        """A pool is named in its backend as the Service that it stands for."""
        return f"{pool}-ip-{hexadecimal(8, pool)}"

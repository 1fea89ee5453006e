# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The cluster's certificates and keys: an authority, server certificates, one client certificate a component.

Runs as a program of its own (``python -m sandbox.cluster.pki``), so that the long-lived process need not hold the
cryptography library in memory.
"""

from __future__ import annotations

import argparse
import datetime
import ipaddress
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Client:
    """A client certificate: file name, user name, groups."""

    file: str
    user: str
    groups: tuple[str, ...] = ()


CLIENTS = (
    Client("kube-controller-manager", "system:kube-controller-manager"),
    Client("kube-scheduler", "system:kube-scheduler"),
    Client("node-agent", "system:sandbox:node-agent", ("system:masters",)),
    Client("addon-manager", "system:addon-manager", ("system:masters",)),
    Client("loadbalancer", "system:l7-lb-controller", ("system:masters",)),
    Client("kubelet-client", "system:kube-apiserver-kubelet-client", ("system:masters",)),
)


def _write(path: Path, content: bytes, *, secret: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, secret=True)


def _name(common_name: str, groups: Sequence[str] = ()) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """A certificate authority that signs into one folder."""

    def __init__(self, directory: Path, common_name: str = "cluster-ca") -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(common_name)
        now = datetime.datetime.now(datetime.UTC)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.certificate = (
            self._builder(self._name, self._key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        _write(directory / "ca.crt", self.certificate.public_bytes(serialization.Encoding.PEM), secret=False)

    def _builder(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + _LIFE)
        )

    def issue(self, file: str, common_name: str, groups: Sequence[str] = (), names: Sequence[str] = ()) -> None:
        """Write `file`.crt and `file`.key: a server certificate when there are `names`, else a client's."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            self._builder(_name(common_name, groups), key.public_key(), datetime.datetime.now(datetime.UTC))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            # Python 3.13 verifies strictly by default and wants this one.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(self.directory / f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM), secret=False)
        _write_key(self.directory / f"{file}.key", key)


def service_account_keys(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(directory / "service-account.key", key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(directory / "service-account.pub", public, secret=False)


def make_all(directory: Path, server_names: Sequence[str]) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority(directory)
    authority.issue("kube-apiserver", "kube-apiserver", names=server_names)
    authority.issue("kubelet", "kubelet", names=["localhost", "127.0.0.1"])
    for client in CLIENTS:
        authority.issue(client.file, client.user, client.groups)
    service_account_keys(directory)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Make the certificates and keys of a cluster.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("server_names", nargs="+", help="names and addresses of the API server")
    options = parser.parse_args(arguments)
    make_all(options.directory, options.server_names)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A CONNECT proxy on loopback that brings clients with hard-coded Google hosts to the sandbox.

It ends TLS for any ``*.googleapis.com`` with a certificate of its own authority, and hands the bytes on to the sandbox,
whose paths are Google's. Other hosts are refused: nothing leaves the machine. A client is pointed at it by
``environment()``: HTTPS_PROXY, and the authority's certificate where requests, httplib2 and curl look for it.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import select
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = (".googleapis.com", "accounts.google.com")
_CHUNK = 65536
_LONGEST_HEAD = 16384


class _Authority:
    """A certificate authority for a few hours, and one certificate for every Google host."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "ca.pem"
        key, name = ec.generate_private_key(ec.SECP256R1()), self._name("sandbox test authority")
        ca = self._builder(name, name, key.public_key())
        ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate.write_bytes(ca.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        own = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("*.googleapis.com"), x509.DNSName("accounts.google.com")]
        server = (
            self._builder(self._name("*.googleapis.com"), name, own.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        chain = folder / "server.pem"
        with os.fdopen(os.open(chain, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(
                own.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            out.write(server.public_bytes(serialization.Encoding.PEM))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)

    @staticmethod
    def _name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    @staticmethod
    def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=12))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


class Tunnel:
    """``with Tunnel(base, folder) as tunnel``: the proxy runs; ``base`` is the sandbox's http://127.0.0.1:PORT."""

    def __init__(self, base: str, folder: Path) -> None:
        host, _colon, port = base.removeprefix("http://").partition(":")
        self._sandbox = (host, int(port))
        self._authority = _Authority(folder)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.refused: list[str] = []

    def environment(self) -> dict[str, str]:
        """What a client needs to be told."""
        certificate = str(self._authority.certificate)
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "HTTPLIB2_CA_CERTS")
        return {
            **dict.fromkeys(names, certificate),
            "HTTPS_PROXY": self.address,
            "https_proxy": self.address,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def __enter__(self) -> Tunnel:
        threading.Thread(target=self._accept, name="tunnel", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            host = self._read_host(client)
            if not host.endswith(HOSTS):
                self.refused.append(host)
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            secure = self._authority.context.wrap_socket(client, server_side=True)
            with secure, socket.create_connection(self._sandbox) as sandbox:
                _shuttle(secure, sandbox)

    @staticmethod
    def _read_host(client: socket.socket) -> str:
        """The host of the CONNECT request; empty when it is something else."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            chunk = client.recv(_CHUNK)
            if not chunk:
                return ""
            head += chunk
        method, _space, rest = head.split(b"\r\n", 1)[0].decode(errors="replace").partition(" ")
        return rest.partition(":")[0] if method == "CONNECT" else ""


def _shuttle(client: ssl.SSLSocket, sandbox: socket.socket) -> None:
    """Copies both ways until one side ends; in one thread, for a TLS connection belongs to one."""
    while True:
        ready = [client] if client.pending() else select.select([client, sandbox], [], [])[0]
        for source in ready:
            chunk = source.recv(_CHUNK)
            if not chunk:
                return
            (sandbox if source is client else client).sendall(chunk)

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Who is calling: service-account keys, the token endpoint, access tokens and self-signed JWTs.

gcloud exchanges an assertion signed with its key for an access token (POST /token); the official Python clients send
a JWT they signed themselves. Both are verified: signature, issuer, audience or scope, issue and expiry times.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.cloud.errors import ApiError, invalid_credentials, missing_credentials
from sandbox.cloud.request import HttpResponse, Principal

Json = dict[str, Any]

# The audiences under which Google's token endpoint has been known; clients use one of them whatever the host they call.
TOKEN_AUDIENCES = frozenset(
    {
        "https://oauth2.googleapis.com/token",
        "https://www.googleapis.com/oauth2/v4/token",
        "https://accounts.google.com/o/oauth2/token",
    }
)
TOKEN_URI = "https://oauth2.googleapis.com/token"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600
CLOCK_SKEW = 60
KEPT_EXPIRED = 24 * 3600


class BadJwt(Exception):
    """A JWT that is not acceptable; the message is the token endpoint's."""


@dataclass
class Key:
    id: str
    email: str
    public: rsa.RSAPublicKey


@dataclass
class Token:
    email: str
    scopes: frozenset[str]
    expires: float


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Auth:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        self._tokens: dict[str, Token] = {}
        self.token_urls = set(TOKEN_AUDIENCES)

    # Keys

    def create_key(self, email: str, project_id: str) -> Json:
        """A new key of a service account, as the JSON file that Google hands out once."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key = Key(secrets.token_hex(20), email, private.public_key())
        with self._lock:
            self._keys[key.id] = key
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": project_id,
            "private_key_id": key.id,
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": str(secrets.randbelow(9 * 10**20) + 10**20),
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": TOKEN_URI,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{email.replace('@', '%40')}",
            "universe_domain": "googleapis.com",
        }

    def keys_of(self, email: str) -> list[Key]:
        with self._lock:
            return [key for key in self._keys.values() if key.email == email]

    def delete_key(self, key_id: str) -> bool:
        with self._lock:
            return self._keys.pop(key_id, None) is not None

    # Tokens

    def issue(
        self, email: str, scopes: frozenset[str] = frozenset({CLOUD_PLATFORM}), lifetime: float = LIFETIME
    ) -> str:
        """A new opaque access token."""
        token = f"ya29.sandbox.{secrets.token_urlsafe(32)}"
        now = time.time()
        with self._lock:
            self._tokens[token] = Token(email, scopes, now + lifetime)
            for old in [name for name, kept in self._tokens.items() if kept.expires < now - KEPT_EXPIRED]:
                del self._tokens[old]
        return token

    def expire_tokens(self, email: str = "") -> int:
        """Ends the life of every token (of one identity) now; says how many."""
        now = time.time()
        with self._lock:
            hit = [t for t in self._tokens.values() if t.expires > now and email in ("", t.email)]
            for token in hit:
                token.expires = now - 1
        return len(hit)

    def token_info(self, token: str) -> Json | None:
        """``{"email", "expires_in"}`` of a bearer token that is valid for Google, else None."""
        with self._lock:
            known = self._tokens.get(token)
        if known is not None:
            left = known.expires - time.time()
            return {"email": known.email, "expires_in": int(left)} if left > 0 else None
        try:
            claims = self._claims(token)
        except BadJwt:
            return None
        return {"email": claims["iss"], "expires_in": int(claims["exp"] - time.time())}

    def principal(self, authorization: str | None, service: str) -> Principal:
        """The caller by the Authorization header of a request to ``service`` (compute.googleapis.com), or a 401."""
        if not authorization:
            raise missing_credentials()
        scheme, _space, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise invalid_credentials()
        token = token.strip()
        with self._lock:
            known = self._tokens.get(token)
        if known is not None:
            if known.expires <= time.time():
                raise invalid_credentials(expired=True)
            return Principal(known.email, known.scopes)
        try:
            claims = self._claims(token)
        except BadJwt as error:
            raise invalid_credentials(expired="expired" in str(error)) from error
        return self._self_signed(claims, service)

    @staticmethod
    def _self_signed(claims: Json, service: str) -> Principal:
        if scope := claims.get("scope"):
            return Principal(claims["iss"], frozenset(str(scope).split()))
        audience = str(claims.get("aud", ""))
        if audience.rstrip("/") != f"https://{service}" and not audience.startswith(f"https://{service}/google."):
            raise invalid_credentials()
        return Principal(claims["iss"])

    # JWTs

    def _claims(self, jwt: str) -> Json:
        """The claims of a JWT signed with one of our keys and valid now."""
        try:
            head_part, claims_part, signature_part = jwt.split(".")
            head, claims = json.loads(_decode(head_part)), json.loads(_decode(claims_part))
            signature = _decode(signature_part)
            times = (float(claims["iat"]), float(claims["exp"]))
            issuer, key_id, algorithm = claims["iss"], head.get("kid"), head["alg"]
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise BadJwt("Invalid JWT: it is malformed.") from error
        if algorithm != "RS256" or not self._signed_by(
            issuer, key_id, f"{head_part}.{claims_part}".encode(), signature
        ):
            raise BadJwt("Invalid JWT Signature.")
        self._check_times(*times)
        if claims.get("sub", issuer) != issuer:
            raise BadJwt("Invalid JWT: sub is not the issuer; the sandbox knows no domain-wide delegation.")
        return dict(claims)

    def _signed_by(self, issuer: str, key_id: object, text: bytes, signature: bytes) -> bool:
        """Whether it is signed with the account's key of that id; without an id (AWX leaves it out) with any of its."""
        with self._lock:
            named = list(self._keys.values()) if key_id is None else [self._keys.get(str(key_id))]
        for key in named:
            if key is not None and key.email == issuer:
                with contextlib.suppress(InvalidSignature):
                    key.public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
                    return True
        return False

    @staticmethod
    def _check_times(issued: float, expires: float) -> None:
        now = time.time()
        if expires <= now - CLOCK_SKEW:
            raise BadJwt("Invalid JWT: Token must be a short-lived token (60 minutes); it has expired.")
        if issued > now + CLOCK_SKEW or expires - issued > LIFETIME + CLOCK_SKEW:
            raise BadJwt(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your "
                "iat and exp values in the JWT claim."
            )

    def exchange(self, form: dict[str, str]) -> HttpResponse:
        """The token endpoint: an assertion signed with a key becomes an access token."""
        if form.get("grant_type") != JWT_BEARER:
            return _refused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        try:
            claims = self._claims(form.get("assertion", ""))
        except BadJwt as error:
            return _refused("invalid_grant", str(error))
        if claims.get("aud") not in self.token_urls:
            return _refused("invalid_grant", "Invalid JWT: Failed audience check.")
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            return _refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        token = self.issue(claims["iss"], scopes)
        return HttpResponse(200, {"access_token": token, "expires_in": LIFETIME - 1, "token_type": "Bearer"})


def _refused(error: str, description: str) -> HttpResponse:
    return HttpResponse(400, {"error": error, "error_description": description})


def check_scopes(principal: Principal, accepted: list[str]) -> None:
    """A token whose scopes do not cover the method is refused, as Google does before looking at permissions."""
    if principal.scopes is None or not accepted or principal.scopes.intersection(accepted):
        return
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {},
    }
    raise ApiError(
        403,
        "Request had insufficient authentication scopes.",
        reason="insufficientPermissions",
        details=[detail],
        front_end=True,
    )

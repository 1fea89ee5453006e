# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: which endpoints a run will talk to, and whether they belong together.

Whether they are Google's is read from their hosts; what else they may be is nobody's business here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..module_utils._auth import APIS, FOLLOWS, resolve_endpoints

GOOGLE_TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token"
# APIs that go where another goes are not shown apart.
SHOWN_APIS = tuple(api for api in APIS if api not in FOLLOWS)
PROJECT_VARIABLE = "CLOUDSDK_CORE_PROJECT"


@dataclass(frozen=True)
class Endpoint:
    """Where one API is, and which setting said so (empty: nobody, it is Google's default)."""

    api: str
    url: str
    said_by: str

    @property
    def of_google(self) -> bool:
        host = urlsplit(self.url).hostname or ""
        return host == "googleapis.com" or host.endswith(".googleapis.com")

    @property
    def from_environment(self) -> bool:
        return self.said_by.startswith("CLOUDSDK_")


def effective_endpoints(
    options: Mapping[str, Any], environ: Mapping[str, str], *, token_in_use: bool
) -> list[Endpoint]:
    """The endpoint of each API as the modules resolve it. Without a token exchange (an access token is given) the token
    endpoint plays no part."""
    resolved = resolve_endpoints({"endpoints": options}, environ)
    endpoints = [Endpoint(api, resolved.base(api), _said_by(options, environ, api)) for api in SHOWN_APIS]
    if token_in_use:
        url = resolved.token or GOOGLE_TOKEN_ENDPOINT
        endpoints.append(Endpoint("token", url, _said_by(options, environ, "token")))
    return endpoints


def _said_by(options: Mapping[str, Any], environ: Mapping[str, str], api: str) -> str:
    # gcloud's own names; the token's is the odd one out.
    variable = "CLOUDSDK_AUTH_TOKEN_HOST" if api == "token" else f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}"
    if options.get(api):
        return f"deployment_endpoints.{api}"
    return variable if environ.get(variable) else ""


def endpoint_lines(endpoints: list[Endpoint]) -> list[str]:
    """For a person: one word when all is Google's default, else every address."""
    if not any(endpoint.said_by for endpoint in endpoints):
        return ["endpoints  Google's own (googleapis.com)"]
    return [f"{endpoint.api:<20} {endpoint.url}" for endpoint in endpoints]


def mixtures(project: str, endpoints: list[Endpoint], environ: Mapping[str, str]) -> Iterator[str]:
    """Settings that belong to different worlds: half of a run would go somewhere else."""
    google = [endpoint for endpoint in endpoints if endpoint.of_google]
    others = [endpoint for endpoint in endpoints if not endpoint.of_google]
    if google and others:
        yield (
            "Some endpoints are not Google's: "
            + ", ".join(f"{one.api} is {one.url} by {one.said_by}" for one in others)
            + f"; {', '.join(one.api for one in google)} still are. A run would be half here, half there: set all of"
            " them or none."
        )
        return
    theirs = environ.get(PROJECT_VARIABLE, "")
    borrowed = [endpoint for endpoint in others if endpoint.from_environment]
    if borrowed and theirs and project and theirs != project:
        yield (
            f"The environment points at {borrowed[0].url} for project {theirs} ({PROJECT_VARIABLE}), but this"
            f" deployment is project {project}: unset {', '.join(one.said_by for one in borrowed)} (or start a new"
            " shell), or use the inventory that belongs to them."
        )

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Half of a run must not go somewhere else."""

from __future__ import annotations

from ansible_collections.llm_d.gke.plugins.plugin_utils._world import (
    SHOWN_APIS,
    effective_endpoints,
    endpoint_lines,
    mixtures,
)

LOCAL = "http://127.0.0.1:8080"
OPTIONS = {api: f"{LOCAL}/" for api in (*SHOWN_APIS, "token")}
ENVIRONMENT = {
    **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"{LOCAL}/" for api in SHOWN_APIS},
    "CLOUDSDK_AUTH_TOKEN_HOST": f"{LOCAL}/token",
}


def told(
    options: dict[str, str], environ: dict[str, str], *, token_in_use: bool = True, project: str = "mine"
) -> list[str]:
    return list(mixtures(project, effective_endpoints(options, environ, token_in_use=token_in_use), environ))


def test_nothing_said_is_google() -> None:
    endpoints = effective_endpoints({}, {}, token_in_use=True)
    assert all(endpoint.of_google for endpoint in endpoints)
    assert endpoint_lines(endpoints) == ["endpoints  Google's own (googleapis.com)"]
    assert told({}, {}) == []


def test_all_overridden_by_options_or_environment() -> None:
    assert told(OPTIONS, {}) == []
    assert told({}, ENVIRONMENT) == []


def test_one_missing_is_refused_and_both_sides_are_named() -> None:
    options = {api: url for api, url in OPTIONS.items() if api != "storage"}
    (finding,) = told(options, {})
    assert "storage still are" in finding
    assert "deployment_endpoints.compute" in finding


def test_one_alone_is_refused() -> None:
    (finding,) = told({}, {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": LOCAL})
    assert "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE" in finding


def test_a_key_would_be_exchanged_at_google() -> None:
    options = {api: url for api, url in OPTIONS.items() if api != "token"}
    assert len(told(options, {})) == 1
    assert told(options, {}, token_in_use=False) == []


def test_endpoints_of_google_may_be_regional_or_private() -> None:
    assert told({"compute": "https://compute-mine.p.googleapis.com/compute/v1/"}, {}) == []


def test_a_host_that_only_looks_like_google_does_not_count() -> None:
    assert len(told({"compute": "https://googleapis.com.example.org/"}, {})) == 1


def test_somebody_elses_environment_with_our_inventory() -> None:
    environment = {**ENVIRONMENT, "CLOUDSDK_CORE_PROJECT": "theirs"}
    (finding,) = told({}, environment)
    assert "theirs" in finding
    assert "mine" in finding
    assert told({}, environment, project="theirs") == []
    # The inventory names its own endpoints: the environment has no say.
    assert told(OPTIONS, environment) == []

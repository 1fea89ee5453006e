# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what is wrong with the settings for a controller, and what a failure there means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]

# What the modules of awx.awx and AWX itself say, and what to do about it.
REMEDIES: tuple[tuple[str, str], ...] = (
    (r"[Cc]ouldn't resolve module|lookup plugin .* not found|No module named.*awx",
     "The collection awx.awx is missing: ansible-galaxy collection install awx.awx."),
    (r"HTTP 401|Invalid authentication credentials",
     "The token is unknown to this controller, or has expired: make a new one and set CONTROLLER_OAUTH_TOKEN."),
    (r"HTTP 403|don't have permission",
     "The token's owner may not do this: credential types are made by system administrators only, the rest by an"
     " administrator of the organization; and the token needs the scope Write."),
    (r"resolve controller_host|network error|url[o]pen error|Connection refused|timed out|unknown error when trying to",
     "The controller cannot be reached: check its address (CONTROLLER_HOST), and that it is up."),
    (r"secure connection|CERTIFICATE_VERIFY_FAILED",
     "Its certificate is not trusted here: install its authority, or set CONTROLLER_VERIFY_SSL=false for a test."),
    (r"Playbook not found for project",
     "The repository, at the branch that AWX fetched, has no such playbook: check awx_project_url, awx_project_branch"
     " and awx_playbook_dir, then update the project in AWX."),
    (r"Project update failed|Failed to update project",
     "AWX could not fetch the repository: its project update says why. Check awx_project_url, awx_project_branch and"
     " awx_project_credential."),
    (r"returned [2-9]\d* items, expected 1", "Several things have this name: rename them, or choose another name."),
    (r"returned 0 items, expected 1", "AWX has nothing of this name, or the token's owner may not see it."),
    (r"Cannot assign multiple", "A job can have one credential of a type: choose other ones."),
    (r"in use", "Something else still uses it: change that first."),
    (r"server error", "The controller itself has a problem: see its logs, and try again later."),
)  # fmt: skip


def findings(settings: Mapping[str, Any]) -> Iterator[str]:
    """What is missing, each with what to do. The token is never quoted."""
    if not settings["host"]:
        yield "No controller: set CONTROLLER_HOST (or awx_host) to its address, such as https://awx.example.com."
    if not settings["token"]:
        yield "No token: make one in AWX (your user, Tokens, scope Write); set CONTROLLER_OAUTH_TOKEN (or awx_token)."
    if settings["state"] != "present":
        return
    if not settings["project_url"]:
        yield "No repository: set awx_project_url to the git repository with your inventory and the playbooks."
    if not settings["image"]:
        yield (
            "No execution environment: build one from execution-environment.yml, push it to a registry, set awx_image"
            " to it."
        )
    path = str(settings["inventory_path"] or "")
    if not path or os.path.isabs(path) or ".." in path.split("/"):
        yield f"'{path}' is no path in the repository: set awx_inventory_path to that of your inventory."
    if settings["key_file"] and not os.path.isfile(str(settings["key_file"])):
        yield f"There is no key file {settings['key_file']}: correct awx_google_key_file, or leave it empty."


def failure(result: Mapping[str, Any]) -> str:
    """What a failed task said, and what to do: of a loop, what failed in it."""
    failed = [item for item in result.get("results") or [] if item.get("failed")] or [result]
    said: list[str] = []
    for item in failed:
        words = " ".join(str(item.get("msg") or "(no message)").split())
        name = item.get("item")
        name = name.get("name") or name.get("identifier") if isinstance(name, Mapping) else None
        said.append(f"{name}: {words}" if name else words)
    text = "\n".join(dict.fromkeys(said))
    remedies = [remedy for pattern, remedy in REMEDIES if re.search(pattern, text)]
    return "\n".join([text, *remedies[:1]])


def title(part: Mapping[str, Any]) -> str:
    """A part of the configuration, for a person."""
    return str(part["name"]) if "name" in part else f"node {part['identifier']} of the workflow"


def there(found: Mapping[str, Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a controller has already, as kind/name; nodes of the workflow as nodes/identifier."""
    names = [f"{kind}/{name}" for kind, objects in found.items() for name in objects]
    return names + [f"nodes/{node['identifier']}" for node in nodes]

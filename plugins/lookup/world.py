# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup ``world``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: world
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: Which project a run works on, as whom, and at which endpoints
description:
  - Puts together, without asking anybody, what the modules of this collection would use; the options first, then
    gcloud's environment variables, then Google's own.
  - Finds settings that belong to different worlds, such as some endpoints overridden and others not.
options:
  _terms:
    description: Not used.
    type: list
    elements: str
  project:
    description: The project.
    type: str
    default: ""
  endpoints:
    description: Endpoints by API, as the modules' option of that name.
    type: dict
    default: {}
  auth:
    description: Authentication options, by the modules' own names.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show where a run would go
  ansible.builtin.debug:
    msg: "{{ lookup('llm_d.gke.world', project='my-project').lines }}"
"""

RETURN = r"""
_raw:
  description: Project, identity, endpoints, what is wrong with them, and all of it as lines to print.
  type: list
  elements: dict
  contains:
    project:
      description: The project.
      type: str
    identity:
      description: Whose credentials are used.
      type: str
    endpoints:
      description: The address of each API.
      type: dict
    findings:
      description: What is wrong; empty when all is well.
      type: list
      elements: str
    checks:
      description: The same findings in the form of the reports, each with C(severity).
      type: list
      elements: dict
    lines:
      description: For a person to read.
      type: list
      elements: str
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

from ..module_utils._auth import resolve_identity
from ..module_utils._errors import GcpError
from ..module_utils._findings import error
from ..plugin_utils._identity import owner_of
from ..plugin_utils._world import effective_endpoints, endpoint_lines, mixtures

# Stands in for a project that is missing, which another check reports.
_NO_PROJECT = "-"


def _read_text(path: str) -> str:
    return Path(path).expanduser().read_text(encoding="utf-8")


def look(project: str, options: Mapping[str, Any], auth: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, from options and this process's environment."""
    try:
        identity = resolve_identity({**auth, "project": project or _NO_PROJECT}, os.environ)
        endpoints = effective_endpoints(options, os.environ, token_in_use=identity.kind != "accesstoken")
    except GcpError as error:
        message = str(error.as_result()["msg"])
        return {
            "project": project,
            "identity": "",
            "endpoints": {},
            "findings": [message],
            "checks": _checks([message]),
            "lines": [message],
        }
    owner = owner_of(identity, os.environ, _read_text)
    findings = [finding for finding in (owner.finding, *mixtures(project, endpoints, os.environ)) if finding]
    return {
        "project": project,
        "identity": owner.name,
        "endpoints": {endpoint.api: endpoint.url for endpoint in endpoints},
        "findings": findings,
        "checks": _checks(findings),
        "lines": [f"project    {project or '(none)'}", f"identity   {owner.name}", *endpoint_lines(endpoints)],
    }


def _checks(findings: Sequence[str]) -> list[dict[str, Any]]:
    needed = "credentials that can be read, and endpoints of one world"
    return [error("settings: credentials and endpoints", needed, finding, "").as_dict() for finding in findings]


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """``lookup('llm_d.gke.world', project=…, endpoints=…, auth=…)``"""

    def run(
        self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """One dictionary."""
        self.set_options(var_options=variables, direct=kwargs)
        return [look(self.get_option("project"), self.get_option("endpoints"), self.get_option("auth"))]

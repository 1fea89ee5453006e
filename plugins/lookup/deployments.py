# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts a playbook works on; an error instead of silence when there are none."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployments
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: The deployments that a playbook works on
description:
  - Returns the inventory hosts that match a pattern, narrowed down by C(--limit).
  - Fails when there is none. Ansible itself says C(no hosts matched) and ends with success, which is the wrong answer
    for a teardown that was meant to stop a bill.
  - Meant for the C(hosts) keyword of a play.
options:
  _terms:
    description: Host patterns, as in the C(hosts) keyword.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Work on every deployment
  hosts: "{{ query('llm_d.gke.deployments', 'llm_d') }}"
"""

RETURN = r"""
_raw:
  description: Names of the hosts.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

from ..plugin_utils._selection import no_deployments, select_deployments


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """``query('llm_d.gke.deployments', pattern…)``"""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """The hosts that match; the patterns themselves where only the syntax is looked at and no inventory needed."""
        known = variables or {}
        if context.CLIARGS.get("syntax"):
            return list(terms)
        match = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        names = select_deployments(
            lambda pattern: match.run([pattern], variables=known), terms, str(known.get("ansible_limit") or "")
        )
        if not names:
            sources = [str(source) for source in known.get("ansible_inventory_sources") or []]
            raise AnsibleLookupError(no_deployments(terms, str(known.get("ansible_limit") or ""), sources))
        return names

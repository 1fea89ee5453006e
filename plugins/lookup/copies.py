# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which copy of this collection a run uses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: copies
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: Which copy of this collection a run uses
description:
  - Ansible takes the first copy of a collection on its path and says nothing of others.
  - Names the copy in use, warns of those of another version, and finds a playbook of another version than the roles and
    modules that it calls.
options: {}
"""

EXAMPLES = r"""
- name: Show which copy is used
  ansible.builtin.debug:
    msg: "{{ lookup('llm_d.gke.copies').lines }}"
"""

RETURN = r"""
_raw:
  description: What there is to tell, and what is wrong.
  type: list
  elements: dict
  contains:
    version:
      description: Version of the copy in use.
      type: str
    findings:
      description: What is wrong; empty when all is well.
      type: list
      elements: str
    lines:
      description: For a person to read.
      type: list
      elements: str
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ..plugin_utils._copies import Copy, copy_at, copy_lines, mixture, others

HERE = Path(__file__).resolve().parents[2]


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """``lookup('llm_d.gke.copies')``"""

    def run(
        self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """One dictionary."""
        self.set_options(var_options=variables, direct=kwargs)
        used = copy_at(HERE) or Copy(HERE, "of an unknown version")
        rest = list(others(used, map(Path, AnsibleCollectionConfig.collection_paths)))
        playbook_dir = Path(str((variables or {}).get("playbook_dir") or "."))
        return [
            {"version": used.version, "findings": list(mixture(used, playbook_dir)), "lines": copy_lines(used, rest)}
        ]

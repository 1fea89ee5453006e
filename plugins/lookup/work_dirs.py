# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directories of runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: work_dirs
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: The directories of runs, and those that killed runs left behind
description:
  - Each run has a directory of its own for what is secret, and removes it at its end. A run that is killed cannot.
  - The name of such a directory tells which process it belongs to; so the next run finds those of nobody.
  - Looks in the folder for temporary files of this machine. Where processes cannot be told (no C(/proc)), nothing is
    found.
options:
  _terms:
    description:
      - V(prefix) gives how the name of this run's directory is to begin.
      - V(abandoned) gives the directories whose process is gone.
    required: true
    choices: [prefix, abandoned]
"""

EXAMPLES = r"""
- name: Remove the directories of runs that were killed
  ansible.builtin.file:
    path: "{{ item }}"
    state: absent
  loop: "{{ query('llm_d.gke.work_dirs', 'abandoned') }}"
"""

RETURN = r"""
_raw:
  description: The prefix, or the paths.
  type: list
  elements: str
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils._lifeline import run_process
from ..plugin_utils._work_dirs import abandoned, namespace, prefix


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """``lookup('llm_d.gke.work_dirs', 'prefix')``"""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """One prefix, or any number of paths."""
        if list(terms) == ["prefix"]:
            return [prefix(run_process(), namespace())]
        if list(terms) == ["abandoned"]:
            return abandoned(Path(tempfile.gettempdir()), namespace())
        raise AnsibleError("llm_d.gke.work_dirs takes one term: prefix or abandoned")

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The survey that asks for options of this collection's roles."""

from __future__ import annotations

DOCUMENTATION = r"""
name: survey
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: A survey of AWX for options of this collection's roles
description:
  - Makes a C(survey_spec), as AWX's job templates have it, from the argument specs and defaults of the roles.
  - A truth value becomes a choice of C(true) and C(false), a list a text with one item a line.
  - Fails for an option that cannot be asked for - a mapping, a secret, or one whose default follows from others.
options:
  _terms:
    description: Names of the options.
    type: list
    elements: str
    required: true
  title:
    description: Name of the survey.
    type: str
    default: llm-d
"""

EXAMPLES = r"""
- name: Show a survey
  ansible.builtin.debug:
    msg: "{{ lookup('llm_d.gke.survey', 'verify_ready_timeout', 'verify_max_tokens', title='verify') }}"
"""

RETURN = r"""
_raw:
  description: One survey; an empty mapping when no option is named.
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils._survey import SurveyError, survey

ROLES = Path(__file__).resolve().parents[2] / "roles"


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """``lookup('llm_d.gke.survey', option…, title=…)``"""

    def run(
        self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """The survey."""
        self.set_options(var_options=variables, direct=kwargs)
        specs: dict[str, Any] = {}
        defaults: dict[str, Any] = {}
        for file in sorted(ROLES.glob("*/meta/argument_specs.yml")):
            for entry in _read(file)["argument_specs"].values():
                # The first entry point is main, which the playbooks call; others may say less of the same option.
                specs = {**(entry.get("options") or {}), **specs}
            defaults.update(_read(file.parents[1] / "defaults" / "main.yml"))
        try:
            return [survey(str(self.get_option("title")), [str(term) for term in terms], specs, defaults)]
        except SurveyError as error:
            raise AnsibleLookupError(str(error)) from error


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return found

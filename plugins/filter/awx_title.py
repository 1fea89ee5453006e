# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The filter ``awx_title``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_title
author: The llm_d.gke contributors
version_added: 0.1.0
short_description: The name of a part of a controller's configuration
description:
  - Names a credential, template, schedule or node of the role P(llm_d.gke.awx#role) for a person.
options:
  _input:
    description: The part.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Name it
  ansible.builtin.debug:
    msg: "{{ part | llm_d.gke.awx_title }}"
"""

RETURN = r"""
_value:
  description: The name.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ..plugin_utils._awx import title


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_title": title}

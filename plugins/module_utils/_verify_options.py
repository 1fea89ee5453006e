# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Options that the modules which look at an llm-d deployment have in common.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback

from ._verify import Names
from ._verify_kv import NOT_OBSERVABLE, PROVED, VERDICTS

ARGUMENTS: dict[str, dict[str, Any]] = {
    "kubeconfig": {
        "type": "path",
        "required": True,
        "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"]),
    },
    "context": {},
    "namespace": {"required": True},
    "gateway": {"required": True},
    "route": {"required": True},
    "pool": {"required": True},
    "endpoint_picker": {"required": True},
    "prefill": {"required": True},
    "decode": {"required": True},
    "node_selector": {"type": "dict", "default": {}},
    "chips": {"type": "int", "default": 0},
    "poll_interval": {"type": "float", "default": 5},
}

# The verdicts that a check of the KV transfer passes with.
ACCEPT: dict[str, dict[str, Any]] = {
    "accept": {
        "type": "list",
        "elements": "str",
        "choices": list(VERDICTS),
        "default": [PROVED, NOT_OBSERVABLE],
    }
}


def names(options: Mapping[str, Any]) -> Names:
    fields = ("namespace", "gateway", "route", "pool", "endpoint_picker", "prefill", "decode", "node_selector", "chips")
    return Names(**{field: options[field] for field in fields})

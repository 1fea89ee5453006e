# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The kinds of objects, as a table: fields with their defaults, what they refer to, what they are known by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """One endpoint. A default of ... means that the field is required; what AWX does not know it ignores."""

    type: str
    fields: Mapping[str, Any]
    keys: tuple[str, ...] = ("name",)
    refers: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    # Who loses its members when one of these goes: their field that pointed here.
    takes_along: tuple[tuple[str, str], ...] = ()
    admin_only: bool = False


_NAMED = {"name": ..., "description": ""}
_JOB_TEMPLATE = {
    **_NAMED,
    "job_type": "run", "inventory": None, "project": ..., "playbook": "", "scm_branch": "", "forks": 0, "limit": "",
    "verbosity": 0, "extra_vars": "", "job_tags": "", "force_handlers": False, "skip_tags": "", "start_at_task": "",
    "timeout": 0, "use_fact_cache": False, "organization": None, "execution_environment": None, "host_config_key": "",
    "survey_enabled": False, "become_enabled": False, "diff_mode": False, "allow_simultaneous": False,
    "job_slice_count": 1, "webhook_service": "", "webhook_credential": None, "prevent_instance_group_fallback": False,
    **{f"ask_{what}_on_launch": False for what in (
        "scm_branch", "diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory",
        "credential", "execution_environment", "labels", "forks", "job_slice_count", "timeout", "instance_groups")},
}  # fmt: skip
_PROMPTS = {
    "extra_data": {}, "inventory": None, "scm_branch": None, "job_type": None, "job_tags": None, "skip_tags": None,
    "limit": None, "diff_mode": None, "verbosity": None, "execution_environment": None, "forks": None,
    "job_slice_count": None, "timeout": None,
}  # fmt: skip
_NODES = "workflow_job_template_nodes"

KINDS: Mapping[str, Kind] = {
    "organizations": Kind("organization", {**_NAMED, "max_hosts": 0}, admin_only=True),
    "credential_types": Kind(
        "credential_type", {**_NAMED, "kind": ..., "inputs": {}, "injectors": {}}, ("name", "kind"), admin_only=True
    ),
    "credentials": Kind(
        "credential",
        {**_NAMED, "organization": None, "credential_type": ..., "inputs": {}},
        ("name", "organization", "credential_type"),
        {"organization": "organizations", "credential_type": "credential_types"},
    ),
    "execution_environments": Kind(
        "execution_environment",
        {**_NAMED, "organization": None, "image": ..., "credential": None, "pull": ""},
        refers={"organization": "organizations", "credential": "credentials"},
    ),
    "projects": Kind(
        "project",
        {
            **_NAMED, "organization": None, "scm_type": "", "scm_url": "", "scm_branch": "", "scm_refspec": "",
            "scm_clean": False, "scm_track_submodules": False, "scm_delete_on_update": False, "credential": None,
            "timeout": 0, "scm_update_on_launch": False, "scm_update_cache_timeout": 0, "allow_override": False,
            "default_environment": None, "local_path": "", "signature_validation_credential": None,
        },
        ("name", "organization"),
        {"organization": "organizations", "credential": "credentials", "default_environment": "execution_environments"},
    ),
    "inventories": Kind(
        "inventory",
        {**_NAMED, "organization": ..., "kind": "", "host_filter": None, "variables": "",
         "prevent_instance_group_fallback": False},
        ("name", "organization"),
        {"organization": "organizations"},
        takes_along=(("inventory_sources", "inventory"),),
    ),
    "inventory_sources": Kind(
        "inventory_source",
        {
            **_NAMED, "source": "", "source_path": "", "source_vars": "", "scm_branch": "", "credential": None,
            "enabled_var": "", "enabled_value": "", "host_filter": "", "overwrite": False, "overwrite_vars": False,
            "timeout": 0, "verbosity": 1, "limit": "", "execution_environment": None, "inventory": ...,
            "update_on_launch": False, "update_cache_timeout": 0, "source_project": None,
        },
        ("name", "inventory"),
        {"inventory": "inventories", "source_project": "projects", "execution_environment": "execution_environments",
         "credential": "credentials"},
    ),
    "job_templates": Kind(
        "job_template",
        _JOB_TEMPLATE,
        ("name", "organization"),
        {"inventory": "inventories", "project": "projects", "execution_environment": "execution_environments"},
        {"credentials": "credentials", "labels": "labels", "instance_groups": "instance_groups"},
        takes_along=(("schedules", "unified_job_template"),),
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {
            **_NAMED, "extra_vars": "", "organization": None, "survey_enabled": False, "allow_simultaneous": False,
            "inventory": None, "limit": None, "scm_branch": None, "webhook_service": "", "webhook_credential": None,
            "job_tags": None, "skip_tags": None,
            **{f"ask_{what}_on_launch": False for what in
               ("variables", "inventory", "scm_branch", "limit", "labels", "skip_tags", "tags")},
        },
        ("name", "organization"),
        {"organization": "organizations", "inventory": "inventories"},
        {"labels": "labels"},
        takes_along=((_NODES, "workflow_job_template"), ("schedules", "unified_job_template")),
    ),
    _NODES: Kind(
        "workflow_job_template_node",
        {**_PROMPTS, "workflow_job_template": ..., "unified_job_template": None, "all_parents_must_converge": False,
         "identifier": ...},
        ("identifier", "workflow_job_template"),
        {"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates",
         "inventory": "inventories", "execution_environment": "execution_environments"},
        {"success_nodes": _NODES, "failure_nodes": _NODES, "always_nodes": _NODES, "credentials": "credentials"},
    ),
    "workflow_approval_templates": Kind("workflow_approval_template", {**_NAMED, "timeout": 0}, ()),
    "schedules": Kind(
        "schedule",
        {**_NAMED, **_PROMPTS, "rrule": ..., "unified_job_template": ..., "enabled": True},
        ("name", "unified_job_template"),
        {"unified_job_template": "unified_job_templates", "inventory": "inventories",
         "execution_environment": "execution_environments"},
        {"credentials": "credentials"},
    ),
    "project_updates": Kind("project_update", {"name": ..., "project": ..., "status": "successful"}, ()),
    "labels": Kind("label", {"name": ..., "organization": ...}, ("name", "organization")),
    "instance_groups": Kind("instance_group", {"name": ...}),
}  # fmt: skip

# One list over several kinds, with ids of their own.
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")

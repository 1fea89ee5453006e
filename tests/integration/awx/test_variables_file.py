# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The same configuration as variables for infra.aap_configuration, which hands them to the modules of awx.awx."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.awx.recorder import rules
from tests.integration.playbooks.run import CHECKOUT, environment, playbook

Json = dict[str, Any]
SECRET = "hf_canary"
MODULES = CHECKOUT / ".ansible" / "collections" / "ansible_collections" / "awx" / "awx" / "plugins" / "modules"
# Which module each list goes to; nodes have their own, and two names that only infra.aap_configuration knows.
LISTS = {
    "controller_credential_types": "credential_type",
    "controller_credentials": "credential",
    "controller_execution_environments": "execution_environment",
    "controller_projects": "project",
    "controller_inventories": "inventory",
    "controller_inventory_sources": "inventory_source",
    "controller_templates": "job_template",
    "controller_workflows": "workflow_job_template",
    "controller_schedules": "schedule",
}
OWN = {"simplified_workflow_nodes"}


class Loader(yaml.SafeLoader):
    """Reads !unsafe as text, which Ansible leaves as it is."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    folder = tmp_path_factory.mktemp("variables")
    file = folder / "controller.yml"
    settings = {
        "awx_variables_file": file,
        "awx_image": "registry.example.com/ee:1",
        "awx_project_url": "https://g/x.git",
    }
    given = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    run = playbook("playbooks/awx.yml", *given, env=environment(folder / "home", HF_TOKEN=SECRET))
    assert run.status == 0, run.output
    return file, yaml.load(file.read_text(), Loader=Loader)


def options(module: str) -> set[str]:
    text = (MODULES / f"{module}.py").read_text()
    documentation = text.split("DOCUMENTATION = '''")[1].split("'''")[0]
    known = yaml.safe_load(documentation)["options"]
    return {name for option, entry in known.items() for name in (option, *entry.get("aliases", []))}


def test_each_entry_is_what_the_module_takes(written: tuple[Path, Json]) -> None:
    _file, variables = written
    assert set(variables) == set(LISTS)
    for name, module in LISTS.items():
        assert variables[name]
        for entry in variables[name]:
            assert set(entry) - OWN <= options(module), name
    for node in variables["controller_workflows"][0]["simplified_workflow_nodes"]:
        assert set(node) <= options("workflow_job_template_node")


def test_awx_would_accept_it(written: tuple[Path, Json]) -> None:
    _file, variables = written
    for kind in variables["controller_credential_types"]:
        assert rules.credential_type_refused(kind) == {}
    for template in variables["controller_templates"]:
        assert template["survey_enabled"] is bool(template["survey_spec"])
        if template["survey_spec"]:
            assert rules.survey_refused(template["survey_spec"]) == ""
    for schedule in variables["controller_schedules"]:
        assert rules.rrule_refused(schedule["rrule"]) == {}
        assert schedule["enabled"] is False
    nodes = variables["controller_workflows"][0]["simplified_workflow_nodes"]
    names = {node["identifier"] for node in nodes}
    templates = {template["name"] for template in variables["controller_templates"]}
    for node in nodes:
        assert ("approval_node" in node) != ("unified_job_template" in node)
        assert node.get("unified_job_template", next(iter(templates))) in templates
        assert {*node["success_nodes"], *node["failure_nodes"], *node["always_nodes"]} <= names


def test_it_holds_no_secret_and_is_for_its_owner(written: tuple[Path, Json]) -> None:
    file, variables = written
    assert SECRET not in file.read_text()
    assert all("inputs" not in entry for entry in variables["controller_credentials"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The objects of a controller, and what may be done with them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from . import rules
from .kinds import KINDS, UNIFIED

Json = dict[str, Any]
ENCRYPTED = "$encrypted$"
GCE_FIELDS = [
    {"id": "username", "label": "Service Account Email Address", "type": "string"},
    {"id": "project", "label": "Project", "type": "string"},
    {"id": "ssh_key_data", "label": "RSA Private Key", "type": "string", "format": "ssh_private_key", "secret": True,
     "multiline": True},
]  # fmt: skip


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class Store:
    """A controller with an organization Default, built-in credential types, and nothing else."""

    def __init__(self, playbooks: Sequence[str]) -> None:
        self.objects: dict[str, dict[int, Json]] = {kind: {} for kind in KINDS}
        self.members: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], Json] = {}
        self.secrets: dict[int, Json] = {}
        # What the repository holds once a project is synchronised.
        self.playbooks = list(playbooks)
        self.update_status = "successful"
        # Unified job templates share one sequence; the others share it too, so that no id is right by accident.
        self._ids = itertools.count(1)
        self._add("organizations", {"name": "Default"})
        self._add("instance_groups", {"name": "default"})
        for name, kind, fields in (("Machine", "ssh", []), ("Source Control", "scm", []),
                                   ("Google Compute Engine", "cloud", GCE_FIELDS)):  # fmt: skip
            built_in = self._add("credential_types", {"name": name, "kind": kind, "inputs": {"fields": fields}})
            self.objects["credential_types"][built_in]["managed"] = True

    # reading

    def get(self, kind: str, number: int) -> Json:
        """One object, as the API shows it."""
        if kind == "unified_job_templates":
            kind = next((one for one in UNIFIED if number in self.objects[one]), kind)
        found = self.objects.get(kind, {}).get(number)
        if found is None:
            raise Refused(404, {"detail": "Not found."})
        return self._shown(kind, found)

    def all(self, kind: str) -> Iterator[Json]:
        """The objects of a list."""
        for one in UNIFIED if kind == "unified_job_templates" else (kind,):
            for found in self.objects[one].values():
                yield self._shown(one, found)

    def find(self, kind: str, **values: Any) -> Json | None:
        """The object with these values, for a test to look at."""
        return next(
            (one for one in self.all(kind) if all(one.get(key) == value for key, value in values.items())), None
        )

    def _shown(self, kind: str, found: Json) -> Json:
        url = f"/api/v2/{kind}/{found['id']}/"
        shown = {**found, "type": KINDS[kind].type, "url": url, "related": {}, "summary_fields": {}}
        if kind == "credential_types":
            shown.setdefault("managed", False)
        if kind in ("job_templates", "workflow_job_templates"):
            shown["related"]["survey_spec"] = f"{url}survey_spec/"
        if kind == "projects":
            shown["related"]["update"] = f"{url}update/"
        if kind == "workflow_job_template_nodes" and found["unified_job_template"]:
            template = self.get("unified_job_templates", found["unified_job_template"])
            shown["related"]["unified_job_template"] = template["url"]
        if kind == "job_templates":
            project = self.objects["projects"].get(found["project"] or 0, {})
            shown["organization"] = project.get("organization")
        if kind == "inventory_sources":
            shown["organization"] = self.objects["inventories"][found["inventory"]]["organization"]
        return shown

    # writing

    def create(self, kind: str, body: Json) -> Json:
        """A new object, or what is wrong with it."""
        values = self._checked(kind, {**self._defaults(kind), **self._known(kind, body)}, None)
        number = self._add(kind, values)
        if kind == "credentials":
            self.secrets[number] = self.secrets.pop(0)
        if kind == "projects" and values["scm_type"]:
            self._synchronise(number)
        return self._with_update(kind, number)

    def update(self, kind: str, number: int, body: Json) -> Json:
        """Fields of an object, changed."""
        self.get(kind, number)
        found = self.objects[kind][number]
        if found.get("managed"):
            raise Refused(403, {"detail": f"Modifications not allowed for managed {KINDS[kind].type}s"})
        known = self._known(kind, body)
        if (
            kind == "credential_types"
            and known.get("inputs", found["inputs"]) != found["inputs"]
            and self._in_use(number)
        ):
            raise Refused(
                403, {"detail": "Modifications to inputs are not allowed for credential types that are in use"}
            )
        before = dict(found)
        values = self._checked(kind, {**found, **known}, number)
        found.update(values)
        moved = any(before.get(key) != found[key] for key in ("scm_url", "scm_branch", "scm_type") if key in found)
        if kind == "projects" and moved:
            self._synchronise(number)
        return self._with_update(kind, number)

    def delete(self, kind: str, number: int) -> None:
        """An object, with what lives in it; refused while others need it."""
        found = self.get(kind, number)
        if found.get("managed"):
            raise Refused(403, {"detail": "Deletion not allowed for managed credential types"})
        if kind == "credential_types" and self._in_use(number):
            raise Refused(403, {"detail": "Credential types that are in use cannot be deleted."})
        for other, field in KINDS[kind].takes_along:
            for child in [one["id"] for one in self.objects[other].values() if one.get(field) == number]:
                self.delete(other, child)
        del self.objects[kind][number]
        self.surveys.pop((kind, number), None)
        for key, members in list(self.members.items()):
            if key[:2] == (kind, number):
                del self.members[key]
            elif KINDS[key[0]].lists.get(key[2]) == kind and number in members:
                members.remove(number)
        for other, table in KINDS.items():
            for field, target in table.refers.items():
                if target == kind or (target == "unified_job_templates" and kind in UNIFIED):
                    for one in self.objects[other].values():
                        one[field] = None if one.get(field) == number else one.get(field)

    def survey(self, kind: str, number: int) -> Json:
        self.get(kind, number)
        return self.surveys.get((kind, number), {})

    def set_survey(self, kind: str, number: int, spec: Any) -> None:
        self.get(kind, number)
        if refusal := rules.survey_refused(spec):
            raise Refused(400, {"error": refusal})
        self.surveys[kind, number] = spec

    def associate(self, kind: str, number: int, name: str, body: Json) -> None:
        """A member more or less in a related list."""
        target = KINDS[kind].lists[name]
        self.get(kind, number)
        members = self.members.setdefault((kind, number, name), [])
        member = body.get("id")
        if not isinstance(member, int):
            raise Refused(400, {"msg": '"id" field must be an integer.'})
        if body.get("disassociate"):
            members[:] = [one for one in members if one != member]
            return
        self.get(target, member)
        if member in members:
            return
        if name == "credentials":
            self._one_of_a_type(members, member)
        if name.endswith("_nodes"):
            self._no_cycle(number, member)
        members.append(member)

    def approval(self, node: int, body: Json) -> Json:
        """The approval that a node of a workflow waits for."""
        self.get("workflow_job_template_nodes", node)
        kind = "workflow_approval_templates"
        values = self._checked(kind, {**self._defaults(kind), **self._known(kind, body)}, None)
        number = self._add("workflow_approval_templates", values)
        self.objects["workflow_job_template_nodes"][node]["unified_job_template"] = number
        return self.get("workflow_approval_templates", number)

    def synchronise(self, project: int) -> Json:
        """A project fetched anew."""
        self.get("projects", project)
        return self.get("project_updates", self._synchronise(project))

    # inside

    def _add(self, kind: str, values: Json) -> int:
        number = next(self._ids)
        self.objects[kind][number] = {"id": number, **self._defaults(kind), **values}
        return number

    @staticmethod
    def _defaults(kind: str) -> Json:
        return {name: json.loads(json.dumps(value)) for name, value in KINDS[kind].fields.items() if value is not ...}

    @staticmethod
    def _known(kind: str, body: Json) -> Json:
        if not isinstance(body, dict):
            raise Refused(400, {"detail": "JSON parse error - not a JSON object"})
        return {name: value for name, value in body.items() if name in KINDS[kind].fields}

    def _checked(self, kind: str, values: Json, number: int | None) -> Json:
        table = KINDS[kind]
        for name, default in table.fields.items():
            value = values.get(name)
            if default is ... and (name not in values or value in (None, "")):
                raise Refused(400, {name: ["This field is required."]})
            if isinstance(default, bool) and not isinstance(value, bool):
                raise Refused(400, {name: ["Must be a valid boolean."]})
            if isinstance(default, int) and not isinstance(default, bool) and not isinstance(value, int):
                raise Refused(400, {name: ["A valid integer is required."]})
            if isinstance(default, str) and not isinstance(value, str):
                raise Refused(400, {name: ["Not a valid string."]})
        for name, target in table.refers.items():
            if values.get(name) is not None and not self._exists(target, values[name]):
                raise Refused(400, {name: [f'Invalid pk "{values[name]}" - object does not exist.']})
        self._unique(kind, values, number)
        getattr(self, f"_check_{kind}", lambda values, number: None)(values, number)
        return values

    def _exists(self, kind: str, number: Any) -> bool:
        kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
        return isinstance(number, int) and any(number in self.objects[one] for one in kinds)

    def _unique(self, kind: str, values: Json, number: int | None) -> None:
        keys = KINDS[kind].keys
        for other in self.objects[kind].values() if keys else ():
            if other["id"] != number and all(other.get(key) == values.get(key) for key in keys):
                words = " and ".join(key.replace("_", " ").capitalize() for key in keys)
                name = KINDS[kind].type.replace("_", " ").capitalize()
                raise Refused(400, {"__all__": [f"{name} with this {words} already exists."]})

    def _check_credential_types(self, values: Json, number: int | None) -> None:
        if refusal := rules.credential_type_refused(values):
            raise Refused(400, refusal)

    def _check_credentials(self, values: Json, number: int | None) -> None:
        kind = self.objects["credential_types"][values["credential_type"]]
        if refusal := rules.credential_refused(values["inputs"], kind):
            raise Refused(400, refusal)
        secret = {field["id"] for field in kind["inputs"].get("fields", []) if field.get("secret")}
        kept = self.secrets.get(number or 0, {})
        given = {name: kept.get(name) if value == ENCRYPTED else value for name, value in values["inputs"].items()}
        values["inputs"] = {name: ENCRYPTED if name in secret and value else value for name, value in given.items()}
        self.secrets[number or 0] = given

    def _check_projects(self, values: Json, number: int | None) -> None:
        if values["scm_type"] not in ("", "git", "svn", "insights", "archive"):
            raise Refused(400, {"scm_type": [f'"{values["scm_type"]}" is not a valid choice.']})
        if values["scm_type"] and not values["scm_url"]:
            raise Refused(400, {"scm_url": ["SCM URL is required."]})

    def _check_inventory_sources(self, values: Json, number: int | None) -> None:
        if values["source"] == "scm" and not values["source_project"]:
            raise Refused(400, {"source_project": ["Project required for scm type sources."]})
        if values["source"] != "scm" and values["source_path"]:
            raise Refused(400, {"detail": ["Cannot set source_path if not SCM type."]})

    def _check_job_templates(self, values: Json, number: int | None) -> None:
        if values["inventory"] is None and not values["ask_inventory_on_launch"]:
            raise Refused(400, {"inventory": ["Job Template must provide 'inventory' or allow prompting for it."]})
        project = self.objects["projects"][values["project"]]
        if not values["playbook"]:
            raise Refused(400, {"playbook": ["Must select playbook for project."]})
        if values["playbook"] not in project.get("playbook_files", []):
            raise Refused(400, {"playbook": ["Playbook not found for project."]})
        if values["job_slice_count"] < 1:
            raise Refused(400, {"job_slice_count": ["Ensure this value is greater than or equal to 1."]})
        try:
            json.loads(values["extra_vars"] or "{}")
        except ValueError as error:
            raise Refused(400, {"extra_vars": ["Cannot parse as JSON or YAML."]}) from error

    def _check_schedules(self, values: Json, number: int | None) -> None:
        if refusal := rules.rrule_refused(values["rrule"]):
            raise Refused(400, refusal)
        self._prompts_allowed(values)
        template = values["unified_job_template"]
        survey = self.surveys.get(("job_templates", template), {})
        missing = [one for one in rules.answers_refused(survey, values["extra_data"]) if survey]
        if missing:
            raise Refused(400, {"variables_needed_to_start": missing})

    def _check_workflow_job_template_nodes(self, values: Json, number: int | None) -> None:
        self._prompts_allowed(values)

    def _prompts_allowed(self, values: Json) -> None:
        template = self.objects["job_templates"].get(values["unified_job_template"] or 0)
        for field in ("limit", "job_type", "diff_mode", "inventory") if template else ():
            if values.get(field) is not None and not template[f"ask_{field}_on_launch"]:
                raise Refused(400, {field: ["Field is not configured to prompt on launch."]})
        survey = self.surveys.get(("job_templates", values["unified_job_template"] or 0), {})
        known = {question["variable"] for question in survey.get("spec", [])}
        if template and set(values["extra_data"]) - known and not template["ask_variables_on_launch"]:
            unknown = ", ".join(sorted(set(values["extra_data"]) - known))
            raise Refused(400, {"extra_data": [f"Variables {unknown} are not allowed on launch."]})

    def _in_use(self, credential_type: int) -> bool:
        return any(one["credential_type"] == credential_type for one in self.objects["credentials"].values())

    def _one_of_a_type(self, members: list[int], member: int) -> None:
        credentials = self.objects["credentials"]
        wanted = credentials[member]["credential_type"]
        if wanted in [credentials[one]["credential_type"] for one in members]:
            name = self.objects["credential_types"][wanted]["name"]
            raise Refused(400, {"error": f"Cannot assign multiple {name} credentials."})

    def _no_cycle(self, parent: int, child: int) -> None:
        seen, look_at = set(), [child]
        while look_at:
            node = look_at.pop()
            if node == parent:
                raise Refused(400, {"Error": "Cycle detected."})
            if node not in seen:
                seen.add(node)
                for name in ("success_nodes", "failure_nodes", "always_nodes"):
                    look_at += self.members.get(("workflow_job_template_nodes", node, name), [])

    def _synchronise(self, project: int) -> int:
        found = self.objects["projects"][project]
        number = self._add("project_updates", {"name": found["name"], "project": project, "status": self.update_status})
        good = self.update_status == "successful"
        revision = f"revision of {found['scm_url']} {found['scm_branch']}" if good else ""
        self.objects["project_updates"][number] |= {
            "finished": "2026-01-01T00:00:00Z", "failed": not good, "scm_revision": revision, "elapsed": 1.0,
            "started": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        found |= {
            "status": self.update_status,
            "scm_revision": revision,
            "playbook_files": self.playbooks if good else [],
        }
        return number

    def _with_update(self, kind: str, number: int) -> Json:
        shown = self.get(kind, number)
        updates = [one["id"] for one in self.objects["project_updates"].values() if one["project"] == number]
        if kind == "projects" and updates:
            shown["summary_fields"]["current_update"] = {"id": updates[-1]}
        return shown

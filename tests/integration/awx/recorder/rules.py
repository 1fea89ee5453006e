# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What AWX refuses in surveys, credential types, credentials and schedules: the refusal, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_DEFAULT_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,), "textarea": (str,), "password": (str,), "multiplechoice": (str,), "multiselect": (str,),
    "integer": (int,), "float": (float, int),
}  # fmt: skip
_QUESTION_KEYS = {"question_name", "question_description", "variable", "required", "type", "default", "min", "max",
                  "choices", "new_question"}  # fmt: skip
_FIELD_ID = re.compile(r"^[a-zA-Z_]+[a-zA-Z0-9_]*$")
_FIELD_KEYS = {"id", "label", "type", "format", "choices", "secret", "multiline", "default", "help_text",
               "ask_at_runtime"}  # fmt: skip
_ENV_BLOCKLIST = {
    "VIRTUAL_ENV", "PATH", "PYTHONPATH", "JOB_ID", "INVENTORY_ID", "INVENTORY_SOURCE_ID", "INVENTORY_UPDATE_ID",
    "AD_HOC_COMMAND_ID", "REST_API_URL", "REST_API_TOKEN", "MAX_EVENT_RES", "CALLBACK_QUEUE", "CALLBACK_CONNECTION",
    "CACHE", "JOB_CALLBACK_DEBUG", "INVENTORY_HOSTVARS", "AWX_HOST", "PROJECT_REVISION", "SUPERVISOR_CONFIG_PATH",
}  # fmt: skip


def survey_refused(spec: Any) -> str:
    """Why a survey is not saved."""
    if not isinstance(spec, dict):
        return "Invalid data."
    for key, kind, label in (("name", str, "string"), ("description", str, "string"), ("spec", list, "list of items")):
        if key not in spec:
            return f"Field '{key}' is missing from survey spec."
        if not isinstance(spec[key], kind):
            return f"Expected {label} for field '{key}', received {type(spec[key]).__name__} type."
    if not spec["spec"]:
        return "'spec' doesn't contain any items."
    seen: set[str] = set()
    for index, question in enumerate(spec["spec"]):
        if refusal := _question_refused(index, question, seen):
            return refusal
    return ""


def _question_refused(index: int, question: Any, seen: set[str]) -> str:
    if not isinstance(question, dict):
        return f"Survey question {index} is not a json object."
    for key in ("type", "question_name", "variable", "required"):
        if key not in question:
            return f"'{key}' missing from survey question {index}"
        wanted, label = (bool, "boolean") if key == "required" else (str, "string")
        if not isinstance(question[key], wanted):
            return f"'{key}' in survey question {index} expected to be {label}."
    if unknown := set(question) - _QUESTION_KEYS:
        # AWX itself keeps what it does not know; here it is a mistake of ours.
        return f"survey question {index} has unknown keys {sorted(unknown)}"
    if question["variable"] in seen:
        return f"'variable' '{question['variable']}' duplicated in survey question {index}."
    seen.add(question["variable"])
    kind = question["type"]
    if kind not in _DEFAULT_TYPES:
        return (
            f"'{kind}' in survey question {index} is not one of '{', '.join(_DEFAULT_TYPES)}' allowed question types."
        )
    default = question.get("default", "")
    if default != "" and (not isinstance(default, _DEFAULT_TYPES[kind]) or isinstance(default, bool)):
        return f"Default value {default} in survey question {index} expected to be {kind}."
    for limit in ("min", "max"):
        if question.get(limit) is not None and not isinstance(question[limit], int):
            return f"The {limit} limit in survey question {index} expected to be integer."
    if kind in ("multiplechoice", "multiselect"):
        return _choices_refused(index, question, kind, default)
    return ""


def _choices_refused(index: int, question: Json, kind: str, default: str) -> str:
    if "choices" not in question:
        return f"Survey question {index} of type {kind} must specify choices."
    choices = question["choices"].splitlines() if isinstance(question["choices"], str) else question["choices"]
    if not all(isinstance(choice, str) for choice in choices):
        return f"The choices of survey question {index} are not all strings."
    given = [line for line in default.splitlines() if line.strip()]
    if kind == "multiplechoice" and len(given) > 1:
        return "Multiple Choice (Single Select) can only have one default value."
    if any(one not in choices for one in given):
        return "Default choice must be answered from the choices listed."
    return ""


def answers_refused(spec: Json, answers: Mapping[str, Any]) -> list[str]:
    """What AWX says at launch (`variables_needed_to_start`); empty when the job starts."""
    found: list[str] = []
    for question in spec.get("spec", []):
        name = question["variable"]
        if name not in answers:
            if question["required"] and question.get("default", "") == "":
                found.append(f"'{name}' value missing")
            continue
        found += _answer_refused(question, name, answers[name])
    known = {question["variable"] for question in spec.get("spec", [])}
    if extra := sorted(set(answers) - known):
        found.append(f"Variables {', '.join(extra)} are not allowed on launch.")
    return found


def _answer_refused(question: Json, name: str, value: Any) -> list[str]:
    kind = question["type"]
    if kind in ("text", "textarea", "password"):
        if not isinstance(value, str):
            return [f"Value {value} for '{name}' expected to be a string."]
        if question["required"] and not value:
            return [f"'{name}' value missing"]
        if value and question.get("min") and len(value) < question["min"]:
            return [f"'{name}' value {value} is too small (length is {len(value)} must be at least {question['min']})."]
        if question.get("max") is not None and len(value) > question["max"]:
            return [f"'{name}' value {value} is too large (must be no more than {question['max']})."]
    elif kind in ("integer", "float"):
        if isinstance(value, bool) or not isinstance(value, (int,) if kind == "integer" else (int, float)):
            return [
                f"Value {value} for '{name}' expected to be a{'n integer' if kind == 'integer' else ' numeric type'}."
            ]
        for limit, word, beyond in (("min", "small", -1), ("max", "large", 1)):
            bound = question.get(limit)
            if bound is not None and (value - bound) * beyond > 0:
                return [f"'{name}' value {value} is too {word}."]
    elif kind == "multiselect" and not isinstance(value, list):
        return [f"'{name}' value is expected to be a list."]
    else:
        choices = question["choices"].splitlines() if isinstance(question["choices"], str) else question["choices"]
        if bad := [one for one in (value if isinstance(value, list) else [value]) if one not in choices]:
            return [f"Value {bad[0]} for '{name}' expected to be one of {choices}."]
    return []


def credential_type_refused(body: Json) -> Json:
    """Why a credential type is not saved, by field."""
    if body.get("kind") not in ("cloud", "net"):
        return {"kind": ["Must be 'cloud' or 'net', not {}".format(body.get("kind"))]}
    inputs = body.get("inputs") or {}
    if extra := set(inputs) - {"fields", "required"}:
        return {"inputs": [f"Additional properties are not allowed ({sorted(extra)} were unexpected)"]}
    ids = []
    for field in inputs.get("fields", []):
        if extra := set(field) - _FIELD_KEYS:
            return {"inputs": [f"Additional properties are not allowed ({sorted(extra)} were unexpected)"]}
        if not {"id", "label"} <= set(field):
            return {"inputs": ["'id' and 'label' are required properties"]}
        if not _FIELD_ID.match(field["id"]) or field["id"] == "tower" or field["id"] in ids:
            return {"inputs": [f"{field['id']} is not allowed as an id"]}
        if field.get("type", "string") not in ("string", "boolean"):
            return {"inputs": [f"{field['type']} is not one of ['string', 'boolean']"]}
        if field.get("type") == "boolean" and (field.get("secret") or field.get("multiline")):
            return {"inputs": ["secret and multiline are for strings"]}
        ids.append(field["id"])
    if missing := set(inputs.get("required", [])) - set(ids):
        return {"inputs": [f"{sorted(missing)} are required but not defined"]}
    return _injectors_refused(body.get("injectors") or {}, ids)


def _injectors_refused(injectors: Json, ids: list[str]) -> Json:
    if extra := set(injectors) - {"env", "extra_vars", "file"}:
        return {"injectors": [f"Additional properties are not allowed ({sorted(extra)} were unexpected)"]}
    files = injectors.get("file", {})
    if any(name != "template" and not re.match(r"^template\.\w+$", name) for name in files):
        return {"injectors": ["file: only 'template' or 'template.NAME'"]}
    if "template" in files and len(files) > 1:
        return {"injectors": ["Must use multi-file syntax when injecting multiple files"]}
    known = {*ids, "tower"} if files else set(ids)
    for part in injectors.values():
        for name, template in part.items():
            if not isinstance(template, str):
                return {"injectors": [f"{template} is not of type 'string'"]}
            if unknown := set(re.findall(r"{{\s*(\w+)", template)) - known:
                return {"injectors": [f"{unknown.pop()!r} uses an undefined field"]}
            if part is injectors.get("env") and (name in _ENV_BLOCKLIST or name.startswith("ANSIBLE_")):
                return {"injectors": [f"Environment variable {name} is not allowed to be used in credentials."]}
            if part is injectors.get("env") and not template.isascii():
                return {"injectors": [f"Environment variable {name} contains non-ascii characters"]}
    return {}


def credential_refused(inputs: Any, credential_type: Json) -> Json:
    """Why the inputs of a credential are not saved."""
    fields = {field["id"]: field for field in credential_type["inputs"].get("fields", [])}
    if not isinstance(inputs, dict):
        return {"inputs": [f"{inputs} is not of type 'object'"]}
    for name, value in inputs.items():
        if name not in fields:
            return {"inputs": [f"Additional properties are not allowed ('{name}' was unexpected)"]}
        wanted = bool if fields[name].get("type") == "boolean" else str
        if not isinstance(value, wanted):
            return {"inputs": {name: [f"{value} is not of type '{fields[name].get('type', 'string')}'"]}}
        if fields[name].get("format") == "ssh_private_key" and "PRIVATE KEY" not in value and value != "$encrypted$":
            return {"inputs": {name: ["Invalid certificate or key"]}}
    return {}


def rrule_refused(rule: Any) -> Json:
    """Why the rule of a schedule is not saved."""
    if not isinstance(rule, str):
        return {"rrule": ["This field is required."]}
    starts = re.findall(r"DTSTART(?:;[^:]+)?:[0-9]+T[0-9]+Z?", rule)
    rules = re.findall(r"RULE:\S*", rule)
    if not starts:
        return {"rrule": ["Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"]}
    if len(starts) > 1:
        return {"rrule": ["Multiple DTSTART is not supported."]}
    if re.search(r"DTSTART:[0-9]+T[0-9]+(\s|$)", rule):
        return {"rrule": ["DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ."]}
    if not rules:
        return {"rrule": ["One or more rule required in rrule."]}
    for one in rules:
        if "INTERVAL" not in one:
            return {"rrule": ["INTERVAL required in rrule."]}
        if "SECONDLY" in one:
            return {"rrule": ["SECONDLY is not supported."]}
        if re.search(r"BYDAY[:=][0-9]+[a-zA-Z]{2}", one):
            return {"rrule": ["BYDAY with numeric prefix not supported."]}
        if "COUNT=" in one and "UNTIL=" in one:
            return {"rrule": ["RRULE may not contain both COUNT and UNTIL"]}
    return {}

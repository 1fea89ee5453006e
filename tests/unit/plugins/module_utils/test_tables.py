# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Tables against what they are about: the client libraries' messages, and the modules' documentation."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.llm_d.gke.plugins.module_utils import _module as module
from ansible_collections.llm_d.gke.plugins.module_utils._fields import (
    Difference,
    Field,
    differences,
    dig,
    put,
    server_decides,
    wanted_body,
)
from ansible_collections.llm_d.gke.plugins.module_utils._methods import METHODS
from ansible_collections.llm_d.gke.plugins.module_utils._plan import Policy, Target, updates
from ansible_collections.llm_d.gke.plugins.module_utils._resources import (
    cluster,
    credentials,
    leftovers,
    network,
    node_pool,
    services,
)

ROOT = Path(__file__).resolve().parents[4]
KINDS = {
    "network": (network.NETWORK, "compute", "Network"),
    "subnetwork": (network.SUBNETWORK, "compute", "Subnetwork"),
    "firewall": (network.FIREWALL, "compute", "Firewall"),
    "cluster": (cluster.CLUSTER, "container", "Cluster"),
    "node_pool": (node_pool.NODE_POOL, "container", "NodePool"),
}
ALL_ROWS = [(name, row) for name, (kind, _api, _message) in KINDS.items() for row in kind.rows]


def row_id(value: Any) -> str:
    return value.option if isinstance(value, Field) else str(value)


# Words and forms that Google insists on, although the options leave them open: two examples each.
SAMPLES: dict[str, tuple[Any, Any]] = {
    "enable_components": (["SYSTEM_COMPONENTS"], ["SYSTEM_COMPONENTS", "WORKLOADS"]),
    "recurring_window.window.start_time": ("2026-01-01T03:00:00Z", "2026-01-01T04:00:00Z"),
    "recurring_window.window.end_time": ("2026-01-01T07:00:00Z", "2026-01-01T08:00:00Z"),
    "placement_policy.type": ("COMPACT", "TYPE_UNSPECIFIED"),
    "placement_policy.tpu_topology": ("2x2", "4x4"),
    "duration": ("3600s", "7200s"),
    "threads_per_core": (1, 2),
    "maintenance_exclusions": (
        [{"name": "q4", "start_time": "2026-11-01T00:00:00Z", "end_time": "2026-12-01T00:00:00Z"}],
        [{"name": "q4", "start_time": "2026-11-01T00:00:00Z", "end_time": "2026-12-02T00:00:00Z"}],
    ),
    "oauth_scopes": (["monitoring"], ["monitoring", "logging.write"]),
}


def example(row: Field, other: bool = False) -> Any:
    """A value that the row's option may have; another one when asked."""
    for ending, samples in SAMPLES.items():
        if row.option.endswith(ending):
            return samples[other]
    if row.items:
        return [{item.option: example(item, other) for item in row.items}]
    if len(row.choices) == 1:
        return "" if other else row.choices[0]
    if row.choices:
        return row.choices[-1 if other else 0]
    if row.type == "str" and ("cidr" in row.option or "range" in row.option):
        return "10.0.0.0/8" if other else "10.1.0.0/16"
    if row.option.endswith("_ranges"):
        return ["10.0.0.0/8"] if other else ["10.1.0.0/16"]
    values = {
        "str": ("ab", "cd"),
        "int": (1301, 1302),
        "int64": (11, 12),
        "float": (0.5, 0.25),
        "bool": (True, False),
        "list": (["x"], ["y", "z"]),
        "dict": ({"k": "v"}, {"k": "w"}),
    }
    return values[row.type][1 if other else 0]


def options(row: Field, value: Any) -> dict[str, Any]:
    params: dict[str, Any] = {}
    put(params, row.option, value)
    return params


def library(api: str) -> Any:
    return importlib.import_module(f"google.cloud.{api}_v1")


@pytest.mark.parametrize(("name", "row"), ALL_ROWS, ids=row_id)
def test_the_create_request_is_one_that_google_knows(name: str, row: Field) -> None:
    kind, api, message = KINDS[name]
    body = options(Field(row.api), example(row)) if row.hidden else wanted_body((row,), options(row, example(row)))
    parsed = getattr(library(api), message).from_json(json.dumps(body))
    echo = json.loads(type(parsed).to_json(parsed, preserving_proto_field_name=False, use_integers_for_enums=False))
    assert row.same(dig(body, row.api), dig(echo, row.api), echo), "what Google echoes is no difference"
    assert kind.rows


@pytest.mark.parametrize(("name", "row"), ALL_ROWS, ids=row_id)
def test_another_value_is_seen(name: str, row: Field) -> None:
    wanted: dict[str, Any] = {}
    put(wanted, row.api, row.to_api(example(row)))
    found: dict[str, Any] = {}
    put(found, row.api, row.to_api(example(row, other=True)))
    if row.api.endswith("secondaryIpRanges"):
        found["secondaryIpRanges"][0]["rangeName"] = "other"
    seen = differences((row,), wanted, found)
    # What counts for new resources only is, by its rule, never a difference.
    assert [difference.field for difference in seen] == ([] if row.same is server_decides else [row.option])
    assert differences((row,), {}, found) == [], "what the user did not speak of is no difference"


@pytest.mark.parametrize(("name", "row"), ALL_ROWS, ids=row_id)
def test_zero_equals_absent(name: str, row: Field) -> None:
    zero = {"str": "", "int": 0, "int64": "", "float": 0, "bool": False, "list": [], "dict": {}}
    value: Any = {} if row.keyed else [] if row.items else zero[row.type]
    if row.unset is not None:
        value = row.unset
    wanted: dict[str, Any] = {}
    put(wanted, row.api, value)
    assert differences((row,), wanted, {}) == []


MUTABLE = [(name, row) for name, row in ALL_ROWS if row.update is not None]


@pytest.mark.parametrize(("name", "row"), MUTABLE, ids=row_id)
def test_the_update_request_is_one_that_google_knows(name: str, row: Field) -> None:
    kind, api, _message = KINDS[name]
    assert row.update is not None
    scope = {"project": "p", "region": "r", "location": "l", "cluster": "c"}
    wanted: dict[str, Any] = {}
    put(wanted, row.api, row.to_api(example(row)))
    target = Target(kind, "n", {key: scope[key] for key in re.findall(r"{(\w+)}", kind.path) if key != "name"}, wanted)
    step = updates(target, [Difference(row.option, None, dig(wanted, row.api), row)], {}, Policy())[0]
    method = METHODS[step.method]
    request = getattr(library(api), method.message)
    body = dict(step.body or {})
    if api == "container":
        request.from_json(json.dumps({**step.params, **body}))
    else:
        fields = request.pb(request()).DESCRIPTOR.fields
        homes = [field.json_name for field in fields if field.name.endswith("_resource")]
        assert bool(homes) == (not row.update.bare)
        request.from_json(json.dumps({**step.params, **({homes[0]: body} if homes else {})}))
    if not row.update.bare:
        assert json.dumps(dig(wanted, row.api)) in json.dumps(step.body)


def test_immutable_rows_have_no_call_and_tell_what_to_do() -> None:
    for name, row in ALL_ROWS:
        if (
            row.update is None
            and row.same is not server_decides
            and not row.option.endswith(("description", "purpose"))
        ):
            assert row.remedy, f"{name}.{row.option}"


@pytest.mark.parametrize("method", [m for m in METHODS.values() if m.library], ids=lambda m: m.id)
def test_methods_agree_with_the_client_libraries(method: Any) -> None:
    service, call = method.library.split(".")
    assert hasattr(library(method.api), method.message)
    rest = importlib.import_module(f"google.cloud.{method.api}_v1.services.{service}.transports.rest_base")
    base = next(value for name, value in vars(rest).items() if name.endswith("RestTransport") and name.startswith("_"))
    wanted = "_Base" + "".join(part.capitalize() for part in call.split("_"))
    option = getattr(base, wanted)._get_http_options()[0]
    assert option["method"].upper() == method.verb
    assert _plain(option["uri"]) == "/" + _plain(method.path)


def _plain(path: str) -> str:
    return re.sub(r"{(\w+)(=[^}]*)?}", lambda match: "{" + match.group(1).replace("_", "").lower() + "}", path)


# ---- documentation -------------------------------------------------------------------------------------------------

SPECS = {
    "gcp_project_services": module.argument_spec(services.OPTIONS, timeout=600, owned=False),
    "gcp_network": module.argument_spec(network.OPTIONS, timeout=900),
    "gke_cluster": module.argument_spec(cluster.OPTIONS, timeout=3600),
    "gke_node_pools": module.argument_spec(node_pool.OPTIONS, timeout=7200),
    "gcp_leftovers": module.argument_spec(leftovers.OPTIONS, timeout=1200, states=("absent",), owned=False),
    "gcp_leftovers_info": module.argument_spec_of_look(leftovers.OPTIONS),
    "gke_credentials": module.argument_spec_of_look(credentials.OPTIONS),
}


def documented(name: str) -> dict[str, Any]:
    loaded = importlib.import_module(f"ansible_collections.llm_d.gke.plugins.modules.{name}")
    text = yaml.safe_load(loaded.DOCUMENTATION)
    result: dict[str, Any] = {}
    for fragment in text["extends_documentation_fragment"]:
        _namespace, _collection, file, *part = fragment.split(".")
        source = importlib.import_module(
            f"ansible_collections.llm_d.gke.plugins.doc_fragments.{file}"
        ).ModuleDocFragment
        shared = yaml.safe_load(getattr(source, part[0].upper() if part else "DOCUMENTATION"))
        for option, about in (shared.get("options") or {}).items():
            result[option] = {**about, **result.get(option, {})}
    for option, about in text["options"].items():
        result[option] = {**result.get(option, {}), **about}
    return result


def agree(spec: dict[str, Any], docs: dict[str, Any], where: str) -> None:
    assert sorted(spec) == sorted(docs), where
    for name, option in spec.items():
        about = docs[name]
        assert about["description"], f"{where}.{name}"
        for key in ("type", "elements", "choices", "default", "required"):
            assert option.get(key) == about.get(key), f"{where}.{name}: {key}"
        agree(option.get("options") or {}, about.get("suboptions") or {}, f"{where}.{name}")


@pytest.mark.parametrize("name", SPECS)
def test_documentation_agrees_with_the_options(name: str) -> None:
    agree(SPECS[name], documented(name), name)


FIXED = "Cannot be changed on what exists."


@pytest.mark.parametrize(
    ("name", "prefix", "rows"),
    [
        ("gcp_network", (), network.NETWORK.rows),
        ("gcp_network", ("subnetworks",), network.SUBNETWORK.rows),
        ("gcp_network", ("firewall_rules",), network.FIREWALL.rows),
        ("gke_cluster", (), cluster.ROWS),
        ("gke_node_pools", ("node_pools",), node_pool.ROWS),
        ("gke_cluster", ("default_pool",), node_pool.ROWS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_documentation_tells_what_cannot_be_changed(
    name: str, prefix: tuple[str, ...], rows: tuple[Field, ...]
) -> None:
    for row in rows:
        if row.hidden:
            continue
        level: dict[str, Any] = {"suboptions": documented(name)}
        for part in (*prefix, *row.option.split(".")):
            level = level["suboptions"][part]
        fixed = row.update is None and row.same is not server_decides
        assert (FIXED in level["description"]) == fixed, row.option


def test_every_module_is_short_and_in_the_action_group() -> None:
    group = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]["gcp"]
    assert set(SPECS) <= set(group)
    for name in SPECS:
        text = (ROOT / f"plugins/modules/{name}.py").read_text()
        code = text[text.index("from ansible.module_utils.basic") :]
        assert len(code.splitlines()) <= 40, name


def test_only_the_decision_procedure_asks_about_check_mode() -> None:
    for file in (ROOT / "plugins/module_utils").glob("**/_*.py"):
        if file.name in ("_converge.py", "_module.py") or "helmfile" in file.name:
            continue
        if "Cloud" not in file.read_text():
            continue
        assert "check_mode" not in file.read_text(), file.name

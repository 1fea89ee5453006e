# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""This machine's programs and libraries, the model hub and the charts' sources. PRIVATE to this collection."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import urlsplit

from .._errors import GcpError, Json
from .._findings import Check, error, good, unseen, warning
from .._helmfile_cli import LEAST_HELM, LEAST_HELMFILE, judge_versions

TOOLS = "helm and helmfile are new enough"
LIBRARIES = "Python libraries are new enough"
TOKEN = "the hub accepts the token for the model"
CHART = "chart"
# (status, headers, text) of a GET; raises OSError when nobody answers.
Fetch = Callable[[str, Mapping[str, str]], tuple[int, Mapping[str, str], str]]
# Exit status and output of a program; raises OSError when it is not there.
RunProgram = Callable[[list[str]], tuple[int, str]]
LEAST_LIBRARIES = {
    "google-auth": (2, 40),
    "google-cloud-compute": (1, 30),
    "google-cloud-container": (2, 57),
    "kubernetes": (31, 0),
}


@dataclass(frozen=True)
class Chart:
    """A chart as the helmfile names it: in a repository, in a registry, or in a folder."""

    chart: str
    version: str
    repository: str


# ---- programs and libraries ----------------------------------------------------------------------------------------


def programs(helm: str, helmfile: str, run: RunProgram) -> Check:
    """Both at once, for they have to fit each other."""
    needed = f"helm {_dotted(LEAST_HELM)}, helmfile {_dotted(LEAST_HELMFILE)} or later"
    versions: dict[str, str] = {}
    for name, path, arguments, option in (
        ("helm", helm, ["version", "--template", "{{.Version}}"], "deployment_helm"),
        ("helmfile", helmfile, ["--helm-binary", helm, "version", "--output", "json"], "deployment_helmfile"),
    ):
        try:
            rc, out = run([path, *arguments])
        except OSError as trouble:
            return error(TOOLS, needed, f"{path} cannot be run ({trouble})", f"install {name}, or set {option}.")
        if rc != 0:
            return error(TOOLS, needed, f"{path} ended with {rc}", f"install {name}, or set {option}.")
        versions[name] = _version_in(out)
    try:
        judge_versions(versions["helm"], versions["helmfile"])
    except GcpError as trouble:
        return error(TOOLS, needed, trouble.message, trouble.remedy)
    return good(TOOLS, needed, f"helm {versions['helm']}, helmfile {versions['helmfile']}")


def _version_in(output: str) -> str:
    try:
        return str(json.loads(output)["version"])
    except (ValueError, KeyError, TypeError):
        return output.strip()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def libraries(version_of: Callable[[str], str] = metadata.version) -> Iterator[Check]:
    """Those of the interpreter that runs the modules."""
    needed = ", ".join(f"{name} {_dotted(least)}" for name, least in LEAST_LIBRARIES.items()) + " or later"
    wrong: list[str] = []
    found: list[str] = []
    for name, least in LEAST_LIBRARIES.items():
        try:
            version = version_of(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < least:
            wrong.append(f"{name} is {version}")
    if wrong:
        yield error(
            LIBRARIES, needed, "; ".join(wrong), "pip install -r requirements.txt (the collection's), for this Python."
        )
    else:
        yield good(LIBRARIES, needed, ", ".join(found))


# ---- the model hub -------------------------------------------------------------------------------------------------


def hub(url: str, model: str, token: str, fetch: Fetch) -> Check:
    """Asks for a small file of the model as its download will: that alone tells of gates and of licences."""
    needed = f"{model} at {url}"
    try:
        status, _headers, _text = fetch(
            f"{url.rstrip('/')}/{model}/resolve/main/config.json", {"Authorization": f"Bearer {token}"}
        )
    except OSError as trouble:
        return warning(
            TOKEN,
            needed,
            f"{urlsplit(url).netloc} does not answer from here ({trouble})",
            "the cluster may reach it all the same; set preflight_hub to '' to skip this.",
        )
    if status < 400:
        return good(TOKEN, needed, "accepted")
    told = {
        401: (
            "the hub does not know the token",
            "make a new one (https://huggingface.co/settings/tokens), set HF_TOKEN.",
        ),
        403: (
            f"the token's owner may not read {model}",
            f"accept the model's terms at {url.rstrip('/')}/{model}, or use a token that may read it.",
        ),
        404: (f"the hub has no model {model}, or the token may not see it", "correct deployment_model."),
    }
    if status in told:
        return error(TOKEN, needed, *told[status])
    return unseen(TOKEN, needed, f"the hub answered {status}")


# ---- charts --------------------------------------------------------------------------------------------------------


def chart(one: Chart, fetch: Fetch) -> Check:
    """Whether a chart of that version can be had."""
    name = f"{CHART} {one.chart.rpartition('/')[2]}"
    if one.repository:
        return _in_repository(name, one, fetch)
    if one.chart.startswith("oci://"):
        return _in_registry(name, one, fetch)
    needed = f"a chart in {one.chart}"
    if os.path.exists(os.path.join(one.chart, "Chart.yaml")):
        return good(name, needed, "found")
    return error(name, needed, f"{one.chart} holds no chart", "correct llm_d_charts_dir.")


def _in_repository(name: str, one: Chart, fetch: Fetch) -> Check:
    needed = f"{one.version} in {one.repository}"
    try:
        status, _headers, text = fetch(f"{one.repository.rstrip('/')}/index.yaml", {})
    except OSError as trouble:
        return _no_answer(name, needed, one.repository, trouble)
    if status >= 400:
        return error(name, needed, f"the repository answers {status}", "correct the repository's address.")
    version = re.escape(one.version.removeprefix("v"))
    if not re.search(rf"^[\s-]*version:\s*[\"']?v?{version}[\"']?\s*$", text, re.MULTILINE):
        return error(name, needed, f"the repository has no version {one.version}", "set a version that it has.")
    return good(name, needed, "found")


def _in_registry(name: str, one: Chart, fetch: Fetch) -> Check:
    host, _sign, path = one.chart.removeprefix("oci://").partition("/")
    needed = f"{one.version} at {one.chart}"
    scheme = "http" if host.startswith(("127.", "localhost")) else "https"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    try:
        status, headers, _text = fetch(f"{scheme}://{host}/v2/{path}/manifests/{one.version}", accept)
        if status == 401 and (realm := _realm(headers)):
            _status, _headers, answer = fetch(f"{realm}&scope=repository:{path}:pull", {})
            bearer = {"Authorization": f"Bearer {_token_in(answer)}"}
            status, _headers, _text = fetch(f"{scheme}://{host}/v2/{path}/manifests/{one.version}", accept | bearer)
    except OSError as trouble:
        return _no_answer(name, needed, host, trouble)
    if status == 404:
        return error(name, needed, f"{host} has no version {one.version} of it", "set a version that it has.")
    if status >= 400:
        return unseen(name, needed, f"{host} answered {status}")
    return good(name, needed, "found")


def _realm(headers: Mapping[str, str]) -> str:
    """Where a registry gives tokens to anybody."""
    told = headers.get("www-authenticate") or headers.get("WWW-Authenticate") or ""
    parts = dict(re.findall(r'(\w+)="([^"]*)"', told))
    return f"{parts['realm']}?service={parts.get('service', '')}" if "realm" in parts else ""


def _token_in(answer: str) -> str:
    try:
        found: Json = json.loads(answer)
    except ValueError:
        return ""
    return str(found.get("token") or found.get("access_token") or "")


def _no_answer(name: str, needed: str, where: str, trouble: OSError) -> Check:
    return error(
        name,
        needed,
        f"{where} does not answer from here ({trouble})",
        "helm has to reach it from this machine: mend the network or the proxy, or set llm_d_charts_dir to a folder"
        " with the charts.",
    )

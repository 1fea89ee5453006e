# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The environment in which gcloud, kubectl, our modules and curl talk to the sandbox."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from sandbox.cloud.unixhttp import call

Json = dict[str, Any]

KUBECONFIG_LIFETIME = 30 * 24 * 3600
_NO_CONTROL_PLANE = "127.0.0.1:1"


def access_token(info: Json, lifetime: float = 3600.0) -> str:
    """A new Google access token of the sandbox's account."""
    body = {"email": info["account"], "lifetime": lifetime}
    return str(call(info["cloud_socket"], "POST", "/_sandbox/token", body)["token"])


def clusters(info: Json) -> list[Json]:
    """The clusters of the sandbox's project, as the container API shows them."""
    path = f"/v1/projects/{info['project']}/locations/-/clusters"
    return list(call(info["cloud_socket"], "GET", path).get("clusters", []))


def reachable(found: list[Json]) -> list[Json]:
    """Those with a control plane that answers."""
    return [
        cluster
        for cluster in found
        if cluster["status"] in ("RUNNING", "RECONCILING")
        and cluster.get("endpoint") not in (None, "", _NO_CONTROL_PLANE)
    ]


def kubeconfig(project: str, found: list[Json], token: str) -> Json:
    """A kubeconfig with gcloud's names for clusters, and a Google access token as the user."""
    names = {f"gke_{project}_{cluster['location']}_{cluster['name']}": cluster for cluster in found}
    servers = [
        {
            "name": name,
            "cluster": {
                "server": f"https://{cluster['endpoint']}",
                "certificate-authority-data": cluster["masterAuth"]["clusterCaCertificate"],
            },
        }
        for name, cluster in names.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": servers,
        "users": [{"name": "sandbox", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "sandbox"}} for name in names],
        "current-context": next(iter(names)),
    }


def write_private(file: Path, text: str) -> None:
    """Only the owner may read it, from the first moment on; readers see all of it or nothing."""
    partial = file.with_name(file.name + ".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    partial.replace(file)


def gateway_url(directory: Path, found: list[Json]) -> str:
    """Where the host reaches the gateway of the first cluster that has one."""
    for cluster in found:
        for name in (cluster["name"], f"{cluster['name']}-{cluster['location']}"):
            file = directory / "clusters" / name / "gateway.json"
            if file.exists():
                return str(json.loads(file.read_text())["url"])
    return ""


def google_variables(info: Json, directory: Path) -> dict[str, str]:
    """What points Google's clients at the sandbox."""
    endpoints = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": url for api, url in info["endpoints"].items()}
    return {
        **endpoints,
        "CLOUDSDK_AUTH_TOKEN_HOST": info["token_host"],
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": info["key_file"],
        "GOOGLE_APPLICATION_CREDENTIALS": info["key_file"],
        "CLOUDSDK_CORE_PROJECT": info["project"],
        "CLOUDSDK_CONFIG": str(directory / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "PROJECT_ID": info["project"],
        "REGION": info["region"],
        "ZONE": info["zone"],
        "RESERVATION_NAME": info["reservation"],
        "GCP_ACCESS_TOKEN": access_token(info),
    }


def variables(info: Json, directory: Path) -> dict[str, str]:
    """All of it; writes the kubeconfig when there is a cluster to reach."""
    (directory / "gcloud").mkdir(mode=0o700, parents=True, exist_ok=True)
    result = google_variables(info, directory)
    found = reachable(clusters(info))
    if found:
        file = directory / "kubeconfig"
        content = kubeconfig(info["project"], found, access_token(info, KUBECONFIG_LIFETIME))
        write_private(file, json.dumps(content, indent=1))
        result["KUBECONFIG"] = str(file)
        url = gateway_url(directory, found)
        if url:
            result["GATEWAY_URL"] = url
    return result


def export_lines(values: dict[str, str]) -> str:
    """For eval in a shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Access to a cluster: asked of GKE, kept in a kubeconfig of mode 0600 when one is named.

This file is private to the collection.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .. import _kubeconfig as kubeconfig
from .._converge import unless_checking
from .._errors import DisabledError, Json, NotFoundError
from .._module import connect

OPTIONS: Json = {
    "cluster": {"type": "str", "required": True},
    "location": {"type": "str", "required": True},
    "kubeconfig": {"type": "path"},
    "private_endpoint": {"type": "bool", "default": False},
    "least_validity": {"type": "int", "default": 600},
}


def provide(module: Any) -> Json:
    """Looks at the cluster, and writes the kubeconfig when it is missing, wrong or nearly over."""
    params = module.params
    # One look: the client library takes longer to import than that.
    identity, cloud, deadline = connect(params, libraries=False)
    # A missing API is an answer here: there is no cluster.
    cloud.patience.activation = 0
    name = f"projects/{identity.project}/locations/{params['location']}/clusters/{params['cluster']}"
    label = f"cluster {params['cluster']}"
    try:
        cluster = cloud.call(
            "container.projects.locations.clusters.get", {"name": name}, deadline=deadline, resource=label
        )
    except DisabledError as error:
        raise NotFoundError(error.message, action="reach", resource=label, code=404, reason=error.reason) from error
    credentials = cloud.transport.credentials
    access = kubeconfig.Access(
        name=f"gke_{identity.project}_{params['location']}_{params['cluster']}",
        host=kubeconfig.host_of(cluster, params["private_endpoint"]),
        ca=str((cluster.get("masterAuth") or {}).get("clusterCaCertificate") or ""),
        token=str(credentials.token),
        expires=credentials.expiry.replace(tzinfo=UTC) if credentials.expiry else None,
        identity=identity.impersonate or str(getattr(credentials, "service_account_email", "") or identity.kind),
    )
    result: Json = {
        "changed": False,
        "host": access.host,
        "ca_cert": access.ca_pem,
        "expires_at": access.expires_at,
        "gcp_actions": list(cloud.actions),
    }
    if not params["kubeconfig"]:
        return {**result, "api_key": access.token}
    return {**result, **_keep(module, access, Path(params["kubeconfig"]))}


def _keep(module: Any, access: kubeconfig.Access, path: Path) -> Json:
    least = timedelta(seconds=module.params["least_validity"])
    present = kubeconfig.read(path)
    reasons = kubeconfig.differences(present, access, datetime.now(UTC), least)
    if not reasons:
        return {"kubeconfig": str(path), "expires_at": present.expires_at if present else ""}
    unless_checking(module, lambda: kubeconfig.write(path, kubeconfig.render(access)))
    before = present.as_dict() if present else {}
    after = {"host": access.host, "identity": access.identity, "expires_at": access.expires_at}
    return {
        "changed": True,
        "kubeconfig": str(path),
        "diff": {"before": before, "after": after, "before_header": str(path), "after_header": str(path)},
    }

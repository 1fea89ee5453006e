# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE puts into a new cluster: definitions of its kinds, namespaces, storage classes, the DNS service.

Runs once, as a program of its own (``python -m sandbox.cluster.managed``): it holds all definitions in memory, and the
long-lived process need not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp

from .config import Config
from .crds import managed_manifests
from .kube import APPLY, ApiError, KubeClient, Object

log = logging.getLogger(__name__)

_DEADLINE = 240.0
_MANAGER = "addon-manager"
_DEFINITION = "CustomResourceDefinition"
_DISK_DRIVER = "pd.csi.storage.gke.io"

# kind -> (plural, namespaced)
_KINDS = {
    _DEFINITION: ("customresourcedefinitions", False),
    "GatewayClass": ("gatewayclasses", False),
    "Namespace": ("namespaces", False),
    "Service": ("services", True),
    "StorageClass": ("storageclasses", False),
}


def path_of(item: Object) -> str:
    """The URL path of one of the kinds above."""
    plural, namespaced = _KINDS[item["kind"]]
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = f"/namespaces/{item['metadata']['namespace']}" if namespaced else ""
    return f"{root}{namespace}/{plural}/{item['metadata']['name']}"


def namespaces(managed_prometheus: bool) -> list[Object]:
    names = ["gke-managed-cim", "gke-managed-system", "gke-managed-volumepopulator"]
    if managed_prometheus:
        names += ["gmp-public", "gmp-system"]
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]


def storage_classes() -> list[Object]:
    def one(name: str, disk: str, default: bool) -> Object:
        metadata: Object = {"name": name, "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"}}
        if default:
            metadata["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": metadata,
            "provisioner": _DISK_DRIVER,
            "parameters": {"type": disk},
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
            "reclaimPolicy": "Delete",
        }

    return [one("standard-rwo", "pd-balanced", True), one("premium-rwo", "pd-ssd", False)]


def dns_service(address: str) -> Object:
    """The name server's service; the cluster process itself answers there (dns.py)."""
    ports = [{"name": f"dns{tail}", "port": 53, "protocol": proto} for tail, proto in (("", "UDP"), ("-tcp", "TCP"))]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": address, "ports": ports},
    }


def established(definition: Object) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)


async def wait_for_api(client: KubeClient, deadline: float) -> None:
    """Until the API server is ready; raises TimeoutError with the last obstacle."""
    while True:
        try:
            await client.get("/readyz")
            return
        except (ApiError, aiohttp.ClientError, OSError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the API server is not ready: {error}") from error
        await asyncio.sleep(0.1)


async def apply(client: KubeClient, item: Object) -> None:
    """Server-side apply. Retried while the kind is being established."""
    deadline = time.monotonic() + 15
    while True:
        try:
            await client.patch(path_of(item), json.dumps(item), APPLY, fieldManager=_MANAGER, force="true")
            return
        except ApiError as error:
            if error.code not in (404, 429, 500, 503) or time.monotonic() > deadline:
                raise ApiError(error.code, error.reason, f"{path_of(item)}: {error}") from error
        await asyncio.sleep(0.1)


async def wait_established(client: KubeClient, definitions: Sequence[Object], deadline: float) -> None:
    waiting = [path_of(item) for item in definitions]
    while waiting:
        found = await asyncio.gather(*(client.get(path) for path in waiting))
        waiting = [path for path, item in zip(waiting, found, strict=True) if not established(item)]
        if waiting and time.monotonic() > deadline:
            raise TimeoutError(f"not established: {', '.join(waiting)}")
        if waiting:
            await asyncio.sleep(0.1)


async def install(config: Config) -> None:
    manifests = managed_manifests({**asdict(config), "tools": str(config.tools)})
    definitions = [item for item in manifests if item["kind"] == _DEFINITION]
    objects = [item for item in manifests if item["kind"] != _DEFINITION]
    builtin = [*namespaces(config.managed_prometheus), *storage_classes(), dns_service(config.dns_address)]
    deadline = time.monotonic() + _DEADLINE
    pki = config.pki
    client = KubeClient.with_certificate(
        config.api_url,
        str(pki / "ca.crt"),
        str(pki / "addon-manager.crt"),
        str(pki / "addon-manager.key"),
        "addon-manager",
    )
    async with client:
        await wait_for_api(client, deadline)
        await asyncio.gather(*(apply(client, item) for item in [*definitions, *builtin]))
        await wait_established(client, definitions, deadline)
        await asyncio.gather(*(apply(client, item) for item in objects))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Install what GKE installs into a new cluster.")
    parser.add_argument("--config", type=Path, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = Config.load(parser.parse_args(arguments).config)
    failed: Any = None
    try:
        asyncio.run(install(config))
    except (ApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        failed = error
    if failed is not None:
        log.error("managed objects: %s", failed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

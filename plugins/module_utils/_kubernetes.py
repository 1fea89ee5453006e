# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A Kubernetes API server, as few verbs as the collection needs.

Private to the collection. The kubeconfig (tokens, exec plugins, certificates) is read by the official client, the
requests are plain: objects go in and come out as dictionaries, so that comparing them needs no model classes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from ._errors import GcpError

try:
    import urllib3
    from kubernetes.client import Configuration
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import load_kube_config
except ImportError as error:  # reported by the modules
    KUBERNETES_IMPORT_ERROR: Exception | None = error
else:
    KUBERNETES_IMPORT_ERROR = None

Object = dict[str, Any]


class Send(Protocol):
    """Sends one request: method, path with query, headers, body; answers with HTTP status and body."""

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes | None, /) -> tuple[int, bytes]: ...


AGGREGATED_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"


class KubernetesError(GcpError):
    """The API server refused, or could not be asked (no code)."""


class UnknownKind(KubernetesError):
    """The API server knows no such kind."""

    default_remedy = "Install the CustomResourceDefinition, or a version of the cluster that brings it."


@dataclass(frozen=True)
class ResourceType:
    """Where the objects of a kind are found."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Cluster:
    """One API server."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        headers = {"accept": accept}
        data = None
        if body is not None:
            headers["content-type"] = content_type
            data = json.dumps(body).encode()
        status, answer = self._send(method, path + ("?" + urlencode(query) if query else ""), headers, data)
        if status >= 400:
            raise _refusal(method, path, status, answer)
        return answer

    def json(self, method: str, path: str, **kwargs: Any) -> Any:
        answer: Any = json.loads(self.request(method, path, **kwargs))
        return answer

    @cached_property
    def version(self) -> str:
        return str(self.json("GET", "/version")["gitVersion"])

    @cached_property
    def resource_types(self) -> dict[tuple[str, str], ResourceType]:
        """Every kind the server knows, by (apiVersion, kind)."""
        types = {}
        for root in ("/api", "/apis"):
            discovery = self.json("GET", root, accept=AGGREGATED_DISCOVERY)
            if discovery.get("kind") != "APIGroupDiscoveryList":
                raise KubernetesError("The API server has no aggregated discovery: Kubernetes 1.30 or later is needed.")
            for group in discovery["items"]:
                for found in _types_of_group(group):
                    types[found.api_version, found.kind] = found
        return types

    def resource_type(self, api_version: str, kind: str) -> ResourceType:
        found = self.resource_types.get((api_version, kind))
        if found is None:
            raise UnknownKind(f"The cluster knows no kind {kind} of {api_version}", reason="NoSuchKind")
        return found

    def path_of(self, definition: Object) -> str:
        meta = definition["metadata"]
        kind = self.resource_type(definition["apiVersion"], definition["kind"])
        return kind.path(meta.get("namespace"), meta["name"])

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when it is not there."""
        path = self.resource_type(api_version, kind).path(namespace, name)
        try:
            return dict(self.json("GET", path))
        except KubernetesError as error:
            if error.code == 404:
                return None
            raise

    def find(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Object]:
        """The objects that the selectors fit."""
        path = self.resource_type(api_version, kind).path(namespace)
        query = {name: text for name, text in (("labelSelector", labels), ("fieldSelector", fields)) if text}
        accept = METADATA_ONLY if metadata_only else "application/json"
        return list(self.json("GET", path, query=query, accept=accept)["items"] or [])

    def create(self, definition: Object) -> Object:
        meta = definition["metadata"]
        path = self.resource_type(definition["apiVersion"], definition["kind"]).path(meta.get("namespace"))
        return dict(self.json("POST", path, body=definition))

    def apply(self, definition: Object, field_manager: str, dry_run: bool = False) -> Object:
        """Server-side apply, taking over fields that others own."""
        query = {"fieldManager": field_manager, "force": "true"}
        return self._patch(definition, APPLY, query, dry_run)

    def merge(self, definition: Object, field_manager: str, dry_run: bool = False) -> Object:
        """JSON merge patch: lists are replaced as a whole."""
        return self._patch(definition, MERGE_PATCH, {"fieldManager": field_manager}, dry_run)

    def _patch(self, definition: Object, content_type: str, query: dict[str, str], dry_run: bool) -> Object:
        if dry_run:
            query["dryRun"] = "All"
        path = self.path_of(definition)
        return dict(self.json("PATCH", path, query=query, body=definition, content_type=content_type))

    def delete(self, definition: Object, **options: Any) -> bool:
        """Begin a deletion; False when there was nothing to delete."""
        try:
            self.request(
                "DELETE", self.path_of(definition), body={"kind": "DeleteOptions", "apiVersion": "v1", **options}
            )
        except KubernetesError as error:
            if error.code == 404:
                return False
            raise
        return True

    def pod_proxy(self, namespace: str, pod: str, port: int, path: str) -> str:
        """GET a path of a pod's port, by way of the API server."""
        url = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}:{port}/proxy{path}"
        return self.request("GET", url, accept="*/*").decode("utf-8", "replace")

    def pod_log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        url = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"
        return self.request("GET", url, query={"container": container, **query}, accept="*/*").decode(
            "utf-8", "replace"
        )


def _types_of_group(group: Object) -> Iterable[ResourceType]:
    name = group.get("metadata", {}).get("name", "")
    for version in group.get("versions", []):
        api_version = f"{name}/{version['version']}" if name else version["version"]
        for resource in version.get("resources", []):
            kind = (resource.get("responseKind") or {}).get("kind")
            if kind:
                yield ResourceType(api_version, kind, resource["resource"], resource["scope"] == "Namespaced")


def _refusal(method: str, path: str, status: int, answer: bytes) -> KubernetesError:
    """The server's own words, where it gave some."""
    try:
        said = json.loads(answer)
        message, reason = str(said["message"]), str(said.get("reason", ""))
    except (ValueError, KeyError, TypeError):
        message, reason = answer.decode("utf-8", "replace").strip()[:500] or "no explanation", ""
    return KubernetesError(message, action=method, resource=path.split("?")[0], code=status, reason=reason)


def connect(kubeconfig: str, context: str | None = None, timeout: float = 30) -> Cluster:
    """The cluster a kubeconfig names. Raises KubernetesError when the file is of no use."""
    configuration = Configuration()
    try:
        load_kube_config(config_file=kubeconfig, context=context, client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise KubernetesError(f"The kubeconfig {os.path.basename(kubeconfig)} cannot be used: {error}") from error
    pool = RESTClientObject(configuration).pool_manager
    # A changed or missing object shows in a moment; a dead API server should not cost three more connects.
    retries = urllib3.Retry(total=2, connect=1, backoff_factor=0.2, allowed_methods=["GET"])
    if not configuration.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def send(method: str, path: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
        for setting in configuration.auth_settings().values():
            if setting.get("in") == "header" and setting.get("value"):
                headers = {**headers, setting["key"]: setting["value"]}
        try:
            answer = pool.request(
                method,
                configuration.host + path,
                headers=headers,
                body=body,
                timeout=urllib3.Timeout(connect=min(10.0, timeout), read=timeout),
                retries=retries,
            )
        except urllib3.exceptions.HTTPError as error:
            raise KubernetesError(f"The API server {configuration.host} cannot be reached: {error}") from error
        return int(answer.status), bytes(answer.data)

    return Cluster(send)

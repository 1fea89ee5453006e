# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The environment and command line of a container, as the kubelet renders them. Pure: what is looked up is given."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .quantities import in_units

Object = Mapping[str, Any]


class ConfigError(Exception):
    """The container cannot be configured: waiting reason CreateContainerConfigError, the message is the kubelet's."""


@dataclass
class Sources:
    """What references in a pod may point at."""

    pod: Object
    pod_ip: str
    host_ip: str
    allocatable: Mapping[str, str] = field(default_factory=dict)
    services: Sequence[Object] = ()
    """Services of the pod's namespace, and kubernetes of namespace default."""
    config_maps: Mapping[str, Object | None] = field(default_factory=dict)
    secrets: Mapping[str, Object | None] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        namespace: str = self.pod["metadata"]["namespace"]
        return namespace


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """Replace $(NAME); unknown names stay as they are, $$ is an escaped dollar."""
    parts: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0 and dollar + 1 < len(text):
        parts.append(text[position:dollar])
        following = text[dollar + 1]
        if following == "(" and (end := text.find(")", dollar + 2)) >= 0:
            name = text[dollar + 2 : end]
            value = lookup(name)
            parts.append(f"$({name})" if value is None else value)
            position = end + 1
            continue
        parts.append("$" if following == "$" else "$" + following)
        position = dollar + 2
    parts.append(text[position:])
    return "".join(parts)


def service_variables(services: Iterable[Object]) -> dict[str, str]:
    """NAME_SERVICE_HOST and its kin, for services that have an address."""
    found: dict[str, str] = {}
    for service in services:
        address = service["spec"].get("clusterIP")
        ports = service["spec"].get("ports") or []
        if not address or address == "None" or not ports:
            continue
        name = service["metadata"]["name"].upper().replace("-", "_")
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        for index, port in enumerate(ports):
            number, protocol = port["port"], port.get("protocol", "TCP")
            if port.get("name"):
                found[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(number)
            url = f"{protocol.lower()}://{address}:{number}"
            if index == 0:
                found[f"{name}_PORT"] = url
            prefix = f"{name}_PORT_{number}_{protocol}"
            found[prefix] = url
            found[f"{prefix}_PROTO"] = protocol.lower()
            found[f"{prefix}_PORT"] = str(number)
            found[f"{prefix}_ADDR"] = address
    return found


def field_value(path: str, sources: Sources) -> str:
    """The value of a fieldRef."""
    metadata, spec = sources.pod["metadata"], sources.pod["spec"]
    for name in ("labels", "annotations"):
        start = f"metadata.{name}['"
        if path.startswith(start) and path.endswith("']"):
            return str((metadata.get(name) or {}).get(path[len(start) : -2], ""))
    simple: dict[str, str] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.hostIP": sources.host_ip,
        "status.hostIPs": sources.host_ip,
        "status.podIP": sources.pod_ip,
        "status.podIPs": sources.pod_ip,
    }
    if path in simple:
        return simple[path]
    for name in ("labels", "annotations"):
        if path == f"metadata.{name}":
            return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted((metadata.get(name) or {}).items()))
    raise ConfigError(f"unsupported fieldPath: {path}")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(reference: Object, container: Object, sources: Sources) -> str:
    """The value of a resourceFieldRef. Without a limit it is what the node has."""
    name = reference.get("containerName")
    if name and name != container["name"]:
        everyone = [*sources.pod["spec"]["containers"], *(sources.pod["spec"].get("initContainers") or [])]
        container = next((item for item in everyone if item["name"] == name), container)
    kind, _, resource = reference["resource"].partition(".")
    if kind not in ("limits", "requests"):
        raise ConfigError(f"unsupported container resource : {reference['resource']}")
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(resource)
    if value is None and kind == "limits":
        value = sources.allocatable.get(resource)
    return str(in_units(value or "0", reference.get("divisor") or "1"))


def secret_data(secret: Object) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def config_map_data(config_map: Object) -> dict[str, bytes]:
    text = {key: value.encode() for key, value in (config_map.get("data") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (config_map.get("binaryData") or {}).items()}
    return {**text, **binary}


def _key_of(
    reference: Object, found: Object | None, kind: str, data: Callable[[Object], dict[str, bytes]], namespace: str
) -> str | None:
    optional = bool(reference.get("optional"))
    if found is None:
        if optional:
            return None
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    values = data(found)
    if reference["key"] not in values:
        if optional:
            return None
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
    return values[reference["key"]].decode(errors="replace")


def _referenced(reference: Object, container: Object, sources: Sources) -> str | None:
    if "fieldRef" in reference:
        return field_value(reference["fieldRef"]["fieldPath"], sources)
    if "resourceFieldRef" in reference:
        return resource_value(reference["resourceFieldRef"], container, sources)
    if "configMapKeyRef" in reference:
        item = reference["configMapKeyRef"]
        found = sources.config_maps.get(item["name"])
        return _key_of(item, found, "ConfigMap", config_map_data, sources.namespace)
    if "secretKeyRef" in reference:
        item = reference["secretKeyRef"]
        return _key_of(item, sources.secrets.get(item["name"]), "Secret", secret_data, sources.namespace)
    raise ConfigError(f"unsupported source of a variable: {', '.join(reference)}")


def _all_keys(item: Object, sources: Sources) -> dict[str, str]:
    """The variables of one envFrom entry."""
    if "configMapRef" in item:
        reference, kind, found = item["configMapRef"], "configmap", sources.config_maps
        read: Callable[[Object], dict[str, bytes]] = config_map_data
    else:
        reference, kind, found, read = item["secretRef"], "secret", sources.secrets, secret_data
    source = found.get(reference["name"])
    if source is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    prefix = item.get("prefix") or ""
    return {prefix + key: value.decode(errors="replace") for key, value in sorted(read(source).items())}


def environment(container: Object, sources: Sources) -> dict[str, str]:
    """All variables of a container, in the kubelet's order of precedence."""
    links = sources.pod["spec"].get("enableServiceLinks", True)
    visible = [
        service
        for service in sources.services
        if links or (service["metadata"]["namespace"], service["metadata"]["name"]) == ("default", "kubernetes")
    ]
    services = service_variables(visible)
    result: dict[str, str] = {}
    for item in container.get("envFrom") or []:
        result.update(_all_keys(item, sources))
    for variable in container.get("env") or []:
        value: str | None = variable.get("value", "")
        if variable.get("valueFrom"):
            value = _referenced(variable["valueFrom"], container, sources)
            if value is None:
                continue
        else:
            value = expand(value or "", lambda name: result.get(name, services.get(name)))
        result[variable["name"]] = value
    return {**services, **result}


def references(container: Object) -> tuple[set[str], set[str]]:
    """Names of the config maps and of the secrets that a container's environment refers to."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for item in container.get("envFrom") or []:
        if "configMapRef" in item:
            config_maps.add(item["configMapRef"]["name"])
        if "secretRef" in item:
            secrets.add(item["secretRef"]["name"])
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        if "configMapKeyRef" in source:
            config_maps.add(source["configMapKeyRef"]["name"])
        if "secretKeyRef" in source:
            secrets.add(source["secretKeyRef"]["name"])
    return config_maps, secrets


def command_line(container: Object, variables: Mapping[str, str]) -> tuple[list[str] | None, list[str] | None]:
    """Command and arguments with their $(NAME) replaced; None where the pod says nothing."""

    def expanded(words: list[str] | None) -> list[str] | None:
        return [expand(word, variables.get) for word in words] if words else None

    return expanded(container.get("command")), expanded(container.get("args"))

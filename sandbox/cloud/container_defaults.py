# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What GKE stores for a cluster that was asked for: the request, and everything the server fills in."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from sandbox.cloud.container_pools import DEFAULT_SCOPES, SCOPE

Json = dict[str, Any]

DEFAULT_SERVICES_CIDR = "34.118.224.0/20"
DEFAULT_VERSION = "1.35.4-gke.1000000"
MONITORING_COMPONENTS = (
    "SYSTEM_COMPONENTS",
    "STORAGE",
    "HPA",
    "POD",
    "DAEMONSET",
    "DEPLOYMENT",
    "STATEFULSET",
    "CADVISOR",
    "KUBELET",
    "DCGM",
    "JOBSET",
)
# What goes on being monitored when monitoring is off.
CONTROL_PLANE_COMPONENTS = ("APISERVER", "SCHEDULER", "CONTROLLER_MANAGER")
AUTOPROVISIONING_SCOPES = (f"{SCOPE}userinfo.email", f"{SCOPE}cloud-platform")
LOGGING_COMPONENTS = ("SYSTEM_COMPONENTS", "WORKLOADS")
# What a client may send and the server decides: it never survives a create.
_OUTPUT_ONLY = (
    "parent",
    "nodePools",
    "initialNodeCount",
    "nodeConfig",
    "status",
    "statusMessage",
    "selfLink",
    "endpoint",
    "createTime",
    "currentNodeCount",
    "instanceGroupUrls",
    "etag",
    "labelFingerprint",
    "masterAuth",
)


@dataclass(frozen=True)
class ClusterContext:
    """What the server knows when a cluster is created."""

    project: str
    location: str
    locations: tuple[str, ...]
    cluster_id: str
    network: str
    subnetwork: str
    pods_range: str
    pods_cidr: str
    services_cidr: str
    version: str
    endpoint: str
    private_endpoint: str
    create_time: str
    link: str

    @property
    def regional(self) -> bool:
        """Regions have one dash in their names, zones two."""
        return self.location.count("-") == 1


def _short(link: str) -> str:
    return link.rsplit("/", 1)[-1]


def _merged(defaults: Json, asked: Json) -> Json:
    """Defaults under what was asked for, message by message."""
    result = copy.deepcopy(defaults)
    for key, value in asked.items():
        known = result.get(key)
        result[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


def addons(asked: Json) -> Json:
    """Add-ons after a create. The disk driver is on whatever the create said; only an update can switch it off."""
    result = _merged({"dnsCacheConfig": {"enabled": True}, "nodeReadinessConfig": {}}, asked)
    result["gcePersistentDiskCsiDriverConfig"] = {"enabled": True}
    result["kubernetesDashboard"] = {"disabled": True}
    result.setdefault("networkPolicyConfig", {"disabled": True})
    return result


def _endpoints(context: ClusterContext) -> Json:
    return {
        "dnsEndpointConfig": {
            "allowExternalTraffic": False,
            "enableK8sCertsViaDns": False,
            "enableK8sTokensViaDns": False,
            "endpoint": f"gke-{context.cluster_id[:36]}-{context.project}.{context.location}.gke.goog",
        },
        "ipEndpointsConfig": {
            "authorizedNetworksConfig": {"gcpPublicCidrsAccessEnabled": True},
            "enablePublicEndpoint": True,
            "enabled": True,
            "privateEndpoint": context.private_endpoint,
            "publicEndpoint": context.endpoint,
        },
    }


def _ip_allocation(asked: Json, context: ClusterContext) -> Json:
    return asked | {
        "useIpAliases": True,
        "createSubnetwork": False,
        "stackType": asked.get("stackType", "IPV4"),
        "clusterIpv4Cidr": context.pods_cidr,
        "clusterIpv4CidrBlock": context.pods_cidr,
        "clusterSecondaryRangeName": context.pods_range,
        "servicesIpv4Cidr": context.services_cidr,
        "servicesIpv4CidrBlock": context.services_cidr,
        "networkTierConfig": {"networkTier": "NETWORK_TIER_DEFAULT"},
        "podCidrOverprovisionConfig": {},
    }


def _autoscaling(asked: Json) -> Json:
    """Node auto-provisioning has defaults even where it is off."""
    on = asked.get("enableNodeAutoprovisioning", False)
    given = asked.get("autoprovisioningNodePoolDefaults", {})
    filled = _merged(
        {
            "imageType": "COS_CONTAINERD",
            "management": {"autoRepair": True, "autoUpgrade": True},
            "oauthScopes": list(AUTOPROVISIONING_SCOPES if on else DEFAULT_SCOPES),
            "serviceAccount": "default",
        },
        {name: value for name, value in given.items() if (name, value) != ("minCpuPlatform", "automatic")},
    )
    if "upgradeSettings" in filled:
        filled["upgradeSettings"] = {"strategy": "SURGE"} | filled["upgradeSettings"]
    return {"autoscalingProfile": "BALANCED"} | asked | {"autoprovisioningNodePoolDefaults": filled}


def _constants() -> Json:
    """Defaults that depend on nothing."""
    kubelet = {"insecureKubeletReadonlyPortEnabled": False}
    return {
        "anonymousAuthenticationConfig": {"mode": "LIMITED"},
        "autopilot": {},
        "binaryAuthorization": {},
        "controlPlaneEgress": {"mode": "VIA_CONTROL_PLANE"},
        "databaseEncryption": {"currentState": "CURRENT_STATE_DECRYPTED", "state": "DECRYPTED"},
        "defaultMaxPodsConstraint": {"maxPodsPerNode": "110"},
        "enterpriseConfig": {"clusterTier": "STANDARD"},
        "legacyAbac": {},
        "loggingConfig": {"componentConfig": {"enableComponents": list(LOGGING_COMPONENTS)}},
        "loggingService": "logging.googleapis.com/kubernetes",
        "maintenancePolicy": {},
        "masterAuthorizedNetworksConfig": {"gcpPublicCidrsAccessEnabled": True},
        "monitoringConfig": {
            "advancedDatapathObservabilityConfig": {},
            "componentConfig": {"enableComponents": list(MONITORING_COMPONENTS)},
            "managedPrometheusConfig": {"enabled": True},
        },
        "monitoringService": "monitoring.googleapis.com/kubernetes",
        "networkConfig": {"defaultSnatStatus": {}, "serviceExternalIpsConfig": {}},
        "nodeCreationConfig": {"nodeCreationMode": "VIA_KUBELET"},
        "nodePoolAutoConfig": {"nodeKubeletConfig": kubelet},
        "nodePoolDefaults": {
            "nodeConfigDefaults": {
                "loggingConfig": {"variantConfig": {"variant": "DEFAULT"}},
                "nodeKubeletConfig": kubelet,
            }
        },
        "notificationConfig": {"pubsub": {}},
        "podAutoscaling": {"hpaProfile": "PERFORMANCE"},
        "rbacBindingConfig": {
            "enableInsecureBindingSystemAuthenticated": True,
            "enableInsecureBindingSystemUnauthenticated": True,
        },
        "releaseChannel": {"channel": "REGULAR"},
        "securityPostureConfig": {"mode": "BASIC", "vulnerabilityMode": "VULNERABILITY_MODE_UNSPECIFIED"},
        "shieldedNodes": {"enabled": True},
        "userManagedKeysConfig": {},
    }


def _beta_only() -> Json:
    """Fields that only v1beta1 shows."""
    return {
        "clusterTelemetry": {"type": "ENABLED"},
        "master": {},
        "privateCluster": True,
        "protectConfig": {
            "workloadConfig": {"auditMode": "BASIC"},
            "workloadVulnerabilityMode": "WORKLOAD_VULNERABILITY_MODE_UNSPECIFIED",
        },
    }


BETA_ONLY = frozenset(_beta_only())


def workload_identity(asked: Json, project: str, location: str, cluster: Json) -> Json:
    """The workload pool, with what v1beta1 repeats of it. The provider says locations/ of zonal clusters too."""
    pool = asked.get("workloadPool") or asked.get("identityNamespace", "")
    if not pool:
        return {}
    path = f"projects/{project}/locations/{location}/clusters/{cluster['name']}"
    provider = f"https://container.googleapis.com/v1/{path}"
    return {"workloadPool": pool, "identityNamespace": pool, "identityProvider": provider}


def filled_cluster(asked: Json, context: ClusterContext) -> Json:
    """The stored cluster, PROVISIONING, without its node pools."""
    wanted = {key: value for key, value in asked.items() if key not in _OUTPUT_ONLY}
    cluster = _merged(_constants() | _beta_only(), wanted)
    cluster["autoscaling"] = _autoscaling(asked.get("autoscaling", {}))
    if not cluster.get("networkPolicy"):
        cluster.pop("networkPolicy", None)
    if not cluster["maintenancePolicy"].get("window"):
        cluster["maintenancePolicy"].pop("window", None)
    cluster["addonsConfig"] = addons(asked.get("addonsConfig", {}))
    cluster["ipAllocationPolicy"] = _ip_allocation(asked.get("ipAllocationPolicy", {}), context)
    cluster["controlPlaneEndpointsConfig"] = _merged(_endpoints(context), asked.get("controlPlaneEndpointsConfig", {}))
    cluster["privateClusterConfig"] = asked.get("privateClusterConfig", {}) | {
        "privateEndpoint": context.private_endpoint,
        "publicEndpoint": context.endpoint,
    }
    cluster["networkConfig"] |= {"network": context.network, "subnetwork": context.subnetwork}
    cluster["network"], cluster["subnetwork"] = _short(context.network), _short(context.subnetwork)
    if cluster["releaseChannel"].get("channel") in (None, "", "UNSPECIFIED"):
        cluster["releaseChannel"] = {} if "releaseChannel" in asked else {"channel": "REGULAR"}
    identity = workload_identity(asked.get("workloadIdentityConfig", {}), context.project, context.location, cluster)
    cluster.pop("workloadIdentityConfig", None)
    if identity:
        cluster["workloadIdentityConfig"] = identity
    cluster |= {
        "clusterIpv4Cidr": context.pods_cidr,
        "servicesIpv4Cidr": context.services_cidr,
        "createTime": context.create_time,
        "currentMasterVersion": context.version,
        "currentNodeVersion": context.version,
        "initialClusterVersion": context.version,
        "endpoint": context.endpoint,
        "id": context.cluster_id,
        "location": context.location,
        "locations": list(asked.get("locations") or context.locations),
        "masterAuth": {"clientCertificateConfig": {}},
        "resourceLabels": asked.get("resourceLabels", {}),
        "selfLink": context.link,
        "status": "PROVISIONING",
        "zone": context.location,
    }
    return cluster


def default_pools(asked: Json) -> list[Json]:
    """The pools to create with the cluster: as listed, or the one that the deprecated fields describe."""
    if asked.get("nodePools"):
        return [copy.deepcopy(pool) for pool in asked["nodePools"]]
    pool: Json = {"name": "default-pool", "initialNodeCount": asked.get("initialNodeCount", 0)}
    if asked.get("nodeConfig"):
        pool["config"] = copy.deepcopy(asked["nodeConfig"])
    return [pool]

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The control plane's programs: their command lines and the files they read. Pure but for `write_files`."""

from __future__ import annotations

import base64
import json
from typing import Any

from . import config as names
from .config import Config

_AUDIT_POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # The machinery's own heartbeat would drown what people and programs do.
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "users": [f"system:{name}" for name in ("kube-scheduler", "apiserver", "addon-manager")]},
        {"level": "None", "users": ["system:kube-controller-manager", "system:sandbox:node-agent"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"], "verbs": ["get", "list", "watch"]},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*", "/version", "/openapi/*"]},
        # Never bodies: they hold tokens and secrets.
        {"level": "Metadata"},
    ],
}


def etcd(config: Config) -> list[str]:
    client = f"http://127.0.0.1:{names.ETCD_PORT}"
    peer = f"http://127.0.0.1:{names.ETCD_PEER_PORT}"
    return [
        str(config.tools / "bin" / "etcd"),
        f"--data-dir={config.dir / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        "--auto-compaction-mode=revision",
        "--auto-compaction-retention=1000",
    ]


def apiserver(config: Config) -> list[str]:
    pki = config.pki
    return [
        str(config.tools / "bin" / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{names.ETCD_PORT}",
        f"--bind-address={config.api_address}",
        f"--advertise-address={config.api_address}",
        f"--secure-port={names.API_PORT}",
        f"--cert-dir={pki}",
        f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=RBAC",
        f"--authentication-token-webhook-config-file={config.dir / 'token-webhook.json'}",
        "--authentication-token-webhook-version=v1",
        "--authentication-token-webhook-cache-ttl=10s",
        f"--service-account-issuer={config.issuer}",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-cluster-ip-range={config.service_cidr}",
        "--endpoint-reconciler-type=none",
        "--enable-admission-plugins=ExtendedResourceToleration",
        "--allow-privileged=true",
        f"--audit-policy-file={config.dir / 'audit-policy.json'}",
        f"--audit-log-path={config.audit_log}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=1",
        "--profiling=false",
        "--event-ttl=1h",
        "--shutdown-delay-duration=0s",
    ]


def controller_manager(config: Config) -> list[str]:
    pki = config.pki
    return [
        str(config.tools / "bin" / "kube-controller-manager"),
        f"--kubeconfig={config.kubeconfig('kube-controller-manager')}",
        f"--cert-dir={pki}",
        "--bind-address=127.0.0.1",
        f"--secure-port={names.CONTROLLER_MANAGER_PORT}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        # There are no disks to attach; volumes are folders.
        "--controllers=*,-persistentvolume-attach-detach-controller",
        # The node agent shares two cores with everything else: a late heartbeat must not evict a pod.
        "--node-monitor-grace-period=2m",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        "--profiling=false",
    ]


def scheduler(config: Config) -> list[str]:
    return [
        str(config.tools / "bin" / "kube-scheduler"),
        f"--kubeconfig={config.kubeconfig('kube-scheduler')}",
        f"--cert-dir={config.pki}",
        "--bind-address=127.0.0.1",
        f"--secure-port={names.SCHEDULER_PORT}",
        "--leader-elect=false",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        "--profiling=false",
    ]


def server_names(config: Config) -> list[str]:
    """What the API server may be called: from the host, from pods, by name."""
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    return [
        "127.0.0.1",
        "localhost",
        config.api_address,
        *service,
        f"kubernetes.default.svc.{names.CLUSTER_DOMAIN}",
    ]


def kubeconfig(config: Config, user: str) -> dict[str, Any]:
    """The kubeconfig of a component, with everything inside."""

    def encoded(file: str) -> str:
        return base64.b64encode((config.pki / file).read_bytes()).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": config.name,
                "cluster": {"server": config.api_url, "certificate-authority-data": encoded("ca.crt")},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": encoded(f"{user}.crt"),
                    "client-key-data": encoded(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": config.name, "context": {"cluster": config.name, "user": user}}],
        "current-context": config.name,
    }


def token_webhook() -> dict[str, Any]:
    """Where the API server asks who a bearer token belongs to: a server of this process (tokens.py)."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": {"server": f"http://127.0.0.1:{names.WEBHOOK_PORT}/authenticate"}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": ""}}],
        "current-context": "sandbox",
    }


def write_files(config: Config) -> None:
    """Everything the programs read, but for the certificates (pki.py), which must be there already."""
    for user in ("kube-controller-manager", "kube-scheduler", "loadbalancer", "node-agent"):
        path = config.kubeconfig(user)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(kubeconfig(config, user)))
    (config.dir / "token-webhook.json").write_text(json.dumps(token_webhook()))
    (config.dir / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Process 1 of a cluster.

Started as ``unshare -Urnmpf --mount-proc --kill-child --propagation private python -m sandbox.cluster --config FILE``.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from . import components, controlplane, namespaces, netlink
from .config import BRIDGE, Config
from .control import Control, Gateway
from .features import Features
from .kube import KubeClient
from .node.agent import NodeAgent
from .processes import Reaper
from .relay import Relay, listener_from_descriptor
from .tokens import TokenWebhook

log = logging.getLogger("sandbox.cluster")


def set_up_network(config: Config) -> None:
    """Loopback, the bridge all pods hang on, and the API server's service address."""
    netlink.set_up("lo")
    netlink.add_bridge(BRIDGE)
    netlink.add_address(BRIDGE, f"{config.bridge_address}/{config.pod_prefix_length}")
    netlink.set_up(BRIDGE)
    for address in (config.api_address, config.dns_address):
        netlink.add_address("lo", f"{address}/32")


def set_up_folders(config: Config) -> None:
    """A cluster starts from nothing: what a former one of this name left behind goes."""
    for name in ("etcd", "pki", "kubeconfig", "ephemeral", "disks", "volumes"):
        shutil.rmtree(config.dir / name, ignore_errors=True)
    shutil.rmtree(config.pod_logs, ignore_errors=True)
    for name in ("gateway.json", "audit.log"):
        (config.dir / name).unlink(missing_ok=True)
    for name in ("etcd", "pki", "kubeconfig", "ephemeral", "disks", "volumes", "root"):
        (config.dir / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    config.pod_logs.mkdir(parents=True, exist_ok=True)
    # Secrets and tokens that pods mount never touch a disk, and are gone with the namespace.
    namespaces.mount("volumes", str(config.dir / "volumes"), "tmpfs", namespaces.MS_NODEV, "mode=0700")


def gateway_of(config: Config) -> Gateway:
    return Gateway(config.dir / "gateway.json", f"http://{config.gateway_host_address}")


async def run(config: Config) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    reaper = Reaper()
    reaper.start()
    plane = controlplane.ControlPlane(config, reaper)
    gateway = gateway_of(config)
    pki = config.pki
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            KubeClient.with_certificate(
                config.api_url,
                str(pki / "ca.crt"),
                str(pki / "node-agent.crt"),
                str(pki / "node-agent.key"),
                "sandbox-node-agent",
            )
        )
        agent = NodeAgent(config, client, reaper)
        features = Features(config, reaper)
        stack.push_async_callback(features.stop)
        control = Control(config, plane, agent.pools, gateway, features, stopping.set)
        webhook = TokenWebhook(config.cloud_socket)
        await control.start()
        stack.push_async_callback(control.stop)
        await webhook.start()
        stack.push_async_callback(webhook.stop)
        if config.apiserver_fd is not None:
            api = Relay(listener_from_descriptor(config.apiserver_fd), lambda: (config.api_address, 443))
            await api.start()
            stack.push_async_callback(api.stop)
        if config.gateway_fd is not None:
            front = Relay(listener_from_descriptor(config.gateway_fd), lambda: gateway.address)
            await front.start()
            stack.push_async_callback(front.stop)
        starting = asyncio.create_task(start(plane, client, agent, features))
        await stopping.wait()
        log.info("stopping")
        starting.cancel()
        await agent.stop()
        await plane.stop()
    log.info("stopped")


async def start(plane: controlplane.ControlPlane, client: KubeClient, agent: NodeAgent, features: Features) -> None:
    try:
        await plane.run(client)
        if plane.error:
            return
        await agent.start()
        await features.start()
    except Exception as error:
        plane.error = f"the cluster did not start: {error}"
        log.exception("start failed")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Run one cluster of the sandbox, as process 1 of its own namespaces.")
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if os.getpid() != 1:
        log.error("not process 1 of a PID namespace; start it with: unshare -Urnmpf --mount-proc --kill-child ...")
        return 2
    config = Config.load(options.config)
    # Our own helper programs find the package wherever we were started from.
    checkout = str(Path(__file__).resolve().parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [checkout, os.environ.get("PYTHONPATH")]))
    for descriptor in (config.apiserver_fd, config.gateway_fd):
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
    set_up_folders(config)
    set_up_network(config)
    controlplane.make_certificates(config)
    components.write_files(config)
    asyncio.run(run(config))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

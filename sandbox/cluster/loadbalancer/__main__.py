# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""python -m sandbox.cluster.loadbalancer --config FILE [--kubeconfig FILE]: inside the cluster's namespaces."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from sandbox.cluster import netlink
from sandbox.cluster.config import Config
from sandbox.cluster.kube import KubeClient
from sandbox.cluster.loadbalancer import kubeconfig
from sandbox.cluster.loadbalancer.compute_client import Compute
from sandbox.cluster.loadbalancer.compute_plan import World, project_path
from sandbox.cluster.loadbalancer.controller import Controller
from sandbox.cluster.loadbalancer.envoy import DataPlane, run_envoy
from sandbox.cluster.loadbalancer.events import Events
from sandbox.cluster.loadbalancer.names import Names
from sandbox.cluster.loadbalancer.negs import Groups, NodeZones
from sandbox.cluster.loadbalancer.pace import NEG_COLLECTION, Pace
from sandbox.cluster.loadbalancer.provisioner import Provisioner
from sandbox.cluster.loadbalancer.reporter import Reporter
from sandbox.cluster.loadbalancer.store import KINDS, Store, reflect

LOG = logging.getLogger("sandbox.cluster.loadbalancer")
USER_AGENT = "GoogleGKEGatewayController"


class ControlSocket:
    """Tells the cluster process where the gateway is, whenever that has changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._told: tuple[str | None, int | None] | None = None

    async def announce(self, address: str | None, port: int | None) -> None:
        if self._told == (address, port):
            return
        method = "DELETE" if address is None else "POST"
        body = None if address is None else {"address": address, "port": port}
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(self._path)) as session,
                session.request(method, "http://cluster/gateway", json=body) as response,
            ):
                response.raise_for_status()
        except (aiohttp.ClientError, OSError) as error:
            LOG.warning("cannot tell the cluster where the gateway is: %s", error)
            return
        self._told = (address, port)


def region_of(location: str) -> str:
    """us-east5-a and us-east5 are both in us-east5."""
    return location if location.count("-") == 1 else location.rpartition("-")[0]


async def world_of(config: Config, kube: KubeClient) -> World:
    system = await kube.get("/api/v1/namespaces/kube-system")
    region = region_of(config.location)
    return World(
        project=config.project,
        cluster=config.name,
        location=config.location,
        region=region,
        zones=tuple(config.zones or [config.location]),
        network=project_path(config.network, config.project, "global/networks"),
        subnetwork=project_path(config.subnetwork, config.project, f"regions/{region}/subnetworks"),
        proxy_ranges=(),
        names=Names(system["metadata"]["uid"]),
    )


async def serve(config: Config, kube: KubeClient, compute: Compute) -> None:
    pace = Pace(config.time_scale)
    store = Store()
    folder = config.dir / "envoy"
    folder.mkdir(mode=0o700, exist_ok=True)
    config.logs.mkdir(exist_ok=True)
    world = await world_of(config, kube)
    data_plane = DataPlane(
        folder,
        store,
        config.time_scale,
        add_address=lambda address: netlink.add_address("lo", f"{address}/32"),
        remove_address=lambda address: netlink.delete_address("lo", f"{address}/32"),
    )
    data_plane.refresh()
    controller = Controller(
        kube=kube,
        store=store,
        compute=compute,
        world=world,
        provisioner=Provisioner(compute, world, pace.real(NEG_COLLECTION)),
        groups=Groups(compute, NodeZones(kube, world.zones[0])),
        data_plane=data_plane,
        reporter=Reporter(kube, store, Events(kube), config.project),
        relay=ControlSocket(config.control_socket),
        pace=pace,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_envoy(config.tools / "bin/envoy", folder, config.logs / "envoy.log"))
        synced = {kind: asyncio.Event() for kind in KINDS}
        for kind, event in synced.items():
            tasks.create_task(reflect(kube, store, kind, event))
        for event in synced.values():
            await event.wait()
        LOG.info("in sync; names of this cluster begin with %s", world.names.prefix)
        tasks.create_task(controller.run())


async def run(config: Config, kubeconfig_file: Path) -> None:
    """Until a signal. What was made in the cloud stays: nobody tells GKE's controller that its cluster goes, either."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with (
        kubeconfig.client_of(kubeconfig_file, USER_AGENT) as kube,
        Compute(config.cloud_socket, config.project) as compute,
    ):
        serving = asyncio.create_task(serve(config, kube, compute))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if serving.done():
            serving.result()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="GKE's load balancer controller for one cluster of the sandbox.")
    parser.add_argument("--config", type=Path, required=True, help="the cluster's config.json")
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"))
    options = parser.parse_args(arguments)
    if options.kubeconfig is None:
        parser.error("--kubeconfig or the environment variable KUBECONFIG is needed")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        config = Config.load(options.config)
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        LOG.error("%s: %r", options.config, error)
        return 2
    asyncio.run(run(config, options.kubeconfig))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

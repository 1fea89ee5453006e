# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""How long GKE takes, in cloud seconds, and how often we look."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

# From a Gateway's creation until the controller says that it is accepted.
ACCEPTANCE = 15.0
# From the last compute operation until the proxies everywhere serve the new configuration.
PROPAGATION = 30.0
# Endpoint groups outlive what they served: a collector finds them later.
NEG_COLLECTION = 180.0
# How soon a failed synchronisation is tried again.
RETRY = 60.0
# How often everything is compared with the cloud again.
RESYNC = 600.0

# Real seconds: whatever the scale, one machine should not spin.
SHORTEST_RETRY = 1.0
SHORTEST_RESYNC = 60.0


@dataclass(frozen=True)
class Pace:
    scale: float

    def real(self, cloud_seconds: float) -> float:
        return cloud_seconds / self.scale

    @property
    def retry(self) -> float:
        return max(self.real(RETRY), SHORTEST_RETRY)

    @property
    def resync(self) -> float:
        return max(self.real(RESYNC), SHORTEST_RESYNC)

    async def sleep(self, cloud_seconds: float) -> None:
        await asyncio.sleep(self.real(cloud_seconds))

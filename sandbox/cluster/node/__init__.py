# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The node agent: what the kubelet, the container runtime, the network and the service proxy are on a real node."""

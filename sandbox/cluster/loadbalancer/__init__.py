# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""GKE's load balancer controller, in small: Gateways and routes become compute resources and a real Envoy."""

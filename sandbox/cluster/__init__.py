# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""One cluster of the sandbox: a real control plane, nodes that run pods as local processes, a load balancer controller.

All of it lives in one user, network, mount and PID namespace, so killing process 1 ends everything.
"""

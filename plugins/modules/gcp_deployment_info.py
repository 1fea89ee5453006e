#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells what of a deployment is up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_deployment_info
short_description: Tell what of a deployment is up in Google Cloud, since when, and what is wrong
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Reads cluster, node pools, running operations and load balancers of a deployment, and the labels that carry its
    deadline. Four requests, none of which changes anything.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait.pace
  - llm_d.gke.attributes.info
options:
  deployment:
    description: The name of the deployment; what carries its mark is ours.
    type: str
    required: true
  cluster:
    description: The name of the cluster.
    type: str
    required: true
  location:
    description: The region of the cluster.
    type: str
    required: true
  network:
    description: The network whose load balancers count. Left out, it is not looked at.
    type: str
  network_project:
    description: The project of the network, when it is not O(project).
    type: str
  expiry_only:
    description: Whether only the cluster is read, which is enough for the deadline.
    type: bool
    default: false
requirements:
  - google-auth
seealso:
  - module: llm_d.gke.gcp_preflight_info
"""

EXAMPLES = r"""
- name: See what is up
  llm_d.gke.gcp_deployment_info:
    deployment: qwen-east
    cluster: qwen-serving-cluster
    location: us-east5
    network: qwen-serving-main
  register: found
"""

RETURN = r"""
cluster:
  description: The cluster.
  returned: success
  type: dict
  contains:
    exists:
      description: Whether it is there.
      type: bool
      returned: always
    ours:
      description: Whether it carries the deployment's mark.
      type: bool
      returned: always
    status:
      description: Its state, V(ABSENT) when it is not there.
      type: str
      returned: always
    since:
      description: When it was made.
      type: str
      returned: always
    hours:
      description: How many hours ago that was.
      type: float
      returned: always
    version:
      description: Its version.
      type: str
      returned: always
    location:
      description: Its region.
      type: str
      returned: always
node_pools:
  description: All pools of the cluster.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the pool.
      type: str
      returned: always
    ours:
      description: Whether it carries the deployment's mark.
      type: bool
      returned: always
    status:
      description: Its state.
      type: str
      returned: always
    reason:
      description: Why it is in a bad state.
      type: str
      returned: always
    machine_type:
      description: Machine type.
      type: str
      returned: always
    count:
      description: Number of machines, in all zones.
      type: int
      returned: always
    capacity:
      description: The capacity model that it was made with.
      type: str
      returned: always
operations:
  description: What is under way on the cluster.
  returned: success, without O(expiry_only)
  type: list
  elements: dict
network:
  description: The network, if it is there.
  returned: success, without O(expiry_only)
  type: str
load_balancers:
  description: Forwarding rules on the network, each with C(name), C(address) and C(since).
  returned: success, without O(expiry_only)
  type: list
  elements: dict
expiry:
  description: What the labels say of the deadline, for the filter P(llm_d.gke.expiry_verdict#filter).
  returned: success
  type: dict
  contains:
    deadline:
      description: The deadline, as the label writes it; empty when there is none.
      type: str
      returned: always
    unreadable:
      description: Labels that cannot be read.
      type: list
      elements: str
      returned: always
    labels:
      description: The labels that carry it.
      type: dict
      returned: always
checks:
  description: What is wrong, in the form of the reports with C(severity).
  returned: success
  type: list
  elements: dict
gcp_actions:
  description: Every request that was sent, retries included.
  returned: success
  type: list
  elements: str
  sample: ["GET v1/projects/my-project/locations/us-east5/clusters/main"]
failure:
  description:
    - "What went wrong: C(action), C(resource), C(code), C(reason), C(message) of
      Google, C(operation) and C(remedy)."
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._module import argument_spec_of_look
from ansible_collections.llm_d.gke.plugins.module_utils._resources.deployment import OPTIONS, look


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec_of_look(OPTIONS), supports_check_mode=True)
    try:
        module.exit_json(**look(module.params))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

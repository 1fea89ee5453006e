#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Node pools of a GKE cluster, as a set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_node_pools
short_description: Make, change or remove node pools of a GKE cluster, together
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Works on any number of pools at once, with as many operations in flight as allowed; the next starts the moment
    one ends.
  - One pool's failure hides no other and stops none. The next run of the same task sees to those that failed.
  - A pool of ours that is in C(ERROR) or C(RUNNING_WITH_ERROR) is deleted and made again. A pool that is being made
    or removed already, by a run that was killed or by a colleague, is waited for.
  - What Google refuses only for now, such as too many operations at once, is waited out until O(wait_timeout).
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.wait.ownership
  - llm_d.gke.node_pool
  - llm_d.gke.attributes
options:
  cluster:
    description:
      - The cluster's name.
    type: str
    required: true
  location:
    description:
      - The cluster's region or zone.
    type: str
    required: true
  node_pools:
    description:
      - The pools. Others of the cluster are left as they are, unless O(prune=true). With O(state=absent) only their
        names count.
    type: list
    elements: dict
    default: []
  max_operations:
    description:
      - How many operations may be in flight at once. GKE allows five on a cluster; one is left for its own. Where it
        says that it allows fewer, no more are asked for.
    type: int
    default: 4
  prune:
    description:
      - Whether pools that are marked with O(deployment) and not named are removed. Needs O(deployment).
    type: bool
    default: false
  recreate:
    description:
      - Whether a pool that differs in something that cannot be changed, or is broken and not known to be ours, is
        deleted and made again.
    type: bool
    default: false
  topology_refused:
    description:
      - What to do when Google refuses a TPU topology on a single-host pool, as it does for some machine types.
      - V(omit) makes the pool without it, which comes to the same. V(fail) tells it as an error.
    type: str
    choices: [fail, omit]
    default: "omit"
  state:
    description:
      - With V(absent), removes the named pools, and with O(prune=true) all that are marked with O(deployment).
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    default: 7200
requirements:
  - google-cloud-container
seealso:
  - module: llm_d.gke.gke_cluster
"""

EXAMPLES = r"""
- name: Two TPU pools out of a reservation
  llm_d.gke.gke_node_pools:
    cluster: qwen-serving-cluster
    location: us-east5
    deployment: qwen
    node_pools:
      - "{{ tpu_pool | combine({'name': 'tpu-v6e-single-1'}) }}"
      - "{{ tpu_pool | combine({'name': 'tpu-v6e-single-2'}) }}"
  vars:
    tpu_pool:
      initial_node_count: 1
      locations: [us-east5-a]
      config:
        machine_type: ct6e-standard-4t
        reservation_affinity:
          consume_reservation_type: SPECIFIC_RESERVATION
          key: compute.googleapis.com/reservation-name
          values: [my-reservation]
        workload_metadata_config:
          mode: GKE_METADATA
      placement_policy:
        tpu_topology: 2x2

- name: Remove all pools of the deployment
  llm_d.gke.gke_node_pools:
    cluster: qwen-serving-cluster
    location: us-east5
    deployment: qwen
    prune: true
    state: absent
"""

RETURN = r"""
node_pools:
  description: What became of each pool.
  returned: always, as far as it came
  type: list
  elements: dict
  contains:
    name:
      description: The pool's name.
      type: str
      returned: always
    status:
      description: Google's word for its state; V(ABSENT) when there is none.
      type: str
      returned: always
    changed:
      description: Whether anything was sent for it.
      type: bool
      returned: always
    actions:
      description: What was sent for it.
      type: list
      elements: str
      returned: always
    operation:
      description: An operation that was not waited for, or not to its end.
      type: str
      returned: when there is one
    failure:
      description: What went wrong.
      type: dict
      returned: when it failed
    node_pool:
      description: The pool, as Google describes it.
      type: dict
      returned: always
plan:
  description:
    - The steps that were taken, or would be in check mode, in order.
    - Each is a dictionary with C(action), one of V(create), V(update), V(delete), V(wait); C(resource);
      C(request), the HTTP method and path; C(body); C(differences), a list of field, before and
      after; C(why).
  returned: always
  type: list
  elements: dict
operations:
  description: The operations that were started and not waited for.
  returned: always
  type: list
  elements: str
gcp_actions:
  description:
    - Each request that changes something, retries included, and one line for each kind of look. Where looks of a kind
      differ, a star stands; how often they were sent stands behind.
  returned: always
  type: list
  elements: str
  sample: ["GET v1/projects/my-project/locations/us-east5/clusters/main"]
gcp_calls:
  description: How many requests were sent in all.
  returned: always
  type: int
gcp_retries:
  description: How many of these were sent again because of trouble that passes.
  returned: always
  type: int
failure:
  description:
    - "What went wrong: C(action), C(resource), C(code), C(reason), C(message) of
      Google, C(operation), C(remedy), and C(blockers) when something is in use."
  returned: failure
  type: dict
failures:
  description: The same for each resource, when more than one failed.
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._module import argument_spec, run
from ansible_collections.llm_d.gke.plugins.module_utils._resources.node_pool import OPTIONS, NodePoolsDeclaration


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(OPTIONS, timeout=7200), supports_check_mode=True)
    try:
        module.exit_json(**run(module, NodePoolsDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster left on a network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_leftovers
short_description: Remove what a GKE cluster left on a network
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - GKE's controllers make load balancers, endpoint groups, firewall rules and disks. When a cluster goes before
    what asked for them, they stay, cost money, and keep the network from being removed.
  - What belongs to the network is found by its network, and what has none, such as URL maps and health checks, by
    walking from one to the other; a name alone proves nothing, as other clusters use the same ones.
  - Removes what was found in the order in which it can go. What carries the mark of a deployment is not left over,
    but M(llm_d.gke.gcp_network)'s.
  - A network on which a cluster still lives is refused.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.attributes
options:
  network:
    description:
      - The network, by name or by path.
    type: str
    required: true
  cluster:
    description:
      - The name of the cluster that was there.
      - Disks have no network; those that carry its label C(goog-k8s-cluster-name) and are used by nothing count.
    type: str
  deployment:
    description:
      - The deployment whose network it is.
      - Nothing is left over on a network that does not carry its mark; what is there is somebody else's.
    type: str
  state:
    description:
      - Only V(absent) makes sense.
    type: str
    choices: [absent]
    default: absent
  wait_timeout:
    default: 1200
requirements:
  - google-cloud-compute
  - google-cloud-container
seealso:
  - module: llm_d.gke.gcp_leftovers_info
  - module: llm_d.gke.gcp_network
"""

EXAMPLES = r"""
- name: Remove what the cluster left
  llm_d.gke.gcp_leftovers:
    network: qwen-serving-main
    cluster: qwen-serving-cluster
    state: absent
"""

RETURN = r"""
leftovers:
  description: What was found, in the order in which it can go.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of resource.
      type: str
      returned: always
      sample: forwarding rule
    name:
      description: Its name.
      type: str
      returned: always
    path:
      description: Its path.
      type: str
      returned: always
    uses:
      description: The paths of those among them that it holds on to, and that can only go after it.
      type: list
      elements: str
      returned: always
incomplete:
  description: Places that Google could not list. When there are any, an empty list proves nothing.
  returned: success
  type: list
  elements: str
clusters:
  description: Clusters that live on the network. What they use is not left over.
  returned: success
  type: list
  elements: str
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.leftovers import OPTIONS, LeftoversDeclaration


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec=argument_spec(OPTIONS, timeout=1200, states=("absent",), owned=False), supports_check_mode=True
    )
    try:
        module.exit_json(**run(module, LeftoversDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

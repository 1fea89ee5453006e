#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells what a cluster left on a network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_leftovers_info
short_description: Tell what a GKE cluster left on a network
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - GKE's controllers make load balancers, endpoint groups, firewall rules and disks. When a cluster goes before
    what asked for them, they stay, cost money, and keep the network from being removed.
  - What belongs to the network is found by its network, and what has none, such as URL maps and health checks, by
    walking from one to the other; a name alone proves nothing, as other clusters use the same ones.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait.pace
  - llm_d.gke.attributes.info
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
requirements:
  - google-cloud-compute
  - google-cloud-container
seealso:
  - module: llm_d.gke.gcp_leftovers
"""

EXAMPLES = r"""
- name: See what is left on the network
  llm_d.gke.gcp_leftovers_info:
    network: qwen-serving-main
    cluster: qwen-serving-cluster
  register: left

- name: Insist that there is nothing
  ansible.builtin.assert:
    that: left.leftovers | length == 0 and left.incomplete | length == 0
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
gcp_actions:
  description: Every request that was sent, reads and retries included.
  returned: always
  type: list
  elements: str
  sample: ["GET v1/projects/my-project/locations/us-east5/clusters/main"]
failure:
  description:
    - "What went wrong: C(action), C(resource), C(code), C(reason), C(message) of
      Google, C(operation), C(remedy), and C(blockers) when something is in use."
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._module import argument_spec_of_look
from ansible_collections.llm_d.gke.plugins.module_utils._resources.leftovers import OPTIONS, list_leftovers


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec_of_look(OPTIONS), supports_check_mode=True)
    try:
        module.exit_json(**list_leftovers(module.params))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

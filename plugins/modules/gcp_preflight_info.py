#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells, before anything is made, what would go wrong."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_preflight_info
short_description: Find everything that would go wrong, before anything is made
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Looks at credentials, APIs, permissions, billing, the reservation or the quota that TPU pools draw on, names,
    address ranges, versions, the programs of this machine, the token for the model and the charts. Everything is told
    at once, each with what is needed, what was found, and what to do.
  - Nothing is changed. What the identity may not look at proves nothing, and is told as information.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait.pace
  - llm_d.gke.attributes.info
options:
  deployment:
    description: The name of the deployment; what carries its mark is ours.
    type: str
    required: true
  identity:
    description: What the identity is called in the findings.
    type: str
  services:
    description: The APIs that have to be on.
    type: list
    elements: str
    default: []
  steps:
    description:
      - The steps of the story that the identity has to have the permissions for.
      - With V(project_services) among them an API that is off is a warning, since that step switches it on.
    type: list
    elements: str
    choices: [preflight, project_services, network, cluster, node_pools, weights, source_ranges, leftovers]
    default: [preflight, project_services, network, cluster, node_pools, weights, source_ranges, leftovers]
  zone:
    description: The zone of the TPU pools.
    type: str
    required: true
  machine_type:
    description: The machine type of the TPU pools.
    type: str
    required: true
  machines:
    description: How many machines the TPU pools have together.
    type: int
    default: 1
  capacity:
    description: Where the TPUs come from.
    type: str
    choices: [reservation, any_reservation, on_demand, spot, flex_start, queued]
    default: reservation
  reservation:
    description:
      - The reservation, by name; as C(projects/OWNER/reservations/NAME) when it is another project's; with
        C(/reservationBlocks/BLOCK) at its end for one block of it.
      - Counts with O(capacity=reservation) only.
    type: str
  network:
    description: The network. Left out, it is not looked at.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      project:
        description: Its project, when it is not O(project).
        type: str
      region:
        description: The region of the subnetworks.
        type: str
        required: true
      manage:
        description: Whether it is to be made, so that its names have to be free or ours. Otherwise it has to be there.
        type: bool
        default: true
      subnetworks:
        description: The subnetworks, that of the cluster first.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Its name.
            type: str
            required: true
      firewall_rules:
        description: Names of firewall rules.
        type: list
        elements: str
        default: []
      ranges:
        description: Address ranges that have to be free, by the name that findings call them.
        type: dict
        default: {}
  cluster:
    description: The cluster. Left out, it is not looked at.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      location:
        description: Its region.
        type: str
        required: true
      manage:
        description: Whether it is to be made. Otherwise it has to be there.
        type: bool
        default: true
      channel:
        description: The release channel that tells the version of a new cluster.
        type: str
        default: RAPID
      node_pools:
        description: Names of the TPU pools.
        type: list
        elements: str
        default: []
      nodes:
        description: Groups of machines that count against quotas, unless a pool of their name is there already.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the pool.
            type: str
            required: true
          machine_type:
            description: Machine type.
            type: str
            required: true
          count:
            description: Number of machines.
            type: int
            required: true
          disk_size_gb:
            description: Boot disk of each.
            type: int
            default: 100
          public:
            description: Whether each has an address of its own on the internet.
            type: bool
            default: true
  programs:
    description: Programs of this machine, whose versions are looked at. Left out, they are not.
    type: dict
    suboptions:
      helm:
        description: Name or path of helm.
        type: str
      helmfile:
        description: Name or path of helmfile.
        type: str
  hub:
    description: Address of the model hub. Left out or empty, the token is not tried.
    type: str
  hub_token:
    description: The token for the hub. It is sent to O(hub) only.
    type: str
  model:
    description: The model's name on the hub.
    type: str
  charts:
    description: Charts that have to be had.
    type: list
    elements: dict
    default: []
    suboptions:
      chart:
        description: Name, C(oci://) address or folder.
        type: str
        required: true
      version:
        description: Version.
        type: str
      repository:
        description: Address of the repository, for a chart that is in one.
        type: str
requirements:
  - google-auth
seealso:
  - module: llm_d.gke.llm_d_preflight_info
  - module: llm_d.gke.gcp_deployment_info
"""

EXAMPLES = r"""
- name: Look whether eight machines can be had from a reservation
  llm_d.gke.gcp_preflight_info:
    deployment: qwen-east
    zone: us-east5-a
    machine_type: ct6e-standard-4t
    machines: 8
    reservation: my-reservation
    services: [compute.googleapis.com, container.googleapis.com]
  register: preflight

- name: Stop when something is wrong
  ansible.builtin.assert:
    that: preflight.checks | rejectattr('passed') | length == 0
    fail_msg: "{{ preflight.checks | rejectattr('passed') | list }}"
"""

RETURN = r"""
checks:
  description: Everything that was looked at.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What was looked at.
      type: str
      returned: always
      sample: the reservation has room
    severity:
      description:
        - V(error), V(warning), V(info) for what could not be looked at, or empty when all is well.
      type: str
      returned: always
    passed:
      description: Whether it is no error.
      type: bool
      returned: always
    expected:
      description: What is needed.
      type: str
      returned: always
    actual:
      description: What was found.
      type: str
      returned: always
    remedy:
      description: What to do about it.
      type: str
      returned: always
disabled:
  description: APIs that are off, for which reason something could not be looked at.
  returned: success
  type: list
  elements: str
expiry:
  description: The deadline of the deployment that is there, for the filter P(llm_d.gke.expiry_labels#filter).
  returned: success
  type: dict
gcp_actions:
  description: Every request that was sent, retries included.
  returned: success
  type: list
  elements: str
  sample: ["GET compute/v1/projects/my-project/zones/us-east5-a"]
failure:
  description:
    - "What went wrong: C(action), C(resource), C(code), C(reason), C(message) of
      Google, C(operation) and C(remedy)."
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llm_d.gke.plugins.module_utils._errors import GcpError
from ansible_collections.llm_d.gke.plugins.module_utils._helmfile_cli import a_home
from ansible_collections.llm_d.gke.plugins.module_utils._module import argument_spec_of_look
from ansible_collections.llm_d.gke.plugins.module_utils._resources.preflight import ENVIRONMENT, OPTIONS, fetcher, look


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec_of_look(OPTIONS), supports_check_mode=True)

    environment = {**ENVIRONMENT, **a_home(module.tmpdir)}

    def run(arguments: list[str]) -> tuple[int, str]:
        rc, out, _err = module.run_command(arguments, handle_exceptions=False, environ_update=environment)
        return rc, out

    try:
        module.exit_json(**look(module.params, run, fetcher()))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells whether TPU pools can be had."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_tpu_capacity_info
short_description: Tell whether a zone and a reservation have what TPU pools ask for
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Looks up zone, machine type and reservation. Google itself tells of a wrong one only when a node pool is made,
    which is after a cluster was.
  - What the identity may not look at proves nothing, and is not held against the pools.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait.pace
  - llm_d.gke.attributes.info
options:
  zone:
    description:
      - The zone of the pools.
    type: str
    required: true
  machine_type:
    description:
      - The machine type of the pools.
    type: str
    required: true
  reservation:
    description:
      - The reservation, by name, or as C(projects/OWNER/reservations/NAME) when it is another project's.
      - Left out when the pools use none.
    type: str
  machines:
    description:
      - How many machines the pools have together.
    type: int
    default: 1
requirements:
  - google-auth
seealso:
  - module: llm_d.gke.gke_node_pools
"""

EXAMPLES = r"""
- name: See whether eight machines are reserved
  llm_d.gke.gcp_tpu_capacity_info:
    zone: us-east5-a
    machine_type: ct6e-standard-4t
    reservation: my-reservation
    machines: 8
  register: capacity

- name: Stop when they are not
  ansible.builtin.assert:
    that: capacity.findings | length == 0
    fail_msg: "{{ capacity.findings | join('\n') }}"
"""

RETURN = r"""
findings:
  description: What is wrong, each a sentence that ends with what to do; empty when nothing is.
  returned: success
  type: list
  elements: str
unseen:
  description: What could not be looked at, and why.
  returned: success
  type: list
  elements: str
gcp_actions:
  description: Every request that was sent, reads and retries included.
  returned: always
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
from ansible_collections.llm_d.gke.plugins.module_utils._module import argument_spec_of_look
from ansible_collections.llm_d.gke.plugins.module_utils._resources.capacity import OPTIONS, look


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec_of_look(OPTIONS), supports_check_mode=True)
    try:
        module.exit_json(**look(module.params, check_mode=module.check_mode))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

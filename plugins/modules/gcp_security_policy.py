#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is let in to an external gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_security_policy
short_description: Let only some source ranges in, by a regional Cloud Armor policy
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Makes a security policy that allows the named ranges and refuses everybody else with 403.
  - A GCPBackendPolicy puts it before the backends of a regional external gateway. By itself it guards nothing.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.wait.ownership
  - llm_d.gke.attributes
options:
  name:
    description:
      - The name of the policy.
    type: str
    required: true
  region:
    description:
      - Its region, which is the gateway's.
    type: str
    required: true
  source_ranges:
    description:
      - Ranges that are let in, in CIDR form. The list replaces what is there. Needed for O(state=present).
    type: list
    elements: str
    default: []
  description:
    description:
      - The description of the policy. The mark of O(deployment) is put at its end.
    type: str
  state:
    description:
      - Whether the policy is to be there. One that is in use cannot be removed; the error names what uses it.
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    default: 600
seealso:
  - module: llm_d.gke.gcp_network
"""

EXAMPLES = r"""
- name: Let the office in
  llm_d.gke.gcp_security_policy:
    project: my-project
    name: qwen-serving-allow
    region: us-east5
    deployment: qwen
    source_ranges: [203.0.113.0/24]
"""

RETURN = r"""
security_policy:
  description: The policy, as Google describes it. In check mode, as it would be without what Google fills in.
  returned: success
  type: dict
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
  description: Every request that was sent, reads and retries included.
  returned: always
  type: list
  elements: str
  sample: ["GET compute/v1/projects/my-project/regions/us-east5/securityPolicies/qwen-allow"]
gcp_retries:
  description: How many of these were sent again because of trouble that passes.
  returned: always
  type: int
failure:
  description:
    - "What went wrong: C(action), C(resource), C(code), C(reason), C(message) of
      Google, C(operation), C(remedy)."
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.security_policy import (
    OPTIONS,
    SecurityPolicyDeclaration,
)


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(OPTIONS, timeout=600), supports_check_mode=True)
    try:
        module.exit_json(**run(module, SecurityPolicyDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

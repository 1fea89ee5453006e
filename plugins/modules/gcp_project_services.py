#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The APIs of a Google Cloud project."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_project_services
short_description: Switch APIs of a Google Cloud project on or off
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Switches on what is named and not on yet, in batches of 20; other APIs are left as they are.
  - An API that was just switched on refuses requests for a while. The other modules of this collection wait for
    that.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.attributes
options:
  services:
    description:
      - The names of the APIs, such as V(container.googleapis.com).
    type: list
    elements: str
    required: true
  disable_dependent_services:
    description:
      - Whether O(state=absent) also switches off APIs that need the named ones. Google refuses otherwise.
    type: bool
    default: false
  state:
    description:
      - Whether the APIs are to be on or off.
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    default: 600
seealso:
  - module: llm_d.gke.gcp_network
  - module: llm_d.gke.gke_cluster
"""

EXAMPLES = r"""
- name: Switch on what a cluster needs
  llm_d.gke.gcp_project_services:
    project: my-project
    services:
      - compute.googleapis.com
      - container.googleapis.com
      - networkservices.googleapis.com
"""

RETURN = r"""
services:
  description: The names that were asked for.
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.services import OPTIONS, ServicesDeclaration


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(OPTIONS, timeout=600, owned=False), supports_check_mode=True)
    try:
        module.exit_json(**run(module, ServicesDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

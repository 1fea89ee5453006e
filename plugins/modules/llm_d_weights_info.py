#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells whether a bucket holds a model's weights."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_weights_info
short_description: Tell whether a bucket holds a model's weights, and all of them
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Compares the objects of a folder, by size and checksum, with the list that the Job of the role weights writes when
    it has fetched everything (C(llm-d-weights.json)).
  - Asks Cloud Storage only, and not the hub.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait.pace
  - llm_d.gke.attributes.info
options:
  bucket:
    description:
      - The bucket.
    type: str
    required: true
  folder:
    description:
      - The folder in the bucket; all of the bucket when it is empty.
    type: str
    default: ""
  model:
    description:
      - The model, by its name on the hub.
    type: str
    required: true
  revision:
    description:
      - The revision that was asked for when the weights were fetched.
    type: str
    default: main
seealso:
  - module: llm_d.gke.gcp_workload_identity
"""

EXAMPLES = r"""
- name: See whether the weights are there
  llm_d.gke.llm_d_weights_info:
    project: my-project
    bucket: my-project-qwen-weights
    folder: Qwen/Qwen3-32B
    model: Qwen/Qwen3-32B
  register: weights
"""

RETURN = r"""
complete:
  description: Whether everything that was fetched is there as it was.
  returned: success
  type: bool
reason:
  description: Why it is not complete.
  returned: success
  type: str
wrong:
  description: Files that are missing, or not as they were fetched.
  returned: success
  type: list
  elements: str
commit:
  description: The hub's commit that was fetched.
  returned: success
  type: str
files:
  description: How many files there are.
  returned: success
  type: int
bytes:
  description: How much they hold together.
  returned: success
  type: int
gcp_actions:
  description: Every request that was sent, reads and retries included.
  returned: always
  type: list
  elements: str
  sample: ["GET storage/v1/b/my-project-qwen-weights/o"]
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.weights import OPTIONS, look


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec_of_look(OPTIONS), supports_check_mode=True)
    try:
        module.exit_json(**look(module.params))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Access to a GKE cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_credentials
short_description: Get access to a GKE cluster without gcloud
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Asks GKE for the cluster's address and certificate, and writes them with a token of the module's own credentials
    into a kubeconfig.
  - The file needs no plugin to be used, and does not depend on who else is logged in where the playbook runs. The
    token lasts for about an hour.
  - A cluster that is not there is an error with the code 404.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait.pace
  - llm_d.gke.attributes
options:
  cluster:
    description:
      - The cluster's name.
    type: str
    required: true
  location:
    description:
      - Its region or zone.
    type: str
    required: true
  kubeconfig:
    description:
      - Where to keep the access, as a kubeconfig of mode 0600 with the token in it.
      - Without it the token is returned as RV(api_key).
    type: path
  private_endpoint:
    description:
      - Whether to use the API server's private address.
    type: bool
    default: false
  least_validity:
    description:
      - How many seconds the token in the file has to be good for. Otherwise it is written anew.
    type: int
    default: 600
requirements:
  - google-cloud-container
seealso:
  - module: llm_d.gke.gke_cluster
"""

EXAMPLES = r"""
- name: Get access for this run
  llm_d.gke.gke_credentials:
    cluster: qwen-serving-cluster
    location: us-east5
    kubeconfig: "{{ work_dir }}/kubeconfig"
  # In check mode, too: what comes after wants to look at the cluster.
  check_mode: false
  changed_when: false
"""

RETURN = r"""
host:
  description: The URL of the API server.
  returned: success
  type: str
ca_cert:
  description: The certificate of the cluster's authority, in PEM form.
  returned: success
  type: str
kubeconfig:
  description: The file.
  returned: when O(kubeconfig) is given
  type: str
expires_at:
  description: When the token ends, in UTC. Empty when the credentials do not tell.
  returned: success
  type: str
  sample: "2026-11-22T23:10:00Z"
api_key:
  description: The token. It is a secret, so use C(no_log) on the task.
  returned: when O(kubeconfig) is not given
  type: str
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.credentials import OPTIONS, provide


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec_of_look(OPTIONS), supports_check_mode=True)
    try:
        module.exit_json(**provide(module))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would go wrong with an llm-d deployment, before it is installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: llm_d_preflight_info
short_description: Find what would go wrong with an llm-d deployment before it is installed
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Judges the settings of the role P(llm_d.gke.llm_d#role), and the cluster they are meant for. Every finding comes at
    once, with what to do.
  - Found are mistakes that would be silent (separate prefill switched off), or show only half an hour later (a pod that
    fits no node, a Secret without its key, a sidecar that does not know the chart's flags).
requirements:
  - kubernetes (Python)
options:
  settings:
    description: The settings, as the role P(llm_d.gke.llm_d#role) hands them to its helmfile.
    type: dict
    required: true
  kubeconfig:
    description:
      - The cluster's kubeconfig. Falls back to E(K8S_AUTH_KUBECONFIG) and E(KUBECONFIG).
      - Without one only the settings are judged; so in check mode when the file is not there yet.
    type: path
  context:
    description: The context of the kubeconfig.
    type: str
attributes:
  check_mode:
    description: Changes nothing anyway.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: N/A
  idempotent:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Look before anything is installed
  llm_d.gke.llm_d_preflight_info:
    settings: "{{ settings }}"
    kubeconfig: "{{ deployment_kubeconfig }}"
  register: preflight
"""

RETURN = r"""
errors:
  description: What must be put right, each with C(name), C(message), C(remedy).
  returned: always
  type: list
  elements: dict
warnings_found:
  description: What should be known, in the same form.
  returned: always
  type: list
  elements: dict
checks:
  description:
    - All of them in the form of the reports, each with C(name), C(severity), C(passed), C(expected), C(actual) and
      C(remedy).
  returned: always
  type: list
  elements: dict
missing_crds:
  description: Whether the definitions of C(gateway_api) and of C(inference) must be installed.
  returned: always
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib

from ..module_utils import _kubernetes, _llm_d_facts
from ..module_utils._errors import GcpError

ARGUMENTS = {
    "settings": {"type": "dict", "required": True},
    "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"])},
    "context": {},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if _kubernetes.KUBERNETES_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=str(_kubernetes.KUBERNETES_IMPORT_ERROR))
    kubeconfig = module.params["kubeconfig"]
    try:
        unmade = not kubeconfig or (module.check_mode and not os.path.exists(kubeconfig))
        cluster = None if unmade else _kubernetes.connect(kubeconfig, module.params["context"])
        found = _llm_d_facts.examine(module.params["settings"], cluster, module.check_mode)
    except GcpError as error:
        module.fail_json(**error.as_result())
    module.exit_json(changed=False, warnings_found=found.pop("warnings"), **found)


if __name__ == "__main__":
    main()

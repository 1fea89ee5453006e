#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Helm releases, declared by a helmfile."""

from __future__ import annotations

DOCUMENTATION = r"""
module: helmfile
short_description: Converge the Helm releases that a helmfile declares
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Compares what helmfile would render with what each release holds, and with what is live in the cluster (by a
    server-side dry run), object by object. That decides RV(ignore:changed), gives the diff, and finds hand edits and
    objects that are missing. Only the releases that differ are synced, in the order of their C(needs).
  - The helm-diff plugin is not needed. Nothing of the user's own helm configuration is used or changed, but for
    E(HELM_REGISTRY_CONFIG).
  - A release that a killed helm left pending is marked as failed, as helm itself would have done, and then upgraded.
    Nothing that runs is restarted by that.
  - Hand edits of fields that the charts set, and entries added to lists that the charts set, are undone. Keys that
    others add to maps (labels, annotations, defaults) are left alone. Values of Secrets never appear in a diff.
  - A chart that renders random values at each run is never unchanged.
requirements:
  - helm 3.18.6 or later
  - helmfile 1.1.0 or later (1.2.1 with helm 4)
  - kubernetes (Python)
  - PyYAML
options:
  file:
    description: The helmfile. Templates are rendered in files named C(*.gotmpl).
    type: path
    required: true
  environment:
    description: The helmfile environment.
    type: str
    default: default
  state_values:
    description:
      - Values for the helmfile itself, seen as C(.Values) in it.
      - They reach helmfile in a file that only this user can read, never by the command line.
    type: dict
    default: {}
  namespace:
    description: The namespace of releases that name none.
    type: str
  kubeconfig:
    description:
      - The cluster's kubeconfig. Falls back to E(K8S_AUTH_KUBECONFIG), E(KUBECONFIG), then to C(~/.kube/config).
      - In check mode, a file that is not there yet counts as an empty cluster, so that a run can be planned before its
        cluster exists.
    type: path
  context:
    description: The context of the kubeconfig.
    type: str
  binary_path:
    description: The helmfile program.
    type: path
  helm_binary:
    description: The helm program.
    type: path
  state:
    description:
      - With V(present), the releases are as declared (also those declared C(installed) false, which are removed).
      - With V(absent), the releases are uninstalled, in reverse order.
    type: str
    choices: [present, absent]
    default: present
  recreate:
    description:
      - Whether an object may be deleted and made anew when a field differs that Kubernetes cannot change in place.
      - Without it, such a difference is an error, and nothing is changed.
    type: bool
    default: false
  respect_field_managers:
    description:
      - Field managers whose fields are no hand edits. What they own in an object is neither compared nor overwritten.
    type: list
    elements: str
    default: []
  skip_deps:
    description: Do not refresh chart repositories and do not build chart dependencies. For charts in local folders.
    type: bool
    default: false
  wait:
    description:
      - With O(state=absent), wait until the objects are gone. Whether helm waits when installing, the helmfile says.
    type: bool
    default: true
  wait_timeout:
    description: How many seconds to wait for a deletion.
    type: int
    default: 300
  pending_timeout:
    description: A release that stays pending for so many seconds is taken as left behind by a helm that was killed.
    type: int
    default: 60
  poll_interval:
    description: Seconds between two looks at something that is waited for.
    type: float
    default: 2
attributes:
  check_mode:
    description: Can run in check mode and predict the change.
    support: full
  diff_mode:
    description: Returns before and after of each object.
    support: full
  idempotent:
    description: A second run changes nothing, and writes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Converge the releases
  llm_d.gke.helmfile:
    file: "{{ role_path }}/files/helmfile.yaml.gotmpl"
    namespace: llm-d-pd
    state_values:
      replicas: 4
    kubeconfig: "{{ deployment_kubeconfig }}"

- name: What would change
  llm_d.gke.helmfile:
    file: helmfile.yaml
  check_mode: true
  diff: true

- name: Uninstall the releases
  llm_d.gke.helmfile:
    file: helmfile.yaml
    state: absent
"""

RETURN = r"""
releases:
  description: The releases, in the order of their C(needs).
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Name of the release., type: str}
    namespace: {description: Its namespace., type: str}
    chart: {description: Its chart., type: str}
    version: {description: The chart's version., type: str}
    status: {description: "Helm's status of the newest revision, or V(absent).", type: str}
    revision: {description: The newest revision., type: int}
    changed: {description: Whether it was (or in check mode would be) changed., type: bool}
    action: {description: "V(install), V(upgrade), V(destroy) or V(none).", type: str}
    reasons: {description: Why., type: list, elements: str}
    objects:
      description:
        - Each object with its C(kind), C(name), C(namespace) and C(change), one of V(create), V(update), V(repair)
          (somebody else had changed it), V(recreate), V(delete), V(none).
      type: list
      elements: dict
helmfile_actions:
  description: What was done, one line an action.
  returned: always
  type: list
  elements: str
versions:
  description: The versions of C(helm) and C(helmfile).
  returned: success
  type: dict
failure:
  description: What failed (action, resource, reason, message) and a remedy.
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib

from ..module_utils import _helmfile_main, _helmfile_manifests, _kubernetes
from ..module_utils._errors import GcpError

ARGUMENTS = {
    "file": {"type": "path", "required": True},
    "environment": {"default": "default"},
    "state_values": {"type": "dict", "default": {}},
    "namespace": {},
    "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"])},
    "context": {},
    "binary_path": {"type": "path"},
    "helm_binary": {"type": "path"},
    "state": {"choices": ["present", "absent"], "default": "present"},
    "recreate": {"type": "bool", "default": False},
    "respect_field_managers": {"type": "list", "elements": "str", "default": []},
    "skip_deps": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 300},
    "pending_timeout": {"type": "int", "default": 60},
    "poll_interval": {"type": "float", "default": 2},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    missing = _kubernetes.KUBERNETES_IMPORT_ERROR or _helmfile_manifests.YAML_IMPORT_ERROR
    if missing:
        module.fail_json(msg=missing_required_lib("kubernetes and PyYAML"), exception=str(missing))
    try:
        result = _helmfile_main.run(module)
    except GcpError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()

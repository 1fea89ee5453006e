#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Workload Identity, and the bucket that pods may use."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_workload_identity
short_description: Let Kubernetes service accounts use a bucket, by Workload Identity
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Makes a bucket, service accounts of Google Cloud, and the IAM bindings that connect them with Kubernetes service
    accounts. No keys are made.
  - An identity with O(identities[].service_account) acts as that service account. Its Kubernetes service account needs
    the annotation that RV(identities) tells.
  - An identity without one is named in the bucket's policy itself, as C(principal://iam.googleapis.com/...), and needs
    no annotation. This form needs less.
  - Policies are read, changed and written back with their etag, and read again when somebody else wrote meanwhile.
    Bindings of others, conditional ones included, stay.
  - The workload pool comes with the project's first cluster that has Workload Identity. Google refuses bindings before.
  - A binding takes a minute or two until it is known everywhere in Google Cloud.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.wait.ownership
  - llm_d.gke.attributes
options:
  workload_pool:
    description:
      - The cluster's workload pool. The default is C(PROJECT.svc.id.goog) of O(project).
    type: str
  project_number:
    description:
      - The number of the workload pool's project, which identities without a service account are named by.
      - When it is not given, it is looked up, with the Resource Manager API.
    type: str
  identities:
    description:
      - The Kubernetes service accounts. They need not exist yet.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The name of the Kubernetes service account.
        type: str
        required: true
      namespace:
        description:
          - Its namespace.
        type: str
        required: true
      service_account:
        description:
          - The name of a service account of Google Cloud to be made and acted as.
          - Or the e-mail address of one that is there. That one gets the binding, and is not changed otherwise.
        type: str
      display_name:
        description:
          - The display name of the service account.
        type: str
      description:
        description:
          - The description of the service account. The mark of O(deployment) is put at its end.
        type: str
      bucket_roles:
        description:
          - The roles on the bucket, such as V(roles/storage.objectViewer).
        type: list
        elements: str
        default: []
  bucket:
    description:
      - The bucket.
    type: dict
    suboptions:
      name:
        description:
          - The name of the bucket. All of Google Cloud shares these names.
        type: str
        required: true
      manage:
        description:
          - With V(false) the bucket is used as it is. It gets the bindings, and is not made, changed or removed.
        type: bool
        default: true
      delete_objects:
        description:
          - Whether O(state=absent) deletes the objects in it as well. Without it, Google refuses to delete a bucket
            that is not empty.
        type: bool
        default: false
      location:
        description:
          - Region, dual-region or multi-region. Best is the region of the pods. Google's default is V(US).
        type: str
      storage_class:
        description:
          - The class of new objects. Google's default is V(STANDARD).
        type: str
      hierarchical_namespace:
        description:
          - Whether folders are real. It needs uniform access, and suits Cloud Storage FUSE.
        type: bool
      uniform_bucket_level_access:
        description:
          - Whether access is decided by the bucket's policy alone, and not by lists of single objects.
        type: bool
        default: true
      public_access_prevention:
        description:
          - Whether grants to everybody are refused.
        type: str
        choices: [enforced, inherited]
        default: enforced
      versioning:
        description:
          - Whether former versions of objects are kept.
        type: bool
      soft_delete_seconds:
        description:
          - How long deleted objects can be brought back, and cost. Google's default is V(604800), a week. With V(0)
            they are gone at once.
        type: int
      lifecycle_rules:
        description:
          - What happens to objects by themselves. The list replaces what is there.
        type: list
        elements: dict
        suboptions:
          action:
            description:
              - What is done.
            type: str
            required: true
            choices: [Delete, SetStorageClass, AbortIncompleteMultipartUpload]
          storage_class:
            description:
              - The class for V(SetStorageClass).
            type: str
          age:
            description:
              - Days since the object was made.
            type: int
          is_live:
            description:
              - Whether it is for live or for former versions only.
            type: bool
          num_newer_versions:
            description:
              - How many newer versions there are at least.
            type: int
          matches_prefix:
            description:
              - Beginnings of the objects' names.
            type: list
            elements: str
      labels:
        description:
          - Labels of the bucket. Further labels that it has are left.
        type: dict
  state:
    description:
      - With V(absent), takes away the bindings of the named identities, then the service accounts and the bucket.
      - Goes by the mark of O(deployment). What carries it is removed although it is not named any more.
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    default: 600
seealso:
  - module: llm_d.gke.gke_cluster
"""

EXAMPLES = r"""
- name: A bucket for weights, which the model servers read and a Job fills
  llm_d.gke.gcp_workload_identity:
    project: my-project
    deployment: qwen
    bucket:
      name: my-project-qwen-weights
      location: us-east5
      soft_delete_seconds: 0
    identities:
      - namespace: llm-d-pd
        name: llm-d-model-server
        bucket_roles: [roles/storage.objectViewer]
      - namespace: llm-d-pd
        name: llm-d-weights
        bucket_roles: [roles/storage.objectUser]

- name: By a service account, in somebody else's bucket
  llm_d.gke.gcp_workload_identity:
    project: my-project
    deployment: qwen
    bucket:
      name: models-of-the-company
      manage: false
    identities:
      - namespace: default
        name: default
        service_account: tpu-reader-sa
        bucket_roles: [roles/storage.objectViewer]
"""

RETURN = r"""
identities:
  description: The identities, and what their Kubernetes service accounts have to carry.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: The namespace of the Kubernetes service account.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
    service_account:
      description: The e-mail address of the service account that it acts as, or nothing.
      returned: always
      type: str
    member:
      description: Who is given the roles on the bucket.
      returned: always
      type: str
    annotations:
      description: The annotations that the Kubernetes service account needs.
      returned: always
      type: dict
  sample:
    - namespace: default
      name: default
      service_account: tpu-reader-sa@my-project.iam.gserviceaccount.com
      member: serviceAccount:tpu-reader-sa@my-project.iam.gserviceaccount.com
      annotations:
        iam.gke.io/gcp-service-account: tpu-reader-sa@my-project.iam.gserviceaccount.com
bucket:
  description: The bucket, as Google describes it. In check mode, as it would be without what Google fills in.
  returned: success
  type: dict
service_accounts:
  description: The service accounts that are ours, likewise.
  returned: success
  type: list
  elements: dict
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
  description: Always empty, as nothing here takes an operation.
  returned: always
  type: list
  elements: str
gcp_actions:
  description: Every request that was sent, reads and retries included.
  returned: always
  type: list
  elements: str
  sample: ["GET storage/v1/b/my-project-qwen-weights"]
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.workload_identity import (
    OPTIONS,
    WorkloadIdentityDeclaration,
)


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(OPTIONS, timeout=600), supports_check_mode=True)
    try:
        module.exit_json(**run(module, WorkloadIdentityDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

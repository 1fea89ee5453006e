#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Node pools of a GKE cluster, as a set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_node_pools
short_description: Make, change or remove node pools of a GKE cluster, together
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Works on any number of pools at once, with as many operations in flight as allowed; the next starts the moment
    one ends.
  - One pool's failure hides no other and stops none. The next run of the same task sees to those that failed.
  - A pool of ours that is in C(ERROR) or C(RUNNING_WITH_ERROR) is deleted and made again. A pool that is being made
    or removed already, by a run that was killed or by a colleague, is waited for.
  - What Google refuses only for now, such as too many operations at once, is waited out until O(wait_timeout).
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.wait.ownership
  - llm_d.gke.attributes
options:
  cluster:
    description:
      - The cluster's name.
    type: str
    required: true
  location:
    description:
      - The cluster's region or zone.
    type: str
    required: true
  node_pools:
    description:
      - The pools. Others of the cluster are left as they are, unless O(prune=true). With O(state=absent) only their
        names count.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The pool's name.
        type: str
        required: true
      initial_node_count:
        description:
          - The number of nodes, in each zone of the pool. Not compared while an autoscaler sets it.
        type: int
      locations:
        description:
          - The zones of the nodes.
        type: list
        elements: str
      version:
        description:
          - The version of Kubernetes on new nodes. Only for new pools; upgrades are the release channel's.
        type: str
      config:
        description:
          - The nodes.
        type: dict
        suboptions:
          machine_type:
            description:
              - The machine type, such as V(ct6e-standard-4t) for a host with four chips of TPU v6e. A change
                replaces the nodes.
            type: str
          disk_type:
            description:
              - The type of the boot disk. A change replaces the nodes.
            type: str
          disk_size_gb:
            description:
              - The size of the boot disk in GB. A change replaces the nodes.
            type: int
          image_type:
            description:
              - The operating system, such as V(COS_CONTAINERD). A change replaces the nodes.
            type: str
          labels:
            description:
              - Labels of the Kubernetes nodes. The map replaces what is there.
            type: dict
          taints:
            description:
              - Taints of the Kubernetes nodes. The list replaces what is there; the taint that GKE gives to TPU
                nodes does not count.
            type: list
            elements: dict
            suboptions:
              key:
                description:
                  - The taint's key.
                type: str
                required: true
              value:
                description:
                  - The taint's value.
                type: str
                default: ""
              effect:
                description:
                  - What it does to pods that do not tolerate it.
                type: str
                required: true
                choices: [NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE]
          tags:
            description:
              - Network tags of the machines.
            type: list
            elements: str
          resource_labels:
            description:
              - Labels of the machines, which show on the bill. The mark of O(deployment) is added.
            type: dict
          gvnic:
            description:
              - Google's virtual network card.
            type: dict
            suboptions:
              enabled:
                description:
                  - Whether it is used. A change replaces the nodes.
                type: bool
          gcfs_config:
            description:
              - Image streaming.
            type: dict
            suboptions:
              enabled:
                description:
                  - Whether images are streamed.
                type: bool
          workload_metadata_config:
            description:
              - What pods see of the metadata server.
            type: dict
            suboptions:
              mode:
                description:
                  - V(GKE_METADATA) for Workload Identity. A change replaces the nodes.
                type: str
                choices: [GCE_METADATA, GKE_METADATA]
          kubelet_config:
            description:
              - The kubelet.
            type: dict
            suboptions:
              cpu_manager_policy:
                description:
                  - V(static) or V(none).
                type: str
              pod_pids_limit:
                description:
                  - The most processes in a pod.
                type: int
          linux_node_config:
            description:
              - The nodes' Linux.
            type: dict
            suboptions:
              sysctls:
                description:
                  - Kernel parameters. Those that are not named are left as they are.
                type: dict
          service_account:
            description:
              - The nodes' service account.
              - Cannot be changed on what exists.
            type: str
          oauth_scopes:
            description:
              - The scopes of the nodes' service account.
              - Cannot be changed on what exists.
            type: list
            elements: str
          metadata:
            description:
              - Metadata of the machines. What Google adds does not count.
              - Cannot be changed on what exists.
            type: dict
          spot:
            description:
              - Whether the nodes are spot machines. Excludes reservations.
              - Cannot be changed on what exists.
            type: bool
          flex_start:
            description:
              - "Whether the nodes come when there is capacity, by flex-start. Needs C(management.auto_repair:
                false), and excludes reservations and spot."
              - Cannot be changed on what exists.
            type: bool
          max_run_duration:
            description:
              - How long the nodes live, such as V(3600s), for flex-start.
              - Cannot be changed on what exists.
            type: str
          local_nvme_ssd_block_config:
            description:
              - Local disks.
            type: dict
            suboptions:
              local_ssd_count:
                description:
                  - How many.
                  - Cannot be changed on what exists.
                type: int
          boot_disk_kms_key:
            description:
              - The key that encrypts the boot disks.
              - Cannot be changed on what exists.
            type: str
          shielded_instance_config:
            description:
              - Shielded machines.
            type: dict
            suboptions:
              enable_secure_boot:
                description:
                  - Whether only signed software boots.
                  - Cannot be changed on what exists.
                type: bool
              enable_integrity_monitoring:
                description:
                  - Whether the boot is compared with a known good one.
                  - Cannot be changed on what exists.
                type: bool
          reservation_affinity:
            description:
              - Which reservation the nodes come out of.
            type: dict
            suboptions:
              consume_reservation_type:
                description:
                  - V(SPECIFIC_RESERVATION) for the one named in C(values).
                  - Cannot be changed on what exists.
                type: str
                choices: [NO_RESERVATION, ANY_RESERVATION, SPECIFIC_RESERVATION]
              key:
                description:
                  - V(compute.googleapis.com/reservation-name) for a specific reservation.
                  - Cannot be changed on what exists.
                type: str
              values:
                description:
                  - The reservation's name; C(projects/OWNER/reservations/NAME) for one of another project, with
                    C(/reservationBlocks/BLOCK) behind it for one block.
                  - Cannot be changed on what exists.
                type: list
                elements: str
      placement_policy:
        description:
          - Where the machines stand to each other.
        type: dict
        suboptions:
          type:
            description:
              - V(COMPACT) for close together.
              - Cannot be changed on what exists.
            type: str
          policy_name:
            description:
              - A resource policy of one's own.
              - Cannot be changed on what exists.
            type: str
          tpu_topology:
            description:
              - The shape of the TPU slice, such as V(2x2). More chips than a host has make a multi-host slice,
                which needs as many nodes as hosts.
              - Cannot be changed on what exists.
            type: str
      queued_provisioning:
        description:
          - Queued provisioning.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether the nodes of a request come all together or not at all.
              - Cannot be changed on what exists.
            type: bool
      max_pods_constraint:
        description:
          - The pods on a node.
        type: dict
        suboptions:
          max_pods_per_node:
            description:
              - How many at most.
              - Cannot be changed on what exists.
            type: int
      network_config:
        description:
          - The nodes' network.
        type: dict
        suboptions:
          enable_private_nodes:
            description:
              - Whether nodes have no public address.
            type: bool
          create_pod_range:
            description:
              - Whether a new range for pods is made with a new pool.
            type: bool
          pod_range:
            description:
              - The secondary range of the pods.
              - Cannot be changed on what exists.
            type: str
          pod_ipv4_cidr_block:
            description:
              - The range for the pods.
              - Cannot be changed on what exists.
            type: str
      autoscaling:
        description:
          - The pool's autoscaler. What is given is sent as a whole.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether there is one.
            type: bool
          min_node_count:
            description:
              - The fewest nodes in a zone.
            type: int
          max_node_count:
            description:
              - The most nodes in a zone.
            type: int
          total_min_node_count:
            description:
              - The fewest nodes.
            type: int
          total_max_node_count:
            description:
              - The most nodes.
            type: int
          location_policy:
            description:
              - How nodes are spread over zones.
            type: str
            choices: [BALANCED, ANY]
      management:
        description:
          - What GKE does to the nodes by itself. What is given is sent as a whole.
        type: dict
        suboptions:
          auto_repair:
            description:
              - Whether it repairs them.
            type: bool
          auto_upgrade:
            description:
              - Whether it upgrades them.
            type: bool
      upgrade_settings:
        description:
          - How nodes are replaced. What is given is sent as a whole.
        type: dict
        suboptions:
          max_surge:
            description:
              - How many more nodes there may be meanwhile.
            type: int
          max_unavailable:
            description:
              - How many fewer nodes there may be meanwhile.
            type: int
          strategy:
            description:
              - The way of replacing.
            type: str
            choices: [SURGE, BLUE_GREEN, SHORT_LIVED]
  max_operations:
    description:
      - How many operations may be in flight at once. GKE allows five on a cluster; one is left for its own.
    type: int
    default: 4
  prune:
    description:
      - Whether pools that are marked with O(deployment) and not named are removed. Needs O(deployment).
    type: bool
    default: false
  recreate:
    description:
      - Whether a pool that differs in something that cannot be changed, or is broken and not known to be ours, is
        deleted and made again.
    type: bool
    default: false
  topology_refused:
    description:
      - What to do when Google refuses a TPU topology on a single-host pool, as it does for some machine types.
      - V(omit) makes the pool without it, which comes to the same. V(fail) tells it as an error.
    type: str
    choices: [fail, omit]
    default: "omit"
  state:
    description:
      - With V(absent), removes the named pools, and with O(prune=true) all that are marked with O(deployment).
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    default: 7200
requirements:
  - google-cloud-container
seealso:
  - module: llm_d.gke.gke_cluster
"""

EXAMPLES = r"""
- name: Two TPU pools out of a reservation
  llm_d.gke.gke_node_pools:
    cluster: qwen-serving-cluster
    location: us-east5
    deployment: qwen
    node_pools:
      - "{{ tpu_pool | combine({'name': 'tpu-v6e-single-1'}) }}"
      - "{{ tpu_pool | combine({'name': 'tpu-v6e-single-2'}) }}"
  vars:
    tpu_pool:
      initial_node_count: 1
      locations: [us-east5-a]
      config:
        machine_type: ct6e-standard-4t
        reservation_affinity:
          consume_reservation_type: SPECIFIC_RESERVATION
          key: compute.googleapis.com/reservation-name
          values: [my-reservation]
        workload_metadata_config:
          mode: GKE_METADATA
      placement_policy:
        tpu_topology: 2x2

- name: Remove all pools of the deployment
  llm_d.gke.gke_node_pools:
    cluster: qwen-serving-cluster
    location: us-east5
    deployment: qwen
    prune: true
    state: absent
"""

RETURN = r"""
node_pools:
  description: What became of each pool.
  returned: always, as far as it came
  type: list
  elements: dict
  contains:
    name:
      description: The pool's name.
      type: str
      returned: always
    status:
      description: Google's word for its state; V(ABSENT) when there is none.
      type: str
      returned: always
    changed:
      description: Whether anything was sent for it.
      type: bool
      returned: always
    actions:
      description: What was sent for it.
      type: list
      elements: str
      returned: always
    operation:
      description: An operation that was not waited for, or not to its end.
      type: str
      returned: when there is one
    failure:
      description: What went wrong.
      type: dict
      returned: when it failed
    node_pool:
      description: The pool, as Google describes it.
      type: dict
      returned: always
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
  sample: ["GET v1/projects/my-project/locations/us-east5/clusters/main"]
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.node_pool import OPTIONS, NodePoolsDeclaration


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(OPTIONS, timeout=7200), supports_check_mode=True)
    try:
        module.exit_json(**run(module, NodePoolsDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

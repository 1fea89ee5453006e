# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fields of a node pool, which two modules have at different places."""

from __future__ import annotations

import textwrap

_POOL = r"""
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
    boot_disk:
      description:
        - The boot disk, in more words than C(disk_type) and C(disk_size_gb); give one or the other.
      type: dict
      suboptions:
        disk_type:
          description:
            - Its type, such as V(hyperdisk-balanced). A change replaces the nodes.
          type: str
        size_gb:
          description:
            - Its size in GB. A change replaces the nodes.
          type: int
        provisioned_iops:
          description:
            - Operations a second, for hyperdisks.
          type: int
        provisioned_throughput:
          description:
            - MiB a second, for hyperdisks.
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
    logging_config:
      description:
        - The nodes' logging agent.
      type: dict
      suboptions:
        variant_config:
          description:
            - Which one.
          type: dict
          suboptions:
            variant:
              description:
                - V(MAX_THROUGHPUT) for much to log. A change replaces the nodes.
              type: str
              choices: [DEFAULT, MAX_THROUGHPUT]
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
        max_parallel_image_pulls:
          description:
            - How many images are pulled at once.
          type: int
        insecure_kubelet_readonly_port_enabled:
          description:
            - Whether the kubelet's read-only port is open.
          type: bool
    linux_node_config:
      description:
        - The nodes' Linux.
      type: dict
      suboptions:
        sysctls:
          description:
            - Kernel parameters. Those that are not named are left as they are.
          type: dict
        cgroup_mode:
          description:
            - The version of control groups.
          type: str
          choices: [CGROUP_MODE_V1, CGROUP_MODE_V2]
        transparent_hugepage_enabled:
          description:
            - Transparent huge pages, which TPU hosts are better with.
          type: str
          choices:
            - TRANSPARENT_HUGEPAGE_ENABLED_ALWAYS
            - TRANSPARENT_HUGEPAGE_ENABLED_MADVISE
            - TRANSPARENT_HUGEPAGE_ENABLED_NEVER
        hugepages:
          description:
            - Huge pages that are set aside.
          type: dict
          suboptions:
            hugepage_size2m:
              description:
                - How many of 2 MiB.
              type: int
            hugepage_size1g:
              description:
                - How many of 1 GiB.
              type: int
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
    preemptible:
      description:
        - Whether the nodes are preemptible machines, which live a day at most. Spot is newer.
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
    accelerators:
      description:
        - GPUs. TPUs come with the machine type.
        - Cannot be changed on what exists.
      type: list
      elements: dict
      suboptions:
        accelerator_type:
          description:
            - Their type.
          type: str
          required: true
        accelerator_count:
          description:
            - How many a node has.
          type: int
          required: true
        gpu_partition_size:
          description:
            - How they are parted.
          type: str
    min_cpu_platform:
      description:
        - The oldest processor that will do.
        - Cannot be changed on what exists.
      type: str
    advanced_machine_features:
      description:
        - More about the machine.
      type: dict
      suboptions:
        threads_per_core:
          description:
            - V(1) switches simultaneous multithreading off.
            - Cannot be changed on what exists.
          type: int
    secondary_boot_disks:
      description:
        - Disks that bring container images along, so that nodes need not pull them.
        - Cannot be changed on what exists.
      type: list
      elements: dict
      suboptions:
        disk_image:
          description:
            - The disk image, as C(projects/PROJECT/global/images/NAME).
          type: str
          required: true
        mode:
          description:
            - What is on it.
          type: str
          choices: [CONTAINER_IMAGE_CACHE]
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
    ephemeral_storage_local_ssd_config:
      description:
        - Local disks for the pods' temporary files.
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
      choices: [COMPACT]
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
        - The range for the pods, or only its size, such as V(/21).
        - Cannot be changed on what exists.
      type: str
    subnetwork:
      description:
        - The subnetwork of the nodes, when it is not the cluster's.
        - Cannot be changed on what exists.
      type: str
    network_performance_config:
      description:
        - The nodes' bandwidth.
      type: dict
      suboptions:
        total_egress_bandwidth_tier:
          description:
            - V(TIER_1) for more than the machine type has by itself.
            - Cannot be changed on what exists.
          type: str
          choices: [TIER_1]
    additional_node_network_configs:
      description:
        - Further network interfaces of the nodes.
        - Cannot be changed on what exists.
      type: list
      elements: dict
      suboptions:
        network:
          description:
            - The network.
          type: str
          required: true
        subnetwork:
          description:
            - The subnetwork.
          type: str
          required: true
    additional_pod_network_configs:
      description:
        - Further networks of the pods.
        - Cannot be changed on what exists.
      type: list
      elements: dict
      suboptions:
        subnetwork:
          description:
            - The subnetwork.
          type: str
          required: true
        secondary_pod_range:
          description:
            - The secondary range of the pods there.
          type: str
        max_pods_per_node:
          description:
            - How many pods of a node have an address there.
          type: int
autoscaling:
  description:
    - The pool's autoscaler.
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
    - What GKE does to the nodes by itself.
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
    - How nodes are replaced.
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
    blue_green_settings:
      description:
        - For V(BLUE_GREEN).
      type: dict
      suboptions:
        node_pool_soak_duration:
          description:
            - How long the old nodes stay when all are replaced, such as V(3600s).
          type: str
        standard_rollout_policy:
          description:
            - How many at a time.
          type: dict
          suboptions:
            batch_node_count:
              description:
                - So many nodes.
              type: int
            batch_percentage:
              description:
                - Or such a share of them, from 0 to 1.
              type: float
            batch_soak_duration:
              description:
                - How long to watch after each batch, such as V(60s).
              type: str
"""


def _under(option: str) -> str:
    return f"options:\n  {option}:\n    suboptions:" + textwrap.indent(_POOL, " " * 6)


class ModuleDocFragment:
    """Suboptions for each pool of a list, and for a cluster's default pool."""

    # With types, for a linter of documentation takes what has none for text.
    DOCUMENTATION: str = _under("node_pools")
    DEFAULT_POOL: str = _under("default_pool")

#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A GKE cluster with its default pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_cluster
short_description: Make, change or remove a GKE cluster and its default pool
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - Only what is named is compared, and only what differs is changed, each in an operation of its own, as Google
    wants it.
  - A difference in something that cannot be changed is an error before anything is sent, which names the field,
    both values and the remedy.
  - An operation that is under way already, begun by a run that was killed or by a colleague, is waited for.
  - For other pools use M(llm_d.gke.gke_node_pools).
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.wait.ownership
  - llm_d.gke.node_pool.default_pool
  - llm_d.gke.attributes
options:
  name:
    description:
      - The cluster's name.
    type: str
    required: true
  location:
    description:
      - Its region, or its zone for a zonal cluster.
    type: str
    required: true
  description:
    description:
      - Text for people.
      - Cannot be changed on what exists.
    type: str
  network:
    description:
      - The VPC network, by name or by path. A Shared VPC needs the whole path.
      - Cannot be changed on what exists.
    type: str
  subnetwork:
    description:
      - The subnetwork of the nodes, by name or by path.
      - Cannot be changed on what exists.
    type: str
  locations:
    description:
      - The zones of the nodes. Google chooses three when it is not given, and every pool has its nodes in each.
    type: list
    elements: str
  initial_cluster_version:
    description:
      - The version of a new cluster, such as V(1.35). Upgrades are the release channel's.
    type: str
  enable_kubernetes_alpha:
    description:
      - Whether it is an alpha cluster, which lives 30 days and gets no upgrades.
      - Cannot be changed on what exists.
    type: bool
  release_channel:
    description:
      - How new versions come.
    type: dict
    suboptions:
      channel:
        description:
          - The channel.
        type: str
        choices: [UNSPECIFIED, RAPID, REGULAR, STABLE, EXTENDED]
  addons_config:
    description:
      - Add-ons. Those that are not named are left as they are.
    type: dict
    suboptions:
      dns_cache_config:
        description:
          - NodeLocal DNSCache.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      gce_persistent_disk_csi_driver_config:
        description:
          - The driver for persistent disks.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      gcp_filestore_csi_driver_config:
        description:
          - The driver for Filestore.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      gcs_fuse_csi_driver_config:
        description:
          - The driver for Cloud Storage FUSE.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      parallelstore_csi_driver_config:
        description:
          - The driver for Parallelstore.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      ray_operator_config:
        description:
          - The Ray operator.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
          ray_cluster_logging_config:
            description:
              - Logs of Ray clusters.
            type: dict
            suboptions:
              enabled:
                description:
                  - Whether they are collected.
                type: bool
          ray_cluster_monitoring_config:
            description:
              - Metrics of Ray clusters.
            type: dict
            suboptions:
              enabled:
                description:
                  - Whether they are collected.
                type: bool
      stateful_ha_config:
        description:
          - Stateful HA.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      lustre_csi_driver_config:
        description:
          - The driver for Managed Lustre.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      high_scale_checkpointing_config:
        description:
          - Checkpoints of many nodes.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      slice_controller_config:
        description:
          - The controller of TPU slices.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      config_connector_config:
        description:
          - Config Connector.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      gke_backup_agent_config:
        description:
          - The agent of Backup for GKE.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it is on.
            type: bool
      horizontal_pod_autoscaling:
        description:
          - Horizontal pod autoscaling.
        type: dict
        suboptions:
          disabled:
            description:
              - Whether it is off.
            type: bool
      http_load_balancing:
        description:
          - The controller for Ingress and Gateway.
        type: dict
        suboptions:
          disabled:
            description:
              - Whether it is off.
            type: bool
      network_policy_config:
        description:
          - Calico's network policies.
        type: dict
        suboptions:
          disabled:
            description:
              - Whether it is off.
            type: bool
  ip_allocation_policy:
    description:
      - Addresses of pods and services.
    type: dict
    suboptions:
      use_ip_aliases:
        description:
          - Whether the cluster is VPC-native.
          - Cannot be changed on what exists.
        type: bool
      create_subnetwork:
        description:
          - Whether a subnetwork is made with the cluster.
        type: bool
      cluster_ipv4_cidr_block:
        description:
          - The range of the pods, or only its size, such as V(/14).
          - Cannot be changed on what exists.
        type: str
      services_ipv4_cidr_block:
        description:
          - The range of the services, or only its size.
          - Cannot be changed on what exists.
        type: str
      cluster_secondary_range_name:
        description:
          - The secondary range of the pods.
          - Cannot be changed on what exists.
        type: str
      services_secondary_range_name:
        description:
          - The secondary range of the services.
          - Cannot be changed on what exists.
        type: str
      stack_type:
        description:
          - Which versions of IP.
          - Cannot be changed on what exists.
        type: str
        choices: [IPV4, IPV4_IPV6]
  default_max_pods_constraint:
    description:
      - The pods on a node, for pools that do not say otherwise.
    type: dict
    suboptions:
      max_pods_per_node:
        description:
          - How many at most.
          - Cannot be changed on what exists.
        type: int
  monitoring_config:
    description:
      - Monitoring.
    type: dict
    suboptions:
      managed_prometheus_config:
        description:
          - Managed Service for Prometheus.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether it collects.
            type: bool
          auto_monitoring_config:
            description:
              - What it collects by itself.
            type: dict
            suboptions:
              scope:
                description:
                  - V(ALL) for the metrics of all workloads that it knows.
                type: str
                choices: [ALL, NONE]
      advanced_datapath_observability_config:
        description:
          - What Dataplane V2 tells.
        type: dict
        suboptions:
          enable_metrics:
            description:
              - Whether it tells metrics.
            type: bool
          enable_relay:
            description:
              - Whether it tells flows.
            type: bool
      component_config:
        description:
          - Parts of the cluster.
        type: dict
        suboptions:
          enable_components:
            description:
              - Those that are monitored, such as V(SYSTEM_COMPONENTS). The list replaces what is there.
            type: list
            elements: str
  logging_config:
    description:
      - Logging.
    type: dict
    suboptions:
      component_config:
        description:
          - Parts of the cluster.
        type: dict
        suboptions:
          enable_components:
            description:
              - Those that log, such as V(WORKLOADS). The list replaces what is there.
            type: list
            elements: str
  network_config:
    description:
      - The cluster's network.
    type: dict
    suboptions:
      datapath_provider:
        description:
          - V(ADVANCED_DATAPATH) is Dataplane V2.
          - Cannot be changed on what exists.
        type: str
        choices: [LEGACY_DATAPATH, ADVANCED_DATAPATH]
      gateway_api_config:
        description:
          - The Gateway API.
        type: dict
        suboptions:
          channel:
            description:
              - V(CHANNEL_STANDARD) for GKE's Gateway controller.
            type: str
            choices: [CHANNEL_DISABLED, CHANNEL_STANDARD]
      enable_intra_node_visibility:
        description:
          - Whether VPC flow logs see traffic between pods of a node.
        type: bool
      enable_l4ilb_subsetting:
        description:
          - Whether internal load balancers use a subset of the nodes.
        type: bool
      default_enable_private_nodes:
        description:
          - Whether nodes of new pools have no public address.
        type: bool
      enable_multi_networking:
        description:
          - Whether nodes and pods may have further networks.
          - Cannot be changed on what exists.
        type: bool
      enable_fqdn_network_policy:
        description:
          - Whether network policies may name hosts.
        type: bool
      default_snat_status:
        description:
          - The translation of pods' addresses.
        type: dict
        suboptions:
          disabled:
            description:
              - Whether pods keep their addresses outside the cluster.
            type: bool
      dns_config:
        description:
          - DNS.
        type: dict
        suboptions:
          cluster_dns:
            description:
              - The provider.
            type: str
            choices: [PLATFORM_DEFAULT, CLOUD_DNS, KUBE_DNS]
          cluster_dns_scope:
            description:
              - The scope.
            type: str
            choices: [CLUSTER_SCOPE, VPC_SCOPE]
          cluster_dns_domain:
            description:
              - The domain.
            type: str
  workload_identity_config:
    description:
      - Workload Identity.
    type: dict
    suboptions:
      workload_pool:
        description:
          - The pool, C(PROJECT.svc.id.goog).
        type: str
  private_cluster_config:
    description:
      - A private cluster.
    type: dict
    suboptions:
      enable_private_nodes:
        description:
          - Whether nodes have no public address.
          - Cannot be changed on what exists.
        type: bool
      enable_private_endpoint:
        description:
          - Whether the API server has no public address.
          - Cannot be changed on what exists.
        type: bool
      master_ipv4_cidr_block:
        description:
          - The control plane's range.
          - Cannot be changed on what exists.
        type: str
      private_endpoint_subnetwork:
        description:
          - The subnetwork of the API server's private address.
          - Cannot be changed on what exists.
        type: str
  control_plane_endpoints_config:
    description:
      - How the API server is reached.
    type: dict
    suboptions:
      dns_endpoint_config:
        description:
          - By name.
        type: dict
        suboptions:
          allow_external_traffic:
            description:
              - Whether from outside the VPC.
            type: bool
      ip_endpoints_config:
        description:
          - By address.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether at all.
            type: bool
          enable_public_endpoint:
            description:
              - Whether it has a public address.
            type: bool
          global_access:
            description:
              - Whether the private address is reached from other regions.
            type: bool
  master_authorized_networks_config:
    description:
      - Who reaches the API server.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether it is restricted.
        type: bool
      gcp_public_cidrs_access_enabled:
        description:
          - Whether Google Cloud's public addresses reach it.
        type: bool
      cidr_blocks:
        description:
          - Ranges that reach it. The list replaces what is there.
        type: list
        elements: dict
        suboptions:
          cidr_block:
            description:
              - A range.
            type: str
            required: true
          display_name:
            description:
              - What it is.
            type: str
  maintenance_policy:
    description:
      - When GKE may work on the cluster.
    type: dict
    suboptions:
      window:
        description:
          - The window.
        type: dict
        suboptions:
          daily_maintenance_window:
            description:
              - A window every day.
            type: dict
            suboptions:
              start_time:
                description:
                  - When it begins, such as V(03:00).
                type: str
          recurring_window:
            description:
              - A window that comes again.
            type: dict
            suboptions:
              window:
                description:
                  - Its first time.
                type: dict
                suboptions:
                  start_time:
                    description:
                      - When it begins.
                    type: str
                  end_time:
                    description:
                      - When it ends.
                    type: str
              recurrence:
                description:
                  - How it comes again, as in RFC 5545.
                type: str
          maintenance_exclusions:
            description:
              - Times in which GKE leaves the cluster alone. The list replaces what is there.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - A name for it.
                type: str
                required: true
              start_time:
                description:
                  - When it begins, such as V(2026-12-20T00:00:00Z).
                type: str
                required: true
              end_time:
                description:
                  - When it ends.
                type: str
                required: true
              scope:
                description:
                  - What is left alone. Google's default is V(NO_UPGRADES).
                type: str
                choices: [NO_UPGRADES, NO_MINOR_UPGRADES, NO_MINOR_OR_NODE_UPGRADES]
  shielded_nodes:
    description:
      - Shielded nodes.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether nodes prove who they are.
        type: bool
  vertical_pod_autoscaling:
    description:
      - Vertical pod autoscaling.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether it is on.
        type: bool
  cost_management_config:
    description:
      - Cost allocation.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the bill tells namespaces apart.
        type: bool
  secret_manager_config:
    description:
      - The Secret Manager add-on.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether pods can mount secrets of Secret Manager.
        type: bool
  resource_labels:
    description:
      - Labels of the cluster. The map replaces what is there, but for Google's own; the mark of O(deployment) is
        added.
    type: dict
  default_pool:
    description:
      - The pool that the cluster is born with. On a cluster that exists it is compared and changed like any other
        pool.
    type: dict
  recreate:
    description:
      - Whether a cluster that differs in something that cannot be changed, or is broken, is deleted with all that
        runs in it and made again.
    type: bool
    default: false
  state:
    description:
      - With V(absent), the cluster is removed with all its pools. What its load balancers made stays behind; see
        M(llm_d.gke.gcp_leftovers).
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    default: 3600
requirements:
  - google-cloud-container
seealso:
  - module: llm_d.gke.gke_node_pools
  - module: llm_d.gke.gke_credentials
  - module: llm_d.gke.gcp_leftovers
"""

EXAMPLES = r"""
- name: A regional cluster with Dataplane V2 and the Gateway API
  llm_d.gke.gke_cluster:
    name: qwen-serving-cluster
    location: us-east5
    deployment: qwen
    network: qwen-serving-main
    subnetwork: qwen-serving-tpu
    release_channel:
      channel: RAPID
    ip_allocation_policy:
      use_ip_aliases: true
    network_config:
      datapath_provider: ADVANCED_DATAPATH
      gateway_api_config:
        channel: CHANNEL_STANDARD
    workload_identity_config:
      workload_pool: my-project.svc.id.goog
    default_pool:
      name: default-pool
      initial_node_count: 1
      config:
        machine_type: e2-standard-8

- name: Start removing it, and do not wait
  llm_d.gke.gke_cluster:
    name: qwen-serving-cluster
    location: us-east5
    deployment: qwen
    wait: false
    state: absent
"""

RETURN = r"""
cluster:
  description: The cluster, as Google describes it. In check mode, as it would be without what Google fills in.
  returned: success
  type: dict
exists:
  description: Whether there is a cluster after the task.
  returned: success
  type: bool
operation:
  description: The operation that was started and not waited for, if any.
  returned: success
  type: str
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.cluster import OPTIONS, ClusterDeclaration


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(OPTIONS, timeout=3600), supports_check_mode=True)
    try:
        module.exit_json(**run(module, ClusterDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

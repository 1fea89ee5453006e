#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VPC network with its subnetworks and firewall rules."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_network
short_description: Make or remove a VPC network with its subnetworks and firewall rules
version_added: 0.1.0
author: The llm_d.gke contributors (@llm-d)
description:
  - One declaration for a network and what belongs to it, so that independent parts are made beside each other.
  - Only what is named is compared, and only what differs is changed. A difference in something that Google does not
    change is an error before anything is sent.
extends_documentation_fragment:
  - llm_d.gke.auth
  - llm_d.gke.wait
  - llm_d.gke.wait.ownership
  - llm_d.gke.attributes
options:
  name:
    description:
      - The network's name.
    type: str
    required: true
  description:
    description:
      - Text for people. The mark of O(deployment) is put behind it.
      - Cannot be changed on what exists.
    type: str
  auto_create_subnetworks:
    description:
      - Whether Google makes a subnetwork in every region. New networks are in custom mode when this is not given.
      - Auto mode can be turned into custom mode; the way back does not exist.
    type: bool
  mtu:
    description:
      - The largest packet in bytes, from 1300 to 8896. Machines see a change after a restart only.
    type: int
  routing_mode:
    description:
      - Whether Cloud Routers tell routes in their region or everywhere.
    type: str
    choices: [REGIONAL, GLOBAL]
  network_firewall_policy_enforcement_order:
    description:
      - Whether network firewall policies come before or after firewall rules. Google's default is after.
    type: str
    choices: [BEFORE_CLASSIC_FIREWALL, AFTER_CLASSIC_FIREWALL]
  subnetworks:
    description:
      - Subnetworks of the network. Those that are not named are left as they are; with O(state=absent) those marked
        with O(deployment) go as well.
      - Made beside each other as soon as the network is there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The subnetwork's name.
        type: str
        required: true
      region:
        description:
          - Its region.
        type: str
        required: true
      description:
        description:
          - Text for people. The mark of O(deployment) is put behind it.
          - Cannot be changed on what exists.
        type: str
      ip_cidr_range:
        description:
          - Its range. It can be widened to one that contains it, and not otherwise changed.
        type: str
      purpose:
        description:
          - V(REGIONAL_MANAGED_PROXY) for the proxies of regional load balancers; V(PRIVATE) is Google's default.
          - Cannot be changed on what exists.
        type: str
        choices:
          - PRIVATE
          - REGIONAL_MANAGED_PROXY
          - GLOBAL_MANAGED_PROXY
          - PRIVATE_SERVICE_CONNECT
          - PRIVATE_NAT
          - PEER_MIGRATION
      role:
        description:
          - For proxy-only subnetworks, whether it is in use or in reserve.
        type: str
        choices: [ACTIVE, BACKUP]
      private_ip_google_access:
        description:
          - Whether machines without a public address reach Google's APIs. GKE switches it on where a cluster lives,
            which is not taken for a difference.
        type: bool
      stack_type:
        description:
          - Which versions of IP.
        type: str
        choices: [IPV4_ONLY, IPV4_IPV6, IPV6_ONLY]
      secondary_ip_ranges:
        description:
          - Ranges for pods and services. The list replaces what is there; those that GKE reserves by itself do not
            count. Ranges can be added and removed, but none can be changed.
        type: list
        elements: dict
        suboptions:
          range_name:
            description:
              - The range's name.
            type: str
            required: true
          ip_cidr_range:
            description:
              - The range.
            type: str
            required: true
      log_config:
        description:
          - VPC flow logs.
        type: dict
        suboptions:
          enable:
            description:
              - Whether flows are logged.
            type: bool
          aggregation_interval:
            description:
              - For how long flows are summed up, such as V(INTERVAL_5_SEC).
            type: str
            choices:
              - INTERVAL_5_SEC
              - INTERVAL_30_SEC
              - INTERVAL_1_MIN
              - INTERVAL_5_MIN
              - INTERVAL_10_MIN
              - INTERVAL_15_MIN
          flow_sampling:
            description:
              - The share of flows that is logged, from 0 to 1.
            type: float
          metadata:
            description:
              - Which metadata is logged, such as V(INCLUDE_ALL_METADATA).
            type: str
            choices: [INCLUDE_ALL_METADATA, EXCLUDE_ALL_METADATA, CUSTOM_METADATA]
  firewall_rules:
    description:
      - Firewall rules of the network. Those that are not named are left as they are; with O(state=absent) those
        marked with O(deployment) go as well.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The rule's name.
        type: str
        required: true
      description:
        description:
          - Text for people. The mark of O(deployment) is put behind it.
        type: str
      direction:
        description:
          - Whether it is about what comes in or what goes out. Google's default is V(INGRESS).
          - Cannot be changed on what exists.
        type: str
        choices: [INGRESS, EGRESS]
      priority:
        description:
          - From 0, the first, to 65535. Google's default is 1000.
        type: int
      disabled:
        description:
          - Whether the rule is there without effect.
        type: bool
      allowed:
        description:
          - What passes. The list replaces what is there.
        type: list
        elements: dict
        suboptions:
          ip_protocol:
            description:
              - A protocol's name or number, or V(all).
            type: str
            required: true
          ports:
            description:
              - Ports and ranges of ports, such as V(8000-8999); all when it is not given.
            type: list
            elements: str
      denied:
        description:
          - What does not pass. The list replaces what is there.
        type: list
        elements: dict
        suboptions:
          ip_protocol:
            description:
              - A protocol's name or number, or V(all).
            type: str
            required: true
          ports:
            description:
              - Ports and ranges of ports, such as V(8000-8999); all when it is not given.
            type: list
            elements: str
      source_ranges:
        description:
          - Where it comes from. The list replaces what is there.
        type: list
        elements: str
      destination_ranges:
        description:
          - Where it goes. The list replaces what is there.
        type: list
        elements: str
      source_tags:
        description:
          - Tags of the machines it comes from.
        type: list
        elements: str
      target_tags:
        description:
          - Tags of the machines that the rule is for.
        type: list
        elements: str
      source_service_accounts:
        description:
          - Service accounts of the machines it comes from.
        type: list
        elements: str
      target_service_accounts:
        description:
          - Service accounts of the machines that the rule is for.
        type: list
        elements: str
      log_config:
        description:
          - Logging of the rule.
        type: dict
        suboptions:
          enable:
            description:
              - Whether connections are logged.
            type: bool
          metadata:
            description:
              - Which metadata is logged.
            type: str
            choices: [INCLUDE_ALL_METADATA, EXCLUDE_ALL_METADATA]
  state:
    description:
      - With V(absent), removes the named subnetworks and firewall rules, those on the network that are marked with
        O(deployment), and then the network.
      - A network that something else still uses is not removed. The error names what uses it.
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    default: 900
requirements:
  - google-cloud-compute
seealso:
  - module: llm_d.gke.gcp_leftovers
  - module: llm_d.gke.gke_cluster
"""

EXAMPLES = r"""
- name: A network for TPU nodes, with a subnetwork for regional load balancers
  llm_d.gke.gcp_network:
    name: qwen-serving-main
    deployment: qwen
    mtu: 8896
    routing_mode: REGIONAL
    subnetworks:
      - name: qwen-serving-tpu
        region: us-east5
        ip_cidr_range: 10.10.0.0/18
        private_ip_google_access: true
      - name: qwen-serving-proxy
        region: us-east5
        ip_cidr_range: 172.16.0.0/26
        purpose: REGIONAL_MANAGED_PROXY
        role: ACTIVE
    firewall_rules:
      - name: qwen-serving-allow-internal
        direction: INGRESS
        allowed:
          - ip_protocol: all
        source_ranges: [10.0.0.0/8, 172.16.0.0/12]

- name: Remove it again
  llm_d.gke.gcp_network:
    name: qwen-serving-main
    deployment: qwen
    subnetworks:
      - name: qwen-serving-tpu
        region: us-east5
    state: absent
"""

RETURN = r"""
network:
  description: The network, as Google describes it. In check mode, as it would be without what Google fills in.
  returned: success
  type: dict
subnetworks:
  description: The named subnetworks, likewise.
  returned: success
  type: list
  elements: dict
firewall_rules:
  description: The named firewall rules, likewise.
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
from ansible_collections.llm_d.gke.plugins.module_utils._resources.network import OPTIONS, NetworkDeclaration


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(OPTIONS, timeout=900), supports_check_mode=True)
    try:
        module.exit_json(**run(module, NetworkDeclaration))
    except GcpError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()

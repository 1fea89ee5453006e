# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``cost_estimate``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cost_estimate
author: The llm_d.gke contributors (@llm-d)
version_added: 0.1.0
short_description: What machines, disks, load balancer and cluster cost
description:
  - Multiplies what is asked for with a table of prices. The collection brings one along, with its date and its source.
  - What has no price is named, and not in the sum.
positional: region
options:
  _input:
    description:
      - C(cluster) (whether there is one), C(load_balancers) (how many), and C(nodes), each a group with C(name),
        C(machine_type), C(count), C(disk_size_gb), and perhaps C(disk_type), C(capacity) and C(public).
    type: dict
    required: true
  region:
    description: The region, for tables whose prices differ by region.
    type: str
    default: ""
  hours:
    description: For how long the run is estimated.
    type: float
    default: 2
  limit:
    description: The most that an hour may cost; empty for no limit.
    type: raw
    default: ""
  prices:
    description: Prices that are laid over the table.
    type: dict
    default: {}
  file:
    description: A table to be used instead of the collection's.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Show what eight machines on demand cost
  ansible.builtin.debug:
    msg: "{{ (asks | llm_d.gke.cost_estimate('us-east5')).lines }}"
  vars:
    asks:
      cluster: true
      nodes: [{name: tpu, machine_type: ct6e-standard-4t, count: 8, disk_size_gb: 300, capacity: on_demand}]
"""

RETURN = r"""
_value:
  description: The estimate.
  type: dict
  contains:
    per_hour:
      description: Price of an hour.
      type: float
    per_day:
      description: Price of a day.
      type: float
    for_this_run:
      description: Price of O(hours).
      type: float
    currency:
      description: The currency of the table.
      type: str
    complete:
      description: Whether everything had a price.
      type: bool
    unpriced:
      description: What had none.
      type: list
      elements: str
    items:
      description: What was counted, each with C(what), C(count), C(price) and C(per_hour).
      type: list
      elements: dict
    lines:
      description: For people.
      type: list
      elements: str
    check:
      description: Whether the table makes sense and O(limit) is kept, in the form of the reports with C(severity).
      type: dict
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..module_utils._findings import error
from ..plugin_utils import _cost

_OWN_TABLE = Path(_cost.__file__).with_name("prices.yml")
_NOTHING = {"per_hour": 0.0, "per_day": 0.0, "for_this_run": 0.0, "currency": "", "complete": False, "unpriced": []}


def cost_estimate(
    asks: Mapping[str, Any],
    region: str = "",
    *,
    hours: float = 2.0,
    limit: Any = "",
    prices: Mapping[str, Any] | None = None,
    file: str = "",
) -> dict[str, Any]:
    """The estimate; a table that makes no sense is a finding like any other."""
    path = Path(file).expanduser() if file else _OWN_TABLE
    try:
        table = _cost.laid_over(
            _cost.checked(yaml.safe_load(path.read_text(encoding="utf-8")), str(path)),
            _cost.checked(prices or {}, "deployment_prices"),
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, _cost.PriceError) as trouble:
        words = " ".join(str(trouble).split())
        check = error(
            _cost.TABLE, "a table that can be read", words, "correct the table (docs/cost.md shows its form)."
        )
        return {**_NOTHING, "items": [], "lines": [f"no estimate: {words}"], "check": check.as_dict()}
    result = _cost.estimate(asks, table, region, float(hours))
    return {**result, "check": _cost.limit_check(result, limit).as_dict()}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cost_estimate": cost_estimate}

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: what a deployment costs, from a table of prices. Pure functions.

An estimate says what it counted, and what it could not price: a sum that leaves something out is called incomplete."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..module_utils._findings import Check, error, good, warning

Table = Mapping[str, Any]
HOURS_A_MONTH = 730
# Keys of the table: maps of numbers, one level deep or two, and single numbers.
_NUMBERS = ("address_hour", "cluster_hour", "load_balancer_hour")
_MAPS = ("machine_hour", "vcpu_hour", "memory_gb_hour", "disk_gb_month")
_DEEP = ("tpu_chip_hour",)
_TEXTS = ("date", "currency", "source")
_MEMORY = {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0}
_MACHINE = re.compile(r"^(?P<family>[a-z0-9]+)-(?P<kind>[a-z0-9]+)-(?P<size>\d+)$")
_TPU = re.compile(r"^(?P<family>(?:ct|tpu)[a-z0-9]*)-.*?(?P<chips>\d+)t$")
LIMIT = "price per hour"
TABLE = "price table"


class PriceError(ValueError):
    """A table that makes no sense; the message says where, and what belongs there."""


@dataclass(frozen=True)
class Item:
    """One line: so many of something; without a price it is not in the sum."""

    what: str
    count: float
    price: float | None

    @property
    def per_hour(self) -> float:
        return self.count * (self.price or 0.0)

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "count": self.count, "price": self.price, "per_hour": round(self.per_hour, 4)}


# ---- the table -----------------------------------------------------------------------------------------------------


def checked(table: Any, where: str) -> Table:
    """The table, once every key and number of it makes sense."""
    if not isinstance(table, Mapping):
        raise PriceError(f"{where} is no map of prices")
    for key, value in table.items():
        if key == "regions":
            _regions(value, where)
        else:
            _entry(str(key), value, where)
    return table


def _entry(key: str, value: Any, where: str) -> None:
    if key in _TEXTS:
        if not isinstance(value, str | date):
            raise PriceError(f"{where}: {key} is {value!r}, no text")
    elif key in _NUMBERS:
        _number(f"{where}: {key}", value)
    elif key in _MAPS:
        _map(f"{where}: {key}", value)
    elif key in _DEEP:
        for inner, prices in _items(f"{where}: {key}", value):
            _map(f"{where}: {key}.{inner}", prices)
    else:
        known = ", ".join((*_TEXTS, *_NUMBERS, *_MAPS, *_DEEP, "regions"))
        raise PriceError(f"{where}: {key} is unknown; known are {known}")


def _regions(value: Any, where: str) -> None:
    for region, prices in _items(f"{where}: regions", value):
        for key, inner in _items(f"{where}: regions.{region}", prices):
            if key in ("regions", *_TEXTS):
                raise PriceError(f"{where}: regions.{region}.{key} does not belong there")
            _entry(key, inner, f"{where}: regions.{region}")


def _items(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise PriceError(f"{where} is {value!r}, no map")
    for key, inner in value.items():
        yield str(key), inner


def _map(where: str, value: Any) -> None:
    for key, price in _items(where, value):
        _number(f"{where}.{key}", price)


def _number(where: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise PriceError(f"{where} is {value!r}, no price (a number, not negative, in the table's currency)")


def laid_over(base: Table, over: Table) -> dict[str, Any]:
    """Maps are merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = laid_over(below, value) if both and below is not None else value
    return merged


def for_region(table: Table, region: str) -> Table:
    return laid_over(table, (table.get("regions") or {}).get(region) or {})


# ---- what is counted -----------------------------------------------------------------------------------------------


def items(asks: Mapping[str, Any], prices: Table) -> Iterator[Item]:
    """`asks`: `cluster` (whether there is one), `load_balancers`, and `nodes`: groups with `name`, `machine_type`,
    `count`, `disk_size_gb`, and perhaps `disk_type`, `capacity`, `public`."""
    if asks.get("cluster"):
        yield Item("cluster fee", 1, prices.get("cluster_hour"))
    for group in together(asks.get("nodes") or []):
        yield from _group(group, prices)
    balancers = int(asks.get("load_balancers") or 0)
    if balancers:
        yield Item("load balancer", balancers, prices.get("load_balancer_hour"))


def together(groups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Groups that differ in nothing but their names become one."""
    merged: dict[str, dict[str, Any]] = {}
    names: dict[str, list[str]] = {}
    for group in groups:
        key = repr(sorted((name, str(value)) for name, value in group.items() if name not in ("name", "count")))
        names.setdefault(key, []).append(str(group["name"]))
        known = merged.setdefault(key, {**group, "count": 0})
        known["count"] += int(group["count"])
    return [
        {**group, "name": names[key][0] + (f" to {names[key][-1]}" if len(names[key]) > 1 else "")}
        for key, group in merged.items()
    ]


def _group(group: Mapping[str, Any], prices: Table) -> Iterator[Item]:
    count, machine = int(group["count"]), str(group["machine_type"])
    if not count:
        return
    yield _machine(group, machine, count, prices)
    disk = str(group.get("disk_type") or "pd-balanced")
    monthly = (prices.get("disk_gb_month") or {}).get(disk)
    size = int(group.get("disk_size_gb") or 100)
    yield Item(
        f"{group['name']}: {disk} of {size} GB", count, None if monthly is None else size * monthly / HOURS_A_MONTH
    )
    if group.get("public", True):
        yield Item(f"{group['name']}: addresses", count, prices.get("address_hour"))


def _machine(group: Mapping[str, Any], machine: str, count: int, prices: Table) -> Item:
    capacity = str(group.get("capacity") or "on_demand")
    whole = (prices.get("machine_hour") or {}).get(machine)
    if whole is not None:
        return Item(f"{group['name']}: {machine}", count, whole)
    if tpu := _TPU.match(machine):
        chips = count * int(tpu["chips"])
        price = ((prices.get("tpu_chip_hour") or {}).get(tpu["family"]) or {}).get(capacity)
        return Item(f"{group['name']}: chips of {machine} ({capacity})", chips, price)
    return Item(f"{group['name']}: {machine}", count, _by_parts(machine, prices))


def _by_parts(machine: str, prices: Table) -> float | None:
    match = _MACHINE.match(machine)
    if match is None or match["kind"] not in _MEMORY:
        return None
    cpu = (prices.get("vcpu_hour") or {}).get(match["family"])
    memory = (prices.get("memory_gb_hour") or {}).get(match["family"])
    if cpu is None or memory is None:
        return None
    size = int(match["size"])
    ratio = 3.75 if match["family"] == "n1" and match["kind"] == "standard" else _MEMORY[match["kind"]]
    return float(size * cpu + size * ratio * memory)


# ---- the estimate --------------------------------------------------------------------------------------------------


def estimate(asks: Mapping[str, Any], table: Table, region: str, hours: float) -> dict[str, Any]:
    """Per hour, per day, and for so many hours."""
    prices = for_region(table, region)
    counted = list(items(asks, prices))
    per_hour = sum(item.per_hour for item in counted)
    unpriced = [item.what for item in counted if item.price is None]
    result = {
        "currency": str(table.get("currency") or "USD"),
        "per_hour": round(per_hour, 2),
        "per_day": round(24 * per_hour, 2),
        "hours": round(hours, 2),
        "for_this_run": round(hours * per_hour, 2),
        "complete": not unpriced,
        "unpriced": unpriced,
        "items": [item.as_dict() for item in counted],
        "prices_of": str(table.get("date") or "an unknown date"),
        "source": str(table.get("source") or ""),
    }
    return {**result, "lines": lines(result)}


def lines(result: Mapping[str, Any]) -> list[str]:
    """For people."""
    currency = result["currency"]
    told = [
        f"{item['count']:>5g} x {item['what']:<72} "
        + ("  no price" if item["price"] is None else f"{item['per_hour']:>9.2f} {currency}/h")
        for item in result["items"]
    ]
    about = "at least " if result["unpriced"] else "about "
    told.append(
        f"{about}{result['per_hour']:.2f} {currency} an hour, {result['per_day']:.2f} a day,"
        f" {result['for_this_run']:.2f} for {result['hours']:g} hours (prices of {result['prices_of']}; traffic not"
        " counted)"
    )
    return told


def limit_check(result: Mapping[str, Any], limit: Any) -> Check:
    """Whether the price keeps to the limit. No limit: it is only told."""
    currency, per_hour = result["currency"], result["per_hour"]
    told = f"{per_hour:.2f} {currency} an hour, {result['per_day']:.2f} a day"
    try:
        most = float(limit) if str(limit or "").strip() else None
    except ValueError:
        most = -1.0
    if most is not None and not 0 < most < float("inf"):
        return error(
            LIMIT, "a limit that is a number", f"cost_limit_per_hour is {limit!r}", "set it to a number above 0."
        )
    missing = ", ".join(result["unpriced"])
    price_it = "give it a price by deployment_prices"
    if most is None:
        if missing:
            return warning(LIMIT, "every part has a price", f"at least {told}; no price for {missing}", f"{price_it}.")
        return good(LIMIT, "told (no limit is set)", told)
    needed = f"at most {most:g} {currency} (cost_limit_per_hour)"
    if per_hour > most:
        return error(LIMIT, needed, told, "make it smaller (replicas, pools, capacity), or raise cost_limit_per_hour.")
    if missing:
        return error(LIMIT, needed, f"at least {told}; no price for {missing}", f"{price_it}, or drop the limit.")
    return good(LIMIT, needed, told)

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""PRIVATE to this collection: the loads of a benchmark, and what is wrong with its settings, without asking anybody."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Settings = Mapping[str, Any]
DATASETS = ("sharegpt", "random", "custom")
BACKENDS = ("openai", "openai-chat", "vllm")
GOODPUT = ("ttft", "tpot", "e2el")
INFINITE = "inf"
_HUB_NAME = re.compile(r"^(hf://)?[\w.-]+/[\w.-]+(@[\w./-]+)?$")
_FLOATING = re.compile(r"(^[^:@]+$|:(latest|nightly|main|stable)(-.*)?$)")


def number(value: Any) -> float | None:
    """A number, also one that a survey gave as a text; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(found) else found


def steps(settings: Settings) -> list[dict[str, Any]]:
    """The loads, in the order given: each with its name, rate, concurrency and requests."""
    requests, seconds = int(number(settings["num_prompts"]) or 0), number(settings["step_seconds"]) or 0.0
    found = []
    for value in settings["concurrencies"]:
        many = int(number(value) or 0)
        found.append({"name": f"concurrency-{many}", "rate": INFINITE, "concurrency": many, "requests": requests})
    if found:
        return found
    cap = int(number(settings["max_concurrency"]) or 0) or None
    for value in settings["rates"]:
        rate = number(value) or 0.0
        if math.isinf(rate):
            found.append({"name": "rate-inf", "rate": INFINITE, "concurrency": cap, "requests": requests})
            continue
        limit = math.ceil(rate * seconds) if seconds else requests
        load = {"name": f"rate-{rate:g}", "rate": rate, "concurrency": cap, "requests": max(min(requests, limit), 1)}
        found.append(load)
    return found


def findings(settings: Settings) -> list[str]:
    """Everything that is wrong, each in a sentence that names the variable."""
    return [sentence for rule in _RULES for sentence in rule(settings)]


def _loads(settings: Settings) -> Iterator[str]:
    rates, concurrencies = settings["rates"], settings["concurrencies"]
    if not rates and not concurrencies:
        yield "No load: give benchmark_rates (requests a second) or benchmark_concurrencies (requests at once)."
    for value in rates:
        rate = number(value)
        if rate is None or rate <= 0:
            yield f"benchmark_rates holds {value!r}; a rate is a number of requests a second above 0, or inf."
    for value in concurrencies:
        many = number(value)
        if many is None or many < 1 or many != int(many):
            yield f"benchmark_concurrencies holds {value!r}; it takes whole numbers of 1 and more."
    names = [step["name"] for step in steps(settings)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"The load {name} is there twice: correct benchmark_rates or benchmark_concurrencies."


def _numbers(settings: Settings) -> Iterator[str]:
    least = {
        "num_prompts": 1, "step_seconds": 0, "max_concurrency": 0, "warmups": 0, "timeout": 1, "ready_timeout": 1,
        "max_failed_percent": 0, "min_sent_percent": 0, "usd_per_chip_hour": 0, "tolerance_percent": 0,
        "queue_timeout": 0, "settle_seconds": 0,
    }  # fmt: skip
    for name, smallest in least.items():
        value = number(settings[name])
        if value is None or value < smallest:
            yield f"benchmark_{name} is {settings[name]!r}; it takes a number of {smallest} or more."
    temperature, burstiness = number(settings["temperature"]), number(settings["burstiness"])
    if temperature is None or temperature < 0:
        yield f"benchmark_temperature is {settings['temperature']!r}; it takes a number of 0 or more."
    if burstiness is None or burstiness <= 0:
        yield f"benchmark_burstiness is {settings['burstiness']!r}; it takes a number above 0 (1: a Poisson process)."
    for key, value in settings["goodput"].items():
        target = number(value)
        if key not in GOODPUT:
            yield f"benchmark_goodput names {key!r}; vllm bench serve knows {', '.join(GOODPUT)}."
        elif target is None or target <= 0:
            yield f"benchmark_goodput has {value!r} for {key}; it takes milliseconds above 0."


def _time(settings: Settings) -> Iterator[str]:
    timeout = number(settings["timeout"])
    least = sum(step["requests"] / step["rate"] for step in steps(settings) if step["rate"] not in (INFINITE, 0.0))
    if timeout and least > timeout:
        yield (
            f"Sending alone takes {least:.0f} s, benchmark_timeout is {timeout:g}: make it larger, or"
            " benchmark_num_prompts or benchmark_step_seconds smaller."
        )


def _data(settings: Settings) -> Iterator[str]:
    name, source = settings["dataset"], str(settings["dataset_source"] or "")
    if name not in DATASETS:
        yield f"benchmark_dataset is {name!r}; it takes one of {', '.join(DATASETS)}."
    elif name != "random" and not source:
        yield f"benchmark_dataset {name} needs benchmark_dataset_source."
    elif name != "random" and not re.match(r"^(https?://|gs://[^/]+/.|/|file:.)", source):
        yield f"benchmark_dataset_source is {source!r}; it takes https://, gs://, /path/on/the/volume or file:PATH."
    if settings["backend"] not in BACKENDS:
        yield f"benchmark_backend is {settings['backend']!r}; it takes one of {', '.join(BACKENDS)}."
    tokenizer = str(settings["tokenizer"] or "")
    if not (_HUB_NAME.match(tokenizer) or re.match(r"^(gs://[^/]+|/|file:.)", tokenizer)):
        yield (
            f"benchmark_tokenizer is {tokenizer!r}; it takes organisation/name of the hub, gs://bucket/folder/,"
            " /folder/on/the/volume or file:FOLDER."
        )
    for key in ("input_len", "output_len", "prefix_len"):
        value, least = number(settings[key]), 1 if name == "random" and key != "prefix_len" else 0
        if value is None or value < least or value != int(value):
            yield f"benchmark_{key} is {settings[key]!r}; it takes a whole number of {least} or more."
    ratio = number(settings["range_ratio"])
    if ratio is None or not 0 <= ratio < 1:
        yield f"benchmark_range_ratio is {settings['range_ratio']!r}; it takes a number from 0 to below 1."


def _image(settings: Settings) -> Iterator[str]:
    image = str(settings["image"] or "")
    if not image:
        yield "benchmark_image is empty."
    elif _FLOATING.search(image) and not settings["allow_floating_images"]:
        yield (
            f"benchmark_image is {image}, which is another program tomorrow: results could not be compared. Pin a"
            " version, or set llm_d_allow_floating_images."
        )


_RULES: tuple[Callable[[Settings], Iterator[str]], ...] = (_loads, _numbers, _time, _data, _image)

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What a benchmark's pod says in its log, put together: lines behind a mark, results in numbered parts.

Pure functions and plain data. The same lines may come twice (a log is read again from the last full second on), and
some may never come (a log file is replaced when it is full); both are noticed by the numbers.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MARK = "llm-d-benchmark: "
Frame = dict[str, Any]


@dataclass
class Payload:
    """One result on its way."""

    of: int = 0
    parts: dict[int, str] = field(default_factory=dict)
    sha256: str = ""

    def whole(self) -> bool:
        return bool(self.sha256) and len(self.parts) == self.of


@dataclass
class Told:
    """All that the pod has told so far."""

    steps: dict[str, Frame] = field(default_factory=dict)
    payloads: dict[tuple[str, str], Payload] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    model: Frame = field(default_factory=dict)
    prepared: Frame | None = None
    end: Frame | None = None

    def trouble(self) -> str:
        return str((self.end or {}).get("trouble") or "")

    def remedy(self) -> str:
        return str((self.end or {}).get("remedy") or "")

    def ended_steps(self) -> list[str]:
        return [name for name, step in self.steps.items() if step.get("state") == "ended"]


def frames(log: str) -> Iterable[tuple[str, Frame]]:
    """The lines that are for us, each with its time stamp. A line that was cut in the middle is none."""
    for line in log.splitlines():
        at, _sign, text = line.partition(" ")
        if not text.startswith(MARK):
            continue
        try:
            frame = json.loads(text[len(MARK) :])
        except ValueError:
            continue
        if isinstance(frame, dict) and "kind" in frame:
            yield at, frame


def last_moment(log: str) -> str:
    """The time stamp of the last line of a log that was read with time stamps."""
    last = log.rstrip("\n").rpartition("\n")[2].partition(" ")[0]
    return last if last[:4].isdigit() and last.endswith("Z") else ""


def take(told: Told, frame: Frame) -> bool:
    """Add a line to what is known; false when it was known already."""
    kind, step = frame["kind"], str(frame.get("step") or "")
    if kind in ("part", "sent"):
        return _take_payload(told.payloads.setdefault((step, str(frame["what"])), Payload()), frame)
    if kind in ("step", "progress"):
        known = told.steps.setdefault(step, {})
        new = {key: value for key, value in frame.items() if key not in ("kind", "at", "step")}
        if known.get("state") == "ended" or new.items() <= known.items():
            return False
        if kind == "progress" and float(new["seconds"]) <= float(known.get("seconds") or 0):
            return False
        known.update(new)
        return True
    if kind == "note":
        if frame["text"] in told.notes:
            return False
        told.notes.append(str(frame["text"]))
        return True
    if kind == "model":
        new_model, told.model = told.model != frame, frame
        return new_model
    if kind == "prepared":
        new_prepared, told.prepared = told.prepared is None, frame
        return new_prepared
    if kind == "end":
        new_end, told.end = told.end is None, told.end or frame
        return new_end
    return False


def _take_payload(payload: Payload, frame: Frame) -> bool:
    payload.of = int(frame["of"])
    if frame["kind"] == "sent":
        known, payload.sha256 = payload.sha256, str(frame["sha256"])
        return not known
    number = int(frame["part"])
    if number in payload.parts:
        return False
    payload.parts[number] = str(frame["data"])
    return True


def assemble(payload: Payload) -> tuple[Frame | None, str]:
    """The result, or what is wrong with it."""
    if not payload.sha256:
        return None, f"its end is missing; {len(payload.parts)} of {payload.of} parts came"
    missing = payload.of - len(payload.parts)
    if missing:
        return None, f"{missing} of {payload.of} parts are missing"
    try:
        raw = gzip.decompress(base64.b64decode("".join(payload.parts[number] for number in range(1, payload.of + 1))))
    except (OSError, EOFError, binascii.Error, KeyError) as error:
        return None, f"it cannot be unpacked: {error}"
    if hashlib.sha256(raw).hexdigest() != payload.sha256:
        return None, "its checksum is another one"
    return dict(json.loads(raw)), ""


def describe(frame: Frame) -> str:
    """A line of the log for people; empty for what is none of their business."""
    kind, step = frame["kind"], frame.get("step") or ""
    if kind == "preparing":
        return f"fetching tokenizer ({frame['tokenizer']}) and data set ({frame['dataset']})"
    if kind == "prepared":
        return "tokenizer is there" + (f", {frame['entries']} entries of the data set" if frame.get("entries") else "")
    if kind == "model":
        window = f", window of {frame['window']} tokens" if frame.get("window") else ""
        return f"the service lists {frame['model']}{window}"
    if kind == "progress":
        return f"{step}: {frame['done']} of {frame['of']} requests, {frame['rate']:g}/s, {frame['seconds']:.0f} s"
    if kind == "note":
        return str(frame["text"])
    if kind == "step":
        return _describe_step(step, frame)
    return ""


def _describe_step(step: str, frame: Mapping[str, Any]) -> str:
    if frame["state"] == "started":
        load = [f"{frame['requests']} requests", f"{frame['rate']} a second" if frame["rate"] != "inf" else ""]
        load += [f"at most {frame['concurrency']} at once" if frame.get("concurrency") else ""]
        return f"{step}: {', '.join(part for part in load if part)}; the client starts"
    if frame["state"] == "measuring":
        return f"{step}: warm, measuring"
    if frame.get("trouble"):
        return f"{step}: {str(frame['trouble']).splitlines()[0]}"
    return f"{step}: done, {frame.get('completed')} answered, {frame.get('failed')} failed"

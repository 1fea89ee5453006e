# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Reading what `vllm bench serve` wrote, whatever its version, and whatever became of the file.

A file may hold one object, several (`--append-result`), or a list of records in PyTorch's form; it may be cut anywhere;
numbers may be NaN or Infinity, which is no JSON. What is there is read, what is not is told. Long arrays of numbers go
straight into numpy, block by block: twelve million gaps between tokens are 250 MB of text, and would be 400 MB of
Python objects. Without numpy they are stepped over.

This file is private to the collection.
"""

from __future__ import annotations

import json
import math
import mmap
import multiprocessing
import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ._benchmark_numpy import np
from ._errors import GcpError


class _File(mmap.mmap):
    """A file in memory that knows its name."""

    name = ""


Buffer: TypeAlias = "bytes | _File"
BLOCK = 16 << 20
# From so many blocks on it pays to use two processors.
MANY_BLOCKS = 4
# A shorter array is read as any other value.
LONG = 4096

_SPACE = re.compile(rb"[\s,]*")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}\[{:\"]+")
_STRINGS = re.compile(rb'\[(?:\s*+(?:"(?:[^"\\]++|\\.)*+"|null)\s*+,?+)*+\s*+', re.DOTALL)
_DEPTH = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_NUMERIC = re.compile(rb"\[[\s\[]*(?:-?[\d.]|NaN|null|-?Infinity|\])")
_METRIC = re.compile(r"^(mean|median|std|p[\d.]+)_\w+_ms$")


class ResultError(GcpError):
    """A file of which nothing can be read."""

    default_remedy = "Give it a result file of `vllm bench serve --save-result`."


class _Cut(Exception):
    """The file ends in the middle of a value. What is whole of it comes along."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value


class _Strange(Exception):
    """An array that is not what its place wants. Reading goes on behind it."""

    def __init__(self, what: str, end: int) -> None:
        super().__init__(what)
        self.end = end


@dataclass
class Ragged:
    """A list of lists of numbers, flat."""

    values: Any
    counts: Any


@dataclass
class Found:
    """One result."""

    source: str
    fields: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def number(self, key: str) -> float | None:
        """A finite number; None for anything else."""
        return finite(self.fields.get(key))


def finite(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def read(path: Path) -> list[Found]:
    """The results of a file; at least one, or ResultError."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise ResultError("the file is empty", action="read", resource=str(path))
            if path.suffix == ".gz":
                import gzip

                return _results(gzip.GzipFile(fileobj=file).read(), path)
            with _File(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                data.name = str(path)
                return _results(data, path)
    except (OSError, EOFError) as error:
        raise ResultError(f"it cannot be read: {error}", action="read", resource=str(path)) from error


def _results(data: Buffer, path: Path) -> list[Found]:
    found: list[Found] = []
    at = _skip(data, 3 if data[:3] == b"\xef\xbb\xbf" else 0)
    if data[at : at + 1] == b"[":
        found = _of_list(data, path)
    else:
        while data[at : at + 1] == b"{":
            result = Found(path.name)
            at = _skip(data, _object(data, at, result))
            found.append(result)
        if found and at < len(data):
            found[-1].notes.append(f"{len(data) - at:,} bytes after it are not JSON")
    found = [each for each in found if each.fields]
    if not found:
        raise ResultError("nothing in it can be read as JSON", action="read", resource=str(path))
    for number, each in enumerate(found, 1):
        if len(found) > 1:
            each.source = f"{path.name} ({number} of {len(found)})"
    return found


def _skip(data: Buffer, at: int) -> int:
    match = _SPACE.match(data, at)
    return match.end() if match else at


def _object(data: Buffer, at: int, result: Found) -> int:
    """Read the object that begins at `at` into a result; returns where it ends."""
    at += 1
    while True:
        at = _skip(data, at)
        if data[at : at + 1] == b"}":
            return at + 1
        key_match = _STRING.match(data, at)
        if key_match is None:
            return _broken(data, at, result)
        key = str(json.loads(key_match.group()))
        at = _SPACE.match(data, key_match.end()).end()  # type: ignore[union-attr]
        if data[at : at + 1] != b":":
            return _broken(data, at, result)
        at = _skip(data, at + 1)
        try:
            result.fields[key], at = _value(data, at)
        except _Cut as cut:
            if cut.value is not None:
                result.fields[key] = cut.value
            result.notes.append(f"it is cut in the middle of `{key}`; what comes before was read")
            return _next_line(data, at)
        except _Strange as strange:
            result.notes.append(f"`{key}` cannot be read: {strange}")
            at = strange.end
        except ValueError as error:
            result.notes.append(f"`{key}` cannot be read ({error}); what comes before was read")
            return _next_line(data, at)


def _broken(data: Buffer, at: int, result: Found) -> int:
    if at >= len(data) or (data[at : at + 1] == b'"' and _STRING.match(data, at) is None):
        result.notes.append("it is cut: its end is missing")
        return len(data)
    result.notes.append(f"byte {at:,} is not JSON; what comes before was read")
    return _next_line(data, at)


def _next_line(data: Buffer, at: int) -> int:
    """Where the next object of a file with one a line begins."""
    found = data.find(b"\n{", at)
    return len(data) if found < 0 else found + 1


def _value(data: Buffer, at: int) -> tuple[Any, int]:
    first = data[at : at + 1]
    if first == b'"':
        match = _STRING.match(data, at)
        if match is None:
            raise _Cut
        return json.loads(match.group()), match.end()
    if first == b"[":
        return _array(data, at)
    if first == b"{":
        end = _matching(data, at)
        return json.loads(data[at:end]), end
    match = _SCALAR.match(data, at)
    if match is None:
        raise _Cut
    if match.end() == len(data):
        raise _Cut
    return json.loads(match.group()), match.end()


def _array(data: Buffer, at: int) -> tuple[Any, int]:
    if _NUMERIC.match(data, at):
        return _numbers(data, at)
    match = _STRINGS.match(data, at)
    if match is not None and match.end() > at + 1:
        text, end = bytes(match.group()).rstrip(b" \t\r\n,"), match.end()
        if data[end : end + 1] == b"]":
            return json.loads(text + b"]"), end + 1
        if end == len(data) or data[end : end + 1] == b'"':
            raise _Cut(json.loads(text + b"]"))
    end = _matching(data, at)
    return json.loads(data[at:end]), end


def _matching(data: Buffer, at: int) -> int:
    """Where the value that opens at `at` closes."""
    depth = 0
    for match in _DEPTH.finditer(data, at):
        character = match.group()
        if character in (b"[", b"{"):
            depth += 1
        elif character in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                return match.end()
    raise _Cut


def _numbers(data: Buffer, at: int) -> tuple[Any, int]:
    """An array of numbers, or of arrays of numbers. No strings are in it, so it ends before the next one."""
    bound = len(data)
    for mark in (b'"', b"}", b"{"):
        found = data.find(mark, at, bound)
        bound = found if found >= 0 else bound
    close = data.rfind(b"]", at, bound)
    nested = data[_after_bracket(data, at) : _after_bracket(data, at) + 1] == b"["
    if bound < len(data):
        # What follows an array is a key or the end of the object; an object that begins is the next line's.
        whole = data[bound : bound + 1] != b"{" and close >= 0
    else:
        # The file ends here: is this the array's own bracket, or that of a list in it?
        tail = bytes(data[max(at + 1, bound - 200) : bound]).rstrip()
        whole = tail.endswith(b"]") and (not nested or tail[:-1].rstrip().endswith(b"]"))
    if not whole:
        # The last number of all may be cut as well.
        last = data.rfind(b"]" if nested else b",", at, bound)
        close = last + 1 if nested and last >= 0 else last
        if close <= at:
            raise _Cut
    start = at + 1
    if close - start < LONG:
        text = bytes(data[start:close]).decode("ascii", "replace").rstrip(" \t\r\n,")
        value = json.loads(f"[{text}]")
        if np is not None and value:
            value = _as_ragged(value) if nested else _as_array(value)
    elif np is None:
        value = None
    else:
        try:
            path = Path(data.name) if isinstance(data, _File) else None
            value = _ragged(data, start, close, path) if nested else _flat(bytes(data[start:close]))
        except (ValueError, DeprecationWarning) as error:
            raise _Strange(str(error), close + 1) from error
    if not whole:
        raise _Cut(value)
    return value, close + 1


def _after_bracket(data: Buffer, at: int) -> int:
    return _skip(data, at + 1)


def _as_array(value: list[Any]) -> Any:
    return np.array([math.nan if each is None else each for each in value], dtype=float)


def _as_ragged(value: list[Any]) -> Ragged:
    lists = [each if isinstance(each, list) else [] for each in value]
    return Ragged(
        _as_array([item for each in lists for item in each]), np.array([len(each) for each in lists], dtype=int)
    )


def _flat(text: bytes) -> Any:
    """Numbers and commas, brackets left out."""
    text = text.translate(None, b"[] \t\r\n")
    if b"null" in text:
        text = text.replace(b"null", b"nan")
    while b",," in text:
        text = text.replace(b",,", b",")
    text = text.strip(b",")
    return np.fromstring(text.decode("ascii"), dtype=float, sep=",") if text else np.empty(0)


def _ragged(data: Buffer, start: int, close: int, path: Path | None) -> Ragged:
    blocks = list(_blocks(data, start, close))
    if path is not None and len(blocks) >= MANY_BLOCKS and (os.cpu_count() or 1) > 1:
        # Turning text into numbers is all the work there is, and blocks do not depend on each other.
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
            parts = list(pool.map(_block_of_file, [path] * len(blocks), blocks))
    else:
        parts = [_block(bytes(data[low:high])) for low, high in blocks]
    ragged = Ragged(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))
    if len(ragged.values) != ragged.counts.sum():
        raise ValueError("its lists hold something else than numbers")
    return ragged


def _block_of_file(path: Path, bounds: tuple[int, int]) -> tuple[Any, Any]:
    with path.open("rb") as file:
        file.seek(bounds[0])
        return _block(file.read(bounds[1] - bounds[0]))


def _block(block: bytes) -> tuple[Any, Any]:
    """The numbers of some lists, and how many each list has."""
    marks = np.frombuffer(block, dtype=np.uint8)
    opens, closes = np.flatnonzero(marks == ord("[")), np.flatnonzero(marks == ord("]"))
    if len(opens) != len(closes):
        raise ValueError("its brackets do not match")
    commas = np.flatnonzero(marks == ord(","))
    inside = np.searchsorted(commas, closes) - np.searchsorted(commas, opens)
    # Without a comma there is one number, or none.
    for place in np.flatnonzero(inside == 0):
        inside[place] -= not block[opens[place] + 1 : closes[place]].strip()
    return _flat(block), inside + 1


def _blocks(data: Buffer, start: int, close: int) -> Iterator[tuple[int, int]]:
    """Pieces that end where a list ends."""
    while start < close:
        end = min(start + BLOCK, close)
        if end < close:
            found = data.rfind(b"]", start, end)
            end = found + 1 if found >= 0 else data.find(b"]", end, close) + 1 or close
        yield start, end
        start = end


def _of_list(data: Buffer, path: Path) -> list[Found]:
    """Records in PyTorch's form, one a metric; or a list of results."""
    note = ""
    try:
        records = json.loads(bytes(data))
    except ValueError:
        records, note = _whole_records(bytes(data)), "the file is cut; the records before were read"
    results = [each for each in records if isinstance(each, dict)]
    if any("metric" in each for each in results):
        found = [_from_pytorch(results, path)]
    else:
        found = []
        for each in results:
            result = Found(path.name)
            _object(json.dumps(each).encode(), 0, result)
            found.append(result)
    if note and found:
        found[-1].notes.append(note)
    return found


def _whole_records(data: bytes) -> list[Any]:
    text, at, decoder = data.decode("utf-8", "replace"), 1, json.JSONDecoder()
    records: list[Any] = []
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            record, at = decoder.raw_decode(text, at)
        except ValueError:
            return records
        records.append(record)


def _from_pytorch(records: list[dict[str, Any]], path: Path) -> Found:
    """The file that is written beside the result when SAVE_TO_PYTORCH_BENCHMARK_FORMAT is set."""
    result = Found(path.name, notes=["read from PyTorch's form: totals and percentiles only"])
    for record in records:
        metric = record.get("metric") or {}
        values = metric.get("benchmark_values") or []
        if metric.get("name") and values:
            result.fields[str(metric["name"])] = values[0]
        for key, value in (metric.get("extra_info") or {}).items():
            if not isinstance(value, list | dict):
                result.fields.setdefault(str(key), value)
        arguments = ((record.get("benchmark") or {}).get("extra_info") or {}).get("args") or {}
        for key in ("num_prompts", "request_rate", "burstiness", "max_concurrency", "backend"):
            if arguments.get(key) is not None:
                result.fields.setdefault(key, arguments[key])
        if record.get("model"):
            result.fields.setdefault("model_id", record["model"].get("name"))
    return result


def is_metric(key: str) -> bool:
    return bool(_METRIC.match(key))

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The folder of one benchmark on this machine: what came is written down as it comes, so that nothing is lost.

    <run>/journal.jsonl   what the pod told, as it came (parts of results that arrived whole are taken out at the end)
    <run>/servers.jsonl   the model servers' counters, one line a pod and look
    <run>/steps/*.json    a result file for each load, as vllm bench serve wrote it

This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ._benchmark_log import Frame, Told, assemble, take
from ._errors import GcpError

RUN = re.compile(r"^\d{8}T\d{6}Z(-\d+)?$")


class FolderError(GcpError):
    """The folder of the results cannot be used."""

    default_remedy = "Give deployment_reports a folder that this user can write to, with some space left."


def new_folder(base: Path, run: str) -> Path:
    """A folder of its own for a run; two runs of one second get two."""
    try:
        base.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100):
            folder = base / (run if number == 1 else f"{run}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            (folder / "steps").mkdir()
            return folder
    except OSError as error:
        raise FolderError(
            f"{base} cannot be written to: {error.strerror}", action="make", resource=str(base)
        ) from error
    raise FolderError(f"it has a hundred runs of {run}", action="make", resource=str(base))


def remove_empty(folder: Path) -> None:
    """Take the folder of a run away that never began."""
    for place in (folder / "steps", folder):
        try:
            place.rmdir()
        except OSError:
            return


class RunFolder:
    """Appends to the files of a run, and reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remember(self, frames: Iterable[Frame]) -> None:
        self._append("journal.jsonl", frames)

    def sampled(self, rows: Iterable[Frame]) -> None:
        self._append("servers.jsonl", rows)

    def told(self) -> Told:
        """All that has been told, from the journal."""
        told = Told()
        for frame in self._lines("journal.jsonl"):
            if frame["kind"] != "read":
                take(told, frame)
        return told

    def read_until(self) -> dict[str, str]:
        """By container, the time stamp up to which its log was read."""
        return {
            str(each["container"]): str(each["until"])
            for each in self._lines("journal.jsonl")
            if each["kind"] == "read"
        }

    def rows(self) -> list[Frame]:
        return list(self._lines("servers.jsonl"))

    def keep_results(self, told: Told) -> list[str]:
        """Write each result that has arrived; says what is wrong with those that have not."""
        troubles = []
        for step in told.steps:
            result, trouble = self._best(told, step)
            if trouble:
                troubles.append(trouble)
            if result is not None:
                self.write(f"steps/{step}.json", json.dumps(result))
        return troubles

    def _best(self, told: Told, step: str) -> tuple[Frame | None, str]:
        detail, headline = told.payloads.get((step, "result")), told.payloads.get((step, "headline"))
        if detail is not None:
            result, trouble = assemble(detail)
            if result is not None:
                return result, ""
            said = f"the result of {step} did not come whole through the log: {trouble}"
            small, _other = assemble(headline) if headline else (None, "")
            kept = "its totals did" if small else "nor did its totals"
            return (
                small,
                f"{said}; {kept}. The log was replaced or the node's disk is full: see benchmark_results_bucket",
            )
        if headline is not None:
            small, trouble = assemble(headline)
            return small, f"the totals of {step} did not come whole through the log: {trouble}" if trouble else ""
        if told.steps[step].get("state") == "ended" and "trouble" not in told.steps[step]:
            return None, f"the result of {step} is not in the log"
        return None, ""

    def compact(self) -> None:
        """Drop the parts of results from the journal, once they are files."""
        kept = [frame for frame in self._lines("journal.jsonl") if frame["kind"] not in ("part", "sent")]
        self.write("journal.jsonl", "".join(json.dumps(frame) + "\n" for frame in kept))

    def write(self, name: str, text: str) -> Path:
        """All or nothing."""
        path = self.folder / name
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(exist_ok=True)
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise FolderError(f"cannot be written: {error.strerror}", action="write", resource=str(path)) from error
        return path

    def _append(self, name: str, records: Iterable[Frame]) -> None:
        text = "".join(json.dumps(record) + "\n" for record in records)
        if not text:
            return
        try:
            with (self.folder / name).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            place = str(self.folder / name)
            raise FolderError(f"cannot be written: {error.strerror}", action="write", resource=place) from error

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        try:
            text = (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # the last line of a run that was killed
                continue

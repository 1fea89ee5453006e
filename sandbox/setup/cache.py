# Copyright (c) 2026, the llm_d.gke contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache outside the checkout: folders that are either whole or not there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from .console import SetupError, say

CHECKOUT = Path(__file__).resolve().parents[2]


def cache_root() -> Path:
    """``LLM_D_CACHE``, else the user's cache folder, else one below the temporary folder (HOME may be unset)."""
    if explicit := os.environ.get("LLM_D_CACHE"):
        return Path(explicit).absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).absolute() / "llm_d.gke"
    home = os.environ.get("HOME")
    if home and os.access(home, os.W_OK):
        return Path(home) / ".cache" / "llm_d.gke"
    return Path(tempfile.gettempdir()) / f"llm_d.gke-{os.getuid()}"


def digest(*parts: str | bytes | Path) -> str:
    """A short key for what a folder was made from: strings as they are, paths by content."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "big") + data)
    return sha.hexdigest()[:16]


def require_space(folder: Path, gigabytes: float, purpose: str) -> None:
    """Refuse before the work starts rather than die in the middle of it."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise SetupError(
            f"{purpose} needs about {gigabytes:g} GB below {folder}, {free:.1f} GB are free.",
            "Free some space, or point LLM_D_CACHE at another disk.",
        )


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One set-up at a time makes a thing; another waits for it and then finds it."""
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f"{name}.lock", "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: another set-up is at it, waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made_once(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder ``<cache>/<name>-<key>``, made by ``make(folder)`` if it is not there.

    ``make`` works in a folder beside it that keeps its place until it succeeds, so that an interrupted run can go on
    from what is there; the rename at the end makes it whole in one step.
    """
    final = cache_root() / f"{name}-{key}"
    if final.is_dir():
        return final
    with locked(name):
        if not final.is_dir():
            partial = final.with_name(final.name + ".partial")
            partial.mkdir(parents=True, exist_ok=True)
            make(partial)
            partial.rename(final)
    return final


def link(target: Path, place: Path) -> None:
    """Point ``place`` at ``target``, whatever it was before, in one step."""
    if place.is_symlink() and os.readlink(place) == str(target):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(place)

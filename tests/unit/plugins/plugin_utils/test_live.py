# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Lines of a module reach the screen while it works, and the last ones, too."""

from __future__ import annotations

import time
from pathlib import Path

from ansible_collections.llm_d.gke.plugins.plugin_utils._live import following


def test_lines_as_they_come(tmp_path: Path) -> None:
    file, shown = tmp_path / "lines", list[str]()
    file.touch()
    with following(file, shown.append, every=0.01), file.open("a") as writer:
        writer.write("one\ntw")
        writer.flush()
        end = time.monotonic() + 5
        while not shown and time.monotonic() < end:
            time.sleep(0.01)
        assert shown == ["one"], "half a line waits for its other half"
        writer.write("o\nthree\n")
    assert shown == ["one", "two", "three"]

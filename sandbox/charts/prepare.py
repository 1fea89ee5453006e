# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Lay the three charts of an llm-d deployment side by side in one directory, ready for helm.

    python -m sandbox.charts.prepare --share .tools/share --helm .tools/bin/helm --out DIR

DIR then holds the unpacked charts ``llm-d-infra`` and ``llm-d-modelservice`` (stand-ins of ours) and ``inferencepool``
(the real one, out of its Go module, with its library chart inside). The version of a chart in its module's source is
0.0.0; a release sets it to the release's, so it is set here too. A second run with the same input changes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHARTS = ("llm-d-infra", "inferencepool", "llm-d-modelservice")
INFERENCEPOOL_VERSION = "v1.4.0"
_OURS = Path(__file__).resolve().parent
_STAMP = ".prepared"


def prepare(share: Path, helm: Path, out: Path, version: str = INFERENCEPOOL_VERSION) -> bool:
    """Make the charts in `out`; false when they were there already."""
    source = share / "inference-extension" / "charts"
    for needed in (source / "inferencepool", source / "epplib", helm):
        if not needed.exists():
            raise FileNotFoundError(f"{needed} is missing: run the set-up (make sandbox) first")
    state = _digest(source, *(_OURS / name for name in ("llm-d-infra", "llm-d-modelservice")), text=version)
    stamp = out / _STAMP
    if stamp.is_file() and stamp.read_text() == state and all((out / name / "Chart.yaml").is_file() for name in CHARTS):
        return False
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".making-") as made:
        work = Path(made)
        for name in ("llm-d-infra", "llm-d-modelservice"):
            shutil.copytree(_OURS / name, work / name)
        _released_inferencepool(source, work, helm, version)
        for name in CHARTS:
            shutil.rmtree(out / name, ignore_errors=True)
            (work / name).rename(out / name)
    stamp.write_text(state)
    return True


def _released_inferencepool(source: Path, work: Path, helm: Path, version: str) -> None:
    """Copy the chart, stamp it with the release's version, and put the library it depends on into it."""
    for name in ("inferencepool", "epplib"):
        # Files of the Go module cache are read-only, and would stay so in a plain copy.
        shutil.copytree(source / name, work / name, copy_function=shutil.copyfile)
        for folder in (work / name, *(path for path in (work / name).rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        chart = work / name / "Chart.yaml"
        chart.write_text(stamp_version(chart.read_text(), version))
    environment = {name: str(work / ".helm") for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    built = subprocess.run(
        [helm, "dependency", "build", work / "inferencepool"],
        env={"PATH": os.environ.get("PATH", ""), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if built.returncode != 0:
        raise RuntimeError(f"helm dependency build of inferencepool failed:\n{built.stderr.strip()}")


def stamp_version(chart: str, version: str) -> str:
    """Chart.yaml as a release has it: version, appVersion and the library's version are no longer 0.0.0."""
    return re.sub(r'^(\s*(?:version|appVersion):\s*)"?0\.0\.0"?\s*$', rf"\g<1>{version}", chart, flags=re.MULTILINE)


def _digest(*folders: Path, text: str) -> str:
    found = hashlib.sha256(text.encode())
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            found.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--share", type=Path, required=True, help="directory that holds inference-extension/charts")
    parser.add_argument("--helm", type=Path, required=True, help="the helm program")
    parser.add_argument("--out", type=Path, required=True, help="directory to make the charts in")
    options = parser.parse_args(arguments)
    try:
        fresh = prepare(options.share, options.helm, options.out)
    except (OSError, RuntimeError) as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 1
    print(f"charts {'made in' if fresh else 'are up to date in'} {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

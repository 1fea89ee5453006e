# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The program that brings weights from the hub to a bucket or a folder, with the sandbox's hub and Cloud Storage."""

from __future__ import annotations

import http.server
import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import hub
from tests.sandbox.container.gke import PROJECT, Gke

Json = dict[str, Any]
FILL = Path(__file__).resolve().parents[3] / "roles/weights/files/fill.py"
MODEL = "Qwen/Qwen3-32B"
SHARD = "model-00001-of-00002.safetensors"
MANIFEST = "llm-d-weights.json"


@pytest.fixture
def metadata(gke: Gke) -> Iterator[str]:
    """A pod's metadata server, with the token of the sandbox's owner."""
    token = gke.headers["Authorization"].removeprefix("Bearer ")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).encode()
            self.send_response(200 if self.headers["Metadata-Flavor"] == "Google" else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def bucket(gke: Gke) -> str:
    assert gke.call("POST", "/storage/v1/b", {"name": "weights", "location": "us-east5"}, project=PROJECT).status == 200
    return "weights"


def environment(gke: Gke, metadata: str, destination: str, **changes: str) -> dict[str, str]:
    return {
        "MODEL": MODEL,
        "DESTINATION": destination,
        "HF_ENDPOINT": f"{gke.base}/_hub",
        "HF_TOKEN": "hf_secret",
        "STORAGE_ENDPOINT": gke.base,
        "GCE_METADATA_HOST": metadata,
        "CHUNK_MIB": "0.25",
        "PAUSE": "0.01",
        "ATTEMPTS": "4",
        **changes,
    }


def fill(env: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(FILL)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert "hf_secret" not in done.stdout + done.stderr and "ya29." not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def objects(gke: Gke) -> dict[str, Json]:
    items = gke.call("GET", "/storage/v1/b/weights/o").body.get("items", [])
    return {item["name"]: item for item in items}


def watch(gke: Gke) -> list[str]:
    """The requests from now on, by path."""
    seen: list[str] = []
    handle = gke.cloud.handle

    def watched(request: Any) -> Any:
        seen.append(f"{request.method} {request.path}")
        return handle(request)

    gke.cloud.handle = watched  # type: ignore[method-assign]
    return seen


def to_hub(seen: list[str]) -> list[str]:
    return [line for line in seen if "/_hub/" in line]


def test_a_bucket_is_filled_once(gke: Gke, metadata: str, bucket: str) -> None:
    env = environment(gke, metadata, f"gs://weights/{MODEL}", IGNORE="README* .git*")
    status, output = fill(env)
    assert status == 0, output
    found = objects(gke)
    expected = {n: c for n, c in hub.files_of(MODEL).items() if n not in ("README.md", ".gitattributes")}
    assert set(found) == {f"{MODEL}/{name}" for name in (*expected, MANIFEST)}
    for name, content in expected.items():
        path = f"{MODEL}/{name}".replace("/", "%2F")
        assert gke.call("GET", f"/storage/v1/b/weights/o/{path}", alt="media").body == content
    path = f"{MODEL}/{MANIFEST}".replace("/", "%2F")
    manifest = gke.call("GET", f"/download/storage/v1/b/weights/o/{path}", alt="media").body
    assert (manifest["commit"], set(manifest["files"])) == (hub.commit_of(MODEL), set(expected))
    seen = watch(gke)
    status, output = fill(env)
    assert status == 0 and "the hub was not asked" in output, output
    assert to_hub(seen) == [] and all(line.startswith("GET ") for line in seen)


def test_what_is_there_and_right_is_not_fetched_again(gke: Gke, metadata: str, bucket: str) -> None:
    env = environment(gke, metadata, "gs://weights")
    assert fill(env)[0] == 0
    # Half an object, as somebody's interrupted copy leaves it, and one that is gone.
    upload = "/upload/storage/v1/b/weights/o"
    gke.call("POST", upload, b"half", uploadType="media", name=SHARD)
    gke.call("DELETE", "/storage/v1/b/weights/o/config.json")
    seen = watch(gke)
    status, output = fill(env)
    assert status == 0, output
    resolved = sorted(line.rpartition("/")[2] for line in seen if "/resolve/" in line)
    assert resolved == ["config.json", SHARD]
    assert int(objects(gke)[SHARD]["size"]) > hub.SHARD_SIZE


def test_connections_that_break_are_taken_up_where_they_broke(gke: Gke, metadata: str, bucket: str) -> None:
    gke.fault(api_method="hub.resolve", path=f"*{SHARD}", kind="reset", when="after")
    gke.fault(api_method="hub.resolve", path="*config.json", kind="reset", when="before")
    gke.fault(api_method="hub.info", status=503)
    status, output = fill(environment(gke, metadata, "gs://weights"))
    assert status == 0, output
    assert f"{SHARD}: " in output and "going on at" in output
    assert gke.call("GET", f"/storage/v1/b/weights/o/{SHARD}", alt="media").body == hub.files_of(MODEL)[SHARD]


def test_a_wrong_content_never_becomes_an_object(
    gke: Gke, metadata: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = hub.files_of(MODEL)
    lies = {**true, SHARD: true[SHARD][:-1] + b"?"}
    described = hub._sibling
    monkeypatch.setattr(hub, "files_of", lambda _model: lies)
    monkeypatch.setattr(hub, "_sibling", lambda name, _content: described(name, true[name]))
    status, output = fill(environment(gke, metadata, "gs://weights"))
    assert status == 1 and f"FAILED: {SHARD}: what came is not what the hub describes" in output
    assert SHARD not in objects(gke) and MANIFEST not in objects(gke)
    monkeypatch.undo()
    assert fill(environment(gke, metadata, "gs://weights"))[0] == 0


def test_a_killed_run_is_gone_on_with(gke: Gke, metadata: str, bucket: str) -> None:
    env = environment(gke, metadata, "gs://weights", WORKERS="1")
    process = subprocess.Popen([sys.executable, str(FILL)], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if ".safetensors: " in line:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    before = {name for name in objects(gke) if name != MANIFEST}
    assert MANIFEST not in objects(gke)
    seen = watch(gke)
    assert fill(env)[0] == 0
    fetched = {line.rpartition("/")[2] for line in seen if "/resolve/" in line}
    assert before and not fetched & before, "what was whole is not fetched again"
    assert MANIFEST in objects(gke)


def test_refusals_say_what_to_do(gke: Gke, metadata: str, bucket: str) -> None:
    refused = fill(environment(gke, metadata, "gs://weights", MODEL="meta-llama/Llama-3.1-8B-Instruct", HF_TOKEN=""))
    assert refused[0] == 1 and "is restricted" in refused[1] and "HF_TOKEN" in refused[1]
    revoked = fill(environment(gke, metadata, "gs://weights", HF_TOKEN=hub.BAD_TOKEN))
    assert revoked[0] == 1 and "check HF_TOKEN" in revoked[1]
    unknown = fill(environment(gke, metadata, "gs://weights", MODEL="nobody/nothing"))
    assert unknown[0] == 1 and "the hub has no nobody/nothing" in unknown[1]
    revision = fill(environment(gke, metadata, "gs://weights", REVISION="nope"))
    assert revision[0] == 1 and "revision nope" in revision[1]
    missing = fill(environment(gke, metadata, "gs://nowhere"))
    assert missing[0] == 1 and "The specified bucket does not exist" in missing[1]
    theirs = fill(environment(gke, metadata, "gs://inf-demo-model-storage", ATTEMPTS="2"))
    assert theirs[0] == 1 and "does not have storage.objects.list access" in theirs[1]


def test_another_commit_replaces_what_it_has_no_more(gke: Gke, metadata: str, bucket: str) -> None:
    env = environment(gke, metadata, "gs://weights")
    assert fill(env)[0] == 0
    status, output = fill({**env, "MODEL": "Qwen/Qwen3-8B", "IGNORE": "README.md"})
    assert status == 0, output
    assert "README.md" not in objects(gke)
    shard = gke.call("GET", f"/storage/v1/b/weights/o/{SHARD}", alt="media").body
    assert shard == hub.files_of("Qwen/Qwen3-8B")[SHARD]


def test_a_folder_is_filled_as_well(gke: Gke, metadata: str, tmp_path: Path) -> None:
    env = environment(gke, metadata, str(tmp_path))
    shard = hub.files_of(MODEL)[SHARD]
    (tmp_path / f"{SHARD}.part").write_bytes(shard[:300_000])
    status, output = fill(env)
    assert status == 0, output
    for name, content in hub.files_of(MODEL).items():
        assert (tmp_path / name).read_bytes() == content
    assert not list(tmp_path.glob("*.part"))
    seen = watch(gke)
    assert "the hub was not asked" in fill(env)[1] and seen == []
    (tmp_path / SHARD).write_bytes(b"x" * 10)
    assert fill(env)[0] == 0
    assert (tmp_path / SHARD).read_bytes() == shard
    (tmp_path / SHARD).unlink()
    (tmp_path / f"{SHARD}.part").write_bytes(b"x" * 300_000)
    refused = fill(env)
    assert refused[0] == 1 and "wrong checksum" in refused[1], "what another left half is found out"
    assert fill(env)[0] == 0


def test_the_program_needs_nothing_but_python() -> None:
    spec = importlib.util.spec_from_file_location("fill", FILL)
    assert spec is not None and spec.loader is not None
    begin = time.monotonic()
    isolated = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(FILL)!r})"], check=False, timeout=60
    )
    assert isolated.returncode == 0 and time.monotonic() - begin < 60

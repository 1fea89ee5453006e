# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""A Hugging Face hub in small, below /_hub: repositories with the files of a real one, and weights of a few kilobytes.

``HF_ENDPOINT=<base>/_hub`` for clients on this machine, ``http://hub.sandbox.internal`` for pods. Content follows from
the name alone, so it is the same in every sandbox. Faults strike under the names hub.info and hub.resolve.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sandbox.cloud.registry import route
from sandbox.cloud.request import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from sandbox.cloud.app import Cloud

Json = dict[str, Any]

ROOT = "/_hub"
MODELS = (
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen3-1.7B",
    "Qwen/Qwen3-4B",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-14B",
    "Qwen/Qwen3-32B",
    "Qwen/Qwen3-30B-A3B",
    "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.3-70B-Instruct",
)
SHARDS = 2
SHARD_SIZE = 700_000
# A token that the hub does not know; every other word is somebody's.
BAD_TOKEN = "hf_revoked"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def is_gated(model: str) -> bool:
    return model.startswith("meta-llama/")


def _noise(seed: str, size: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


def _shard(model: str, number: int) -> bytes:
    """A file that readers of safetensors take: the length of the head, the head, the tensors."""
    data = _noise(f"{model}/{number}", SHARD_SIZE)
    tensor = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    head = json.dumps({"__metadata__": {"format": "pt"}, f"model.layers.{number}.weight": tensor}).encode()
    return struct.pack("<Q", len(head)) + head + data


def files_of(model: str) -> dict[str, bytes]:
    shards = {f"model-{n:05}-of-{SHARDS:05}.safetensors": _shard(model, n) for n in range(1, SHARDS + 1)}
    index = {f"model.layers.{n}.weight": name for n, name in enumerate(shards, 1)}
    documents: dict[str, Json] = {
        "config.json": {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16"},
        "generation_config.json": {"temperature": 0.6, "top_p": 0.95},
        "model.safetensors.index.json": {"metadata": {"total_size": SHARDS * SHARD_SIZE}, "weight_map": index},
        "tokenizer.json": {"version": "1.0", "model": {"type": "BPE", "vocab": {}}},
        "tokenizer_config.json": {"model_max_length": 131072},
    }
    texts = {"README.md": f"# {model}\n", ".gitattributes": "*.safetensors filter=lfs\n"}
    return {
        **{name: text.encode() for name, text in texts.items()},
        **{name: json.dumps(content, indent=2).encode() for name, content in documents.items()},
        **shards,
    }


def commit_of(model: str) -> str:
    return hashlib.sha1(model.encode(), usedforsecurity=False).hexdigest()


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _sibling(name: str, content: bytes) -> Json:
    entry: Json = {"rfilename": name, "size": len(content), "blobId": _blob_id(content)}
    if name.endswith(".safetensors"):
        entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135}
    return entry


def _refusal(status: int, code: str, message: str) -> HttpResponse:
    return HttpResponse(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})


def _refused(http: HttpRequest, model: str) -> HttpResponse | None:
    """What stands between the caller and the repository."""
    token = http.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if token == BAD_TOKEN:
        return HttpResponse(401, {"error": "Invalid credentials in Authorization header"})
    if model not in MODELS:
        # Whether there is such a private one is nobody's business.
        return _refusal(404 if token else 401, "RepoNotFound", "Repository not found")
    if is_gated(model) and not token:
        message = (
            f"Access to model {model} is restricted. You must have access to it and be authenticated to access it."
        )
        return _refusal(401, "GatedRepo", message)
    return None


def _trouble(cloud: Cloud, name: str, http: HttpRequest) -> HttpResponse | None:
    """A fault that is set for the hub: an error, or the connection breaking, at once or in the middle of the file."""
    fault = cloud.faults.strike(name, http.path)
    if fault is None:
        return None
    if fault.kind == "reset":
        return HttpResponse(0, reset=True, cut=fault.when == "after")
    return HttpResponse(fault.status, {"error": fault.message})


@route("GET", f"{ROOT}/api/whoami-v2")
def who_am_i(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    token = http.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not token or token == BAD_TOKEN:
        return HttpResponse(401, {"error": "Invalid username or password."})
    return HttpResponse(200, {"type": "user", "name": "sandbox", "auth": {"type": "access_token"}})


@route("GET", f"{ROOT}/api/models/*")
def model_info(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    if (trouble := _trouble(cloud, "hub.info", http)) is not None:
        return trouble
    path = unquote(http.path.removeprefix(f"{ROOT}/api/models/"))
    model, _slash, revision = path.partition("/revision/")
    gate = is_gated(model)
    # Of a gated repository everybody may know that it is there.
    if (refused := _refused(http, model)) is not None and not (gate and model in MODELS and refused.status == 401):
        return refused
    commit = commit_of(model)
    if revision and revision not in ("main", commit):
        return _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    contents = files_of(model)
    siblings = [_sibling(name, content) for name, content in sorted(contents.items())]
    if "blobs" not in http.query:
        siblings = [{"rfilename": entry["rfilename"]} for entry in siblings]
    body = {"id": model, "modelId": model, "sha": commit, "private": False, "gated": "manual" if gate else False}
    return HttpResponse(200, {**body, "siblings": siblings})


@route("GET", f"{ROOT}/*/resolve/*")
@route("HEAD", f"{ROOT}/*/resolve/*")
def resolve(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    """A file. Large ones lie elsewhere: the hub answers with a redirect that needs no token."""
    trouble = _trouble(cloud, "hub.resolve", http)
    if trouble is not None and not trouble.cut:
        return trouble
    model, _resolve, rest = unquote(http.path.removeprefix(f"{ROOT}/")).partition("/resolve/")
    revision, _slash, name = rest.partition("/")
    if (refused := _refused(http, model)) is not None:
        return refused
    contents, commit = files_of(model), commit_of(model)
    if revision not in ("main", commit):
        return _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    if name not in contents:
        return _refusal(404, "EntryNotFound", "Entry not found")
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    entry = _sibling(name, contents[name])
    if "lfs" not in entry:
        return _content(http, contents[name], {**headers, "ETag": f'"{entry["blobId"]}"'}, trouble is not None)
    linked = {"X-Linked-Size": str(entry["size"]), "X-Linked-Etag": f'"{entry["lfs"]["sha256"]}"'}
    # The host that the caller knows us by, and what stood before /_hub there.
    root = http.headers.get("x-forwarded-prefix", ROOT)
    # Another host than the hub's, as it is with the real one: a token must not go along.
    first, dot, rest = http.headers.get("host", "").partition(".")
    store = (
        f"localhost:{rest.partition(':')[2]}" if first == "127" else f"{'cdn' if first == 'hub' else first}{dot}{rest}"
    )
    location = f"http://{store}{root}/cdn/{quote(model)}/{quote(name)}"
    if trouble is not None:
        location += "?cut=1"
    return HttpResponse(302, None, {**headers, **linked, "Location": location})


@route("GET", f"{ROOT}/cdn/*")
def content(cloud: Cloud, http: HttpRequest) -> HttpResponse:
    if "authorization" in http.headers:
        # As the store behind the hub does with a token that is not its own; and so a leak is seen.
        return HttpResponse(400, {"error": "Only one auth mechanism allowed"})
    path = unquote(http.path.removeprefix(f"{ROOT}/cdn/"))
    model = "/".join(path.split("/")[:2])
    found = files_of(model).get("/".join(path.split("/")[2:])) if model in MODELS else None
    if found is None:
        return HttpResponse(404, {"error": "no such blob"})
    return _content(http, found, {"ETag": f'"{hashlib.sha256(found).hexdigest()}"'}, "cut" in http.query)


def _content(http: HttpRequest, content: bytes, headers: dict[str, str], cut: bool) -> HttpResponse:
    headers = {"Content-Type": "application/octet-stream", **headers}
    wanted = _RANGE.fullmatch(http.headers.get("range", ""))
    if wanted is None:
        return HttpResponse(200, content, headers, cut=cut)
    first, size = int(wanted[1]), len(content)
    if first >= size:
        return HttpResponse(416, b"", {"Content-Range": f"bytes */{size}"})
    last = min(int(wanted[2]), size - 1) if wanted[2] else size - 1
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return HttpResponse(206, content[first : last + 1], headers, cut=cut)

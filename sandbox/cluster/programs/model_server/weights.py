# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""The model's files: read from a folder when that is what vLLM was given, else fetched from the hub if one is named.

Nothing of them is used (the simulator needs no weights), but what vLLM would stumble over stops us, too.
"""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from sandbox.cluster.programs.model_server.settings import StartError

_INDEX = "model.safetensors.index.json"
_NO_MODEL = (
    "ValueError: Invalid repository ID or local directory specified: '{model}'.\nPlease verify the following "
    "requirements:\n1. Provide a valid Hugging Face repository ID.\n2. Specify a local directory that contains a "
    "recognized configuration file.\n   - For Hugging Face models: ensure the presence of a 'config.json'.\n   - For "
    "Mistral models: ensure the presence of a 'params.json'.\n"
)


def read(model: str, environment: Mapping[str, str]) -> int:
    """How many bytes of weights there are. Raises StartError in vLLM's words."""
    if model.startswith("/"):
        return _from_folder(Path(model))
    endpoint = environment.get("HF_ENDPOINT", "").rstrip("/")
    return _from_hub(endpoint, model, environment) if endpoint else 0


def _from_folder(folder: Path) -> int:
    if not (folder / "config.json").is_file():
        raise StartError(_NO_MODEL.format(model=folder))
    index = folder / _INDEX
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        names = sorted(path.name for path in folder.glob("*.safetensors"))
    if not names:
        raise StartError(f"RuntimeError: Cannot find any model weights with `{folder}`")
    return sum(_whole(folder / name) for name in names)


def _whole(file: Path) -> int:
    """Reads a file to its end, and compares with what its head says."""
    if not file.is_file():
        raise StartError(f'FileNotFoundError: No such file or directory: "{file}"')
    content = file.read_bytes()
    if len(content) < 8:
        raise StartError("safetensors_rust.SafetensorError: Error while deserializing header: header too small")
    (length,) = struct.unpack("<Q", content[:8])
    if length > len(content) - 8:
        raise StartError("safetensors_rust.SafetensorError: Error while deserializing header: invalid header length")
    head = json.loads(content[8 : 8 + length])
    end = max((tensor["data_offsets"][1] for name, tensor in head.items() if name != "__metadata__"), default=0)
    if 8 + length + end != len(content):
        raise StartError(
            "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully "
            "covered"
        )
    return len(content)


def _from_hub(endpoint: str, model: str, environment: Mapping[str, str]) -> int:
    """Downloads as a first start does. Kept nowhere: a pod that comes back has to do it again."""
    headers = {"Authorization": f"Bearer {token}"} if (token := environment.get("HF_TOKEN")) else {}
    if environment.get("HF_HUB_OFFLINE") == "1":
        raise StartError(
            "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach the hub: offline mode is enabled. To disable "
            "it, please unset the `HF_HUB_OFFLINE` environment variable."
        )
    try:
        with _open(f"{endpoint}/api/models/{model}/revision/main", headers) as answer:
            names = [item["rfilename"] for item in json.loads(answer.read())["siblings"]]
        total = 0
        for name in names:
            if name.endswith((".json", ".safetensors")):
                with _open(f"{endpoint}/{model}/resolve/main/{name}", headers) as answer:
                    total += len(answer.read())
    except urllib.error.HTTPError as error:
        raise StartError(f"OSError: {model} cannot be had from the hub: {error.code} {error.reason}") from error
    except OSError as error:
        raise StartError(f"OSError: We couldn't connect to '{endpoint}' to load the files: {error}") from error
    return total


class _TokenForTheHubOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found is not None and found.host != req.host:
            found.remove_header("Authorization")
        return found


def _open(url: str, headers: Mapping[str, str]):  # type: ignore[no-untyped-def]
    opener = urllib.request.build_opener(_TokenForTheHubOnly)
    return opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=60)

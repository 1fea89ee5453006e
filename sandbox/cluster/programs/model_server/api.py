# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Requests and answers in the form of vLLM's OpenAI API."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.programs.model_server.answers import Answer
from sandbox.cluster.programs.model_server.http1 import Request, Response
from sandbox.cluster.programs.model_server.settings import Settings


class ApiError(Exception):
    """An answer of vLLM that is an error."""

    def __init__(self, status: int, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        error = {"message": message, "type": kind, "param": param, "code": status}
        self.response = Response.of({"error": error}, status)


@dataclass(frozen=True)
class Call:
    """A completion or a chat completion that was asked for."""

    body: dict[str, Any]
    chat: bool
    request_id: str
    created: int

    @property
    def path(self) -> str:
        return "/v1/chat/completions" if self.chat else "/v1/completions"

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def choices(self) -> int:
        return int(self.body.get("n") or 1)

    def prompts(self) -> list[Any]:
        """Text prompts, token lists, or one chat."""
        if self.chat:
            return [self.body["messages"]]
        prompt = self.body["prompt"]
        if isinstance(prompt, str) or (prompt and isinstance(prompt[0], int)):
            return [prompt]
        return list(prompt)


def read_call(request: Request, chat: bool, request_id: str) -> Call:
    """Judge a request's form as FastAPI and vLLM do."""
    media_type = request.headers.get("content-type", "").lower().split(";")[0].strip()
    if media_type != "application/json":
        raise _invalid("Unsupported Media Type: Only 'application/json' is allowed")
    try:
        body = json.loads(request.body)
    except ValueError as error:
        position = getattr(error, "pos", 0)
        detail = {"type": "json_invalid", "loc": ("body", position), "msg": "JSON decode error", "input": {},
                  "ctx": {"error": getattr(error, "msg", str(error))}}  # fmt: skip
        raise _invalid(detail, f"body.{position}") from None
    if not isinstance(body, dict):
        detail = {"type": "model_attributes_type", "loc": ("body",), "msg": "Input should be a valid dictionary"}
        raise _invalid(detail, "body")
    needed = "messages" if chat else "prompt"
    if not body.get(needed):
        detail = {"type": "missing", "loc": ("body", needed), "msg": "Field required", "input": body}
        raise _invalid(detail, f"body.{needed}")
    for name in ("max_tokens", "max_completion_tokens", "n"):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < (name == "n")):
            raise ApiError(400, "BadRequestError", f"{name} must be at least {int(name == 'n')}, got {value!r}.", name)
    temperature = body.get("temperature")
    if temperature is not None and (not isinstance(temperature, int | float) or temperature < 0):
        raise ApiError(400, "BadRequestError", f"temperature must be non-negative, got {temperature}.", "temperature")
    return Call(body, chat, request_id, int(time.time()))


def check_model(name: Any, settings: Settings) -> None:
    if name and name not in settings.served_names:
        raise ApiError(404, "NotFoundError", f"The model `{name}` does not exist.", "model")


def max_tokens(call: Call, prompt_tokens: int, settings: Settings) -> int:
    """How long an answer may be, within the model's window."""
    asked = call.body.get("max_completion_tokens") if call.chat else None
    asked = call.body.get("max_tokens") if asked is None else asked
    if asked is None:
        asked = max(settings.max_model_len - prompt_tokens, 0) if call.chat else 16
    if prompt_tokens + asked > settings.max_model_len or prompt_tokens >= settings.max_model_len:
        raise ApiError(
            400,
            "BadRequestError",
            f"This model's maximum context length is {settings.max_model_len} tokens. However, you requested {asked} "
            f"output tokens and your prompt contains {prompt_tokens} input tokens, for a total of "
            f"{prompt_tokens + asked} tokens. Please reduce the length of the input prompt or the number of requested "
            "output tokens.",
            "input_tokens",
        )
    return int(asked)


def whole_answer(
    call: Call, answers: Sequence[Answer], prompt_tokens: int, kv_params: Mapping[str, Any] | None
) -> Response:
    """An answer in one piece."""
    choices = []
    for index, answer in enumerate(answers):
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": answer.reason, "stop_reason": None}
        if call.chat:
            message = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": None, "audio": None}
            choice["message"] = {**message, "function_call": None, "reasoning": None}
        else:
            choice["text"] = answer.text
        choices.append(choice)
    return Response.of(
        {
            **_envelope(call, "chat.completion" if call.chat else "text_completion"),
            "choices": choices,
            "service_tier": None,
            "system_fingerprint": None,
            "usage": usage(prompt_tokens, answers),
            "kv_transfer_params": kv_params,
        }
    )


def token_event(call: Call, index: int, answer: Answer, position: int) -> bytes:
    """One token of a streamed answer; the last one says why the answer ends."""
    last = position == len(answer.tokens) - 1
    choice: dict[str, Any] = {"index": index}
    if call.chat:
        choice["delta"] = {"content": answer.tokens[position]}
    else:
        choice["text"] = answer.tokens[position]
    choice |= {"logprobs": None, "finish_reason": answer.reason if last else None}
    if last:
        choice["stop_reason"] = None
    return _event(call, [choice])


def role_events(call: Call, choices: int) -> bytes:
    """What a chat's stream begins with."""
    begin = {"delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
    return b"".join(_event(call, [{"index": index, **begin}]) for index in range(choices))


def usage_event(call: Call, prompt_tokens: int, answers: Sequence[Answer]) -> bytes:
    if not (call.body.get("stream_options") or {}).get("include_usage"):
        return b""
    return _event(call, [], usage(prompt_tokens, answers))


def usage(prompt_tokens: int, answers: Sequence[Answer]) -> dict[str, Any]:
    completion = sum(len(answer.tokens) for answer in answers)
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": None,
    }


def models(settings: Settings, created: int) -> Response:
    cards = [
        {
            **{"id": name, "object": "model", "created": created, "owned_by": "vllm"},
            **{"root": settings.model, "parent": None, "max_model_len": settings.max_model_len, "permission": []},
        }
        for name in settings.served_names
    ]
    return Response.of({"object": "list", "data": cards})


def _envelope(call: Call, kind: str) -> dict[str, Any]:
    prefix = "chatcmpl" if call.chat else "cmpl"
    model = call.body.get("model")
    return {"id": f"{prefix}-{call.request_id}", "object": kind, "created": call.created, "model": model}


def _event(call: Call, choices: list[dict[str, Any]], total: dict[str, Any] | None = None) -> bytes:
    event = {**_envelope(call, "chat.completion.chunk" if call.chat else "text_completion"), "choices": choices}
    if total:
        event["usage"] = total
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _invalid(detail: Any, param: str | None = None) -> ApiError:
    return ApiError(400, "Bad Request", f"1 validation error:\n  {detail}", param)

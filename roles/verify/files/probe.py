# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Ask an llm-d deployment from inside its cluster, and say what came back.

Runs in a pod, with nothing but Python's standard library. Settings come as JSON in PROBE_SETTINGS; the answer is one
line of JSON on standard output, behind a mark. Nothing is judged here.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any

Json = dict[str, Any]

MARK = "llm-d-probe: "
# Common words of one token or two.
WORDS = """
river stone orange window silver garden morning paper engine forest candle bridge winter summer
bottle market copper island ladder mirror needle ocean pencil quartz ribbon saddle temple umbrella
valley wagon yellow zebra anchor basket castle desert eagle feather glacier harbor insect jungle
kettle lantern meadow nickel orchard
""".split()  # noqa: SIM905
# The load balancer answers these while it is still being programmed; a deployment that is up never should.
PASSING = (404, 429, 500, 502, 503, 504)


def fresh_prompt(tokens: int) -> str:
    """A prompt nobody asked before: it differs from its first word on, so that no prefix of it is cached."""
    dice = random.SystemRandom()
    words = [f"{dice.getrandbits(64):016x}"]
    # The endpoint picker counts four characters as a token, the model's tokenizer about one token a word: satisfy both.
    while len(words) < tokens or sum(map(len, words)) + len(words) < 4 * tokens:
        words.append(dice.choice(WORDS))
    return " ".join(words)


class Client:
    """The gateway. Errors come back as what was seen, not as exceptions."""

    def __init__(self, url: str, host: str, timeout: float) -> None:
        self.url, self.timeout = url.rstrip("/"), timeout
        self.headers = {"content-type": "application/json", **({"host": host} if host else {})}
        # What is asked for here is whether the service answers; its certificate may be of a name we do not use.
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def ask(self, path: str, body: bytes | None = None) -> Json:
        request = urllib.request.Request(self.url + path, data=body, headers=self.headers)
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=self.timeout, context=self.context) as answer:
                status, text = answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            status, text = 0, f"{type(error).__name__}: {error}"
        return {"status": status, "text": text, "seconds": round(time.monotonic() - began, 3)}

    def until_served(self, path: str, body: bytes | None, deadline: float, pause: float) -> Json:
        """Ask again while the answer is one that passes by itself."""
        tries = 0
        while True:
            tries += 1
            seen = self.ask(path, body)
            if (seen["status"] and seen["status"] not in PASSING) or time.monotonic() > deadline:
                return {**seen, "tries": tries}
            time.sleep(pause)


def lists_model(seen: Json, model: str) -> bool:
    try:
        return seen["status"] == 200 and model in [each["id"] for each in json.loads(seen["text"])["data"]]
    except (ValueError, KeyError, TypeError):
        return False


def see_models(client: Client, model: str, times: int, deadline: float, pause: float) -> Json:
    """A list of models names ours, several times in a row: each of these requests goes to some pod of the pool."""
    row, tries = 0, 0
    while True:
        seen = client.ask("/v1/models")
        tries += 1
        row = row + 1 if lists_model(seen, model) else 0
        if row >= times or time.monotonic() > deadline:
            return {**seen, "text": seen["text"][:2000], "in_a_row": row, "tries": tries}
        if row == 0:
            time.sleep(pause)


def as_stream(seen: Json) -> Json:
    """Server-sent events, put together."""
    usage: Json = {}
    text, events, done = "", 0, False
    for line in seen["text"].splitlines():
        if not line.startswith("data:"):
            continue
        data = line[len("data:") :].strip()
        if data == "[DONE]":
            done = True
            continue
        try:
            event = json.loads(data)
        except ValueError:
            continue
        events += 1
        usage = event.get("usage") or usage
        text += "".join(choice.get("text") or "" for choice in event.get("choices") or [])
    return {**seen, "text": text[:2000] if seen["status"] == 200 else seen["text"][:2000], "events": events,
            "done": done, "usage": usage}  # fmt: skip


def picker_metrics(urls: list[str], token_file: str, timeout: float) -> list[Json]:
    """The endpoint picker's counters; its metrics want a token."""
    try:
        with open(token_file, encoding="utf-8") as file:
            token = file.read().strip()
    except OSError:
        token = ""
    seen = []
    for url in urls:
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                lines = [
                    line for line in answer.read().decode("utf-8", "replace").splitlines() if "_decision_total" in line
                ]
                seen.append({"url": url, "status": answer.status, "text": "\n".join(lines)})
        except urllib.error.HTTPError as error:
            seen.append({"url": url, "status": error.code, "text": error.read(500).decode("utf-8", "replace")})
        except (OSError, http.client.HTTPException) as error:
            seen.append({"url": url, "status": 0, "text": f"{type(error).__name__}: {error}"})
    return seen


def run(settings: Json) -> Json:
    client = Client(settings["url"], settings.get("host", ""), settings["request_timeout"])
    model, pause = settings["model"], settings["pause"]
    deadline = time.monotonic() + settings["served_timeout"]
    metrics = (settings["picker_urls"], settings["token_file"], 10)
    limits = {"max_tokens": settings["max_tokens"], "temperature": 0}

    def generation(**body: object) -> bytes:
        return json.dumps({"model": model, **limits, **body}).encode()

    def prompt() -> str:
        return fresh_prompt(settings["prompt_tokens"])

    result: Json = {"models": see_models(client, model, settings["models_in_a_row"], deadline, pause)}
    if not lists_model(result["models"], model):
        return result
    result["picker_before"] = picker_metrics(*metrics)
    result["completion"] = client.until_served("/v1/completions", generation(prompt=prompt()), deadline, pause)
    chat = generation(messages=[{"role": "user", "content": prompt()}])
    result["chat"] = client.until_served("/v1/chat/completions", chat, deadline, pause)
    stream = generation(prompt=prompt(), stream=True, stream_options={"include_usage": True})
    result["stream"] = as_stream(client.until_served("/v1/completions", stream, deadline, pause))
    unknown = json.dumps({"model": "no-such-model", "prompt": "Hello", **limits}).encode()
    result["unknown_model"] = client.ask("/v1/completions", unknown)
    result["broken_json"] = client.ask("/v1/completions", b'{"model": ')
    for name in ("completion", "chat", "unknown_model", "broken_json"):
        result[name]["text"] = result[name]["text"][:4000]
    result["picker_after"] = picker_metrics(*metrics)
    return result


if __name__ == "__main__":
    print(MARK + json.dumps(run(json.loads(os.environ["PROBE_SETTINGS"]))), flush=True)
    sys.exit(0)

# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Ask an llm-d deployment from inside its cluster, and say what came back.

Runs in a pod, with nothing but Python's standard library. Settings come as JSON in PROBE_SETTINGS; what was seen is
said in lines of JSON on standard output, behind a mark. Nothing is judged here.

First comes what needs no counters: models, a completion, a chat, a stream, refusals. Then it waits for orders, which
are GET requests to a port of its own: counters of the model servers are read outside, just before the prompts that they
shall prove something about.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import random
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
PASSING = (404, 429, 502, 503, 504)
# A 500 that comes at once is the load balancer's, whose endpoint picker does not listen yet; one that took its time is
# a model server's.
AT_ONCE_SECONDS = 3
# A list of models without ours is no passing state when it comes so often in a row.
OTHER_MODELS = 5
# How long requests may go round the endpoint picker after the first answer: it is ready before it listens.
PICKER_GRACE = 15


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
            if not passes(seen) or time.monotonic() > deadline:
                return {**seen, "tries": tries}
            time.sleep(pause)


def passes(seen: Json) -> bool:
    """An answer of something that is still on its way."""
    if seen["status"] == 500:
        return bool(seen["seconds"] < AT_ONCE_SECONDS)
    return not seen["status"] or seen["status"] in PASSING


def models_in(seen: Json) -> list[str] | None:
    """The names in a list of models; None when it is no such list."""
    try:
        return [each["id"] for each in json.loads(seen["text"])["data"]] if seen["status"] == 200 else None
    except (ValueError, KeyError, TypeError):
        return None


def lists_model(seen: Json, model: str) -> bool:
    return model in (models_in(seen) or [])


def see_models(client: Client, model: str, times: int, deadline: float, pause: float) -> Json:
    """A list of models names ours, several times in a row: each of these requests goes to some pod of the pool."""
    row, tries, others = 0, 0, 0
    while True:
        seen = client.ask("/v1/models")
        tries += 1
        row = row + 1 if lists_model(seen, model) else 0
        others = others + 1 if models_in(seen) and not row else 0
        if row >= times or others >= OTHER_MODELS or time.monotonic() > deadline:
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


def decisions(scrapes: list[Json]) -> float | None:
    """How many decisions were counted, of whatever kind; None when that cannot be read."""
    if not scrapes or any(each["status"] != 200 for each in scrapes):
        return None
    return sum(
        float(line.rpartition(" ")[2]) for each in scrapes for line in each["text"].splitlines() if line[:1] != "#"
    )


class Orders:
    """What the module tells by GET requests to this pod: only who knows its word is heard, and of each order once.

    A request may come twice: whoever sends it tries again when a connection breaks.
    """

    def __init__(self, port: int, word: str) -> None:
        orders: queue.Queue[str] = queue.Queue()
        heard: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given, _slash, order = self.path.strip("/").partition("/")
                self.send_response(200 if given == word else 404)
                self.send_header("content-length", "0")
                self.end_headers()
                if given == word and order not in heard:
                    heard.add(order)
                    orders.put(order)

            def log_message(self, *words: object) -> None:
                """The log is for what was seen."""

        self._orders = orders
        server = ThreadingHTTPServer(("", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def next(self, timeout: float) -> str:
        try:
            return self._orders.get(timeout=timeout)
        except queue.Empty:
            return "end"


class Probe:
    """All that is asked."""

    def __init__(self, settings: Json) -> None:
        self.settings = settings
        self.client = Client(settings["url"], settings.get("host", ""), settings["request_timeout"])
        self.model, self.pause = settings["model"], settings["pause"]
        self.deadline = time.monotonic() + settings["served_timeout"]
        self.asked: list[tuple[bytes, Json]] = []

    def body(self, **fields: object) -> bytes:
        limits = {"max_tokens": self.settings["max_tokens"], "temperature": 0}
        return json.dumps({"model": self.model, **limits, **fields}).encode()

    def prompt(self) -> str:
        return fresh_prompt(self.settings["prompt_tokens"])

    def picker(self) -> list[Json]:
        return picker_metrics(self.settings["picker_urls"], self.settings["token_file"], 10)

    def served(self, path: str, body: bytes) -> Json:
        return self.client.until_served(path, body, self.deadline, self.pause)

    def smoke(self) -> Json:
        """Whether answers are answers."""
        seen = see_models(self.client, self.model, self.settings["models_in_a_row"], self.deadline, self.pause)
        result: Json = {"part": "smoke", "models": seen}
        if not lists_model(seen, self.model):
            return result
        result["warm_up"] = self.warm_up()
        result["completion"] = self.served("/v1/completions", self.body(prompt=self.prompt()))
        chat = self.body(messages=[{"role": "user", "content": self.prompt()}])
        result["chat"] = self.served("/v1/chat/completions", chat)
        stream = self.body(prompt=self.prompt(), stream=True, stream_options={"include_usage": True})
        result["stream"] = as_stream(self.served("/v1/completions", stream))
        unknown = json.dumps({"model": "no-such-model", "prompt": "Hello", "max_tokens": 1}).encode()
        result["unknown_model"] = self.client.ask("/v1/completions", unknown)
        result["broken_json"] = self.client.ask("/v1/completions", b'{"model": ')
        for name in ("completion", "chat", "unknown_model", "broken_json"):
            result[name]["text"] = result[name]["text"][:4000]
        return result

    def warm_up(self) -> Json:
        """Ask until the endpoint picker decides, and tell how long that took.

        Its pod is ready a moment before it listens, and meanwhile a pool that fails open lets requests go to any pod.
        """
        began, tries = time.monotonic(), 0
        known = decisions(self.picker())
        end = self.deadline
        while True:
            tries += 1
            seen = self.client.ask("/v1/completions", self.body(prompt=self.prompt()))
            now = decisions(self.picker())
            decided = now is None or now > (known or 0)
            if seen["status"] == 200:
                end = min(end, time.monotonic() + PICKER_GRACE)
            if (decided and not passes(seen)) or time.monotonic() > end:
                return {"tries": tries, "seconds": round(time.monotonic() - began, 1), "decided": bool(decided and now)}
            time.sleep(self.pause)

    def proof(self) -> Json:
        """Fresh prompts, some at once, with the endpoint picker's counters around them."""
        bodies = [self.body(prompt=self.prompt()) for _other in range(self.settings["prompts"])]
        before = self.picker()
        with ThreadPoolExecutor(self.settings["at_once"]) as pool:
            self.asked = list(pool.map(lambda body: (body, self.client.ask("/v1/completions", body)), bodies))
        after = self.picker()
        asked = [as_asked(answer) for _body, answer in self.asked]
        return {"part": "proof", "picker_before": before, "picker_after": after, "asked": asked}

    def compare(self) -> Json:
        """Some of these prompts again, by decode pods alone."""
        urls, seen = self.settings["decode_urls"], []
        mine = [(body, answer) for body, answer in self.asked if answer["status"] == 200][: self.settings["compare"]]
        for number, (body, answer) in enumerate(mine if urls else []):
            url = urls[number % len(urls)]
            again = Client(url, "", self.settings["request_timeout"]).ask("/v1/completions", body)
            same = again["status"] == 200 and text_of(again) == text_of(answer)
            said = again["text"][:200] if again["status"] != 200 else ""
            seen.append({"url": url, "status": again["status"], "same": same, "said": said})
        return {"part": "compare", "answers": seen}

    def run(self) -> None:
        smoke = self.smoke()
        if "completion" not in smoke:
            say({**smoke, "over": True})
            return
        orders = Orders(self.settings["port"], self.settings["word"])
        say(smoke)
        while (order := orders.next(self.settings["order_timeout"])) != "end":
            say({**(self.compare() if order == "compare" else self.proof()), "order": order})


def text_of(seen: Json) -> str:
    try:
        return str(json.loads(seen["text"])["choices"][0]["text"])
    except (ValueError, KeyError, IndexError, TypeError):
        return ""


def as_asked(seen: Json) -> Json:
    """One prompt of the proof, in short."""
    try:
        body = json.loads(seen["text"])
        tokens, offers = int(body["usage"]["prompt_tokens"]), bool(body.get("kv_transfer_params"))
    except (ValueError, KeyError, TypeError):
        tokens, offers = 0, False
    said = " ".join(seen["text"].split())[:200] if seen["status"] != 200 else ""
    return {"status": seen["status"], "prompt_tokens": tokens, "seconds": seen["seconds"], "offers_blocks": offers,
            "said": said}  # fmt: skip


def say(part: Json) -> None:
    print(MARK + json.dumps(part), flush=True)


if __name__ == "__main__":
    Probe(json.loads(os.environ["PROBE_SETTINGS"])).run()
    sys.exit(0)

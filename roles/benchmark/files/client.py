# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Run `vllm bench serve` in a pod, and send what came of it home through the log.

Runs in the benchmark's Job, with nothing but Python's standard library: once as `prepare` (tokenizer and data set),
once as `measure`. Settings come as JSON in BENCHMARK_SETTINGS. What the controller is to know are single lines behind a
mark: JSON with a `kind`. Results come in numbered parts with a checksum, so that a log with a gap is noticed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

Json = dict[str, Any]

MARK = "llm-d-benchmark: "
# A log line that is longer is cut into two by container runtimes.
PART = 12_000
# The kubelet shows the newest log file only, and begins a new one after 10 MiB: no more at once than that, by far.
BURST = 2 << 20
# Files that a tokenizer is made of. Weights are none of our business.
TOKENIZER_FILES = re.compile(
    r"(tokenizer.*|vocab.*|merges\.txt|special_tokens_map\.json|added_tokens\.json|config\.json|chat_template.*"
    r"|.*\.model|.*\.tiktoken|preprocessor_config\.json)"
)
METADATA_TOKEN = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
COUNT = re.compile(rb"(\d+)/(\d+) \[")
# Arrays of one entry a request or more; what is said of them is in the report's documentation.
TEXTS = "generated_texts"


class Trouble(Exception):
    """Something that people can cure: what it is, and what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def say(kind: str, **fields: Any) -> None:
    print(MARK + json.dumps({"kind": kind, "at": round(time.time(), 3), **fields}), flush=True)


# -- fetching


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Hubs send on to a storage of somebody else's, which must not get the token."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if request is not None and old.netloc != new.netloc:
            request.headers.pop("Authorization", None)
        return request


OPENER = urllib.request.build_opener(_Redirects)


def fetch(url: str, what: str, token: str = "", headers: Json | None = None, tries: int = 4) -> Any:
    """An open answer. Refusals are final, accidents are tried again."""
    request = urllib.request.Request(url, headers={"user-agent": "llm_d.gke", **(headers or {})})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for attempt in range(1, tries + 1):
        try:
            return OPENER.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                known = "the token was refused" if token else "no token was sent"
                raise Trouble(
                    f"HTTP {error.code} for {what} ({url}): {known}",
                    "Give deployment_hf_token a token that may read it (gated models want consent on the hub first), "
                    "or take tokenizer and data set from a bucket, a volume or a file.",
                ) from None
            if error.code == 404:
                raise Trouble(f"HTTP 404: there is no {what} at {url}", "Check the name.") from None
            said = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            said = f"{type(error).__name__}: {error}"
        if attempt < tries:
            time.sleep(min(2**attempt, 10))
    raise Trouble(
        f"{what} cannot be fetched from {url}: {said}",
        "A cluster without a way out takes tokenizer and data set from a bucket (gs://), a volume or a file: see "
        "benchmark_tokenizer and benchmark_dataset_source.",
    )


def save(answer: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
    except OSError as error:
        raise Trouble(
            f"{path.name} cannot be written: {error}", "Give the Job's volume more room (benchmark_volume_size)."
        ) from None


def google_token() -> str:
    answer = fetch(METADATA_TOKEN, "a token of the pod's service account", headers={"Metadata-Flavor": "Google"})
    with answer:
        return str(json.load(answer)["access_token"])


def bucket_url(endpoint: str, bucket: str, name: str = "") -> str:
    path = f"/{urllib.parse.quote(name, safe='')}" if name else ""
    return f"{endpoint}/storage/v1/b/{urllib.parse.quote(bucket)}/o{path}"


def from_bucket(settings: Json, source: str, target: Path) -> None:
    """gs://bucket/name into a file; gs://bucket/folder/ into a folder."""
    bucket, _sign, name = source.removeprefix("gs://").partition("/")
    endpoint, token = settings["storage_endpoint"], google_token()
    names = [name]
    if not name or name.endswith("/"):
        query = urllib.parse.urlencode({"prefix": name, "delimiter": "/"})
        with fetch(f"{bucket_url(endpoint, bucket)}?{query}", source, token) as answer:
            found = [str(item["name"]) for item in json.load(answer).get("items", [])]
        names = [each for each in found if TOKENIZER_FILES.fullmatch(each.rsplit("/", 1)[-1])]
        if not names:
            raise Trouble(f"{source} has no file of a tokenizer", "Put tokenizer.json and tokenizer_config.json there.")
    for each in names:
        place = target / each.rsplit("/", 1)[-1] if source.endswith("/") or not name else target
        save(fetch(bucket_url(endpoint, bucket, each) + "?alt=media", f"gs://{bucket}/{each}", token), place)


def from_hub(settings: Json, source: str, target: Path) -> None:
    """A tokenizer of the hub: organisation/name, with @revision if wanted."""
    name, _sign, revision = source.removeprefix("hf://").partition("@")
    revision, endpoint, token = revision or "main", settings["hub"], os.environ.get("HF_TOKEN", "")
    with fetch(f"{endpoint}/api/models/{name}/revision/{revision}", f"model {name}", token) as answer:
        files = [str(each["rfilename"]) for each in json.load(answer).get("siblings", [])]
    wanted = [each for each in files if TOKENIZER_FILES.fullmatch(each)]
    if not wanted:
        raise Trouble(f"{name} has no tokenizer on the hub", "Name another one in benchmark_tokenizer.")
    for each in wanted:
        url = f"{endpoint}/{name}/resolve/{revision}/{urllib.parse.quote(each)}"
        save(fetch(url, f"{each} of {name}", token), target / each)


def get(settings: Json, source: str, target: Path, what: str) -> None:
    """Bring a file or a folder from where it is."""
    if source.startswith("gs://"):
        from_bucket(settings, source, target)
    elif source.startswith(("http://", "https://")):
        token = os.environ.get("HF_TOKEN", "") if source.startswith(settings["hub"] + "/") else ""
        save(fetch(source, what, token), target)
    elif source.startswith("/"):
        place = Path(source)
        if not place.exists():
            raise Trouble(f"{what}: there is no {source} in the pod", "See benchmark_volume and its mount path.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            files = [each for each in place.iterdir() if TOKENIZER_FILES.fullmatch(each.name)]
            for each in files:
                save(each.open("rb"), target / each.name)
        else:
            save(place.open("rb"), target)
    else:
        from_hub(settings, source, target)


# -- data sets


def check_sharegpt(path: Path) -> int:
    """How many conversations there are with a question and an answer."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Trouble(f"the data set is not JSON: {error}", "See benchmark_dataset_source.") from None
    if not isinstance(data, list):
        raise Trouble(f"the data set is {type(data).__name__}, not a list of conversations", "See ShareGPT's form.")
    usable = 0
    for each in data:
        turns = each.get("conversations") if isinstance(each, dict) else None
        if isinstance(turns, list) and len(turns) >= 2:
            if not all(isinstance(turn, dict) and isinstance(turn.get("value"), str) for turn in turns[:2]):
                raise Trouble("a conversation has a turn without a text `value`", "See ShareGPT's form.")
            usable += 1
    if not usable:
        raise Trouble(f"the data set has no conversation of two turns ({len(data)} entries)", "It may be empty.")
    return usable


EXAMPLE = 'One JSON object a line: {"prompt": "...", "output_tokens": 64}'


def check_custom(path: Path, output_len: int) -> int:
    """How many prompts there are."""
    count = 0
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise Trouble(
                    f"line {number} of the data set is not JSON: {error}", "One JSON object a line."
                ) from None
            if not isinstance(entry, dict) or not isinstance(entry.get("prompt"), str):
                raise Trouble(
                    f"line {number} of the data set has no `prompt`", '{"prompt": "...", "output_tokens": 64}'
                )
            if output_len <= 0 and not isinstance(entry.get("output_tokens"), int):
                raise Trouble(
                    f"line {number} of the data set has no `output_tokens`", "Or set benchmark_output_len for all."
                )
            count += 1
    if not count:
        raise Trouble("the data set is empty", "See benchmark_dataset_source.")
    return count


def prepare(settings: Json) -> None:
    work, data = Path(settings["work"]), settings["dataset"]
    say("preparing", tokenizer=settings["tokenizer"], dataset=data["source"] or data["name"])
    tokenizer = work / "tokenizer"
    get(settings, settings["tokenizer"], tokenizer, "the tokenizer")
    if not tokenizer.is_dir() or not any(tokenizer.iterdir()):
        raise Trouble(f"{settings['tokenizer']} has no files of a tokenizer", "See benchmark_tokenizer.")
    entries = 0
    if data["name"] in ("sharegpt", "custom"):
        path = dataset_path(settings)
        get(settings, data["source"], path, "the data set")
        entries = check_sharegpt(path) if data["name"] == "sharegpt" else check_custom(path, data["output_len"])
    say("prepared", entries=entries)


def dataset_path(settings: Json) -> Path:
    return Path(settings["work"]) / ("dataset.jsonl" if settings["dataset"]["name"] == "custom" else "dataset.json")


# -- measuring


def ask(settings: Json, path: str) -> tuple[int, str]:
    request = urllib.request.Request(settings["url"].rstrip("/") + path, headers=settings["headers"])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, f"{type(error).__name__}: {error}"


def wait_for_model(settings: Json) -> Json:
    """What the service says of the model, once it lists it."""
    deadline = time.monotonic() + settings["ready_timeout"]
    while True:
        status, text = ask(settings, "/v1/models")
        names: list[Any] = []
        if status == 200:
            try:
                models = json.loads(text)["data"]
                names = [each["id"] for each in models]
            except (ValueError, KeyError, TypeError):
                models = []
            for each in models:
                if each["id"] == settings["model"]:
                    return dict(each)
        seen = f"it lists {', '.join(map(str, names))}" if names else f"HTTP {status}: {text[:200]}"
        if names or time.monotonic() > deadline:
            remedy = "benchmark_model has to be one of these." if names else "Run the playbook verify."
            raise Trouble(f"{settings['url']} does not list {settings['model']}: {seen}", remedy)
        time.sleep(settings["pause"])


def check_window(settings: Json, window: int) -> None:
    """Prompts of a made-up length can be judged before they are sent."""
    data = settings["dataset"]
    if not window or data["name"] != "random":
        return
    longest = int((data["input_len"] + data["output_len"]) * (1 + data["range_ratio"])) + data["prefix_len"]
    if longest > window:
        raise Trouble(
            f"prompts and answers of up to {longest} tokens do not fit the model's window of {window} tokens",
            "Make benchmark_input_len, benchmark_output_len or benchmark_prefix_len smaller, or llm_d_max_model_len "
            "larger.",
        )


def command(settings: Json, step: Json, folder: Path) -> list[str]:
    """The line of `vllm bench serve`. What differs between its versions is always said (temperature, ready check)."""
    data = settings["dataset"]
    line = ["vllm", "bench", "serve", "--backend", settings["backend"], "--base-url", settings["url"]]
    line += ["--endpoint", settings["endpoint"], "--model", settings["model"]]
    line += ["--tokenizer", str(Path(settings["work"]) / "tokenizer"), "--dataset-name", data["name"]]
    if data["name"] in ("sharegpt", "custom"):
        line += ["--dataset-path", str(dataset_path(settings))]
    if data["name"] == "random":
        line += ["--random-input-len", str(data["input_len"]), "--random-output-len", str(data["output_len"])]
        line += ["--random-range-ratio", f"{data['range_ratio']:g}", "--random-prefix-len", str(data["prefix_len"])]
    elif data["output_len"] > 0:
        line += [f"--{data['name']}-output-len", str(data["output_len"])]
    if data["name"] == "custom":
        line += ["--skip-chat-template"] if settings["backend"] == "openai" else []
        line += [] if data["output_len"] > 0 else ["--custom-output-len", "-1"]
    line += ["--num-prompts", str(step["requests"]), "--seed", str(step.get("seed", settings["seed"]))]
    line += ["--request-rate", str(step["rate"]), "--burstiness", f"{settings['burstiness']:g}"]
    if step["concurrency"]:
        line += ["--max-concurrency", str(step["concurrency"])]
    if settings["warmups"]:
        line += ["--num-warmups", str(settings["warmups"])]
    line += ["--ready-check-timeout-sec", str(int(settings["ready_timeout"]) or 1)]
    line += ["--temperature", f"{settings['temperature']:g}"]
    line += ["--ignore-eos"] if settings["ignore_eos"] else []
    line += ["--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,90,95,99"]
    if settings["goodput"]:
        line += ["--goodput", *(f"{key}:{value:g}" for key, value in settings["goodput"].items())]
    if settings["headers"]:
        line += ["--header", *(f"{key}={value}" for key, value in settings["headers"].items())]
    line += ["--insecure"] if settings["url"].startswith("https") and settings["insecure"] else []
    line += ["--extra-body", json.dumps(settings["extra_body"])] if settings["extra_body"] else []
    line += ["--label", settings["label"]] if settings["label"] else []
    line += ["--metadata", f"llm_d_run={settings['run']}", f"llm_d_step={step['name']}"]
    line += ["--save-result", "--save-detailed"]
    return [*line, "--result-dir", str(folder), "--result-filename", f"{step['name']}.json", *settings["extra_args"]]


class Client:
    """One run of vllm bench serve: its progress is told while it runs."""

    def __init__(self, settings: Json, step: Json, deadline: float) -> None:
        self.settings, self.step, self.deadline = settings, step, deadline
        self.done, self.of, self.began = 0, int(step["requests"]), 0.0
        self.cpu_began, self.cpu = 0.0, 0.0
        self.last_lines: list[str] = []
        self.late = False

    def run(self, folder: Path) -> Json:
        line = command(self.settings, self.step, folder)
        say("step", step=self.step["name"], state="started", command=shlex.join(line), **_load(self.step))
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        environment.pop("HF_TOKEN", None)
        try:
            process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        except OSError as error:
            raise Trouble(f"vllm cannot be started: {error}", "benchmark_image has to have vllm on its PATH.") from None
        STOP.child = process
        readers = [
            threading.Thread(target=self._read_lines, args=(process.stdout,)),
            threading.Thread(target=self._read_bar, args=(process.stderr,)),
        ]
        for reader in readers:
            reader.start()
        self._watch(process)
        for reader in readers:
            reader.join(timeout=10)
        wall = time.monotonic() - self.began if self.began else 0.0
        ended = {
            "status": process.returncode,
            "seconds": round(wall, 3),
            "client_cpu_cores": round(self.cpu / wall, 3) if wall > 0.5 else None,
            "done": self.done,
            "of": self.of,
        }
        return ended

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        told, every = time.monotonic(), self.settings["progress_seconds"]
        while process.poll() is None:
            time.sleep(0.1)
            now = time.monotonic()
            if self.began:
                self.cpu = max(self.cpu, _cpu_seconds(process.pid) - self.cpu_began)
            if now - told >= every:
                told = now
                self._tell()
            if STOP.asked or now > self.deadline:
                self.late = now > self.deadline
                process.terminate()
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
        if self.began:
            self._tell()

    def _tell(self) -> None:
        seconds = time.monotonic() - self.began if self.began else 0.0
        rate = round(self.done / seconds, 2) if seconds > 0 else 0.0
        say("progress", step=self.step["name"], done=self.done, of=self.of, seconds=round(seconds, 1), rate=rate)

    def _read_lines(self, stream: Any) -> None:
        for raw in stream:
            text = raw.decode("utf-8", "replace").rstrip()
            if text.startswith("Starting main benchmark run"):
                self.cpu_began = _cpu_seconds(STOP.child.pid) if STOP.child else 0.0
                self.began = time.monotonic()
                say("step", step=self.step["name"], state="measuring")
            if text.startswith("Namespace("):
                continue
            self._keep(text)

    def _read_bar(self, stream: Any) -> None:
        """tqdm's bar: it counts what is done, whether it went well or not."""
        rest = b""
        while chunk := stream.read1(65536):
            *pieces, rest = re.split(rb"[\r\n]", rest + chunk)
            for piece in [*pieces, rest]:
                counts = COUNT.findall(piece)
                if counts and self.began and int(counts[-1][1]) == self.of:
                    self.done = max(self.done, int(counts[-1][0]))
            for piece in pieces:
                text = piece.decode("utf-8", "replace").rstrip()
                if text and "it/s]" not in text and "s/it]" not in text and "remaining" not in text:
                    self._keep(text)
        if rest and not COUNT.search(rest):
            self._keep(rest.decode("utf-8", "replace").rstrip())

    def _keep(self, text: str) -> None:
        self.last_lines = [*self.last_lines[-39:], text]
        print(text, flush=True)


class _Stop:
    """Whether the pod is being ended."""

    asked = False
    child: subprocess.Popen[bytes] | None = None


STOP = _Stop()


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process, its own threads included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(step: Json) -> Json:
    return {key: step[key] for key in ("rate", "concurrency", "requests")}


def tolerant(path: Path) -> Json:
    """A result file. NaN and Infinity are no JSON; Python reads them, and writes null."""
    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: None)
    if not isinstance(found, dict):
        raise Trouble(f"{path.name} is not what vllm bench serve writes", "See the version of benchmark_image.")
    return found


def failed_requests(result: Json) -> int:
    """Versions before 0.13 do not say it."""
    return int(result.get("failed", int(result.get("num_prompts") or 0) - int(result.get("completed") or 0)))


def saturated(result: Json, step: Json) -> bool:
    """Whether requests came faster than they were answered, in the second half of the time they were sent in."""
    starts = result.get("start_times") or []
    try:
        rate = float(step["rate"])
        ends = [
            start + first + sum(rest)
            for start, first, rest in zip(starts, result["ttfts"], result["itls"], strict=False)
            if first
        ]
    except (KeyError, ValueError, TypeError):
        return False
    if len(starts) < 20 or rate == float("inf"):
        return False
    first, last = min(starts), max(starts)
    middle = (first + last) / 2
    sent = sum(1 for each in starts if each > middle)
    answered = sum(1 for each in ends if middle < each <= last)
    return answered < 0.85 * sent and float(result.get("request_throughput") or 0) < 0.9 * rate


def send(step: str, what: str, payload: Json, pace: float) -> None:
    """Through the log: numbered parts, and a checksum at the end."""
    raw = json.dumps(payload).encode()
    text = base64.b64encode(gzip.compress(raw, 6)).decode()
    parts = [text[start : start + PART] for start in range(0, len(text), PART)]
    about = {"step": step, "what": what, "of": len(parts)}
    written = 0
    for number, data in enumerate(parts, 1):
        say("part", **about, part=number, data=data)
        written += len(data)
        if written > BURST:
            time.sleep(pace)
            written = 0
    say("sent", **about, sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))


def fit(result: Json, limit: int) -> tuple[Json, list[str]]:
    """What a log can carry. The texts stay here: they are large, and nobody measures them."""
    left_out = []
    if result.pop(TEXTS, None) is not None:
        left_out.append(TEXTS)
    itls = result.get("itls")
    if isinstance(itls, list) and 24 * sum(map(len, itls)) > 3 * limit:
        # Each gap is a number of twenty digits. What the report draws of them are their percentiles and each sum.
        gaps = sorted(gap for each in itls for gap in each)
        steps = 2000
        result["itl_quantiles"] = [gaps[round(at / steps * (len(gaps) - 1))] for at in range(steps + 1)]
        result["e2els"] = [
            first + sum(each) for first, each in zip(result.get("ttfts") or [0.0] * len(itls), itls, strict=False)
        ]
        del result["itls"]
        left_out.append("itls")
    return result, left_out


def to_bucket(settings: Json, step: str, path: Path) -> str:
    """The file as it is, compressed, into a bucket."""
    bucket, _sign, prefix = settings["results_bucket"].removeprefix("gs://").partition("/")
    name = "/".join(part for part in (prefix.strip("/"), settings["run"], f"{step}.json.gz") if part)
    query = urllib.parse.urlencode({"uploadType": "media", "name": name})
    url = f"{settings['storage_endpoint']}/upload/storage/v1/b/{urllib.parse.quote(bucket)}/o?{query}"
    request = urllib.request.Request(url, gzip.compress(path.read_bytes()), method="POST")
    request.add_header("Content-Type", "application/gzip")
    request.add_header("Authorization", f"Bearer {google_token()}")
    with OPENER.open(request, timeout=300):
        return f"gs://{bucket}/{name}"


def picker_metrics(settings: Json) -> list[str]:
    """The endpoint picker's counters; they want a token that only a pod has."""
    try:
        token = Path(settings["token_file"]).read_text(encoding="utf-8").strip()
    except OSError:
        token = ""
    seen = []
    for url in settings["picker_urls"]:
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                lines = answer.read().decode("utf-8", "replace").splitlines()
            seen += [
                line for line in lines if re.match(r"\S*(_decision_total|_request_total|_request_error_total)\b", line)
            ]
        except (OSError, http.client.HTTPException):
            continue
    return seen


def measure_step(settings: Json, step: Json, folder: Path, deadline: float) -> Json:
    """One load, from start to what is sent home of it."""
    name = step["name"]
    client = Client(settings, step, deadline)
    before = picker_metrics(settings)
    began = time.time()
    ended = client.run(folder)
    path = folder / f"{name}.json"
    outcome: Json = {"step": name, "began": round(began, 3), "ended": round(time.time(), 3), **ended, **_load(step)}
    if STOP.asked or client.late:
        why = "the time for the benchmark was over" if client.late else "the pod was told to end"
        return {**outcome, "trouble": f"{why} after {client.done} of {client.of} requests", "remedy": DEADLINE_REMEDY}
    if ended["status"] != 0 or not path.exists():
        said = "\n".join(each for each in client.last_lines[-12:] if each.strip())
        return {**outcome, "trouble": f"vllm bench serve ended with status {ended['status']}: {said}",
                "remedy": "What it says is in the Job's log."}  # fmt: skip
    result = tolerant(path)
    outcome["saturated"] = saturated(result, step)
    outcome["picker"] = {"before": before, "after": picker_metrics(settings)}
    if settings["results_bucket"]:
        try:
            outcome["stored"] = to_bucket(settings, name, path)
        except (Trouble, OSError, http.client.HTTPException) as error:
            outcome["store_trouble"] = f"{settings['results_bucket']}: {error}"
    headline = {key: value for key, value in result.items() if not isinstance(value, list)}
    send(name, "headline", headline, settings["pace"])
    result, outcome["left_out"] = fit(result, settings["log_limit"])
    if settings["detailed"]:
        send(name, "result", result, settings["pace"])
    outcome["completed"], outcome["failed"] = result.get("completed"), failed_requests(result)
    return outcome


DEADLINE_REMEDY = "Give benchmark_timeout a larger value, or ask for less."


def measure(settings: Json) -> int:
    folder = Path(settings["work"]) / "results"
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + settings["timeout"]
    about = wait_for_model(settings)
    say("model", model=settings["model"], window=about.get("max_model_len"))
    check_window(settings, int(about.get("max_model_len") or 0))
    outcomes: list[Json] = []
    for number, step in enumerate(settings["steps"]):
        # Other prompts for each load: those of the one before are in the caches.
        step["seed"] = settings["seed"] + number
        outcome = measure_step(settings, step, folder, deadline)
        outcomes.append(outcome)
        say("step", state="ended", **outcome)
        if "trouble" in outcome:
            break
        if settings["stop_when_saturated"] and outcome["saturated"] and step is not settings["steps"][-1]:
            say("note", text=f"{step['name']} saturates the service: the larger loads are left out, as asked.")
            break
        if step is not settings["steps"][-1]:
            time.sleep(settings["settle_seconds"])
    trouble = next((each["trouble"] for each in outcomes if "trouble" in each), "")
    remedy = next((each["remedy"] for each in outcomes if "trouble" in each), "")
    say("end", steps=len(outcomes), of=len(settings["steps"]), trouble=trouble, remedy=remedy)
    return 1 if trouble else 0


def main(task: str) -> int:
    def stop(number: int, frame: Any) -> None:
        STOP.asked = True

    signal.signal(signal.SIGTERM, stop)
    settings = {**json.loads(os.environ["BENCHMARK_SETTINGS"]), "run": os.environ["BENCHMARK_RUN"]}
    for folder in (os.environ.get("HOME"), os.environ.get("TMPDIR")):
        Path(folder or settings["work"]).mkdir(parents=True, exist_ok=True)
    try:
        if task == "prepare":
            prepare(settings)
            return 0
        return measure(settings)
    except Trouble as trouble:
        say("end", trouble=str(trouble), remedy=trouble.remedy, stage=task)
        return 1
    except Exception as error:  # whatever it is, it has to be told where people look
        say("end", trouble=f"{type(error).__name__}: {error}", remedy="See the Job's log.", stage=task)
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

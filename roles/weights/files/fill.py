# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Brings a model's files from a Hugging Face hub to where pods read them: a bucket, or a folder. Runs in a Job.

Plain Python, no packages. What is there and right is not fetched again; if all of it is, the hub is not asked at all.
A file is checked against the hub's checksum before it gets its name, so nobody ever sees half of one: an upload to a
bucket becomes an object with its last part, and a file in a folder is renamed at its end. The list of what was fetched
(llm-d-weights.json) is written last.

MODEL, REVISION, DESTINATION (gs://bucket/folder or /folder); HF_ENDPOINT, HF_TOKEN; STORAGE_ENDPOINT,
GCE_METADATA_HOST; IGNORE (patterns), WORKERS, CHUNK_MIB, ATTEMPTS.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import http.client
import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MANIFEST = "llm-d-weights.json"
CHECKSUM = "llm-d-checksum"
TROUBLE = (OSError, http.client.HTTPException)


class Failed(Exception):
    """Cannot be done; the message says why and what to do."""


class NotThere(Failed):
    """404."""


def say(text):
    print(text, flush=True)


def quoted(text):
    return urllib.parse.quote(text, safe="")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(_NoRedirect)


def ask(method, url, data=None, headers=None, timeout=120):
    """One request; the answer, whatever its status is."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        return OPENER.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        return error


def patiently(what, attempts, work):
    """Does it again after trouble that passes."""
    for attempt in range(1, attempts + 1):
        try:
            return work()
        except TROUBLE as error:
            if attempt == attempts:
                raise Failed(f"{what}: {error} (tried {attempts} times)") from error
            say(f"{what}: {error}; once more")
            time.sleep(min(2**attempt, 30) * SETTINGS.pause)


class Settings:
    def read(self, env):
        self.model = env["MODEL"]
        self.revision = env.get("REVISION") or "main"
        self.destination = env["DESTINATION"]
        self.hub = (env.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
        self.token = env.get("HF_TOKEN", "")
        self.storage = (env.get("STORAGE_ENDPOINT") or "https://storage.googleapis.com").rstrip("/")
        self.metadata = env.get("GCE_METADATA_HOST") or "metadata.google.internal"
        self.ignore = (env.get("IGNORE") or "").split()
        self.workers = int(env.get("WORKERS") or 4)
        self.chunk = int(float(env.get("CHUNK_MIB") or 32) * 1024 * 1024)
        self.attempts = int(env.get("ATTEMPTS") or 8)
        self.pause = float(env.get("PAUSE") or 1)


SETTINGS = Settings()


# ---- the hub -------------------------------------------------------------------------------------------------------


class Wanted:
    """One file of the model, as the hub describes it."""

    def __init__(self, entry):
        self.name = entry["rfilename"]
        self.size = int(entry["size"])
        lfs = entry.get("lfs")
        # Large files are known by their sha256, small ones by git's name for their content.
        self.checksum = f"sha256:{lfs['sha256']}" if lfs else f"git-sha1:{entry['blobId']}"

    def hasher(self):
        if self.checksum.startswith("sha256:"):
            return hashlib.sha256()
        digest = hashlib.sha1(usedforsecurity=False)
        digest.update(b"blob %d\0" % self.size)
        return digest


class Hub:
    def __init__(self, settings):
        self._base = settings.hub
        self._headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        self._model = settings.model
        self._revision = settings.revision
        self.commit = ""

    def files(self, ignore):
        url = f"{self._base}/api/models/{self._model}/revision/{quoted(self._revision)}?blobs=true"

        def look():
            with ask("GET", url, headers=self._headers) as answer:
                self._check(answer, self._model)
                return json.loads(answer.read())

        found = patiently(f"the hub's list of {self._model}", SETTINGS.attempts, look)
        self.commit = found["sha"]
        files = [Wanted(entry) for entry in found["siblings"]]
        return [file for file in files if not any(fnmatch.fnmatch(file.name, pattern) for pattern in ignore)]

    def _check(self, answer, what):
        status = answer.status
        if status in (401, 403):
            why = answer.headers.get("X-Error-Message") or "the token is not accepted"
            raise Failed(
                f"the hub refuses {what} ({status}): {why}. Accept the model's terms on its page, and check HF_TOKEN."
            )
        if status == 404:
            raise Failed(f"the hub has no {what} (revision {self._revision}): check model and revision.")
        if status == 429 or status >= 500:
            raise OSError(f"the hub answers {status}")
        if status >= 400:
            raise Failed(f"the hub answers {status} for {what}")

    def open(self, file, offset):
        """The content from there on. The token goes to the hub alone, and not to where the hub sends us."""
        url = f"{self._base}/{self._model}/resolve/{self.commit}/{urllib.parse.quote(file.name)}"
        headers = dict(self._headers)
        for _hop in range(5):
            part = {"Range": f"bytes={offset}-"} if offset else {}
            answer = ask("GET", url, headers={**headers, **part})
            if answer.status not in (301, 302, 303, 307, 308):
                self._check(answer, file.name)
                if offset and answer.status != 206:
                    raise Failed(f"{file.name}: the hub does not go on from the middle")
                return answer
            target = urllib.parse.urljoin(url, answer.headers["Location"])
            if _host(target) != _host(self._base):
                headers = {}
            answer.close()
            url = target
        raise Failed(f"{file.name}: the hub redirects without end")

    def read(self, file, offset=0):
        """The content in chunks; goes on where it was when the connection breaks."""
        broken = 0
        while offset < file.size or (file.size == 0 and broken == 0):
            try:
                with self.open(file, offset) as answer:
                    while data := answer.read(min(SETTINGS.chunk, file.size - offset)):
                        offset += len(data)
                        yield data
                if offset < file.size:
                    raise OSError(f"the connection ended at {offset} of {file.size} bytes")
                if file.size == 0:
                    return
            except TROUBLE as error:
                broken += 1
                if broken >= SETTINGS.attempts:
                    raise Failed(f"{file.name}: {error} (tried {broken} times)") from error
                say(f"{file.name}: {error}; going on at {offset}")
                time.sleep(min(2**broken, 30) * SETTINGS.pause)


def _host(url):
    return urllib.parse.urlsplit(url).netloc


# ---- a bucket ------------------------------------------------------------------------------------------------------


class Token:
    """The pod's own, from its metadata server; fetched again before it ends."""

    def __init__(self, host):
        self._url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def header(self):
        with self._lock:
            if time.monotonic() >= self._until:
                self._token, seconds = patiently("the metadata server", SETTINGS.attempts, self._fetch)
                self._until = time.monotonic() + max(seconds - 300, 30)
            return {"Authorization": f"Bearer {self._token}"}

    def _fetch(self):
        with ask("GET", self._url, headers={"Metadata-Flavor": "Google"}) as answer:
            text = answer.read().decode(errors="replace")
            if answer.status == 403:
                # A binding that was just made is not known everywhere for a minute or two.
                raise OSError(f"no token ({answer.status}): {text.strip()[:300]}")
            if answer.status != 200:
                raise OSError(f"the metadata server answers {answer.status}: {text.strip()[:300]}")
            found = json.loads(text)
            return found["access_token"], float(found["expires_in"])


class Bucket:
    def __init__(self, settings):
        self.name, _slash, folder = settings.destination.removeprefix("gs://").partition("/")
        self._folder = folder.strip("/") + "/" if folder.strip("/") else ""
        self._base = settings.storage
        self._token = Token(settings.metadata)

    def __str__(self):
        return f"gs://{self.name}/{self._folder}"

    def _call(self, method, url, data=None, **headers):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        with ask(method, url, data, {**self._token.header(), **given}) as answer:
            body = answer.read()
            if answer.status == 429 or answer.status >= 500:
                raise OSError(f"Cloud Storage answers {answer.status}")
            if answer.status == 403:
                raise OSError(f"Cloud Storage refuses: {_message(body)}")
            if answer.status == 404:
                raise NotThere(f"Cloud Storage: {_message(body)}")
            if answer.status >= 400:
                raise Failed(f"Cloud Storage answers {answer.status}: {_message(body)}")
            return answer.status, answer.headers, body

    def _object(self, name):
        return f"{self._base}/storage/v1/b/{self.name}/o/{quoted(self._folder + name)}"

    def listing(self):
        """What is there: name below the folder → the object."""
        found, page = {}, ""
        while True:
            query = urllib.parse.urlencode({"prefix": self._folder, **({"pageToken": page} if page else {})})
            url = f"{self._base}/storage/v1/b/{self.name}/o?{query}"
            _status, _headers, body = patiently(
                f"the list of {self}", SETTINGS.attempts, lambda url=url: self._call("GET", url)
            )
            answer = json.loads(body)
            found.update({item["name"].removeprefix(self._folder): item for item in answer.get("items", [])})
            page = answer.get("nextPageToken", "")
            if not page:
                return found

    def read(self, name):
        return patiently(f"{name}", SETTINGS.attempts, lambda: self._call("GET", self._object(name) + "?alt=media"))[2]

    def is_right(self, file, item):
        marked = (item.get("metadata") or {}).get(CHECKSUM)
        return int(item["size"]) == file.size and marked == file.checksum

    def listed(self, item):
        return {
            "size": int(item["size"]),
            "checksum": (item.get("metadata") or {}).get(CHECKSUM),
            "md5": item["md5Hash"],
        }

    def same(self, listed, item):
        return self.listed(item) == listed

    def put(self, file, item, parts):
        """Uploads in parts. The last one is held back until the content has proved right: only then is it an object."""
        url = self._begin(file, item)
        digest, md5 = file.hasher(), hashlib.md5(usedforsecurity=False)
        sent, held = 0, b""
        for data in parts:
            digest.update(data)
            md5.update(data)
            held += data
            whole = len(held) // SETTINGS.chunk * SETTINGS.chunk
            if whole == len(held):
                whole -= SETTINGS.chunk
            if whole > 0:
                self._send(url, file, held[:whole], sent)
                sent, held = sent + whole, held[whole:]
        if digest.hexdigest() != file.checksum.partition(":")[2]:
            self._give_up(url)
            raise Failed(f"{file.name}: what came is not what the hub describes (wrong checksum); nothing was kept")
        made = self._send(url, file, held, sent)
        if made["md5Hash"] != base64.b64encode(md5.digest()).decode() or int(made["size"]) != file.size:
            self.remove(file.name)
            raise Failed(f"{file.name}: Cloud Storage has something else than was sent; removed")
        return made

    def _begin(self, file, item):
        generation = item["generation"] if item else "0"
        url = f"{self._base}/upload/storage/v1/b/{self.name}/o?uploadType=resumable&ifGenerationMatch={generation}"
        described = json.dumps({"name": self._folder + file.name, "metadata": {CHECKSUM: file.checksum}}).encode()

        def begin():
            _status, headers, _body = self._call("POST", url, described, Content_Type="application/json")
            return headers["Location"]

        return patiently(f"{file.name}: upload", SETTINGS.attempts, begin)

    def _send(self, url, file, data, offset):
        """One part, at that place; after trouble Cloud Storage is asked how far it came."""
        state = {"from": offset, "asked": False}

        def send():
            if state["asked"]:
                status, headers, body = self._call("PUT", url, b"", Content_Range=f"bytes */{file.size}")
                if status in (200, 201):
                    return json.loads(body)
                state["from"] = int(found[1]) + 1 if (found := re.search(r"-(\d+)$", headers.get("Range", ""))) else 0
                state["asked"] = False
            rest = data[state["from"] - offset :]
            if not rest and file.size:
                return None
            first, last = state["from"], state["from"] + len(rest) - 1
            span = f"bytes {first}-{last}/{file.size}" if rest else f"bytes */{file.size}"
            try:
                status, _headers, body = self._call("PUT", url, rest, Content_Range=span)
            except TROUBLE:
                state["asked"] = True
                raise
            return json.loads(body) if status in (200, 201) else None

        return patiently(f"{file.name}: part at {offset}", SETTINGS.attempts, send)

    def _give_up(self, url):
        with ask("DELETE", url, headers=self._token.header()):
            pass

    def write(self, name, content):
        query = urllib.parse.urlencode({"uploadType": "media", "name": self._folder + name})
        url = f"{self._base}/upload/storage/v1/b/{self.name}/o?{query}"
        patiently(name, SETTINGS.attempts, lambda: self._call("POST", url, content, Content_Type="application/json"))

    def remove(self, name):
        patiently(name, SETTINGS.attempts, lambda: self._call("DELETE", self._object(name)))


def _message(body):
    try:
        return json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:300]


# ---- a folder ------------------------------------------------------------------------------------------------------


class Folder:
    """A folder of a volume. Beside each file that is whole lies its checksum, below .llm-d."""

    def __init__(self, settings):
        self._path = Path(settings.destination)
        self._marks = self._path / ".llm-d"

    def __str__(self):
        return str(self._path)

    def listing(self):
        names = [path for path in self._path.rglob("*") if path.is_file() and self._marks not in path.parents]
        return {str(path.relative_to(self._path)): path for path in names if path.suffix != ".part"}

    def read(self, name):
        return (self._path / name).read_bytes()

    def _mark(self, name):
        return self._marks / quoted(name)

    def is_right(self, file, item):
        mark = self._mark(file.name)
        return item.stat().st_size == file.size and mark.is_file() and mark.read_text() == file.checksum

    def listed(self, item):
        mark = self._mark(str(item.relative_to(self._path)))
        return {"size": item.stat().st_size, "checksum": mark.read_text() if mark.is_file() else None}

    def same(self, listed, item):
        return self.listed(item) == {key: listed.get(key) for key in ("size", "checksum")}

    def part(self, file):
        return self._path / f"{file.name}.part"

    def put(self, file, item, parts):
        target, part = self._path / file.name, self.part(file)
        part.parent.mkdir(parents=True, exist_ok=True)
        self._marks.mkdir(parents=True, exist_ok=True)
        self._mark(file.name).unlink(missing_ok=True)
        with part.open("ab") as out:
            for data in parts:
                out.write(data)
            out.flush()
            os.fsync(out.fileno())
        digest = file.hasher()
        with part.open("rb") as whole:
            while data := whole.read(SETTINGS.chunk):
                digest.update(data)
        if digest.hexdigest() != file.checksum.partition(":")[2]:
            part.unlink()
            raise Failed(f"{file.name}: what came is not what the hub describes (wrong checksum); nothing was kept")
        part.replace(target)
        self._mark(file.name).write_text(file.checksum)
        return target

    def write(self, name, content):
        temporary = self._path / f"{name}.part"
        temporary.write_bytes(content)
        temporary.replace(self._path / name)

    def remove(self, name):
        (self._path / name).unlink(missing_ok=True)
        self._mark(name).unlink(missing_ok=True)


# ---- the whole -----------------------------------------------------------------------------------------------------


def manifest_of(place, there):
    if MANIFEST not in there:
        return None
    try:
        return json.loads(place.read(MANIFEST))
    except (ValueError, NotThere):
        return None


def is_complete(place, there, manifest, settings):
    """All that was fetched is there as it was, and is what is wanted."""
    if not manifest or manifest.get("model") != settings.model or manifest.get("revision") != settings.revision:
        return False
    files = manifest.get("files") or {}
    return bool(files) and all(name in there and place.same(listed, there[name]) for name, listed in files.items())


def fetch(hub, place, file, item):
    begin = time.monotonic()
    offset = 0
    if isinstance(place, Folder) and place.part(file).is_file():
        offset = min(place.part(file).stat().st_size, file.size)
    made = place.put(file, item, hub.read(file, offset))
    seconds = max(time.monotonic() - begin, 0.001)
    say(f"{file.name}: {file.size} bytes in {seconds:.0f} s ({file.size / seconds / 1e6:.0f} MB/s)")
    return file.name, place.listed(made)


def fill(settings):
    place = Bucket(settings) if settings.destination.startswith("gs://") else Folder(settings)
    there = place.listing()
    before = manifest_of(place, there)
    if is_complete(place, there, before, settings):
        say(f"{place}: {len(before['files'])} files of {settings.model} are complete; the hub was not asked")
        return
    hub = Hub(settings)
    files = hub.files(settings.ignore)
    right = {f.name: place.listed(there[f.name]) for f in files if f.name in there and place.is_right(f, there[f.name])}
    missing = [file for file in files if file.name not in right]
    say(
        f"{settings.model} at {hub.commit}: {len(files)} files, {len(right)} there already, "
        f"{sum(file.size for file in missing)} bytes to fetch to {place}"
    )
    # The largest first: they take longest.
    missing.sort(key=lambda file: -file.size)
    with ThreadPoolExecutor(settings.workers) as pool:
        fetched = list(pool.map(lambda file: fetch(hub, place, file, there.get(file.name)), missing))
    listed = {**right, **dict(fetched)}
    content = {"model": settings.model, "revision": settings.revision, "commit": hub.commit, "files": listed}
    place.write(MANIFEST, json.dumps(content, indent=1, sort_keys=True).encode())
    for name in (before or {}).get("files", {}):
        if name not in listed and name in there:
            place.remove(name)
    say(f"{place}: complete, {len(listed)} files")


def main(env):
    try:
        SETTINGS.read(env)
        fill(SETTINGS)
    except Failed as error:
        say(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))

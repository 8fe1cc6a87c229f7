"""A small Hub on loopback: it speaks the upload protocol to the real `huggingface_hub` client, and fails on demand.

Repositories are trees of blobs with commits that name their parent. Files that are neither text nor small go through
LFS: batch, one PUT or several, completion, verification, and only then a commit may name them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from tests.hub.repos import Blob, Commit, Repo, Trouble

PART = 8_000
"""Bytes: larger LFS files are sent in parts of this size."""

PAGE = 3
"""Entries of a tree that one answer lists, so that clients have to turn pages."""


class Hub(ThreadingHTTPServer):
    """The server; `counted` says how often which kind of request did its work."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.token, self.lock = token, threading.Lock()
        self.repos: dict[tuple[str, str], Repo] = {}
        self.store: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.troubles: list[Trouble] = []
        self.counted: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.reached, self.ended = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients break off; that is no error here."""

    def trouble(self, line: str) -> Trouble | None:
        """What shall go wrong with this request."""
        with self.lock:
            for each in self.troubles:
                if each.times and re.search(each.match, line):
                    each.times -= 1
                    self.met[each.kind] += 1
                    return each
        return None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        self.handle_it()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def handle_it(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if self._whole() else self._chunks()
        line = f"{self.command} {self.path}"
        trouble = self.server.trouble(line)
        if trouble and trouble.kind == "held":
            self.server.reached.set()
            self.server.ended.wait(60)
            return self._break()
        if trouble and trouble.kind == "status":
            # No server should quote a token, and some do.
            said = f"failed with {self.headers.get('Authorization')}"
            return self._say(trouble.status, {"error": said}, {"X-Error-Message": said})
        if trouble and trouble.kind == "reset":
            return self._break()
        if trouble and trouble.kind == "moved":
            repo = next(iter(self.server.repos.values()))
            repo.commit("by hand", {**repo.head.tree, "NOTES.txt": Blob(b"mine", lfs=False)})
        status, answer, headers = self._answer()
        if trouble and trouble.kind == "lost":
            return self._break()
        return self._say(status, answer, headers)

    def _whole(self) -> bool:
        return self.headers.get("Transfer-Encoding", "") != "chunked"

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _break(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        with suppress(OSError):
            self.connection.close()

    def _say(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _answer(self) -> tuple[int, Any, dict[str, str]]:
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/store/(\w+)(?:/(\d+))?", path):  # signed addresses: no token is sent there
            return self._stored(found[1], found[2])
        if found := re.fullmatch(r"/complete/(\w+)", path):
            return self._complete(found[1])
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return 401, {"error": "Invalid username or password."}, {}
        with self.server.lock:
            for method, pattern, name in ROUTES:
                found = re.fullmatch(pattern, path)
                if found and self.command in method:
                    self.server.counted[name] += 1
                    answer = getattr(self, f"_{name}")(*found.groups())
                    return answer if isinstance(answer, tuple) else (200, answer, {})
        return 404, {"error": f"no such place: {self.command} {path}"}, {}

    def _stored(self, oid: str, part: str | None) -> tuple[int, Any, dict[str, str]]:
        if part:
            self.server.counted["part"] += 1
            self.server.parts[oid, int(part)] = self.body
            return 200, b"", {"ETag": hashlib.md5(self.body).hexdigest()}
        self.server.counted["put"] += 1
        return self._keep(oid, self.body)

    def _keep(self, oid: str, data: bytes) -> tuple[int, Any, dict[str, str]]:
        if hashlib.sha256(data).hexdigest() != oid:
            return 400, {"error": "these bytes have another hash"}, {}
        self.server.store[oid] = data
        return 200, {}, {}

    def _complete(self, oid: str) -> tuple[int, Any, dict[str, str]]:
        self.server.counted["complete"] += 1
        told = json.loads(self.body)["parts"]
        parts = [self.server.parts.pop((oid, each["partNumber"])) for each in told]
        assert [each["etag"] for each in told] == [hashlib.md5(part).hexdigest() for part in parts]
        return self._keep(oid, b"".join(parts))

    def _verify(self) -> Any:
        return (200 if json.loads(self.body)["oid"] in self.server.store else 404), {}, {}

    def _whoami(self) -> Any:
        return {"type": "user", "name": "me", "orgs": [], "auth": {"type": "access_token"}}

    def _create(self) -> Any:
        asked = json.loads(self.body)
        key = asked.get("type", "model"), f"{asked['organization'] or 'me'}/{asked['name']}"
        if key in self.server.repos:
            return 409, {"error": "You already created this repo"}, {}
        self.server.repos[key] = Repo(private=asked.get("visibility") == "private")
        return {"url": f"{self.server.url}/{key[1]}"}

    def _yaml(self) -> Any:
        return {"warnings": [], "errors": []}

    def _batch(self, kind: str | None, name: str) -> Any:
        objects = []
        for each in json.loads(self.body)["objects"]:
            oid, size = each["oid"], each["size"]
            answer: dict[str, Any] = {"oid": oid, "size": size}
            if oid not in self.server.store:
                parts = -(-size // PART)
                place = f"{self.server.url}/store/{oid}"
                upload: dict[str, Any] = {"href": place}
                if parts > 1:
                    signed = {f"{number:05d}": f"{place}/{number}" for number in range(1, parts + 1)}
                    upload = {
                        "href": f"{self.server.url}/complete/{oid}",
                        "header": {"chunk_size": str(PART), **signed},
                    }
                answer["actions"] = {"upload": upload, "verify": {"href": f"{self.server.url}/verify"}}
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    def _repo(self, kind: str, name: str) -> Repo:
        return self.server.repos[kind, name]

    def _api(self, kind: str, name: str, rest: str | None) -> Any:
        repo = self.server.repos.get((kind, name))
        if repo is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        verb, _, revision = (rest or "").strip("/").partition("/")
        revision, _, self.under = (revision or "main").partition("/")
        commit = repo.at(revision)
        if commit is None:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        self.server.counted[verb or "info"] += 1
        return getattr(self, f"_at_{(verb or 'revision').replace('-', '_')}")(kind, name, repo, commit)

    def _at_revision(self, kind: str, name: str, repo: Repo, commit: Commit) -> Any:
        files = [{"rfilename": path} for path in sorted(commit.tree)]
        return {"id": name, "sha": commit.oid, "private": repo.private, "tags": [], "siblings": files}

    def _at_refs(self, kind: str, name: str, repo: Repo, commit: Commit) -> Any:
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head.oid}
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid} for tag, oid in repo.tags.items()]
        return {"branches": [main], "converts": [], "tags": tags}

    def _at_tree(self, kind: str, name: str, repo: Repo, commit: Commit) -> Any:
        query = parse_qs(urlsplit(self.path).query)
        inside = [path for path in commit.tree if path.startswith(f"{self.under}/" if self.under else "")]
        folders = {str(parent) for path in inside for parent in PurePosixPath(path).parents} - {".", self.under}
        listed = [
            _listed(path, commit.tree.get(path))
            for path in sorted({*inside, *folders})
            if query.get("recursive") in (["true"], ["True"]) or "/" not in path.removeprefix(self.under).strip("/")
        ]
        start = int(query.get("cursor", ["0"])[0])
        headers = {}
        if start + PAGE < len(listed):
            turned = urlencode({**query, "cursor": start + PAGE}, doseq=True)
            following = f"{self.server.url}{urlsplit(self.path).path}?{turned}"
            headers["Link"] = f'<{following}>; rel="next"'
        return 200, listed[start : start + PAGE], headers

    def _at_preupload(self, kind: str, name: str, repo: Repo, commit: Commit) -> Any:
        files = []
        for each in json.loads(self.body)["files"]:
            there = commit.tree.get(each["path"])
            small = each["size"] < 20_000 and not each["path"].endswith((".parquet", ".safetensors"))
            files.append(
                {
                    "path": each["path"],
                    "uploadMode": "regular" if small else "lfs",
                    "shouldIgnore": False,
                    "oid": (there.sha256 if there.lfs else there.git) if there else None,
                }
            )
        return {"files": files}

    def _at_commit(self, kind: str, name: str, repo: Repo, commit: Commit) -> Any:
        header, *changes = [json.loads(line) for line in self.body.splitlines()]
        if header["value"].get("parentCommit", repo.head.oid) != repo.head.oid:
            return 412, {"error": "A commit has happened since. Please refresh and try again."}, {}
        tree = dict(repo.head.tree)
        for change in changes:
            value = change["value"]
            if change["key"] == "file":
                tree[value["path"]] = Blob(base64.b64decode(value["content"]), lfs=False)
            elif change["key"] == "lfsFile" and value["oid"] in self.server.store:
                tree[value["path"]] = Blob(self.server.store[value["oid"]], lfs=True)
            elif change["key"] == "deletedFile" and value["path"] in tree:
                del tree[value["path"]]
            else:
                return 400, {"error": f"cannot do {change}"}, {}
        made = repo.commit(header["value"]["summary"], tree)
        return {"commitUrl": f"{self.server.url}/{name}/commit/{made.oid}", "commitOid": made.oid}

    def _at_tag(self, kind: str, name: str, repo: Repo, commit: Commit) -> Any:
        tag = json.loads(self.body)["tag"]
        if tag in repo.tags:
            return 409, {"error": "Tag reference exists already."}, {}
        repo.tags[tag] = commit.oid
        return {}

    def _at_paths_info(self, kind: str, name: str, repo: Repo, commit: Commit) -> Any:
        if "json" in (self.headers.get("Content-Type") or ""):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode())["paths"]
        return [_listed(path, commit.tree[path]) for path in paths if path in commit.tree]

    def _resolve(self, kind: str | None, name: str, revision: str, path: str) -> Any:
        repo = self._repo("dataset" if kind else "model", name)
        commit = repo.at(revision)
        if commit is None or path not in commit.tree:
            return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}
        blob = commit.tree[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.sha256 if blob.lfs else blob.git}"'}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), int(wanted[2] or len(blob.data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(blob.data)}"
            return 206, blob.data[first : last + 1], headers
        return 200, blob.data, headers


NAME = r"([\w.-]+/[\w.-]+?)"
ROUTES = (
    ("POST", r"/verify", "verify"),
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "yaml"),
    ("POST", rf"/(datasets/)?{NAME}\.git/info/lfs/objects/batch", "batch"),
    ("GET HEAD", rf"/(datasets/)?{NAME}/resolve/([^/]+)/(.+)", "resolve"),
    ("GET POST", r"/api/(dataset|model)s/([\w.-]+/[\w.-]+)(/.*)?", "api"),
)


def _listed(path: str, blob: Blob | None) -> dict[str, Any]:
    if blob is None:
        return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}
    found: dict[str, Any] = {"type": "file", "path": path, "size": len(blob.data), "oid": blob.git}
    if blob.lfs:
        found["lfs"] = {"oid": blob.sha256, "size": len(blob.data), "pointerSize": 134}
    return found


@contextmanager
def running(token: str) -> Iterator[Hub]:
    """A Hub while the block runs."""
    hub = Hub(token)
    threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.ended.set()
        hub.shutdown()
        hub.server_close()

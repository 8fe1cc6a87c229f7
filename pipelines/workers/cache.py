"""The request cache (design §5): what a server has answered once is not paid for again, by whichever process.

An answer stands under a hash of all that decides it: the worker's identity, and the request but for its id and
priority. A `Failed` is never kept. Equal requests that are under way together are asked once. Texts are hashed as they
are and not in their canonical form, of which a model may read other tokens.

Only a pinned worker's answers outlive a run. What a server without `revision:` serves may be another model tomorrow, at
the same address and under the same name, and nothing it says would tell; so its answers are found again only by the
session that asked (a process that the user started, with those that it started), and only from the same address.

`EVOLENS_CACHE` is the folder, by default the user's cache folder, with one file per host, because SQLite cannot be
shared over a network disk. `EVOLENS_CACHE=off`, or a worker's option `cache: off`, does without.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path
from pydantic import TypeAdapter

from pipelines.workers.store import Store, session
from schemas.ids import Json, digest
from schemas.messages import as_json
from schemas.requests import Failed, Generated, Ok, Request, Result, Scored, Server, Vector, WorkerIdentity

MEANING = 1
"""Raise it when the same request comes to be sent as something else, so that older answers are not found."""

_KINDS: dict[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in (Generated, Scored, Vector)}
_NO_PART = frozenset({"request_id", "priority"})


def folder() -> Path | None:
    """Where answers are kept; None where `EVOLENS_CACHE` is `off`."""
    named = os.environ.get("EVOLENS_CACHE", "")
    if named.lower() == "off":
        return None
    return Path(named).expanduser() if named else user_cache_path("evolens", appauthor=False)


def file_in(folder: Path) -> Path:
    """This host's file of answers."""
    return folder / f"answers-{socket.gethostname()}.sqlite"


@lru_cache(maxsize=8)
def store_at(path: Path) -> Store:
    """This process's store of one file."""
    return Store(path)


def cached(worker: Server, *, address: str, switch: bool = True) -> Server:
    """The worker behind the cache; the worker itself where either `EVOLENS_CACHE` or its own option, `switch`, is off.

    `address` is where it answers, which counts only for a worker that is not pinned.
    """
    place = folder()
    if place is None or not switch:
        return worker
    return Cached(worker, store_at(file_in(place)), None if worker.identity.pinned else [address, *session()])


def key_of(identity: WorkerIdentity, request: Request, scope: Json = None) -> bytes:
    """Under what an answer stands: 16 bytes of everything that decides it."""
    asked = {each.name: getattr(request, each.name) for each in fields(request) if each.name not in _NO_PART}
    if "messages" in asked:
        asked["messages"] = as_json(asked["messages"])
    if "sampling" in asked:
        asked["sampling"] = asked["sampling"].as_json()
    said = [MEANING, scope, identity.as_json(), type(request).__name__, asked]
    return bytes.fromhex(digest(json.dumps(said, sort_keys=True).encode()))


def to_bytes(result: Ok) -> bytes:
    """An answer as JSON; floats come back bit for bit."""
    return json.dumps({"kind": type(result).__name__, **asdict(result)}).encode()


def from_bytes(value: bytes) -> Ok | None:
    """The answer in these bytes; None where they hold none that we know."""
    try:
        said = json.loads(value)
        found: Ok = _KINDS[said.pop("kind")].validate_python(said)
    except (ValueError, KeyError, TypeError, AttributeError):  # a ValidationError of pydantic is a ValueError
        return None
    return found


@dataclass
class _Asked:
    """A request under way and all who wait for its answer; the first of them paid."""

    waiting: list[Future[Result]] = field(default_factory=list)
    answer: Future[Result] | None = None


class Cached:
    """A server behind the cache; answers that cost nothing say `cached`."""

    in_waves = False

    def __init__(self, worker: Server, store: Store, scope: Json) -> None:
        self.identity = worker.identity
        self._worker, self._store, self._scope = worker, store, scope
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._under_way: dict[bytes, _Asked] = {}

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """One result per request, in their order."""
        return [future.result() for future in [self.submit(request) for request in requests]]

    def submit(self, request: Request) -> Future[Result]:
        """Ask without waiting. An answer is kept before it is told; when all who wait have cancelled, nobody is asked
        any more.
        """
        if self._pid != os.getpid():
            self._begin()  # after a fork: what is under way is the parent's
        key = key_of(self.identity, request, self._scope)
        future: Future[Result] = Future()
        with self._lock:
            asked = self._under_way.get(key)
            entry = None if asked else self._store.get(key)
            found = from_bytes(entry.value) if entry else None
            fresh = asked is None and found is None
            if fresh:
                asked = self._under_way[key] = _Asked()
            if asked is not None:
                asked.waiting.append(future)
        if asked is not None:
            if fresh:
                self._ask(key, asked, request)
            future.add_done_callback(partial(self._left, key, asked))
        elif entry is not None and found is not None:
            self._store.claim(key, entry, partial(_tell, [future], _as_cached(found)))
        return future

    def _ask(self, key: bytes, asked: _Asked, request: Request) -> None:
        try:
            asked.answer = self._worker.submit(request)
        except Exception as error:
            self._deliver(key, asked, _failed(error))
        else:
            asked.answer.add_done_callback(partial(self._answered, key, asked))

    def _answered(self, key: bytes, asked: _Asked, answer: Future[Result]) -> None:
        try:
            result = answer.result()
        except (CancelledError, Exception) as error:  # no worker of ours raises
            result = _failed(error)
        if isinstance(result, Failed):
            self._deliver(key, asked, result)
        else:
            done = partial(self._deliver, key, asked, result)
            self._store.put(key, self.identity.name, to_bytes(result), done)

    def _deliver(self, key: bytes, asked: _Asked, result: Result) -> None:
        with self._lock:
            if self._under_way.get(key) is asked:
                del self._under_way[key]
            waiting = list(asked.waiting)
        _tell(waiting[:1], result)
        _tell(waiting[1:], _as_cached(result))

    def _left(self, key: bytes, asked: _Asked, future: Future[Result]) -> None:
        """One who waited has its answer, or has cancelled."""
        if not future.cancelled():
            return
        with self._lock:
            asked.waiting.remove(future)
            nobody = not asked.waiting and self._under_way.get(key) is asked
            if nobody:
                del self._under_way[key]
        if nobody and asked.answer is not None:
            asked.answer.cancel()


def _as_cached(result: Result) -> Result:
    return replace(result, cached=True) if isinstance(result, Generated | Scored) else result


def _failed(error: BaseException) -> Failed:
    return Failed(f"exception:{type(error).__name__}", str(error), transient=True)


def _tell(waiting: Sequence[Future[Result]], result: Result) -> None:
    for future in waiting:
        if future.set_running_or_notify_cancel():
            future.set_result(result)

"""What a Hub holds, in memory, and what shall go wrong with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Blob:
    """A file of a tree."""

    data: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def git(self) -> str:
        data = f"oid sha256:{self.sha256}".encode() if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    oid: str
    title: str
    tree: dict[str, Blob]


@dataclass
class Repo:
    """A repository; its first commit holds what the Hub itself puts there."""

    private: bool
    commits: list[Commit] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("initial commit", {".gitattributes": Blob(b"*.parquet filter=lfs\n", lfs=False)})

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def commit(self, title: str, tree: dict[str, Blob]) -> Commit:
        told = [len(self.commits), title, sorted((path, blob.git) for path, blob in tree.items())]
        made = Commit(hashlib.sha1(json.dumps(told).encode()).hexdigest(), title, tree)
        self.commits.append(made)
        return made

    def at(self, revision: str) -> Commit | None:
        oid = self.head.oid if revision == "main" else self.tags.get(revision, revision)
        return next((each for each in self.commits if each.oid == oid), None)


@dataclass
class Trouble:
    """The next `times` requests that match `METHOD /path` go wrong.

    `status`: they are answered so, with a body that quotes the caller's token. `reset`: the connection breaks.
    `lost`: the work is done, and the connection breaks before the answer. `held`: nothing is answered at all. `moved`:
    somebody else commits just before.
    """

    match: str
    kind: str
    times: int = 1
    status: int = 500

"""Making a repository on the Hub hold a parcel: look at what is there, do what is missing, however often it is called.

Nothing is remembered here between attempts: the repository itself says how far an earlier one came. Large files that
arrived are known to it by their hash. A commit names its parent, so one whose answer was lost is never made twice. The
tag comes last and says that all is there.

The token is read from HF_TOKEN, handed to the client and cut out of whatever anybody says.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows import console
from flows.push.parcel import LISTED, CannotPush, Parcel, Piece

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

TOKEN = "HF_TOKEN"
ATTEMPTS = 6
WAIT_S, LONGEST_S = 1.0, 30.0
PASSING = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})
"""Statuses that another attempt may not meet. 412: the repository moved on since we looked."""


@dataclass(frozen=True)
class Pushed:
    """Where a run lies on the Hub. `sent` is how many files this push changed there, `commit` is git's id."""

    repo: str
    kind: str
    tag: str
    commit: str
    private: bool
    sent: int


def deliver(parcel: Parcel, repo: str, *, public: bool, endpoint: str | None) -> Pushed:
    """Push a parcel, again where the network or the Hub fails for a while. Raises `CannotPush`."""
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise CannotPush(f"the Hub's token is read from the environment variable {TOKEN}, which is not set")
    from huggingface_hub import HfApi

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its warnings name upload addresses, which are signed
    api, wait = HfApi(endpoint=endpoint, token=token), WAIT_S
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _settle(api, parcel, repo, public)
        except CannotPush:
            raise
        except Exception as error:
            said = _said(error).replace(token, "<token>")
            if attempt == ATTEMPTS or not _passes(error):
                raise CannotPush(f"{repo}: {said}") from None  # the cause may quote the token
        console.err.print(f"  {repo}: {said}; again in {wait:.0f} s", markup=False)
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_S)
    raise AssertionError("the last attempt returns or raises")


def _settle(api: HfApi, parcel: Parcel, repo: str, public: bool) -> Pushed:
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete

    private = _open(api, parcel, repo, public)
    refs = api.list_repo_refs(repo, repo_type=parcel.kind)
    tagged = next((tag.target_commit for tag in refs.tags if tag.name == parcel.run_id), None)
    head = tagged or next(branch.target_commit for branch in refs.branches if branch.name == "main")
    there = _tree(api, parcel, repo, head)
    missing = [piece for piece in parcel.pieces if not _same(piece, there.get(piece.path))]
    gone = sorted((_ours(api, parcel, repo, head, there) & there.keys()) - {piece.path for piece in parcel.pieces})
    if tagged and (missing or gone):
        raise CannotPush(
            f"{repo} holds run {parcel.run_id} already, with other content; push to another repository, or delete its"
            f" tag {parcel.run_id} there"
        )
    commit = head
    if missing or gone:
        changes: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = []
        changes += [CommitOperationAdd(piece.path, piece.local) for piece in missing]
        changes += [CommitOperationDelete(path) for path in gone]
        said = f"Evolens run {parcel.run_id}"
        made = api.create_commit(repo, changes, commit_message=said, repo_type=parcel.kind, parent_commit=head)
        commit = made.oid
    if not tagged:
        api.create_tag(repo, tag=parcel.run_id, revision=commit, repo_type=parcel.kind, exist_ok=True)
    return Pushed(repo, parcel.kind, parcel.run_id, commit, private, len(missing) + len(gone))


def _open(api: HfApi, parcel: Parcel, repo: str, public: bool) -> bool:
    """Make the repository if there is none; returns whether it is private. What others see is opened only on demand."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        private = bool(api.repo_info(repo, repo_type=parcel.kind).private)
    except RepositoryNotFoundError:
        api.create_repo(repo, repo_type=parcel.kind, private=not public, exist_ok=True)
        private = bool(api.repo_info(repo, repo_type=parcel.kind).private)
    if not private and not public:
        raise CannotPush(f"{repo} is public, so everybody would see this; say --public if that is meant")
    return private


def _tree(api: HfApi, parcel: Parcel, repo: str, revision: str) -> dict[str, RepoFile]:
    from huggingface_hub import RepoFile

    listed = api.list_repo_tree(repo, recursive=True, revision=revision, repo_type=parcel.kind)
    return {each.path: each for each in listed if isinstance(each, RepoFile)}


def _same(piece: Piece, there: RepoFile | None) -> bool:
    if there is None or there.size != piece.size:
        return False
    return piece.sha256() == there.lfs.sha256 if there.lfs else piece.git_oid() == there.blob_id


def _ours(api: HfApi, parcel: Parcel, repo: str, revision: str, there: dict[str, RepoFile]) -> set[str]:
    """Files that earlier pushes put there; what people added is theirs."""
    if LISTED not in there:
        return set()
    from huggingface_hub import HfFileSystem

    system = HfFileSystem(endpoint=api.endpoint, token=api.token, use_listings_cache=False)
    place = f"{'datasets/' if parcel.kind == 'dataset' else ''}{repo}@{revision}/{LISTED}"
    return set(json.loads(system.cat_file(place))["files"])


def _passes(error: BaseException) -> bool:
    """Whether this, or what caused it, is a matter of time: no answer, or an answer that says so."""
    from httpx2 import TransportError
    from huggingface_hub.errors import HfHubHTTPError

    for each in _causes(error):
        if isinstance(each, TransportError):
            return True
        if isinstance(each, HfHubHTTPError) and each.response is not None:
            return each.response.status_code in PASSING
    return False


def _said(error: BaseException) -> str:
    """An error and what caused it, in one line."""
    return ": ".join(" ".join((str(each) or type(each).__name__).split()) for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

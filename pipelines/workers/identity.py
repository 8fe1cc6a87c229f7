"""Which worker a recipe means: its URL, its options, and who answers there.

URLs: `local:PATH` (a transformers folder; `local:seedling` is the one shipped with the package), `embed:PATH` (the
vision tower of such a folder, or an open_clip model, pinned for deduplication) and `openai:http://host:8000/v1` (any
OpenAI-compatible server). An identity never holds a host or a path of this machine, because stage keys are computed
from it.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.requests import WorkerIdentity

OPTIONS: Mapping[str, frozenset[str]] = {
    "local": frozenset({"device", "max_batch", "max_context"}),
    "embed": frozenset({"device", "checkpoint"}),
    "openai": frozenset({"model", "api_key_env", "concurrency", "attempts", "timeout_s", "attempt_s", "cache"}),
}
"""The options that each scheme takes."""

_HASHED = ("*.safetensors", "*.bin", "*.json", "*.jinja", "*.txt", "*.model")
_NOT_HASHED = frozenset({"trainer_state.json", "training_args.bin", "optimizer.bin", "scheduler.bin"})


@dataclass(frozen=True)
class WorkerSpec:
    """A worker as the recipe names it. Picklable and hashable, so it travels to other processes; options are (name,
    value) pairs.

    `revision` pins what a server serves. Raises `ValueError` for an unknown scheme or option.
    """

    url: str
    revision: str | None = None
    options: tuple[tuple[str, str | int | float], ...] = ()

    def __post_init__(self) -> None:
        known = OPTIONS.get(self.scheme)
        if known is None:
            raise ValueError(_unknown_scheme(self.url))
        if not self.target:
            raise ValueError(f"worker {self.url!r} names nothing after {self.scheme + ':'!r}")
        for name, _ in self.options:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(sorted(known))}"
                raise ValueError(f"worker {self.url!r} has no option {name!r}; {hint}")

    @property
    def scheme(self) -> str:
        return self.url.partition(":")[0]

    @property
    def target(self) -> str:
        """What follows the scheme: a path, a name, or a base address."""
        return self.url.partition(":")[2]

    def option(self, name: str, default: str | int | float) -> str | int | float:
        """The value of an option, or `default` where the recipe gives none."""
        return dict(self.options).get(name, default)


def _unknown_scheme(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    if scheme == "vllm" and colon:
        return f"worker {url!r}: start `vllm serve {rest}` yourself and name it as 'openai:http://localhost:8000/v1'"
    if scheme in ("http", "https"):
        return f"worker {url!r}: did you mean 'openai:{url}'?"
    if not colon or scheme.startswith((".", "/", "~")):
        return f"worker {url!r} has no scheme; did you mean 'local:{url}'?"
    near = difflib.get_close_matches(scheme, OPTIONS, 1)
    hint = f"did you mean {near[0] + ':' + rest!r}?" if near else "it is one of local:, embed:, openai:"
    return f"worker {url!r} has an unknown scheme {scheme!r}; {hint}"


def folder_of(spec: WorkerSpec) -> Path:
    """The transformers folder of a `local:` or `embed:` worker; raises `FileNotFoundError` with one clear line if it
    is none.
    """
    if spec.target == "seedling":
        package = importlib.util.find_spec("trainers")  # finds the folder without importing what lies in it
        places = list(package.submodule_search_locations or ()) if package else []
        if not places:
            raise FileNotFoundError(f"worker {spec.url!r}: the package 'trainers' is not installed")
        folder = Path(places[0]) / "seedling" / "weights"
    else:
        folder = Path(spec.target).expanduser()
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"worker {spec.url!r}: {folder} holds no config.json, so it is not a transformers folder"
        )
    return folder


@lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # part of the cache key only: a changed file is read again
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _digest_file(path: Path) -> str:
    state = path.stat()
    return _file_digest(str(path), state.st_size, state.st_mtime_ns)


def weights_hash(folder: Path) -> str:
    """blake2b-128 over the weights, configuration and tokenizer files of a transformers folder, by name and content."""
    files = sorted(
        {path for pattern in _HASHED for path in folder.glob(pattern)} - {folder / name for name in _NOT_HASHED}
    )
    total = hashlib.blake2b(digest_size=16)
    for path in files:
        total.update(f"{path.name}\0{_digest_file(path)}\n".encode())
    return total.hexdigest()


def identity_of(spec: WorkerSpec) -> WorkerIdentity:
    """Who answers at `spec`, without loading any model and without asking any server."""
    if spec.scheme == "openai":
        model = str(spec.option("model", ""))
        if not model:
            raise ValueError(f"worker {spec.url!r} needs the option 'model': the name under which the server serves it")
        return WorkerIdentity("openai", model, spec.revision, None)
    if spec.scheme == "embed" and spec.target.startswith("open_clip/"):
        checkpoint = Path(str(spec.option("checkpoint", ""))).expanduser()
        if not checkpoint.is_file():
            raise FileNotFoundError(
                f"worker {spec.url!r} needs the option 'checkpoint': a local open_clip weights file"
            )
        return WorkerIdentity("embed", spec.target, spec.revision, _digest_file(checkpoint))
    folder = folder_of(spec)
    name = spec.target if spec.target == "seedling" else folder.resolve().name
    return WorkerIdentity(spec.scheme, name, spec.revision, weights_hash(folder))

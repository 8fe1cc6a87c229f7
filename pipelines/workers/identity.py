"""Which worker a recipe means: its URL, its options, and who answers there.

URLs: `local:PATH` (a transformers folder; `local:seedling` is the one shipped with the package), `embed:PATH` (the
vision tower of such a folder, or an open_clip model: see `openclip`; `embed:clip` is the one shipped) and
`openai:http://host:8000/v1` (any OpenAI-compatible server; several with commas between) and `vllm:MODEL` (a vLLM server
that we start ourselves, of such a folder or of a name on the Hub). An identity never holds a host or a path of this
machine, because stage keys are computed from it.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipelines.workers import openclip
from pipelines.workers.shipped import SHIPPED, weights_of
from schemas.requests import WorkerIdentity

_OF_REQUESTS = frozenset(
    {
        "concurrency",
        "attempts",
        "timeout_s",
        "attempt_s",
        "cache",
        "picture_names",
        "processor",
        "resize",
        "max_context",
    }
)
_OF_OUR_SERVER = frozenset({"server_python", "arguments", "start_s", "slot"})

OPTIONS: Mapping[str, frozenset[str]] = {
    "local": frozenset({"device", "max_batch", "max_context"}),
    "embed": frozenset({"device", "checkpoint"}),
    "openai": frozenset({"model", "api_key_env"}) | _OF_REQUESTS,
    "vllm": _OF_OUR_SERVER | _OF_REQUESTS,
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

    def switch(self, name: str) -> bool:
        """Whether an option that is on or off is on, as it is by default. Raises `ValueError` for anything else."""
        value = self.option(name, "on")
        if value not in ("on", "off", True, False):
            raise ValueError(f"worker {self.url!r}: {name} is on or off, not {value!r}")
        return value in ("on", True)


def _unknown_scheme(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    if scheme in ("http", "https"):
        return f"worker {url!r}: did you mean 'openai:{url}'?"
    if not colon or scheme.startswith((".", "/", "~")):
        return f"worker {url!r} has no scheme; did you mean 'local:{url}'?"
    near = difflib.get_close_matches(scheme, OPTIONS, 1)
    hint = f"did you mean {near[0] + ':' + rest!r}?" if near else "it is one of local:, embed:, openai:, vllm:"
    return f"worker {url!r} has an unknown scheme {scheme!r}; {hint}"


def folder_of(spec: WorkerSpec) -> Path:
    """The transformers folder of a `local:`, `embed:` or `vllm:` worker; raises `FileNotFoundError` with one clear line
    if it is none.
    """
    folder = weights_of(spec.target) if spec.target in SHIPPED else Path(spec.target).expanduser()
    if not (folder / "config.json").is_file():
        neither = " and no open_clip model" if spec.scheme == "embed" else ""
        raise FileNotFoundError(
            f"worker {spec.url!r}: {folder} holds no config.json, so it is not a transformers folder{neither}"
        )
    return folder


def on_hub(spec: WorkerSpec) -> bool:
    """Whether the target of a `vllm:` worker is a name on the Hugging Face Hub, and no folder here."""
    named = re.fullmatch(r"\w[\w-]*/\w[\w.-]*", spec.target)
    return spec.scheme == "vllm" and bool(named) and not Path(spec.target).is_dir()


@lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # part of the cache key only: a changed file is read again
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _digest_file(path: Path) -> str:
    state = path.stat()
    return _file_digest(str(path), state.st_size, state.st_mtime_ns)


def weights_hash(folder: Path) -> str:
    """blake2b-128 over the weights, configuration and tokenizer files of a model's folder, by name and content; of one
    file by its content alone.
    """
    if folder.is_file():
        return _digest_file(folder)
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
    if on_hub(spec):
        return WorkerIdentity("vllm", spec.target, spec.revision, None)
    named = openclip.found(spec) if spec.scheme == "embed" else None
    if named is not None:
        return WorkerIdentity("embed", named.called, spec.revision, weights_hash(named.files) if named.files else None)
    folder = folder_of(spec)
    name = spec.target if spec.target in SHIPPED else folder.resolve().name
    return WorkerIdentity(spec.scheme, name, spec.revision, weights_hash(folder))

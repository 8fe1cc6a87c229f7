"""What can be wrong with an installation or a lake, each with what to do about it."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """`state` is ok, note or broken; `says` names the fact and, if broken, the mend."""

    check: str
    state: str
    says: str


def examine(lake: Path) -> list[Finding]:
    """Run every check; a check that raises is itself a finding."""
    checks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _torch,
        _seedling,
        _sandbox,
        _disk,
        _lake,
    )
    found: list[Finding] = []
    for check in checks:
        name = check.__name__.strip("_")
        try:
            found += check(lake)
        except Exception as error:
            found.append(Finding(name, "broken", f"{type(error).__name__}: {error}"))
    return found


def _python(lake: Path) -> Iterator[Finding]:
    del lake
    version = ".".join(map(str, sys.version_info[:3]))
    state = "ok" if sys.version_info >= (3, 11) else "broken"
    yield Finding("python", state, version if state == "ok" else f"{version}; Evolens needs 3.11 or newer")


def _packages(lake: Path) -> Iterator[Finding]:
    """Versions against the ranges that the distribution declares."""
    del lake
    from packaging.requirements import Requirement

    wrong = []
    declared = importlib.metadata.requires("evolens") or []
    for text in declared:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is outside {requirement.specifier}")
    if wrong:
        yield Finding("packages", "broken", "; ".join(wrong) + ". Run `make clean run` for a fresh environment")
    else:
        yield Finding("packages", "ok", f"{len(declared)} requirements hold")


def _torch(lake: Path) -> Iterator[Finding]:
    del lake
    import torch
    import torchvision  # noqa: F401  # plain pip pairs a torch with a torchvision that cannot be imported

    if torch.cuda.is_available():
        yield Finding("torch", "ok", f"{torch.__version__} on {torch.cuda.get_device_name(0)}")
    else:
        yield Finding("torch", "ok", f"{torch.__version__} on CPU, {torch.get_num_threads()} threads")


def _seedling(lake: Path) -> Iterator[Finding]:
    del lake
    from pipelines import workers

    identity = workers.identity_of(workers.WorkerSpec("local:seedling"))
    yield Finding("seedling", "ok", f"weights {identity.weights}")


def _sandbox(lake: Path) -> Iterator[Finding]:
    """A note where there is none: only recipes that let a model run code need it."""
    del lake
    from pipelines.sandbox import Sandbox, Unavailable

    try:
        with Sandbox() as box:
            ran = box.run("print(6 * 7)")
    except Unavailable as reason:
        yield Finding("sandbox", "note", f"code of models cannot be run: {reason}")
        return
    works = ran.stdout == "42\n" and ran.error is None
    yield Finding("sandbox", "ok" if works else "broken", "runs code of models" if works else f"answers {ran.error}")


def _disk(lake: Path) -> Iterator[Finding]:
    place = next(folder for folder in (lake, *lake.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free / 1e9
    yield Finding("disk", "ok" if free > 5 else "note", f"{free:.0f} GB free at the lake")


def _lake(lake: Path) -> Iterator[Finding]:
    """Every file of every finished stage against its manifest."""
    from pipelines.lake import Damaged, Lake

    if not lake.exists():
        yield Finding("lake", "note", f"{lake} does not exist yet; `evolens run` makes it")
        return
    house = Lake(lake)
    finished, damaged = house.keys(), []
    for key in finished:
        try:
            house.verify(key)
        except Damaged as error:
            damaged.append(str(error))
    if damaged:
        mend = "remove the manifests of these stages and run the recipe again"
        yield Finding("lake", "broken", f"{'; '.join(damaged[:3])} ({len(damaged)} stages); {mend}")
    else:
        yield Finding("lake", "ok", f"{len(finished)} stages, every file as its manifest says")
    unpinned = [key for key in finished if not house.manifest(key).pinned]
    if unpinned:
        yield Finding("pins", "note", f"{len(unpinned)} stages asked a server whose weights have no `revision:`")

"""Whose code decides what is in the lake, and a digest of it, so that code cannot change without its VERSION.

A stage key holds the stage's VERSION and not its code. So when code that decides results changes, VERSION must move,
or an old manifest would answer for new code. `python -m tests.fingerprints` records what is there, and refuses while
code has changed and its VERSION has not. A family draws from its VERSION, so raising it makes other samples: where a
change was shown to make the same, `python -m tests.fingerprints --same "task mazes" …` records that and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "tests" / "stage_fingerprints.json"

ENCODING = ("pipelines/workers/encoding.py", "pipelines/workers/reader.py")
ANSWERING = (
    "pipelines/workers/local.py",
    "pipelines/workers/generation.py",
    "pipelines/workers/guide.py",
    "pipelines/workers/decode.py",
    "pipelines/workers/sampler.py",
    *ENCODING,
)
FEATURES = (
    "pipelines/workers/features.py",
    "pipelines/workers/openclip.py",
    "pipelines/workers/shipped.py",
    *ENCODING,
)
TOOLING = ("pipelines/tools", "pipelines/sandbox", "pipelines/ocr.py")
TRACES = (*TOOLING, "pipelines/prompts.py")
ATTEMPTS = ("pipelines/attempts.py", "pipelines/toolloop.py", "pipelines/verifiers", *TRACES, *ANSWERING)
DRAWING = ("pipelines/tasks/draw.py", "pipelines/captions/words.py")
OFFERING = (
    "pipelines/captions/swaps.py",
    "pipelines/captions/subtlety.py",
    "pipelines/captions/truth.py",
    "pipelines/captions/claims.py",
    "pipelines/captions/words.py",
)
SWAPPING = ("pipelines/captions/injection.py", *OFFERING)
WORLD = ("pipelines/tasks/world.py", "pipelines/captions/claims.py", *DRAWING)
TRAINING = (
    "trainers/policy.py",
    "trainers/training.py",
    "trainers/images_matter.py",
    "trainers/dataset.py",
    "pipelines/workers/encoding.py",
    *TRACES,
)
CODE: dict[str, tuple[str, ...]] = {
    "ingest": ("pipelines/ingest.py", "pipelines/sources", "pipelines/sources/conventions", "pipelines/verifiers"),
    "banks": (
        "pipelines/banks.py",
        "pipelines/captions/excerpts.py",
        "pipelines/textonly/candidates.py",
        "pipelines/near.py",
        "pipelines/tasks/rows.py",
        *TRACES,
        *SWAPPING,
    ),
    "synthesize": ("pipelines/synthesize.py", "pipelines/tasks/rows.py", *TRACES),
    "look": ("pipelines/look.py", "pipelines/ocr.py", "pipelines/personal.py", "pipelines/hooks.py"),
    "screen": ("pipelines/screen.py", "pipelines/personal.py"),
    "explore": ("pipelines/explore.py", "pipelines/reflection.py", *ATTEMPTS),
    "verify": ("pipelines/verify.py", "pipelines/reflection.py", "pipelines/seals.py", *TOOLING, "pipelines/verifiers"),
    "describe": ("pipelines/describe.py", "pipelines/captions/author.py", "pipelines/verifiers", *OFFERING),
    "propose": (
        "pipelines/propose.py",
        "pipelines/captions/author.py",
        "pipelines/captions/grammar.py",
        "pipelines/captions/grammatical.py",
        "pipelines/captions/lexicon.py",
        "pipelines/captions/rules.py",
        "pipelines/captions/wordnet",
        "pipelines/verifiers",
        *OFFERING,
    ),
    "retell": ("pipelines/retell.py", "pipelines/captions/excerpts.py", *OFFERING),
    "blind": ("pipelines/blind.py", "pipelines/textonly", *OFFERING),
    "critic": ("pipelines/critic.py", "pipelines/tasks/places.py", "pipelines/tasks/world.py", *TRACES),
    "vicrit": ("pipelines/vicrit.py", "pipelines/captions/symmetric.py", "pipelines/verifiers", *TRACES, *SWAPPING),
    "deduplicate": ("pipelines/deduplicate.py", "pipelines/near.py", *FEATURES),
    "difficulty": (
        "pipelines/difficulty.py",
        "pipelines/controls.py",
        "pipelines/intervals.py",
        "pipelines/mcts.py",
        "pipelines/passrate.py",
        "pipelines/suspicion.py",
        "pipelines/treesearch.py",
        "pipelines/truth",
        "pipelines/workers/pair.py",
        *ATTEMPTS,
    ),
    "linearise": (
        "pipelines/linearise.py",
        "pipelines/branches.py",
        "pipelines/reflection.py",
        "pipelines/attempts.py",
        "pipelines/toolloop.py",
        "pipelines/verifiers",
        *TRACES,
    ),
    "necessity": ("pipelines/necessity.py", "pipelines/intervals.py", *ATTEMPTS),
    "influence": ("pipelines/influence.py", "pipelines/verifiers", *TRACES, *FEATURES),
    "curate": ("pipelines/curate.py", "pipelines/near.py"),
    "task counting": ("pipelines/tasks/scenes.py", "pipelines/captions/scenes.py", *DRAWING),
    "task search": ("pipelines/tasks/search.py", "pipelines/captions/search.py", *DRAWING),
    "task charts": (
        "pipelines/tasks/charts.py",
        "pipelines/tasks/chart_questions.py",
        "pipelines/tasks/tables.py",
        "pipelines/captions/charts.py",
        *DRAWING,
    ),
    "task geometry": (
        "pipelines/tasks/geometry.py",
        "pipelines/tasks/geometry_questions.py",
        "pipelines/tasks/draw.py",
    ),
    "task mazes": ("pipelines/tasks/mazes.py", "pipelines/tasks/labyrinth.py", "pipelines/captions/mazes.py", *WORLD),
    "task transform": ("pipelines/tasks/transform.py", "pipelines/captions/transform.py", *WORLD),
    "task transit": (
        "pipelines/tasks/transit.py",
        "pipelines/tasks/network.py",
        "pipelines/tasks/lettering.py",
        "pipelines/captions/transit.py",
        *WORLD,
    ),
    "task puzzles": (
        "pipelines/tasks/puzzles.py",
        "pipelines/tasks/mosaic.py",
        "pipelines/tasks/landscape.py",
        "pipelines/captions/puzzles.py",
        *WORLD,
    ),
    "task functions": (
        "pipelines/tasks/functions.py",
        "pipelines/tasks/curves.py",
        "pipelines/captions/functions.py",
        *WORLD,
    ),
    "task documents": (
        "pipelines/tasks/documents.py",
        "pipelines/tasks/typeset.py",
        "pipelines/tasks/pages.py",
        "pipelines/tasks/tables.py",
        "pipelines/captions/documents.py",
        *WORLD,
    ),
    "task stilllife": (
        "pipelines/tasks/stilllife.py",
        "pipelines/tasks/shading.py",
        "pipelines/captions/stilllife.py",
        *WORLD,
    ),
    "task frames": ("pipelines/tasks/frames.py", "pipelines/captions/frames.py", *WORLD),
    "task views": ("pipelines/tasks/views.py", "pipelines/tasks/cubes.py", "pipelines/captions/views.py", *WORLD),
    "task structure": (
        "pipelines/tasks/structure.py",
        "pipelines/tasks/figures.py",
        "pipelines/captions/structure.py",
        *WORLD,
    ),
    "sft": ("trainers/sft.py", *TRAINING),
    "grpo": (
        "trainers/grpo.py",
        "trainers/grpo_trainer.py",
        "trainers/rewards.py",
        "trainers/environment.py",
        "pipelines/verifiers",
        *TRAINING,
    ),
    "evaluate": ("trainers/evaluate.py", *ATTEMPTS),
}
"""What has a VERSION: the file that holds it first, then files and folders whose change changes its results too."""


def digest(files: tuple[str, ...]) -> str:
    """Hash of the meaning of the files: comments, docstrings and layout do not count, on any supported Python."""
    paths = [path for name in files for path in (sorted((ROOT / name).glob("*.py")) or [ROOT / name])]
    trees = [_plain(ast.parse(path.read_text(encoding="utf-8"))) for path in paths]
    return hashlib.blake2b(json.dumps(trees).encode(), digest_size=16).hexdigest()


def files_of(name: str) -> set[str]:
    """All files that are watched for a name in CODE."""
    listed = ((ROOT / item, sorted((ROOT / item).glob("*.py"))) for item in CODE[name])
    return {path.relative_to(ROOT).as_posix() for item, inside in listed for path in inside or [item]}


def version(file: str) -> int:
    """The integer VERSION of a module, read without importing it."""
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id == "VERSION" and isinstance(value, ast.Constant):
            return int(value.value)
    raise LookupError(f"{file} states no VERSION")


def present() -> dict[str, dict[str, Any]]:
    """Version and digest of everything in CODE, as the files are now."""
    return {name: {"version": version(files[0]), "digest": digest(files)} for name, files in CODE.items()}


def unversioned(recorded: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> list[str]:
    """Names whose code changed while VERSION did not rise."""
    return [
        name
        for name, entry in now.items()
        if name in recorded
        and entry["digest"] != recorded[name]["digest"]
        and entry["version"] <= recorded[name]["version"]
    ]


def main(same: Sequence[str] = ()) -> int:
    """Record the present versions and digests; refuse while code has changed without its VERSION.

    With `same`, record those names only, whatever their VERSION: their results were shown to be unchanged.
    """
    recorded = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    now = present()
    if same:
        now = recorded | {name: now[name] for name in same}
    stale = [name for name in unversioned(recorded, now) if name not in same]
    for name in stale:
        print(f"{name}: the code in {', '.join(CODE[name])} changed; raise VERSION in {CODE[name][0]} first")
    if stale:
        return 1
    RECORD.write_text(json.dumps(now, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def _plain(node: Any) -> Any:
    """A syntax tree as lists, without strings that stand alone and without what differs between Python versions."""
    if isinstance(node, ast.AST):
        fields = [
            [name, _plain(value)]
            for name, value in ast.iter_fields(node)
            if value is not None and value != [] and name not in ("kind", "type_comment", "ctx")
        ]
        return [type(node).__name__, *fields]
    if isinstance(node, list):
        return [_plain(item) for item in node if not _is_text(item)]
    return repr(node)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:] if sys.argv[1:2] == ["--same"] else ()))

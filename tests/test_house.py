"""The rules of the house: floors, types, style, sizes, pins, versions, and nothing of any one machine in the files."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import fingerprints
from tests.conftest import require

ROOT = Path(__file__).resolve().parents[1]
TOP = set(
    "pyproject.toml README.md LICENSE Makefile prefect.yaml requirements schemas pipelines flows trainers tests "
    "benchmarks data_cards examples docs".split()
)
HEAVY = "torch transformers trl apache_beam prefect datasets faiss open_clip scipy pandas".split()


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository; every file that git knows, or without git every file outside dot-folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not any(part[0] in "._" for part in path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in files if path.is_file()))


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-cache", "--output-format", "concise", "."],
        ["ruff", "format", "--no-cache", "--check", "."],
        ["mypy"],
        ["lint-imports", "--no-cache"],
    ],
    ids=["ruff", "format", "mypy", "floors"],
)
def test_checks_pass(command: list[str]) -> None:
    require(command[0].replace("lint-imports", "importlinter"))
    program = Path(sys.executable).parent / command[0]
    done = subprocess.run([str(program), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix in {".py", ".md", ".sql", ".yaml"} or path.name == "Makefile"
        if (lines := len((text_of(path) or "").splitlines())) >= 400
    }
    assert not long, "one idea a file, under 400 lines"


def test_top_level_holds_nothing_else() -> None:
    seen = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in seen if not name.startswith(".")} <= TOP


def test_no_file_knows_a_machine() -> None:
    paths = re.compile(r"(?<![\w.~])/(?:work|root|tmp|home|Users|mnt|scratch)/")
    hosts = re.compile(
        r"(?:index|find)[-_](?:url|links)\s*[=:]|py[p]i\.(?:org|python)|python[h]osted|artifactory", re.IGNORECASE
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in tracked()
        if (text := text_of(path)) is not None and path != Path(__file__)
        for number, line in enumerate(text.splitlines(), start=1)
        if paths.search(line) or hosts.search(line)
    ]
    assert not found


def test_requirements_are_exact_and_name_no_place() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = line.split("#")[0].strip()
            if entry:
                specifiers = list(Requirement(entry).specifier)
                assert [item.operator for item in specifiers] == ["=="], f"{path.name}: {line}"
                assert "://" not in entry


def test_core_pins_what_the_project_depends_on_and_what_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = {Requirement(line).name: Requirement(line).specifier for line in project["dependencies"]}
    pins = pins_of("core.txt")
    assert set(pins) == set(ranges)
    known = pins_of("constraints.txt")
    for name, pin in (pins | pins_of("dev.txt")).items():
        assert known[name] == pin
        assert metadata.version(name).split("+")[0] == pin
        assert name not in ranges or pin in ranges[name]


def pins_of(file: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("module", ["schemas.rows", "schemas.recipe", "flows.cli"])
def test_starting_up_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_everything_public_in_the_contracts_is_typed_for_users() -> None:
    for package in ("schemas", "pipelines", "trainers", "flows"):
        assert (ROOT / package / "py.typed").is_file()


def test_code_changes_only_with_its_version() -> None:
    recorded = json.loads(fingerprints.RECORD.read_text(encoding="utf-8"))
    now = fingerprints.present()
    stale = fingerprints.unversioned(recorded, now)
    assert not stale, f"{stale}: code changed, VERSION did not; raise it, then `python -m tests.fingerprints`"
    assert recorded == now, "record the new versions: `python -m tests.fingerprints`"


def test_every_stage_and_family_is_watched() -> None:
    """A module that states a VERSION decides results, so it is listed in tests/fingerprints.py."""
    watched = {files[0] for files in fingerprints.CODE.values()}
    stating = {
        path.relative_to(ROOT).as_posix()
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in {"pipelines", "trainers"}
        if re.search(r"^VERSION(?:: \w+)? = \d+", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert stating == watched


@pytest.mark.parametrize("name", fingerprints.CODE)
def test_what_the_code_of_a_stage_imports_is_watched(name: str) -> None:
    """All but the engine, which never decides what a row says, and the families, which are watched by themselves."""
    engine = {"pipelines/stage.py", "pipelines/waves.py", "pipelines/workers/identity.py"}
    engine |= {"pipelines/workers/local.py", "pipelines/workers/features.py"}  # each hands on what the other answers
    engine |= {"pipelines/workers/counting.py"}  # of `local:` it only says what an answer came to
    apart = ("pipelines/lake/", "trainers/seedling/", "pipelines/tasks/made.py")
    watched = fingerprints.files_of(name)
    for file in watched:
        draws = file.startswith(("pipelines/truth/", "pipelines/tasks/places.py"))  # as the families do
        drawn = ("pipelines/tasks/",) if draws else ()
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(("pipelines", "trainers")):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                paths = {path for each in names if (ROOT / (path := each.replace(".", "/") + ".py")).is_file()}
                missing = {path for path in paths - watched - engine if not path.startswith((*apart, *drawn))}
                assert not missing, f"{file} of {name} stands on {missing}: name it in tests/fingerprints.py"


def test_the_digest_sees_meaning_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)
    versions = {
        "plain": "VERSION = 1\ndef f(x):\n    return x + 1\n",
        "dressed": '"""Why."""\nVERSION = 1  # of f\n\n\ndef f(\n    x,\n):\n    """Adds."""\n    return x + 1\n',
        "changed": "VERSION = 1\ndef f(x):\n    return x + 2\n",
    }
    for name, source in versions.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    plain, dressed, changed = (fingerprints.digest((f"{name}.py",)) for name in versions)
    assert plain == dressed != changed
    old = {"f": {"version": 1, "digest": plain}}
    assert fingerprints.unversioned(old, {"f": {"version": 1, "digest": changed}}) == ["f"]
    assert fingerprints.unversioned(old, {"f": {"version": 2, "digest": changed}}) == []


def test_what_was_shown_to_make_the_same_is_recorded_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "record.json"
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)
    monkeypatch.setattr(fingerprints, "RECORD", record)
    monkeypatch.setattr(fingerprints, "CODE", {name: (f"{name}.py",) for name in "fg"})
    for text in ("VERSION = 1\n", "VERSION = 1\nx = 1\n"):
        for name in "fg":
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        if not record.exists():
            assert fingerprints.main() == 0
    before = json.loads(record.read_text())
    assert fingerprints.main() == 1 and json.loads(record.read_text()) == before
    assert fingerprints.main(["f"]) == 0
    after = json.loads(record.read_text())
    assert after["f"] == fingerprints.present()["f"] != before["f"] and after["g"] == before["g"]


def test_tests_skip_only_through_require() -> None:
    """So that EVOLENS_CI=1 turns every missing dependency into a failure."""
    for path in tracked():
        if path.suffix == ".py" and "tests" in path.relative_to(ROOT).parts and path != Path(__file__):
            names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
            assert "importorskip" not in names, path


def test_require_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    require("json")
    monkeypatch.delenv("EVOLENS_CI", raising=False)
    with pytest.raises(pytest.skip.Exception):
        require("no_such_module")
    monkeypatch.setenv("EVOLENS_CI", "1")
    with pytest.raises(pytest.fail.Exception):
        require("no_such_module")


def test_ci_runs_the_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text and "EVOLENS_CI=1" in text and "make test" in text
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make run" in readme and "make test" in readme


def test_every_defect_of_others_has_a_test_that_exists() -> None:
    """docs/defects.md: fourteen rows, each with tests as `path::function`."""
    rows = [line for line in (ROOT / "docs" / "defects.md").read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 15))
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.split("|")[-2])
        assert named and len(named) == row.count("::"), row
        for path, function in named:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}: {row}"


def test_every_command_of_the_readme_exists() -> None:
    from flows.cli import app

    known = {item.name or item.callback.__name__ for item in app.registered_commands if item.callback}
    known |= {item.name for item in app.registered_groups}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^ +evolens ([a-z]+)", readme, re.MULTILINE))
    assert told and told <= known

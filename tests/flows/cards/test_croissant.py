"""Croissant: valid by its own validator, its rows read by its own reader, its lineage that of the manifests."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.tools import picture_id
from tests.conftest import require
from tests.flows.cards.conftest import Made, tables_of


@pytest.fixture
def document(made: Made) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((made.out / "croissant.json").read_text(encoding="utf-8"))
    return value


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    require("mlcroissant")
    program = Path(sys.executable).parent / "mlcroissant"
    return subprocess.run([str(program), "validate", "--jsonld", str(path)], capture_output=True, text=True)


def test_the_validator_finds_nothing(made: Made, document: dict[str, Any], tmp_path: Path) -> None:
    done = validate(made.out / "croissant.json")
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    assert document["conformsTo"].endswith("/1.1")
    document["recordSet"][0]["field"][0]["source"]["fileSet"] = {"@id": "nowhere"}
    (tmp_path / "broken.json").write_text(json.dumps(document))
    assert validate(tmp_path / "broken.json").returncode == 1


def test_its_reader_gives_the_rows_of_the_files(made: Made) -> None:
    require("mlcroissant")
    import mlcroissant

    read = mlcroissant.Dataset(str(made.out / "croissant.json"))
    for split in ("sft", "rl"):
        (file,) = made.out.glob(f"data/{split}-*.parquet")
        stored = pq.read_table(file).to_pylist()
        found = list(read.records(split))
        assert len(found) == len(stored)
        for row, wanted in zip(found, stored, strict=True):
            assert row[f"{split}/question"].decode() == wanted["question"]
            shown = [picture_id(image.convert("RGB")) for image in row[f"{split}/images"]]
            assert shown == [Path(each["path"]).stem for each in wanted["images"]]
            assert all(isinstance(image, Image.Image) for image in row[f"{split}/images"])


def test_every_file_has_its_hash(made: Made, document: dict[str, Any]) -> None:
    named = {each["@id"]: each for each in document["distribution"] if each["@type"] == "cr:FileObject"}
    folder = named.pop("export")
    files = sorted(made.out.glob("data/*"))
    assert list(named) == [path.relative_to(made.out).as_posix() for path in files]
    for path, each in zip(files, named.values(), strict=True):
        assert each["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    listed = subprocess.run(["sha256sum", *named], cwd=made.out, capture_output=True, check=True).stdout
    assert folder["sha256"] == hashlib.sha256(listed).hexdigest()


def test_lineage_is_that_of_the_manifests(
    made: Made, document: dict[str, Any], catalog: duckdb.DuckDBPyConnection
) -> None:
    activities = {each["@id"].rpartition(":")[2]: each for each in document["prov:wasGeneratedBy"]}
    assert activities.keys() == {key for (key,) in catalog.execute("SELECT stage_key FROM runs").fetchall()}
    for key, each in activities.items():
        manifest = json.loads((made.lake / "_manifests" / f"{key}.json").read_text())
        assert [used["@id"].rpartition(":")[2] for used in each["prov:wasInformedBy"]] == manifest["inputs"]
        models = [agent["@id"].rpartition(":")[2] for agent in each["prov:wasAssociatedWith"][1:]]
        assert bool(models) == bool(manifest["worker"])
    asked = {
        key: agents[1]["@id"] for key, each in activities.items() if len(agents := each["prov:wasAssociatedWith"]) > 1
    }
    policies = catalog.execute("SELECT DISTINCT stage_key, policy FROM evals").fetchall()
    assert {key: asked[key] for key, _ in policies} == {key: f"urn:evolens:model:{name}" for key, name in policies}
    assert "urn:evolens:source:photographs" in {each["@id"] for each in document["prov:wasDerivedFrom"]}


def test_its_notes_are_the_figures_of_the_card(made: Made, document: dict[str, Any]) -> None:
    told: dict[str, int] = {}
    for row in tables_of(made.card)["How each row was verified"][0]:
        told[row["how"]] = told.get(row["how"], 0) + int(row["rows"])
    assert document["rai:dataAnnotationProtocol"] == [f"{rows} rows: {how}" for how, rows in told.items()]
    assert all(f"- {limit}\n" in made.card for limit in document["rai:dataLimitations"])

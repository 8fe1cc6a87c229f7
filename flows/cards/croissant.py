"""Croissant 1.1 of an export: files with their hashes, columns, responsible-AI notes, and PROV lineage of every stage.

Spec: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html; lineage in the terms of PROV-O
(https://www.w3.org/TR/prov-o/). `mlcroissant validate --jsonld croissant.json` checks it, and `mlcroissant` reads the
rows of a Parquet export by it.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.cards.counts import tallies
from flows.cards.dataset import limits
from flows.cards.given import Given, sha256
from flows.report.source import Source
from schemas.ids import Json
from schemas.requests import WorkerIdentity

VERSION = version("evolens")

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of the specification, with PROV."""

FOLDER = "export"

KINDS = {
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
    ".json": "application/json",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".tar": "application/x-tar",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}

TYPES = {"string": "sc:Text", "int64": "sc:Integer", "float64": "sc:Float", "bool": "sc:Boolean"}


def describe(source: Source, given: Given) -> dict[str, Any]:
    """The JSON-LD document of an export of this run. Equal exports of equal runs give equal documents."""
    counted = tallies(source, given.arm)
    licences = sorted({str(row["license"]) for row in counted["licenses"]} | set(given.told["licenses"]))
    run = source.run
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": run.recipe,
        "description": run.settings.get("description") or f"What run {run.run_id} of {run.recipe} curated.",
        "license": [_licence(name) for name in licences],
        "version": "1.0.0",
        "url": f"urn:evolens:run:{run.run_id}",
        "datePublished": (run.ended or run.started)[:10],
        "creator": {"@type": "sc:Organization", "name": "Evolens", "url": f"urn:evolens:version:{VERSION}"},
        "citeAs": f"{run.recipe}, run {run.run_id}, made by Evolens {VERSION}",
        "keywords": ["image", "text", "reasoning", "evolens"],
        "isLiveDataset": False,
        **_responsible(source, counted),
        **lineage(source),
        "distribution": _distribution(given),
        "recordSet": _records(given),
    }


def write(source: Source, given: Given) -> Path:
    """Write `croissant.json` into the export; returns its path."""
    path = given.folder / "croissant.json"
    path.write_text(json.dumps(describe(source, given), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def lineage(source: Source) -> dict[str, Any]:
    """PROV: every stage of the run is an activity, informed by those whose results it read and associated with us and
    the model that it asked; the set is derived from recipe and sources.

    A stage is named by its key, so equal names are equal results, whoever made them.
    """
    us = {"@type": "prov:SoftwareAgent", "@id": f"urn:evolens:version:{VERSION}", "prov:label": f"Evolens {VERSION}"}
    activities = [
        {
            "@type": "prov:Activity",
            "@id": f"urn:evolens:stage:{manifest.key}",
            "prov:label": f"{node}, version {manifest.version}",
            "prov:wasInformedBy": [{"@id": f"urn:evolens:stage:{key}"} for key in manifest.inputs],
            "prov:wasAssociatedWith": [{"@id": us["@id"]}, *_asked(manifest.worker)],
        }
        for node, manifest in source.manifests.items()
    ]
    recipe = {
        "@type": "prov:Plan",
        "@id": f"urn:evolens:recipe:{source.run.recipe_hash}",
        "prov:label": source.run.recipe,
    }
    origins = [
        {
            "@type": "prov:Entity",
            "@id": f"urn:evolens:source:{each['name']}",
            "prov:label": f"{each['name']}, licence {each['license']}, revision {each['revision'] or 'none stated'}",
        }
        for each in source.run.settings.get("sources", ())
    ]
    return {"prov:wasAttributedTo": us, "prov:wasGeneratedBy": activities, "prov:wasDerivedFrom": [recipe, *origins]}


def _asked(worker: Json) -> list[dict[str, str]]:
    """The model that a stage asked, by what names its weights."""
    if not isinstance(worker, dict):
        return []
    fields: dict[str, Any] = {**worker}
    name = WorkerIdentity(**fields).name
    return [{"@type": "prov:SoftwareAgent", "@id": f"urn:evolens:model:{name}", "prov:label": name}]


def _responsible(source: Source, counted: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    proofs: dict[str, int] = {}
    for row in counted["verified"]:
        proofs[row["how"]] = proofs.get(row["how"], 0) + row["rows"]
    return {
        "rai:dataCollection": "Questions are generated with their answers before their pictures are drawn, or asked of"
        " pictures that were brought in; README.md counts both by source.",
        "rai:dataAnnotationProtocol": [f"{rows} rows: {how}" for how, rows in proofs.items()],
        "rai:dataPreprocessingProtocol": [
            f"{row['rows']} rows were rejected by stage {row['stage']} as {row['reason']}" for row in counted["rejects"]
        ],
        "rai:dataLimitations": limits(source, counted),
        "rai:dataUseCases": ["training vision-language models to reason about pictures"],
    }


def _licence(name: str) -> str:
    """SPDX names as addresses, which Croissant recommends; others as they are."""
    spdx = name.replace(" ", "-")
    known = spdx.lower().startswith(("cc", "bsd", "mit", "apache", "odbl", "pddl"))
    return f"https://spdx.org/licenses/{spdx}" if known else name


def _distribution(given: Given) -> list[dict[str, Any]]:
    """The folder, every file in it, and the files of each split as one set, which records are read from.

    The folder's hash is that of its files' hashes, as `sha256sum` lists them in the order of their names.
    """
    hashes = {name: sha256(path) for name, path in given.files().items()}
    listed = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    folder = {
        "@type": "cr:FileObject",
        "@id": FOLDER,
        "name": FOLDER,
        "description": "The export. Its sha256 is that of the list which `sha256sum` prints of its files.",
        "contentUrl": ".",
        "encodingFormat": "git+https",
        "sha256": hashlib.sha256(listed.encode()).hexdigest(),
    }
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{(given.folder / name).stat().st_size} B",
            "encodingFormat": _kind(name),
            "sha256": digest,
        }
        for name, digest in hashes.items()
    ]
    sets = [
        {
            "@type": "cr:FileSet",
            "@id": f"files-{split}",
            "name": f"files-{split}",
            "description": f"The files of split {split}.",
            "containedIn": {"@id": FOLDER},
            "encodingFormat": _kind(given.pattern(split)),
            "includes": given.pattern(split),
        }
        for split in given.splits
    ]
    return [folder, *objects, *sets]


def _kind(name: str) -> str:
    return KINDS.get(Path(name).suffix, "application/octet-stream")


def _records(given: Given) -> list[dict[str, Any]]:
    """A record set per split with a field per column, of Parquet exports; other formats describe their own rows."""
    features = given.features()
    if features is None:
        return []
    return [
        {
            "@type": "cr:RecordSet",
            "@id": split,
            "name": split,
            "description": f"{rows} rows; an id is of content, so it names the same row in every run.",
            "key": {"@id": f"{split}/sample_id"},
            "field": [_field(split, name, feature) for name, feature in features.items()],
        }
        for split, rows in given.splits.items()
    ]


def _field(split: str, name: str, feature: Any) -> dict[str, Any]:
    """A column; a list of pictures or texts is repeated, other structures are told as text."""
    inner = getattr(feature, "feature", feature)
    source: dict[str, Any] = {"fileSet": {"@id": f"files-{split}"}, "extract": {"column": name}}
    picture = type(inner).__name__ == "Image"
    if picture:
        source["transform"] = {"jsonPath": "bytes"}
    return {
        "@type": "cr:Field",
        "@id": f"{split}/{name}",
        "name": name,
        "dataType": "sc:ImageObject" if picture else TYPES.get(getattr(inner, "dtype", ""), "sc:Text"),
        "source": source,
        **({"repeated": True} if inner is not feature else {}),
    }

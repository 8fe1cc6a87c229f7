"""Retell: tellings whose every phrase can be swapped, and types that are told alike."""

import json
from collections import Counter

import pytest

from pipelines.captions.swaps import KINDS, kind_of, offers
from pipelines.lake import Lake
from pipelines.retell import STAGE, Parameters
from pipelines.vicrit import STAGE as VICRIT
from pipelines.vicrit import Parameters as VicritParameters
from tests.pipelines.jobs import given, reasons, rows, run
from tests.pipelines.test_vicrit import CAPTIONED, captioned


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def test_three_captions(lake):
    _, sample, good = captioned("transform", 1, 3)
    human = {**good, "caption_id": "human", "clauses": [], "source": "human", "sample_id": None}
    lonely = {**good, "caption_id": "lonely", "clauses": good["clauses"][:1]}
    done = run(lake, STAGE, Parameters(tellings=4), given(lake, samples=[sample], captions=[good, human, lonely]))
    assert reasons(lake, done) == {"human": "no_clause", "lonely": "nothing_to_tell"}
    made = rows(lake, done, "captions")
    assert 2 <= len(made) <= 4 and len({row["text"] for row in made}) == len(made)
    assert {(row["child_id"], row["parent_id"]) for row in rows(lake, done, "lineage")} == {
        (row["caption_id"], good["caption_id"]) for row in made
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A lake with captions of every family and their tellings; the rows of the samples by id."""
    lake = Lake(tmp_path_factory.mktemp("told") / "lake")
    made = [captioned(task, dial, seed) for task in CAPTIONED for dial in (0, 1, 2) for seed in range(4)]
    upstream = given(lake, samples=[row for _, row, _ in made], captions=[row for _, _, row in made])
    return (
        lake,
        upstream,
        run(lake, STAGE, Parameters(tellings=3), upstream),
        {row["sample_id"]: row for _, row, _ in made},
    )


def test_every_phrase_of_a_telling_can_be_swapped_and_it_is_no_longer_than_asked(told):
    lake, _, done, samples = told
    for row in rows(lake, done, "captions"):
        program = json.loads(samples[row["sample_id"]]["program"])
        assert len(row["text"].split()) <= 60 and len(row["clauses"]) >= 2 and row["source"] == "excerpt"
        assert {swap.start for swap in offers(row["text"], row["clauses"], program)} == {
            clause["start"] for clause in row["clauses"]
        }


def test_types_are_told_more_evenly_than_the_captions_tell_them(told):
    lake, upstream, done, _ = told

    def rarest(captions) -> float:
        count = Counter(
            kind_of(clause["kind"], json.loads(clause["fact"])) for row in captions for clause in row["clauses"]
        )
        return min(count[kind] for kind in KINDS) / sum(count.values())

    with lake.connect([upstream], only=["captions"]) as connection:
        before = connection.sql("SELECT * FROM captions").to_arrow_table().to_pylist()
    assert rarest(rows(lake, done, "captions")) > 1.3 * rarest(before)


def test_vicrit_takes_tellings_in_place_of_what_they_were_told_from(told):
    lake, upstream, done, _ = told
    made = rows(lake, run(lake, VICRIT, VicritParameters(per_caption=9), upstream, done.key), "injections")
    tellings = {row["caption_id"]: row for row in rows(lake, done, "captions")}
    assert {row["caption_id"] for row in made} == set(tellings)
    swapped = Counter(row["caption_id"] for row in made)
    assert all(swapped[name] == len(row["clauses"]) for name, row in tellings.items())

"""Banks: as many as asked for, held apart from each other by state and picture."""

import json
from collections import Counter

import pytest
from pydantic import ValidationError

from pipelines import synthesize
from pipelines.banks import NEAR, STAGE, Bank, Parameters, cells
from pipelines.captions.swaps import KINDS
from pipelines.deduplicate import STAGE as DEDUPLICATE
from pipelines.deduplicate import Parameters as DeduplicateParameters
from pipelines.lake import Lake
from pipelines.near import perceptual_hash
from pipelines.verifiers import verify_row
from tests.pipelines.jobs import colour_vector, given, reasons, rows, run


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


THREE = {
    "count": Bank(task="counting", count=1),
    "find": Bank(task="search", dial=1, count=1),
    "crit": Bank(task="vicrit", count=1),
}


def test_three_specs(lake):
    done = run(lake, STAGE, Parameters(role="evaluation", banks=THREE))
    banks = {row["bank"]: row for row in rows(lake, done, "banks")}
    assert {name: row["task"] for name, row in banks.items()} == {
        "count": "counting",
        "find": "search",
        "crit": "vicrit",
    }
    assert {row["role"] for row in banks.values()} == {"evaluation"}
    assert json.loads(banks["crit"]["answer"]) in banks["crit"]["question"]
    assert verify_row(f"<answer>{json.loads(banks['crit']['answer'])}</answer>", banks["crit"]).correct
    marks = rows(lake, done, "fingerprints")
    assert {row["sample_id"] for row in marks} == {row["sample_id"] for row in banks.values()}
    for row in marks:
        assert row["phash"] == perceptual_hash(lake.image(row["image_id"])) and row["state_id"]
    assert rows(lake, done, "traces") == [] and rows(lake, done, "samples") == []


def test_targets_have_traces_and_keep_away_from_what_was_built_before(lake):
    held = run(lake, STAGE, Parameters(role="evaluation", banks={"a": Bank(task="counting", count=12)}))
    aimed = run(lake, STAGE, Parameters(role="influence", banks={"b": Bank(task="counting", count=12)}), held.key)
    states = [{row["state_id"] for row in rows(lake, done, "fingerprints")} for done in (held, aimed)]
    assert not states[0] & states[1] and len(states[0]) == len(states[1]) == 12
    assert {row["sample_id"] for row in rows(lake, aimed, "traces")} == {
        row["sample_id"] for row in rows(lake, aimed, "banks")
    }


def test_a_taken_state_is_drawn_again(lake):
    parameters = Parameters(role="evaluation", banks={"a": Bank(task="charts", count=4)})
    first = run(lake, STAGE, parameters)
    marks = rows(lake, first, "fingerprints")[:2]
    again = run(lake, STAGE, parameters, given(lake, fingerprints=marks))
    states = [{row["state_id"] for row in rows(lake, done, "banks")} for done in (first, again)]
    assert again.counts.kept == 4 and not {row["state_id"] for row in marks} & states[1]
    assert len(states[0] & states[1]) == 2  # the others are what they were


def test_a_picture_that_looks_like_one_of_another_bank_is_drawn_again(lake):
    parameters = Parameters(role="influence", banks={"a": Bank(task="counting", dial=1, count=3)})
    first = run(lake, STAGE, parameters)
    marks = sorted(rows(lake, first, "fingerprints"), key=lambda row: row["sample_id"])[:2]
    for mark, flipped in zip(marks, (2**NEAR - 1, 2 ** (NEAR + 1) - 1), strict=True):  # 2 other bits, then 3
        phash = f"{int(mark['phash'], 16) ^ flipped:016x}"
        mark |= {"phash": phash, "image_id": "another", "state_id": None}
    again = run(lake, STAGE, parameters, given(lake, fingerprints=marks))
    gone = {row["sample_id"] for row in rows(lake, first, "banks")} - {
        row["sample_id"] for row in rows(lake, again, "banks")
    }
    assert again.counts.kept == 3 and gone == {marks[0]["sample_id"]}


def test_training_samples_that_meet_a_bank_are_dropped(lake):
    held = run(lake, STAGE, Parameters(role="evaluation", banks={"a": Bank(task="counting", count=3)}))
    leak = [
        {key: value for key, value in row.items() if key not in ("bank", "role")} for row in rows(lake, held, "banks")
    ]
    mix = (synthesize.Mix(task="counting", count=3),)
    made = run(lake, synthesize.STAGE, synthesize.Parameters(mix=mix))
    upstream = given(lake, samples=leak[:2])
    done = run(
        lake,
        DEDUPLICATE,
        DeduplicateParameters(cosine_alone=0.9999),
        made.key,
        upstream,
        held.key,
        script=colour_vector(lake.image),
    )
    assert reasons(lake, done) == {row["sample_id"]: "in_bank:a" for row in leak[:2]}
    assert done.counts.kept == 3


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValidationError, match="no task; there are"):
        Bank(task="count")
    with pytest.raises(ValidationError, match="has dials 0 to"):
        Bank(task="vicrit", dial=9)
    with pytest.raises(ValidationError):
        Parameters(role="training", banks={})


def test_a_vicrit_bank_may_name_its_families(lake):
    bank = Bank(task="vicrit", count=3, families=("search",))
    done = run(lake, STAGE, Parameters(role="evaluation", banks={"crit": bank}))
    assert all(" card" in row["question"] for row in rows(lake, done, "banks"))
    assert Bank(task="vicrit", count=1).drawn_from[0] == "charts" and Bank(task="search", count=1).drawn_from == (
        "search",
    )
    with pytest.raises(ValidationError, match="'cards' is no task"):
        Bank(task="vicrit", count=1, families=("cards",))
    with pytest.raises(ValidationError, match="a bank of 'search' draws from that family alone"):
        Bank(task="search", count=1, families=("charts",))


def test_a_vicrit_bank_is_even_over_types_and_within_them_over_families(lake):
    bank = Bank(task="vicrit", count=24, dial=0, words=50)
    turns = cells(bank)
    kinds = {kind for kind, _ in turns}
    assert kinds == set(KINDS) and len(turns) % len(kinds) == 0
    assert {family for kind, family in turns if kind == "material"} == {"stilllife"}
    assert len({family for kind, family in turns if kind == "count"}) > 4
    found = rows(lake, run(lake, STAGE, Parameters(role="evaluation", banks={"crit": bank})), "banks")
    programs = [json.loads(row["program"]) for row in found]
    assert Counter(
        (row["relation"], program["family"]) for row, program in zip(found, programs, strict=True)
    ) == Counter(turns[at % len(turns)] for at in range(24))
    for row, program in zip(found, programs, strict=True):
        text = row["question"].partition("\n")[2]
        assert len(text.split()) <= 50 and json.loads(row["answer"]) in [text[a:b] for a, b in program["phrases"]]
    with pytest.raises(ValidationError, match="words: a bank of 'search' has no captions"):
        Bank(task="search", count=1, words=20)

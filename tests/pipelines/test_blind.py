"""Blind: what the words give away is dropped, judged by nobody who learnt from it; the rest is handed on as it was."""

import random
from collections import Counter

import pytest

from pipelines.banks import STAGE as BANKS
from pipelines.banks import Bank
from pipelines.banks import Parameters as BankParameters
from pipelines.blind import PARTS, STAGE, Parameters, decide
from pipelines.lake import Lake
from pipelines.vicrit import STAGE as VICRIT
from pipelines.vicrit import Parameters as VicritParameters
from tests.pipelines.jobs import given, reasons, rows, run
from tests.pipelines.test_vicrit import captioned

TABLES = ("injections", "samples", "traces", "checks")


@pytest.fixture(scope="module")
def blinded(tmp_path_factory):
    """A lake with injected captions of two families, a few unchanged ones, and the stage's work on them."""
    lake = Lake(tmp_path_factory.mktemp("blind") / "lake")
    made = [captioned(task, 1, seed) for task in ("transform", "functions") for seed in range(40)]
    upstream = given(lake, samples=[row for _, row, _ in made], captions=[row for _, _, row in made])
    injected = run(lake, VICRIT, VicritParameters(per_caption=3, unchanged=0.1), upstream)
    bank = BankParameters(role="evaluation", banks={"crit": Bank(task="vicrit", count=6, families=("transform",))})
    held = run(lake, BANKS, bank)
    return lake, injected, run(lake, STAGE, Parameters(), upstream, injected.key, held.key)


def test_what_is_kept_is_handed_on_as_it_was_and_what_is_dropped_is_not(blinded):
    lake, injected, done = blinded
    before = {row["injection_id"]: row for row in rows(lake, injected, "injections")}
    after = {row["injection_id"]: row for row in rows(lake, done, "injections")}
    gone = reasons(lake, done)
    assert done.counts.read - 6 == len(before) == len(after) + len(gone) and not set(after) & set(gone)
    assert all(before[name] == row for name, row in after.items())
    assert len({len(rows(lake, done, table)) for table in TABLES}) == 1
    assert {row["sample_id"] for row in rows(lake, done, "samples")} == {row["sample_id"] for row in after.values()}
    assert {reason.partition(":")[0] for reason in gone.values()} == {"given_away"}
    assert all(name in after for name, row in before.items() if row["kind"] == "none")


def test_what_the_detectors_made_of_each_stands_in_a_row_before_and_after(blinded):
    lake, injected, done = blinded
    told = {row["injection_id"]: row for row in rows(lake, done, "detectability") if row["injection_id"]}
    gone = reasons(lake, done)
    judged = {row["injection_id"] for row in rows(lake, injected, "injections") if row["kind"] != "none"}
    for name, row in told.items():
        assert row["kept"] == (name not in gone)
        assert (row["part"] is None) == (name not in judged)
        again = row["kept"] and row["part"] == "held"
        for detector in ("ngrams", "surprise", "meaning"):
            assert (row[f"before_{detector}"] is None) == (name not in judged)
            assert (row[f"after_{detector}"] is None) == (not again)
    parts = Counter(row["part"] for row in told.values() if row["part"])
    assert set(parts) == set(PARTS)
    pictures = {(row["image_id"], row["part"]) for row in told.values() if row["part"]}
    assert len(pictures) == len({image for image, _ in pictures})  # no picture is in two parts


def test_questions_of_a_bank_are_judged_and_none_is_dropped(blinded):
    lake, _, done = blinded
    asked = [row for row in rows(lake, done, "detectability") if row["part"] == "bank"]
    assert len(asked) == 6 and all(row["kept"] and row["injection_id"] is None for row in asked)
    for row in asked:
        assert all(0 <= row[f"{when}_{name}"] <= 1 for when in ("before", "after") for name in ("ngrams", "meaning"))


def test_odds():
    """One in r stays, whichever detector says r; who looks no likelier than a guess always does."""
    names = [str(random.Random(number).random()) for number in range(4000)]
    p = Parameters()
    drops = [decide(name, {"ngrams": 1.2, "meaning": 2.5}, p) for name in names]
    assert sum(drop is None for drop in drops) == pytest.approx(4000 / 2.5, rel=0.06)
    assert {drop.reason for drop in drops if drop} == {"given_away:meaning"}
    assert all(drop.value == 2.5 > drop.threshold for drop in drops if drop)
    assert not any(decide(name, {"ngrams": 0.9, "meaning": 1.0}, p) for name in names)
    assert not any(decide(name, {"ngrams": 2.9}, Parameters(ratio=3)) for name in names)


def test_a_caption_with_one_phrase_leaves_nothing_to_choose(tmp_path):
    lake = Lake(tmp_path / "lake")
    _, sample, caption = captioned("search", 0, 3)
    lonely = {**caption, "clauses": caption["clauses"][:1]}
    upstream = given(lake, samples=[sample], captions=[lonely])
    injected = run(lake, VICRIT, VicritParameters(), upstream)
    assert set(reasons(lake, run(lake, STAGE, Parameters(), upstream, injected.key)).values()) == {"one_candidate"}

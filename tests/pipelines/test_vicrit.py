"""ViCrit: one phrase, provably false, exactly where the row says it is."""

import json
from collections import Counter

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from pipelines.captions.injection import KINDS, Swap, fits, inject, offers, times
from pipelines.lake import Lake
from pipelines.tasks import FAMILIES
from pipelines.tasks.rows import caption_row, sample_row
from pipelines.tools import picture_id
from pipelines.verifiers import verify_row
from pipelines.vicrit import STAGE, Parameters, choose
from tests.pipelines.jobs import given, reasons, rows, run

CAPTIONED = tuple(name for name in FAMILIES if name != "geometry")


def captioned(task: str, dial: int, seed: int):
    made = FAMILIES[task].make(seed, dial)
    name = picture_id(made.images[0])
    sample = sample_row(task, dial, made, [name])
    return made, sample, caption_row(task, made, name, sample["sample_id"])


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def test_three_captions(lake):
    _, sample, good = captioned("search", 0, 3)
    human = {**good, "caption_id": "human", "clauses": [], "source": "human", "sample_id": None}
    lonely = {**good, "caption_id": "lonely", "clauses": good["clauses"][:1], "text": good["text"] + " " + good["text"]}
    done = run(lake, STAGE, Parameters(), given(lake, samples=[sample], captions=[good, human, lonely]))
    assert reasons(lake, done) == {"human": "no_clause", "lonely": "no_provable_swap"}
    (row,) = rows(lake, done, "injections")
    (asked,) = rows(lake, done, "samples")
    assert row["caption_id"] == good["caption_id"] and row["sample_id"] == asked["sample_id"]
    assert good["text"][row["original_start"] : row["original_end"]] == row["original"]
    assert row["text"][row["start"] : row["end"]] == row["replacement"] == json.loads(asked["answer"])
    assert asked["question"].endswith(row["text"]) and asked["answer_type"] == "span" and asked["task"] == "vicrit"
    assert asked["state_id"] == sample["state_id"] and asked["parents"] == [sample["sample_id"]]
    (trace,), (check,) = rows(lake, done, "traces"), rows(lake, done, "checks")
    assert check["trace_id"] == trace["trace_id"] and check["correct"]


@drawn(st.sampled_from(CAPTIONED), st.integers(0, 2), st.integers(0, 10_000), st.integers(0, 99))
def test_exactly_one_phrase_is_replaced_and_the_new_one_is_false(task, dial, seed, choice):
    made, sample, caption = captioned(task, dial, seed)
    offered = offers(caption["text"], caption["clauses"], made.program)
    if not offered:
        return
    swap = offered[choice % len(offered)]
    row = inject(caption, sample, swap).row
    before, after = caption["text"], row["text"]
    assert before[: row["start"]] == after[: row["start"]]
    assert before[row["original_end"] :] == after[row["end"] :]
    assert row["original"] != row["replacement"]
    assert times(row["replacement"], after) == 1 and times(row["replacement"], before) == 0
    assert times(row["original"], after) == 0
    proof = json.loads(row["proof"])
    assert proof["true"]["value"] != proof["false"]["value"]
    assert {key: value for key, value in proof["true"].items() if key != "value"} == {
        key: value for key, value in proof["false"].items() if key != "value"
    }


@drawn(st.sampled_from(CAPTIONED), st.integers(0, 2), st.integers(0, 10_000))
def test_only_the_whole_span_is_right(task, dial, seed):
    made, sample, caption = captioned(task, dial, seed)
    for swap in offers(caption["text"], caption["clauses"], made.program)[:3]:
        asked = inject(caption, sample, swap).sample
        assert verify_row(f"<answer>{swap.replacement}</answer>", asked).correct
        for wrong in (swap.original, caption["text"], asked["question"], swap.replacement[:1]):
            assert wrong == swap.replacement or not verify_row(f"<answer>{wrong}</answer>", asked).correct


def test_a_swapped_count_is_wrong_for_the_drawn_objects():
    """Counts are proven by counting the program's objects here, without the captions' own book-keeping."""
    for seed in range(40):
        made, _, caption = captioned("counting", 1, seed)
        objects = made.program["objects"]
        for swap in offers(caption["text"], caption["clauses"], made.program):
            if swap.fact["claim"] == "colour_count":
                true = sum(item["colour"] == swap.fact["colour"] for item in objects)
                assert swap.fact["value"] == true != swap.false["value"]


@pytest.mark.parametrize(
    ("before", "phrase", "replacement", "fine"),
    [
        ("It is a ", "square", "circle", True),
        ("It is a ", "red", "orange", False),
        ("It is an ", "orange", "red", False),
        ("It is an ", "orange", "ochre", True),
        ("There are ", "two", "three", True),
        ("There are ", "two", "one", False),
        ("There is ", "one", "two", False),
    ],
)
def test_the_words_around_must_fit(before, phrase, replacement, fine):
    assert fits(before, phrase, replacement) is fine


def test_a_phrase_that_stands_twice_or_whose_replacement_stands_is_not_offered():
    made, _, caption = captioned("search", 0, 3)
    offered = offers(caption["text"], caption["clauses"], made.program)
    first = offered[0]
    twice = caption["text"] + f" And {first.original}."
    assert first.original not in {swap.original for swap in offers(twice, caption["clauses"], made.program)}
    there = caption["text"] + f" Not {first.replacement}."
    assert (first.original, first.replacement) not in {
        (swap.original, swap.replacement) for swap in offers(there, caption["clauses"], made.program)
    }
    lying = {**made.program, "objects": made.program["objects"][:1]}
    claims = [clause for clause in caption["clauses"] if json.loads(clause["fact"])["claim"] == "total"]
    assert offers(caption["text"], claims, lying) == []  # a clause that is not true is no ground for a swap


def test_kinds_are_kept_even(lake):
    made = [captioned(task, dial, seed) for task in CAPTIONED for dial in (0, 1) for seed in range(8)]
    upstream = given(lake, samples=[row for _, row, _ in made], captions=[row for _, _, row in made])
    counts = Counter(row["kind"] for row in rows(lake, run(lake, STAGE, Parameters(), upstream), "injections"))
    assert set(counts) == set(KINDS) and max(counts.values()) - min(counts.values()) <= 2
    only = rows(lake, run(lake, STAGE, Parameters(kinds=("count",)), upstream), "injections")
    assert {row["kind"] for row in only} == {"count"}
    limited = run(lake, STAGE, Parameters(limit=5), upstream)
    assert (limited.counts.kept, limited.counts.read) == (5, len(made))
    dropped = rows(lake, limited, "rejects")
    assert {row["reason"] for row in dropped} <= {"over_limit", "no_provable_swap"}
    places = sorted(row["value"] for row in dropped if row["reason"] == "over_limit")
    assert places == [float(5 + number) for number in range(1, len(places) + 1)]  # so that another limit can be tried


@drawn(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.integers(0, 99))
def test_the_least_used_kind_is_chosen(kinds, seed):
    used = Counter({"attribute": 3, "count": 2, "object": 1})
    offered = [Swap(kind, "a", "b", 0, {}, {}) for kind in kinds]
    assert used[choose(offered, used, seed).kind] == min(used[kind] for kind in kinds)

"""ViCrit: one phrase, provably false, exactly where the row says it is."""

import json
import random
import re
from collections import Counter
from math import log2

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.captions.injection import NO_ERROR, UNCHANGED, Asked, inject
from pipelines.captions.swaps import KINDS, Swap, fits, offers, times
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
            fact = swap.proof["true"]
            if fact["claim"] == "colour_count":
                true = sum(item["colour"] == fact["colour"] for item in objects)
                assert fact["value"] == true != swap.proof["false"]["value"]


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
    made = [captioned(task, dial, seed) for task in CAPTIONED for dial in (0, 1) for seed in range(4)]
    made += [captioned(task, 1, seed) for task in ("stilllife", "puzzles", "charts") for seed in range(10, 30)]
    upstream = given(lake, samples=[row for _, row, _ in made], captions=[row for _, _, row in made])
    done = run(lake, STAGE, Parameters(per_caption=2), upstream)
    counts = Counter(row["kind"] for row in rows(lake, done, "injections"))
    shares = [count / counts.total() for count in counts.values()]
    entropy = -sum(share * log2(share) for share in shares) / log2(len(KINDS))
    assert set(counts) == set(KINDS) and entropy >= 0.97, counts
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
    offered = [Swap(kind, "a", "b", 0, {}) for kind in kinds]
    assert used[choose(offered, used, random.Random(seed), lambda swap: 1.0).kind] == min(used[kind] for kind in kinds)


def test_several_injections_of_one_caption_change_other_phrases(lake):
    _, sample, caption = captioned("stilllife", 1, 4)
    done = run(lake, STAGE, Parameters(per_caption=4), given(lake, samples=[sample], captions=[caption]))
    made = rows(lake, done, "injections")
    assert len(made) == 4 == len({row["original_start"] for row in made}) and done.counts.kept == 1
    assert len(rows(lake, done, "samples")) == len(rows(lake, done, "traces")) == len(rows(lake, done, "checks")) == 4
    words = [caption["text"][row["original_start"] : row["original_end"]] for row in made]
    assert words == [row["original"] for row in made]
    limited = run(lake, STAGE, Parameters(per_caption=4, limit=3), given(lake, samples=[sample], captions=[caption]))
    assert len(rows(lake, limited, "injections")) == 3


def test_unchanged_captions_are_questions_too(lake):
    made = [captioned("stilllife", 1, seed) for seed in range(20)]
    upstream = given(lake, samples=[row for _, row, _ in made], captions=[row for _, _, row in made])
    done = run(lake, STAGE, Parameters(unchanged=0.4), upstream)
    true = [row for row in rows(lake, done, "injections") if row["kind"] == UNCHANGED]
    assert 3 <= len(true) <= 13 and {row["text"] for row in true} <= {row["text"] for _, _, row in made}
    asked = {row["sample_id"]: row for row in rows(lake, done, "samples")}
    assert len({row["question"].partition("\n")[0] for row in asked.values()}) == 1  # the question must not tell
    for row in true:
        assert verify_row(f"<answer>{NO_ERROR}</answer>", asked[row["sample_id"]]).correct
        assert not verify_row("<answer>red</answer>", asked[row["sample_id"]]).correct
    for row in rows(lake, done, "injections"):
        if row["kind"] != UNCHANGED:
            assert not verify_row(f"<answer>{NO_ERROR}</answer>", asked[row["sample_id"]]).correct


@pytest.mark.parametrize(
    ("dials", "meets"),
    [
        ({"distance": (0.0, 0.3)}, lambda row: row["distance"] <= 0.3),
        ({"distance": (0.45, 1.0)}, lambda row: row["distance"] >= 0.45),
        ({"size": (0.0, 0.05)}, lambda row: row["size"] <= 0.05),
        ({"position": (0.5, 1.0)}, lambda row: row["original_start"] >= 0.5 * len(row["text"]) - 20),
        ({"kinds": ("material",)}, lambda row: row["kind"] == "material"),
    ],
)
def test_dials_of_subtlety(lake, dials, meets):
    made = [captioned("stilllife", 1, seed) for seed in range(12)]
    upstream = given(lake, samples=[row for _, row, _ in made], captions=[row for _, _, row in made])
    done = run(lake, STAGE, Parameters(**dials), upstream)
    kept = rows(lake, done, "injections")
    assert len(kept) >= 4 and all(map(meets, kept))
    assert set(reasons(lake, done).values()) <= {"outside_dials"}


def test_a_dial_that_is_no_range_is_refused():
    with pytest.raises(ValidationError, match="distance: \\[0.9, 0.1\\] is no range"):
        Parameters(distance=(0.9, 0.1))


def test_a_card_does_not_become_the_colour_of_another_card():
    """The sixth card is not described: its colour stands nowhere in the caption, but the picture shows it."""
    for seed in range(40):
        made, _, caption = captioned("search", 2, seed)
        colours = {card["colour"] for card in made.program["objects"]}
        for swap in offers(caption["text"], caption["clauses"], made.program):
            assert swap.kind != "attribute" or swap.replacement not in colours


@drawn(st.sampled_from(CAPTIONED), st.integers(0, 1), st.integers(0, 10_000))
def test_token_spans_cover_the_phrases(task, dial, seed):
    made, sample, caption = captioned(task, dial, seed)
    for swap in offers(caption["text"], caption["clauses"], made.program)[:4]:
        row = inject(caption, sample, swap, Asked()).row
        for text, phrase, first, last in (
            (caption["text"], "original", "original_token_start", "original_token_end"),
            (row["text"], "replacement", "token_start", "token_end"),
        ):
            tokens = re.findall(r"\w+(?:[-'’]\w+)*|[^\w\s]", text)
            joined = "".join(tokens[row[first] : row[last]])
            assert row[phrase].replace(" ", "") in joined

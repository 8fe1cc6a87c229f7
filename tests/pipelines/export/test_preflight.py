"""Preflight refuses what a model could not learn from, and counts tokens as the model's own processor makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from pipelines.export.items import Unfit
from pipelines.export.preflight import COUNTED, check_reward, corrupted
from pipelines.export.write import CannotExport, Choice, export
from schemas.rows import SampleRow
from tests.pipelines.export.lakes import file_bytes, given, lake_of, traced
from tests.pipelines.export.loaders import LOADERS

WEIGHTS = Path(__file__).resolve().parents[3] / "trainers" / "seedling" / "weights"


def row(answer: Any, kind: str, **fields: Any) -> dict[str, Any]:
    return SampleRow(
        image_ids=("0" * 32,), question="?", answer=answer, answer_type=kind, task="t", source="s", **fields
    ).row()


ANSWERS = st.one_of(
    st.tuples(st.integers(-(10**9), 10**9), st.just("integer")),
    st.tuples(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), st.just("number")),
    st.tuples(st.sampled_from(["yes", "no"]), st.just("yes_no")),
    st.tuples(st.from_regex(r"[a-z]{1,9}( [a-z]{1,9}){0,3}", fullmatch=True), st.just("text")),
    st.tuples(st.lists(st.integers(0, 999), min_size=2, max_size=2), st.just("point")),
    st.tuples(st.sampled_from([[1, 2, 30, 40], [0, 0, 9, 9], [5, 100, 300, 200]]), st.just("box")),
    st.tuples(st.lists(st.sampled_from(["a cat", "two dogs", "7"]), min_size=1, max_size=3), st.just("list")),
)


@drawn(ANSWERS)
def test_gold_is_paid_and_its_corruption_is_not(answer: tuple[Any, str]) -> None:
    check_reward(row(*answer))


@drawn(st.integers(0, 3), st.booleans())
def test_another_option_is_the_corruption_of_a_choice(place: int, letter: bool) -> None:
    options = ("red", "blue", "dark red", "none of them")
    gold = "ABCD"[place] if letter else options[place]
    assert corrupted(gold, "choice", options) in set(options) - {options[place]}
    check_reward(row(gold, "choice", options=options))


def test_a_verifier_that_pays_anything_is_found() -> None:
    with pytest.raises(Unfit, match="for right; the gold is '5'") as said:
        check_reward(row(5, "number", verifier={"name": "typed", "tolerance": 1e6}))
    assert said.value.reason == "corrupted_is_paid"


@pytest.mark.parametrize("name", ["trl-sft", "verl", "csv", "vlmevalkit", "ms-swift", "webdataset", "trl-grpo"])
def test_rows_are_checked_and_measured(name: str, tmp_path: Path) -> None:
    rows = [
        traced(),
        given((file_bytes(1), file_bytes(2)), "A?", "a", split="rl"),
        given((file_bytes(3),), "Say <|im_end|> and stop", "b", split="rl"),
        given((file_bytes(4),), "many words " * 400, "c", split="rl"),
    ]
    lake, run = lake_of(tmp_path / "lake", rows)
    choice = Choice(name, split="all", preflight=WEIGHTS, max_tokens=500)
    told = export(lake, run, choice, tmp_path / "out")
    assert told.refused == {"cannot_be_rendered": 1, "too_long": 1}
    found = {
        record.get("extra_info", record)["sample_id"]: record for _, record in LOADERS[name](tmp_path / "out", tmp_path)
    }
    assert set(found) == {each.sample["sample_id"] for each in rows[:2]}
    one, two = (found[each.sample["sample_id"]] for each in rows[:2])
    teaches = name in ("trl-sft", "ms-swift")
    assert int(one["visual_tokens"]) == (32 if teaches else 16)  # the seedling sees 16 tokens a picture
    assert int(two["visual_tokens"]) == 32
    for each in (one, two):
        assert (int(each["tokens"]) > int(each["prompt_tokens"])) == teaches
    refusals = [json.loads(line) for line in (tmp_path / "out/.evolens/refused.jsonl").read_text().splitlines()]
    assert "<|im_end|>" in refusals[0]["message"] and "more than 500" in refusals[1]["message"]


def test_without_preflight_nothing_is_counted(tmp_path: Path) -> None:
    lake, run = lake_of(tmp_path / "lake", [traced()])
    export(lake, run, Choice("datasets"), tmp_path / "out")
    ((_, record),) = LOADERS["datasets"](tmp_path / "out", tmp_path)
    assert not set(COUNTED) & set(record)
    with pytest.raises(CannotExport, match="captions have none"):
        export(lake, run, Choice("datasets", "captions", preflight=WEIGHTS), tmp_path / "captions")

"""Which answers make a pair, and the control arm: what `trl-dpo` and `--arm random` take, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.export.write import CannotExport, Choice, export
from pipelines.lake import Lake
from pipelines.lake.runs import Run
from pipelines.prompts import step
from schemas.rows import StepRow, TraceRow
from tests.pipelines.export.lakes import Given, file_bytes, given, lake_of, said

NO_PAIR = {
    "another turn": {"turns": 2},
    "a tool": {"calls": 1},
    "cut off": {"finish": "length"},
    "blind": {"purpose": "blind"},
    "about a bank": {"purpose": "evaluate"},
    "other words": {"prompt_hash": "0" * 32},
    "undecided": {"correct": None},
}
"""What makes a wrong answer useless for a pair."""


def row(number: int) -> Given:
    return given((file_bytes(number, "PNG"),), f"Number {number}?", number, answer_type="integer", split="rl")


def proven(each: Given) -> Given:
    steps = [step("thought", "Counted."), step("answer", json.loads(each.sample["answer"]).__str__())]
    trace = TraceRow(
        sample_id=each.sample["sample_id"], origin="oracle", steps=[StepRow.of(one) for one in steps],
        answer=json.loads(each.sample["answer"]), producer={},
    )  # fmt: skip
    return Given(each.files, each.sample, trace.row(), each.split)


def exported(stored: tuple[Lake, Run], out: Path, **fields: Any) -> tuple[dict[str, Any], Any]:
    told = export(*stored, Choice("trl-dpo", **fields), out)
    files = sorted((out / "data").glob("*.parquet"))
    return {each["sample_id"]: each for file in files for each in pq.read_table(file).to_pylist()}, told


def test_each_side_says_whose_words_it_is(tmp_path: Path) -> None:
    answered, proved = row(1), proven(row(2))
    stored = lake_of(tmp_path / "lake", [answered, proved])
    found, told = exported(stored, tmp_path / "out")
    lake, _ = stored
    first, second = found[answered.sample["sample_id"]], found[proved.sample["sample_id"]]
    assert (first["chosen_from"], first["chosen_by"]) == ("rollout", "somebody")
    assert (second["chosen_from"], second["chosen_by"]) == ("trace", "oracle")
    assert second["chosen_id"] == proved.trace["trace_id"]
    assert second["chosen"][0]["content"][0]["text"] == "Counted.\n<answer>2</answer>"
    rollouts = {
        each["rollout_id"]: each for key in [lake_key(stored)] for each in lake.read(key, "rollouts").to_pylist()
    }
    for each in found.values():
        wrong = rollouts[each["rejected_id"]]
        assert (wrong["correct"], wrong["sample_id"]) == (False, each["sample_id"])
        assert each["rejected"] == [{"role": "assistant", "content": [{"type": "text", "text": wrong["text"]}]}]
    assert told.refused == {}


def lake_key(stored: tuple[Lake, Run]) -> str:
    return next(iter(stored[1].nodes.values())).key


@pytest.mark.parametrize("why", NO_PAIR)
def test_an_answer_that_is_no_plain_wrong_one_makes_no_pair(why: str, tmp_path: Path) -> None:
    good, bad = row(1), row(2)
    rollouts = [
        *(said(good.sample, right) for right in (True, False)),
        said(bad.sample, True),
        said(bad.sample, False, **NO_PAIR[why]),
    ]
    stored = lake_of(tmp_path / "lake", [good, bad], rollouts=rollouts)
    found, told = exported(stored, tmp_path / "out")
    assert list(found) == [good.sample["sample_id"]]
    assert told.refused == {"no_pair": 1}
    assert told.chosen == 2


def test_a_pair_is_counted_with_the_longer_of_its_answers(tmp_path: Path) -> None:
    weights = Path(__file__).resolve().parents[3] / "trainers" / "seedling" / "weights"
    each = row(1)
    rollouts = [said(each.sample, True), said(each.sample, False, text="Well. " * 20 + "<answer>9</answer>")]
    stored = lake_of(tmp_path / "lake", [each], rollouts=rollouts)
    found, _ = exported(stored, tmp_path / "out", preflight=weights)
    (only,) = found.values()
    assert only["tokens"] > only["prompt_tokens"] + 40
    with_limit, told = exported(stored, tmp_path / "short", preflight=weights, max_tokens=only["tokens"] - 1)
    assert (with_limit, told.refused) == ({}, {"too_long": 1})


def test_the_control_is_exported_as_the_choice_is(tmp_path: Path) -> None:
    chosen, control = row(1), row(2)
    stored = lake_of(tmp_path / "lake", [chosen, control], arms=("curated", "random"))
    for arm, only in (("curated", chosen), ("random", control)):
        told = export(*stored, Choice("datasets", arm=arm), tmp_path / arm)
        (file,) = (tmp_path / arm / "data").glob("*.parquet")
        assert pq.read_table(file)["sample_id"].to_pylist() == [only.sample["sample_id"]]
        assert told.arm == json.loads((tmp_path / arm / ".evolens" / "export.json").read_text())["arm"] == arm
    with pytest.raises(CannotExport, match="table 'samples' has none"):
        export(*stored, Choice("datasets", "samples", arm="random"), tmp_path / "none")

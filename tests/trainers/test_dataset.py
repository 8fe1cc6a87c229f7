"""Lessons and questions: which rows are taught, in which order, and with which pictures."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.arrow import TABLES, table_of
from schemas.messages import Picture, pictures
from tests.trainers.conftest import Classroom
from trainers.dataset import Album, NothingToLearn, lessons, questions, taught


def curated(room: Classroom, *, arm: str = "curated", split: str, order: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "sample_id": room.samples[index]["sample_id"],
            "trace_id": room.traces[index]["trace_id"] if split == "sft" else None,
            "arm": arm,
            "split": split,
            "position": position,
        }
        for position, index in enumerate(order)
    ]


def tables(room: Classroom, *rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "curated": table_of("curated", list(rows)),
        "samples": table_of("samples", [*room.samples, room.samples[0]]),  # two stages may have left one sample
        "traces": table_of("traces", [*room.traces, room.traces[0]]),
    }


def test_rows_of_an_arm_and_split_in_their_order(room: Classroom) -> None:
    first = curated(room, split="sft", order=[7, 0, 3])
    second = curated(room, split="rl", order=[8, 1])
    other = curated(room, arm="random", split="sft", order=[2])
    given = tables(room, *reversed(first), *second, *other)
    found = lessons(given, "curated")
    assert [row["sample_id"] for row in found] == [row["sample_id"] for row in first]
    assert [row["steps"] for row in found] == [room.traces[index]["steps"] for index in (7, 0, 3)]
    told = ("trace_id", "steps", "wrong_steps", "shared_steps")
    assert TABLES["samples"].names == [name for name in found[0] if name not in told]
    asked = questions(given, "curated")
    assert [row["sample_id"] for row in asked] == [row["sample_id"] for row in second]
    assert [row["tools_help"] for row in asked] == [True, False]  # search looks closer, counting does not
    assert [row["sample_id"] for row in lessons(given, "random")] == [room.samples[2]["sample_id"]]
    with pytest.raises(NothingToLearn, match="arm 'random' has no rows of split 'rl'"):
        questions(given, "random")


def test_a_row_that_lost_its_trace_is_an_error_and_not_one_lesson_less(room: Classroom) -> None:
    rows = curated(room, split="sft", order=[0, 1])
    rows[1]["trace_id"] = "0" * 32
    with pytest.raises(ValueError, match="2 rows are curated, 1 have sample and trace"):
        lessons(tables(room, *rows), "curated")


def test_tool_pictures_are_made_again_by_replay(room: Classroom) -> None:
    row = room.lessons[-1]
    messages = taught(row)
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
    own, made = pictures(messages)
    assert messages[2].parts == (Picture(made),) and made not in room.pictures
    album = Album(room.load, room.lessons)
    assert album(own) is room.pictures[own]
    crop = album(made)
    assert crop.size < room.pictures[own].size


def test_an_observation_that_does_not_replay_names_its_trace(room: Classroom) -> None:
    row = room.lessons[-1]
    steps = [{**step, "image_id": "f" * 32} if step["kind"] == "observation" else step for step in row["steps"]]
    album = Album(room.load, [{**row, "steps": steps}])
    with pytest.raises(ValueError, match=f"trace {row['trace_id']}, step 2: replay gives picture"):
        album("f" * 32)

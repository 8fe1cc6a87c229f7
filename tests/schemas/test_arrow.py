"""Rows become Arrow with the named table's schema, or one clear error."""

from __future__ import annotations

import pytest

from schemas.arrow import TABLES, table_of
from schemas.rows import SampleRow, StepRow, TraceRow


def test_sample_and_trace_rows_fit_their_tables() -> None:
    sample = SampleRow(image_ids=("i",), question="How many?", answer=3.0, answer_type="integer", task="t", source="s")
    assert table_of("samples", [sample.row()]).column("answer").to_pylist() == ["3"]
    steps = [StepRow(kind="action", tool="crop", arguments={"bbox_2d": [0, 0, 1, 1]}), StepRow(kind="answer", text="3")]
    trace = TraceRow(sample_id=sample.sample_id, origin="oracle", steps=steps, answer=3, producer={})
    assert table_of("traces", [trace.row()]).num_rows == 1


def test_unknown_column_and_wrong_type_are_named() -> None:
    with pytest.raises(ValueError, match="table samples, row 1: unknown column 'sampel_id'"):
        table_of("samples", [{}, {"sampel_id": "x"}])
    with pytest.raises(ValueError, match="field 'dial'"):
        table_of("samples", [{"dial": "easy"}])


def test_every_table_carries_its_schema_version() -> None:
    assert all(schema.metadata[b"schema_version"] == b"1" for schema in TABLES.values())

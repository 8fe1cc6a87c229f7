"""Bands: every measured sample stands in one, and what is shown of it is what the lake holds."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.report.bands import Band, bands, names, place
from flows.report.figures import attempts
from flows.report.page import render
from flows.report.source import open_run
from tests.flows.report.conftest import Made

cuts = st.lists(st.sampled_from([0.1, 0.2, 0.375, 0.5, 0.8, 0.9]), unique=True, min_size=1, max_size=4).map(sorted)


@given(cuts, st.integers(1, 64).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.booleans())
def test_a_band_is_where_the_share_lies(edges: list[float], asked: tuple[int, int], searched: bool) -> None:
    k, n = asked
    iterations = 1 if k or searched else None
    found = DATABASE.execute(
        f"SELECT {place(edges)} FROM (SELECT ?::BIGINT AS k, ?::BIGINT AS n, ?::BIGINT AS iterations) d",
        [k, n, iterations],
    ).fetchone()
    assert found == (-1 if iterations is None else sum(k / n >= edge for edge in edges),)
    assert len(names(edges)) == len(edges) + 2


DATABASE = duckdb.connect()


def told(small: Made, number: int) -> list[Band]:
    with open_run(small.lake) as source:
        return bands(source, number)


def test_three_literal_rows(small: Made) -> None:
    unsolved, middle = told(small, 2)
    assert (unsolved.name, unsolved.samples) == ("unsolved", 1) and (middle.name, middle.samples) == (
        "20 to 80 % right",
        2,
    )
    assert unsolved.share == pytest.approx(1 / 3)
    (first,) = unsolved.examples
    assert (first.measured["k"], first.measured["n"], first.measured["censored_at"]) == (0, 4, 8)
    assert first.said == [("no answer", 1)] and first.picture is not None
    assert {each.sample["task"] for each in middle.examples} == {"photos", "lost"}
    assert [each.picture is None for each in middle.examples if each.sample["task"] == "lost"] == [True]


def test_what_was_held_back_is_counted_and_not_shown(small: Made) -> None:
    with open_run(small.lake) as source:
        held = "CREATE OR REPLACE VIEW rejects AS SELECT 'screen' AS stage, sample_id AS row_id FROM samples"
        source.connection.execute(held)
        assert [(band.samples, band.examples) for band in bands(source, 2)] == [(1, []), (2, [])]


def test_the_page_shows_the_bands_of_the_newest_round_only(small: Made) -> None:
    text = small.page.read_text()
    section = text[text.index('<section id="difficulty">') : text.index('<section id="accuracy">')]
    assert section.count("Ten of each band") == 1
    shown = re.findall(r'<b>([\w %]+)</b></span><span class="count">(\d+)</span>', section)
    assert shown == [("unsolved", "1"), ("20 to 80 % right", "2")]
    assert "unsolved after 8 attempts" in section and "solved at attempt 1" in section
    assert 'aria-label="1 of 4 right, 95 % interval 0 % to 90 %"' in section
    assert "label suspected" in section and "&lt;script&gt;document.title" in section


def test_what_moved_since_the_round_before_is_told(small: Made) -> None:
    with open_run(small.lake) as source:
        text = render(source)
    drift = re.search(r'aria-label="Drift since round 1">.*?</table>', text, re.DOTALL)
    assert drift is not None
    assert drift[0].count("<tr>") == 5, "a head, three tasks, and all"


spans = st.lists(
    st.tuples(st.sampled_from([None, 1, 2, 4, 8, 64]), st.sampled_from(["sft", "rl", "none"]), st.integers(1, 99)),
    unique_by=lambda row: row[:2],
)


@given(spans)
def test_no_sample_is_lost_between_the_spans(rows: list[tuple[int | None, str, int]]) -> None:
    bars = attempts([{"within": within, "split": split, "samples": samples} for within, split, samples in rows])
    assert sum(bar["samples"] for bar in bars) == sum(samples for *_, samples in rows)
    assert bars[-1]["bin"] == "unsolved"
    assert len({(bar["bin"], bar["split"]) for bar in bars}) == len(bars)

"""Sentences of captions, and shorter tellings whose clauses still lie where they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.captions.excerpts import sentences, told
from tests.pipelines.test_vicrit import CAPTIONED, captioned


@given(st.sampled_from(CAPTIONED), st.integers(0, 2), st.integers(0, 300), st.data())
def test_the_clauses_of_every_telling_lie_where_they_say(task: str, dial: int, seed: int, data: st.DataObject) -> None:
    caption = captioned(task, dial, seed)[2]
    spans = sentences(caption["text"])
    assert " ".join(caption["text"][start:end] for start, end in spans) == caption["text"].strip()
    chosen = data.draw(st.sets(st.sampled_from(spans)))
    text, clauses = told(caption, chosen)
    assert [text[clause["start"] : clause["end"]] for clause in clauses] == [clause["text"] for clause in clauses]
    if len(chosen) == len(spans):
        assert len(clauses) == len(caption["clauses"])  # no clause is cut in two by a sentence's end


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two three. Four.", ["One.", "Two three.", "Four."]),
        ("A page headed “Rain. Wind. Snow” with rows. Next.", ["A page headed “Rain. Wind. Snow” with rows.", "Next."]),
        (
            "The lowest at 1999 is A. There, A lies below B. Last.",
            ["The lowest at 1999 is A. There, A lies below B.", "Last."],
        ),
        ("It is 3.5 high. So?", ["It is 3.5 high.", "So?"]),
        ("It is William E. Fox of St. Paul. Next.", ["It is William E. Fox of St. Paul.", "Next."]),
        ("", [""]),
    ],
)
def test_where_sentences_end(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == parts

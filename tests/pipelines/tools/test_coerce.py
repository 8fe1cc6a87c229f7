"""What models write is read, or refused, as docs/tools.md says: its two tables are the cases."""

import json
import re
from pathlib import Path

import pytest

from pipelines.tools import CallError, calls
from pipelines.tools.calls import ToolCall

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "tools.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\{.+?\})` \| (.+) \|$", DOCS, re.MULTILINE)
READ = [(written, json.loads(read.strip("`"))) for written, read in ROWS if read.startswith("`")]
REFUSED = [(written, sentence) for written, sentence in ROWS if not sentence.startswith("`")]


def test_the_tables_are_there():
    assert len(READ) >= 39 and len(REFUSED) >= 21


@pytest.mark.parametrize(("written", "arguments"), READ)
def test_what_can_mean_one_thing_is_read_as_that(written, arguments):
    call = calls.read(written)
    assert isinstance(call, ToolCall)
    plain = calls.normal(call)
    assert plain.arguments == arguments
    assert list(plain.arguments) == list(arguments)
    assert calls.normal(plain) == plain


@pytest.mark.parametrize(("written", "sentence"), REFUSED)
def test_what_can_not_is_refused_by_one_sentence(written, sentence):
    call = calls.read(written)
    if isinstance(call, CallError):
        assert str(call) == sentence
    else:
        with pytest.raises(CallError) as caught:
            calls.normal(call)
        assert str(caught.value) == sentence


def test_a_code_fence_is_taken_off():
    assert calls.read('```json\n{"name": "rotate", "arguments": {"angle": 90}}\n```') == ToolCall(
        "rotate", {"angle": 90}
    )

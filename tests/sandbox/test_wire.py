"""Whatever bytes come out of the sandbox, the host reads an account within its room, or says that it is malformed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sandbox import wire

ROOM = (3, 400)
RAWS = st.builds(
    lambda width, height, byte: wire.Raw(width, height, bytes([byte]) * (3 * width * height)),
    st.integers(1, 11),
    st.integers(1, 12),
    st.integers(0, 255),
)
ERRORS = st.none() | st.tuples(st.sampled_from(["exception", "memory"]), st.text(max_size=50))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["images", "error", "x"]), inner),
    max_leaves=8,
)


def read(data: bytes) -> wire.Answer | None:
    try:
        return wire.read_answer(data, ROOM)
    except wire.Malformed:
        return None


@given(st.lists(RAWS, max_size=3), ERRORS)
def test_an_honest_account_is_read_as_it_was_written(images: list[wire.Raw], error: tuple[str, str] | None) -> None:
    account = wire.Answer(tuple(images), error)
    assert read(b"".join(wire.answer(account))) == account


@given(st.text(), st.lists(RAWS, max_size=5))
def test_a_request_is_read_as_it_was_written(code: str, images: list[wire.Raw]) -> None:
    assert wire.read_request(b"".join(wire.request(code, images, ROOM))) == (code, tuple(images), ROOM)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    within(read(data))


@given(JSON, st.binary(max_size=300))
def test_any_header_is_read_or_refused(header: object, body: bytes) -> None:
    text = json.dumps(header).encode()
    within(read(wire.LENGTH.pack(len(text)) + text + body))


@given(st.lists(RAWS, max_size=3), ERRORS, st.data())
def test_a_damaged_account_is_never_more_than_its_room(
    images: list[wire.Raw], error: tuple[str, str] | None, data: st.DataObject
) -> None:
    frame = bytearray(b"".join(wire.answer(wire.Answer(tuple(images), error))))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    within(read(bytes(frame[: data.draw(st.integers(0, len(frame)))])))


@pytest.mark.parametrize(
    "error", [["lost", "x"], ["exception"], ["exception", 3], "exception", 7, ["exception", "x" * 2001]]
)
def test_only_what_a_program_can_raise_is_believed(error: object) -> None:
    text = json.dumps({"images": [], "error": error}).encode()
    assert read(wire.LENGTH.pack(len(text)) + text) is None


def within(answer: wire.Answer | None) -> None:
    if answer is not None:
        assert len(answer.images) <= ROOM[0]
        assert sum(raw.width * raw.height for raw in answer.images) <= ROOM[1]
        assert all(len(raw.data) == 3 * raw.width * raw.height for raw in answer.images)
        assert answer.error is None or (
            answer.error[0] in ("exception", "memory") and answer.error[1].encode() is not None
        )

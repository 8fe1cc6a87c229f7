"""Ids depend on content, and on nothing else."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import canonical_json, content_id, image_id, sample_id, seed_of

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(VALUES)
def test_canonical_json_is_a_fixed_point(value: object) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text


@given(st.text())
def test_ids_do_not_see_unicode_composition(text: str) -> None:
    assert content_id("x", unicodedata.normalize("NFD", text)) == content_id("x", unicodedata.normalize("NFC", text))


def test_ids_do_not_see_key_order_but_see_kind() -> None:
    assert content_id("a", {"x": 1, "y": 2}) == content_id("a", {"y": 2, "x": 1.0})
    assert content_id("a", 1) != content_id("b", 1)
    assert len(content_id("a", 1)) == 32


def test_nan_has_no_id() -> None:
    with pytest.raises(ValueError, match="canonical"):
        content_id("a", float("nan"))


def test_image_id_sees_shape_and_pixels() -> None:
    assert image_id(2, 1, bytes(6)) != image_id(1, 2, bytes(6))
    with pytest.raises(ValueError, match="RGB"):
        image_id(2, 2, bytes(6))


def test_sample_id_sees_image_order() -> None:
    assert sample_id(["a", "b"], "q", [], 1, "integer") != sample_id(["b", "a"], "q", [], 1, "integer")


def test_seeds_are_distinct_and_stable() -> None:
    assert seed_of("a", 1) == seed_of("a", 1)
    assert len({seed_of("a", index) for index in range(1000)}) == 1000
    assert 0 <= seed_of("a", 1) < 2**63

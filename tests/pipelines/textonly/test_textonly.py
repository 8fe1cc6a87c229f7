"""Readers without the picture: they find what the words give away, and nothing where the words give nothing away."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.textonly.audit import DETECTORS, Seen, Trial, area
from pipelines.textonly.candidates import Puzzle, places, puzzle
from pipelines.textonly.choice import chances, fit
from pipelines.textonly.meaning import sentence

COLOURS = ("red", "green", "blue", "black")
THINGS = ("cup", "box", "pen", "hat")


def made(number: int, rng: random.Random, leaks: bool) -> Puzzle:
    """A picture of three things; the false colour is a new one, or one that is never true."""
    true = [rng.choice(COLOURS) for _ in THINGS[:3]]
    false = rng.randrange(3)
    said = list(true)
    said[false] = "mauve" if leaks else rng.choice([colour for colour in COLOURS if colour != true[false]])
    text, spans = "", []
    for thing, colour in zip(THINGS, said, strict=False):
        text += f"The {thing} on the table is "
        spans.append((len(text), len(text) + len(colour)))
        text += f"{colour}. "
    learn = " ".join(f"The {thing} on the table is {colour}." for thing, colour in zip(THINGS, true, strict=False))
    return Puzzle(str(number), str(number), text, learn, tuple(spans), false)


def tried(detector: str, leaks: bool, count: int = 120) -> list[Seen]:
    rng = random.Random(4)
    puzzles = [made(number, rng, leaks) for number in range(count)]
    half = count // 2
    blocks = [
        ([each.learn for each in puzzles[half:]], puzzles[:half]),
        ([each.learn for each in puzzles[:half]], puzzles[half:]),
    ]
    return Trial(DETECTORS[detector](blocks), puzzles)(range(half), range(half, count))


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_word_that_is_never_true_is_found(detector: str) -> None:
    seen = tried(detector, leaks=True)
    assert np.mean([each.share for each in seen]) > 0.9 and np.mean([each.ratio for each in seen]) > 2


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_word_like_the_others_is_not_found(detector: str) -> None:
    assert 0.3 < np.mean([each.share for each in tried(detector, leaks=False)]) < 0.7


def test_a_picture_that_nobody_could_learn_from_is_a_guess() -> None:
    puzzles = [made(0, random.Random(1), True)]
    assert Trial(np.zeros((3, 1)), puzzles)([], [0]) == [Seen(1.0, 0.5)]


@given(st.lists(st.integers(2, 5), min_size=1, max_size=8), st.integers(0, 99))
def test_chances_sum_to_one_in_each_puzzle_and_the_fit_prefers_what_is_false(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    false = np.cumsum(sizes) - np.array(sizes) + rng.integers(0, sizes)
    features = np.zeros((sum(sizes), 2))
    features[:, 0] = rng.normal(size=sum(sizes))
    features[false, 1] = 1
    shares = chances(features, np.array(sizes), fit(features, np.array(sizes), false, 0.01))
    parts = np.split(shares, np.cumsum(sizes)[:-1])
    assert all(part.sum() == pytest.approx(1) for part in parts)
    assert all(
        part[at] == part.max() for part, at in zip(parts, false - np.cumsum(sizes) + np.array(sizes), strict=True)
    )


ROW = {
    "injection_id": "i",
    "image_id": "p",
    "text": "two red cups, one blue box",
    "start": 4,
    "end": 7,
    "original_start": 4,
    "original_end": 9,
}
WAS = "two green cups, one blue box"


def test_candidates_are_the_phrases_that_stand_once_in_the_changed_text() -> None:
    phrases = [(0, 3), (4, 9), (16, 19), (20, 24)]
    found = puzzle(ROW, WAS, phrases)
    assert found and [found.text[slice(*span)] for span in found.spans] == ["two", "red", "one", "blue"]
    assert (found.false, found.learn, found.group) == (1, WAS, "p")
    twice = puzzle({**ROW, "text": "two red cups, two blue box"}, WAS, phrases)
    assert twice and [twice.text[slice(*span)] for span in twice.spans] == ["red", "blue"]
    assert puzzle(ROW, WAS, [(4, 9), (5, 14)]) is None  # nothing else, or what overlaps the change
    assert places([found]).shape == (4, 6)


def test_the_sentence_of_a_phrase() -> None:
    text = "The cup is red. The box is 3.5 high! A pen"
    assert sentence(text, (11, 14)) == "The cup is red."
    assert sentence(text, (27, 30)) == "The box is 3.5 high!"
    assert sentence(text, (39, 42)) == "A pen"


def test_the_interval_is_of_groups() -> None:
    mean, low, high = area([0.0, 1.0] * 50, [str(number) for number in range(100)])
    assert mean == 0.5 and 0.38 < low < 0.45 and 0.55 < high < 0.62
    assert area([0.0, 1.0] * 50, [str(number // 50) for number in range(100)])[1:] == (0.5, 0.5)
    assert area([], [])[1:] == (0.0, 1.0)

"""The grammatical injector: its lexicon against WordNet, its rules on literal swaps, candidates of real captions."""

import json
from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docs.vicrit_photographs import PAGE, judged, sampled
from pipelines.captions import wordnet
from pipelines.captions.grammar import analysed, article, plural, singular
from pipelines.captions.grammatical import candidates, offers
from pipelines.captions.lexicon import families, substitutes
from pipelines.captions.rules import RULES, Read, broken, changed
from pipelines.captions.swaps import KINDS, Swap, times

PHOTOGRAPHS = Path("examples/photographs/metadata.jsonl").read_text(encoding="utf-8").splitlines()
CAPTIONS = [json.loads(line)["caption"] for line in PHOTOGRAPHS]


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_one_family_exclude_each_other(kind):
    for family in families(kind):
        assert len(set(family)) == len(family)
        for one, other in permutations(family, 2):
            assert not wordnet.same(one, other) or kind not in ("object", "material"), (one, other)
            assert not wordnet.same(one, other, "adj"), (one, other)
            assert kind != "object" or not wordnet.broader(one, other), (one, other)
            assert other in substitutes(one, kind)
    for family in families("object"):
        assert all(map(wordnet.knows, family)), family


def test_wordnet_knows_synonyms_and_broader_words():
    assert wordnet.same("sofa", "couch") and wordnet.same("big", "large", "adj")
    assert wordnet.broader("spaniel", "dog") and not wordnet.broader("dog", "spaniel")
    assert not wordnet.same("dog", "cat") and not wordnet.broader("dog", "cat")
    assert wordnet.apart("dog", "dog") == 0 < wordnet.apart("dog", "cat") < wordnet.apart("dog", "chair") <= 1
    assert wordnet.apart("dog", "zzyzx") == 1 and not wordnet.knows("zzyzx")


@settings(max_examples=50)
@given(st.sampled_from(CAPTIONS))
def test_words_lie_where_they_say(text):
    end = 0
    for word in analysed(text):
        assert text[word.start : word.end] == word.text and word.start >= end
        end = word.end


def test_plurals_and_articles():
    assert [plural(word) for word in ("box", "leaf", "woman", "dish")] == ["boxes", "leaves", "women", "dishes"]
    assert [singular(word) for word in ("boxes", "leaves", "women", "bus")] == ["box", "leaf", "woman", "bus"]
    assert [article(word) for word in ("owl", "hour", "uniform cup", "red")] == ["an", "an", "a", "a"]


SCENE = (
    "An owl sits on a red chair. Two cats lie under it, above the other rug. No dog or fox is there. It says “OPEN”."
)


@pytest.mark.parametrize(
    ("kind", "original", "replacement", "rule"),
    [
        ("object", "An owl", "A pigeon", None),
        ("object", "An owl", "A parrot", None),
        ("object", "An owl", "An pigeon", "article"),
        ("object", "owl", "pigeon", "article"),
        ("attribute", "red", "green", None),
        ("attribute", "red chair", "green chair", None),
        ("attribute", "a red", "an orange", "indistinct"),
        ("attribute", "red", "ruby-red", "synonym"),
        ("attribute", "red", "red", "no_change"),
        ("attribute", "blue", "green", "not_in_caption"),
        ("count", "Two", "Three", None),
        ("count", "Two cats", "Three cats", None),
        ("count", "Two", "One", "one_or_many"),
        ("count", "Two", "Several", "wrong_type"),
        ("object", "Two cats", "Two rabbits", None),
        ("object", "cats", "animals", "broader_or_narrower"),
        ("object", "cats", "owls", "said_of_another"),
        ("object", "cats", "rabbit", "one_or_many"),
        ("object", "chair", "seat", "broader_or_narrower"),
        ("object", "dog", "rabbit", "negated"),
        ("object", "rug", "rug", "no_change"),
        ("spatial", "under", "over", None),
        ("spatial", "above", "below", "same_either_way"),
        ("text", "OPEN", "OPFN", None),
        ("attribute", "OPEN", "CLOSED", "wrong_type"),
        ("text", "red", "rod", "wrong_type"),
        ("object", "it", "he", "not_once"),
        ("object", "An owl sits on a red", "A pigeon sits on a red", "too_long"),
        ("object", "owl sits on a red", "pigeon stands under one blue", "more_than_one_change"),
    ],
)
def test_the_rule_that_a_swap_breaks(kind, original, replacement, rule):
    start = max(SCENE.find(original), 0)
    assert broken(Read.of(SCENE), Swap(kind, original, replacement, start, {})) == rule


def test_colours_are_not_asked_of_a_grey_picture():
    read = Read.of("A black-and-white photograph of a grey chair.")
    assert broken(read, Swap("attribute", "grey", "yellow", read.text.index("grey"), {})) == "colourless"
    assert {swap.replacement for swap in offers(read)} <= {"stool", "table", "bench", "woman"}


def test_hedges_and_rules_by_name():
    read = Read.of("The cloud is shaped like a horse, and a cow stands below.")
    assert broken(read, Swap("object", "horse", "deer", read.text.index("horse"), {})) == "hedged"
    assert set(RULES) >= {"not_once", "synonym", "broader_or_narrower", "said_of_another", "article"}


def test_what_changes():
    assert changed(Swap("attribute", "An orange ball", "A green ball", 0, {})) == ("orange", "green")
    assert changed(Swap("count", "two black sticks", "three black sticks", 0, {})) == ("two", "three")


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CAPTIONS))
def test_candidates_of_real_captions_change_one_place(text):
    read = Read.of(text)
    for swap, rule in candidates(read):
        after = swap.applied(text)
        assert text[swap.start : swap.end] == swap.original and 0 <= swap.distance <= 1
        assert after.startswith(text[: swap.start]) and after.endswith(text[swap.end :])
        if rule is None:
            assert times(swap.original, text) == times(swap.replacement, after) == 1
            assert " an red" not in after and " a orange" not in after


def test_the_page_about_photographs_shows_what_the_injector_makes():
    """Every row of docs/vicrit_photographs.md is one that is drawn today, and was judged."""
    said, rows = judged(PAGE.read_text(encoding="utf-8")), sampled()
    assert len(rows) == 100 and set(rows) == set(said)
    assert Counter(true for true, _, _ in said.values()) == {"yes": 98, "doubtful": 1, "no": 1}
    assert Counter(false for _, false, _ in said.values()) == {"yes": 94, "doubtful": 5, "no": 1}
    assert sum(verdict[:2] == ("yes", "yes") for verdict in said.values()) == 93
    assert all(len(why) > 5 for _, _, why in said.values()) and {kind for _, kind, _, _ in rows} == set(KINDS)

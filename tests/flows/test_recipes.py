"""Recipes by name, overrides by dotted field."""

from __future__ import annotations

import pytest

from flows.recipes import find, open_recipe, overrides_of, shipped
from schemas.recipe import RecipeError


def test_every_shipped_recipe_opens() -> None:
    assert "quickstart" in shipped()
    for name in shipped():
        assert open_recipe(name).name == name


def test_overrides_are_yaml_values() -> None:
    assert overrides_of(["a.b=3", "c=[1, x]", "d=hello"]) == {"a.b": 3, "c": [1, "x"], "d": "hello"}
    assert open_recipe("quickstart", ["seed=11"], rounds=2).seed == 11


@pytest.mark.parametrize("setting", ["rounds", "=3", "a=[1"])
def test_bad_overrides_are_named(setting: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        overrides_of([setting])


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(RecipeError, match="did you mean 'quickstart'"):
        find("quickstrat")

"""A recipe is refused whole, with a line that says what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.recipe import RecipeError, load

GOOD = """
name: tiny
policy: {url: "local:seedling"}
embedder: {url: "embed:clip"}
tasks: [{task: counting, dial: 0, count: 4}]
banks: {easy: {task: counting, count: 4}}
targets: {hard: {task: counting, dial: 1, count: 4}}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_a_good_recipe_loads_with_overrides(tmp_path: Path) -> None:
    recipe = load(write(tmp_path, GOOD), {"stages.difficulty.rollouts": 4, "rounds": 2})
    assert recipe.stages["difficulty"] == {"rollouts": 4}
    assert recipe.rounds == 2
    assert recipe.folder == tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("bankz: {}", "bankz: unknown field; did you mean 'banks'?"),
        ("execution: {part_row: 3}", "execution.part_row: unknown field; did you mean 'part_rows'?"),
        ("rounds: 0", "rounds: Input should be greater than or equal to 1 (got 0)"),
        ("stages: {publish: {token: abc}}", "secrets are named, never written"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(RecipeError, match="recipe.yaml") as caught:
        load(write(tmp_path, GOOD + change + "\n"))
    assert message in str(caught.value)


SECRET = "sk-5ecret"


@pytest.mark.parametrize(
    "change",
    [
        "stages: {publish: {hub_token: SECRET}}",
        "stages: {publish: {API-Key: SECRET}}",
        "stages: {publish: {openai_apikey: SECRET}}",
        "stages: {publish: {clientSecret: [SECRET]}}",
        "stages: {publish: {password: 5123}}",
        'description: "https://me:SECRET@example.org/x"',
        'description: "http://example.org/v1?api_key=SECRET"',
    ],
)
def test_a_secret_is_refused_and_not_repeated(tmp_path: Path, change: str) -> None:
    with pytest.raises(RecipeError, match="secrets are named, never written") as caught:
        load(write(tmp_path, GOOD + change.replace("SECRET", SECRET) + "\n"))
    assert SECRET not in str(caught.value)


def test_names_of_secrets_and_counts_of_tokens_are_none(tmp_path: Path) -> None:
    stages = "stages: {explore: {max_tokens: 60}, publish: {token_env: HUB_TOKEN, secret: ''}}\n"
    assert load(write(tmp_path, GOOD + stages)).stages["explore"] == {"max_tokens": 60}


def test_an_override_is_refused_like_the_file_and_reaches_into_lists(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load(path, {"tasks.0.count": 9}).tasks[0].count == 9
    for name, value, message in (
        ("tasks.7.count", 9, "tasks has the entries 0 to 0, not '7'"),
        ("name.x", 9, "'name' is not a mapping"),
        ("tasks.0.count", "many", "tasks.0.count: Input should be a valid integer"),
        ("policy.options.api_token", SECRET, "secrets are named"),
    ):
        with pytest.raises(RecipeError) as caught:
            load(path, {name: value})
        assert message in str(caught.value)


def test_unknown_task_field_is_found_inside_a_list(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, GOOD.replace("count: 4}]", "cuont: 4}]")))
    assert "tasks.0.cuont: unknown field; did you mean 'count'?" in str(caught.value)


def test_rounds_need_a_policy_that_can_be_replaced(tmp_path: Path) -> None:
    text = GOOD.replace("local:seedling", "openai:http://localhost:8000/v1") + "rounds: 2\n"
    with pytest.raises(RecipeError, match="which the trained one can replace"):
        load(write(tmp_path, text))


def test_not_yaml_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a YAML file"):
        load(write(tmp_path, "a: [1"))
    with pytest.raises(RecipeError, match="no such recipe"):
        load(tmp_path / "absent.yaml")

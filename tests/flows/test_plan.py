"""Plans: keys chain, rounds chain, and what a recipe may not set is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flows import policies
from flows.plan import make_plan, steps
from pipelines.lake import Lake
from schemas.recipe import RecipeError, load
from schemas.requests import TRAINED, WorkerIdentity
from tests.flows import rounds


def planned(folder: Path, **overrides: object) -> dict[str, str]:
    recipe = load(rounds.write_recipe(folder), {name.replace("__", "."): value for name, value in overrides.items()})
    return {name: node.key for name, node in make_plan(recipe, Lake(folder / "lake")).nodes.items()}


def test_every_node_comes_after_its_inputs_and_before_anything_ran_all_would(tmp_path: Path) -> None:
    plan = make_plan(load(rounds.write_recipe(tmp_path)), Lake(tmp_path / "lake"))
    seen: set[str] = set()
    for node in plan.nodes.values():
        assert seen >= set(node.inputs), node.name
        seen.add(node.name)
    assert {(step.state, step.why) for step in steps(plan, {})} == {("run", "never ran")}


def test_a_parameter_changes_the_keys_of_its_stage_and_of_what_follows(tmp_path: Path) -> None:
    before, after = planned(tmp_path), planned(tmp_path, stages__curate__seed=5)
    changed = {name for name in before if before[name] != after[name]}
    trained = {f"r1/{prefix}{kind}" for prefix in ("", "control_") for kind in ("sft", "grpo")}
    assert changed == {"r1/curate", *trained, *(name.replace("r1/", "r1/evaluate_") for name in trained)}


def test_a_recipe_names_the_tools_that_it_offers(tmp_path: Path) -> None:
    before, after = planned(tmp_path), planned(tmp_path, stages__explore__tools=["ocr", "crop"])
    assert before["r1/explore"] != after["r1/explore"] and before["r1/synthesize"] == after["r1/synthesize"]
    assert after == planned(tmp_path, stages__explore__tools=["crop", "ocr"]), "their order says nothing"
    with pytest.raises(RecipeError, match=r"stages.grpo: tools: there is no tool 'corp'; did you mean 'crop'\?"):
        planned(tmp_path, stages__grpo__tools=["corp"])


def test_how_work_is_cut_changes_no_key(tmp_path: Path) -> None:
    assert planned(tmp_path) == planned(tmp_path, execution__part_rows=3, execution__processes=2)


def test_the_second_round_measures_with_the_policy_of_the_first(tmp_path: Path) -> None:
    recipe = load(rounds.write_recipe(tmp_path), {"rounds": 2, "sft_from": "previous", "accumulate": True})
    nodes = make_plan(recipe, Lake(tmp_path / "lake")).nodes
    trained = nodes["r1/grpo"].key
    for stage in ("explore", "difficulty", "influence", "evaluate_base"):
        worker = nodes[f"r2/{stage}"].call.worker
        assert worker is not None and worker.identity.revision == trained, stage
    assert "r1/grpo" in nodes["r2/sft"].inputs
    assert "r1/synthesize" in nodes["r2/difficulty"].inputs
    assert nodes["r1/synthesize"].key != nodes["r2/synthesize"].key


def test_a_stronger_worker_is_part_of_what_difficulty_is(tmp_path: Path) -> None:
    server = {"url": "openai:http://localhost:1/v1", "model": "large", "revision": "r1"}
    before, after = planned(tmp_path), planned(tmp_path, stronger=server)
    newer = planned(tmp_path, stronger={**server, "revision": "r2"})
    assert len({keys["r1/difficulty"] for keys in (before, after, newer)}) == 3
    assert before["r1/explore"] == after["r1/explore"] and before["r1/influence"] == after["r1/influence"]
    with pytest.raises(RecipeError, match="stronger: large: labels depend on it, so name its `revision`"):
        planned(tmp_path, stronger={**server, "revision": None})
    with pytest.raises(RecipeError, match=r"stages.difficulty.stronger: the plan sets this, not the recipe"):
        planned(tmp_path, stages__difficulty__stronger="large@r1")


def test_only_evaluation_reads_the_evaluation_banks(tmp_path: Path) -> None:
    nodes = make_plan(load(rounds.write_recipe(tmp_path)), Lake(tmp_path / "lake")).nodes
    readers = {name.split("/")[-1].split("_")[0] for name, node in nodes.items() if "banks" in node.inputs}
    assert readers == {"evaluate", "deduplicate", "targets"}  # the last two read fingerprints only


def test_a_server_answers_and_its_weights_give_gradients(tmp_path: Path) -> None:
    policy = {"url": "openai:http://localhost:1/v1", "model": "m", "weights": "local:seedling"}
    recipe = load(rounds.write_recipe(tmp_path), {"policy": policy})
    nodes = make_plan(recipe, Lake(tmp_path / "lake")).nodes
    kinds = {name: node.call.worker.identity.engine for name, node in nodes.items() if node.call.worker is not None}
    asked = {"r1/explore", "r1/difficulty", "r1/evaluate_base"}
    assert {name for name, kind in kinds.items() if kind == "openai"} == asked
    assert kinds["r1/influence"] == "local"


def test_a_server_of_ours_goes_on_with_what_was_trained(tmp_path: Path) -> None:
    options = {"max_context": 2048, "concurrency": 64}
    recipe = load(rounds.write_recipe(tmp_path), {"policy": {"url": "vllm:seedling", "options": options}, "rounds": 2})
    lake = Lake(tmp_path / "lake")
    nodes = make_plan(recipe, lake).nodes
    workers = {name: node.call.worker for name, node in nodes.items() if node.call.worker is not None}
    seedling, trained = workers["r1/influence"].identity, nodes["r1/grpo"].key
    assert workers["r1/explore"].identity == replace(seedling, engine="vllm")
    assert workers["r2/explore"].identity == WorkerIdentity("vllm", TRAINED, revision=trained)
    assert workers["r1/evaluate_grpo"].identity == workers["r2/explore"].identity
    assert workers["r2/influence"].identity == WorkerIdentity("local", TRAINED, revision=trained)

    spec = policies.trained(lake, trained, recipe.policy).connect.args[0]
    assert spec.target == str(policies.weights_of(lake, trained))
    assert dict(spec.options) == {"slot": "vllm:seedling", **options}, "in the place of the policy before it"


def test_a_recipe_may_do_without_an_embedder(tmp_path: Path) -> None:
    recipe = load(rounds.write_recipe(tmp_path), {"embedder": None})
    assert make_plan(recipe, Lake(tmp_path / "lake")).nodes["r1/deduplicate"].call.worker is None


def test_columns_of_a_source_are_renamed(tmp_path: Path) -> None:
    recipe = load(rounds.write_recipe(tmp_path), {"sources.0.columns": {"caption": "alt_text"}})
    (source,) = make_plan(recipe, Lake(tmp_path / "lake")).nodes["ingest"].call.parameters.model_dump()["sources"]
    assert source["columns"] == {"caption": "alt_text"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stages__dificulty__rollouts": 3}, "unknown stage; did you mean 'difficulty'"),
        ({"stages__sft__arm": "random"}, "stages.sft.arm: the plan sets this"),
        ({"stages__difficulty__rollouts": -1}, "stages.difficulty: rollouts: Input should be greater"),
        ({"policy__url": "lokal:seedling"}, "unknown scheme"),
        ({"tasks__1__task": "serch"}, "tiny: tasks.1.task: there is no task 'serch'; did you mean 'search'?"),
        ({"tasks__0__dial": 9}, "tiny: tasks.0.dial: counting has the dials 0 to"),
        ({"banks__counting__task": "vicrit", "targets__counting_target__task": "countin"}, "did you mean 'counting'?"),
        ({"banks__x": {"task": "vicrit", "dial": 9}}, "tiny: banks.x.dial: vicrit has the dials 0 to"),
        ({"sources__0__path": "nowhere"}, "tiny: sources.photographs.path: "),
        ({"sources__0__format": "parquet"}, "tiny: sources.photographs.format: "),
        ({"policy__url": "openai:http://localhost:1/v1", "policy__model": "m"}, "`weights: local:FOLDER`"),
    ],
)
def test_what_cannot_be_planned_is_said(tmp_path: Path, overrides: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=r".") as caught:
        planned(tmp_path, **overrides)
    assert message in str(caught.value)


def test_a_recipe_without_screen_is_planned_as_before_and_with_it_nothing_passes_it_by(tmp_path: Path) -> None:
    before = planned(tmp_path)
    assert not [name for name in before if name.split("/")[-1] in ("look", "screen")]
    recipe = load(rounds.write_recipe(tmp_path), {"stages.screen": {}})
    nodes = make_plan(recipe, Lake(tmp_path / "lake")).nodes
    assert list(nodes)[2:5] == ["ingest", "look", "screen"]
    assert {name for name, node in nodes.items() if "ingest" in node.inputs} == {"look", "screen"}
    assert "screen" in nodes["r1/deduplicate"].inputs and "screen" in nodes["r1/vicrit"].inputs
    assert nodes["r1/explore"].key == before["r1/explore"]  # task pictures are screened only when asked for
    everything = make_plan(load(rounds.write_recipe(tmp_path), {"stages.screen.generated": True}), Lake(tmp_path))
    readers = {name for name, node in everything.nodes.items() if "r1/synthesize" in node.inputs}
    assert readers == {"r1/look", "r1/screen"}


def test_necessity_is_measured_where_a_recipe_asks_for_it(tmp_path: Path) -> None:
    before = planned(tmp_path)
    assert "r1/necessity" not in before
    recipe = load(rounds.write_recipe(tmp_path), {"stages.necessity": {"rollouts": 4}})
    nodes = make_plan(recipe, Lake(tmp_path / "lake")).nodes
    assert {"r1/synthesize", "r1/explore", "r1/verify", "r1/deduplicate"} <= set(nodes["r1/necessity"].inputs)
    assert "r1/necessity" in nodes["r1/curate"].inputs
    assert {name for name in before if nodes[name].key == before[name]} >= {"r1/difficulty", "r1/influence"}


def test_trees_are_linearised_where_a_recipe_asks_for_it_and_proven_before_they_are_chosen_from(tmp_path: Path) -> None:
    before = planned(tmp_path)
    assert not {"r1/linearise", "r1/verify_trees"} & before.keys()
    recipe = load(rounds.write_recipe(tmp_path), {"stages.linearise": {"backtracking": 2}})
    nodes = make_plan(recipe, Lake(tmp_path / "lake")).nodes
    assert nodes["r1/linearise"].inputs[-1] == "r1/difficulty"
    assert nodes["r1/verify_trees"].inputs == (*nodes["r1/linearise"].inputs[:-1], "r1/linearise")
    for reader in ("influence", "curate", "sft", "control_sft"):
        assert "r1/linearise" in nodes[f"r1/{reader}"].inputs
    assert {"r1/verify", "r1/verify_trees"} <= set(nodes["r1/curate"].inputs)
    assert nodes["r1/difficulty"].key == before["r1/difficulty"]


def test_a_stricter_screen_reads_no_picture_again(tmp_path: Path) -> None:
    before, after = (planned(tmp_path, stages__screen={"confidence": value}) for value in (0.5, 0.9))
    assert before["look"] == after["look"] and before["screen"] != after["screen"]


@pytest.mark.parametrize(
    ("screen", "message"),
    [
        ({"rule": []}, "stages.screen: rule: unknown field; did you mean 'rules'"),
        ({"rules": ["iban"]}, "stages.screen: rules.0: Input should be 'email_in_picture'"),
        ({"regions": ["UK"]}, "stages.screen: regions: 'UK' is no region of libphonenumber; did you mean"),
        (
            {"classifiers": {"nsfw": {"call": "no_such_filter:f", "threshold": 0.5}}},
            "stages.screen.classifiers.nsfw.call: no_such_filter:f: no_such_filter does not import",
        ),
        ({"classifiers": {"pair": {"call": "a:b", "threshold": 0.5}}}, "'pair' is the name of a rule"),
        (
            {"classifiers": {"nsfw": {"call": "a:b", "threshold": 5}}},
            "classifiers.nsfw.threshold: Input should be less",
        ),
    ],
)
def test_what_cannot_be_screened_for_is_said(tmp_path: Path, screen: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        planned(tmp_path, stages__screen=screen)
    assert message in str(caught.value)


def test_captions_are_described_and_proposed_for_where_a_recipe_says_so(tmp_path: Path) -> None:
    asked = {"stages.describe.votes": 1, "stages.propose.votes": 1}
    nodes = make_plan(load(rounds.write_recipe(tmp_path), asked), Lake(tmp_path)).nodes
    described, proposed, injected = (nodes[f"r1/{name}"] for name in ("describe", "propose", "vicrit"))
    assert described.inputs == ("ingest",) and described.call.worker is not None
    assert "r1/describe" in proposed.inputs and set(proposed.call.versions) == {"inflect", "textblob"}
    assert {"r1/describe", "r1/propose"} <= set(injected.inputs)

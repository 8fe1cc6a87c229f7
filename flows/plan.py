"""The plan of a run: every stage of every round with its key, known before anything runs (design §3, §7).

Keys chain keys, so comparing the keys of a plan with the manifests of a lake says what will run, and comparing them
with the newest run says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ValidationError

from flows import policies, screening
from flows.changes import differences
from flows.checks import check_recipe, source_of
from pipelines import (
    banks,
    blind,
    critic,
    curate,
    deduplicate,
    describe,
    difficulty,
    explore,
    influence,
    ingest,
    linearise,
    necessity,
    propose,
    retell,
    synthesize,
    verify,
    vicrit,
)
from pipelines.captions import grammar
from pipelines.lake import Lake
from pipelines.stage import Stage, StageCall, WorkerSpec
from pipelines.tasks import FAMILIES
from pipelines.textonly import meaning
from pipelines.tools import LIBRARIES
from schemas.ids import seed_of
from schemas.recipe import BankRecipe, Recipe, RecipeError, did_you_mean, explain
from trainers import evaluate, grpo, sft

TOOLING = {name: version(name) for name in LIBRARIES}
"""What tools are made of: another version may set other pixels, or read another text."""

RENDERER = {**TOOLING, **{f"task {name}": str(family.VERSION) for name, family in FAMILIES.items()}}
"""What draws task pictures too, and says what is asked about them."""

GRAMMAR = {name: version(name) for name in grammar.LIBRARIES}
"""What stage `propose` finds phrases with."""

ENCODER = {name: version(name) for name in meaning.LIBRARIES}
"""What stage `blind` reads captions with."""

PARAMETERS: dict[str, type[BaseModel]] = {
    stage.name: stage.parameters
    for stage in (
        explore.STAGE,
        verify.STAGE,
        describe.STAGE,
        propose.STAGE,
        retell.STAGE,
        vicrit.STAGE,
        blind.STAGE,
        critic.STAGE,
        deduplicate.STAGE,
        difficulty.STAGE,
        linearise.STAGE,
        necessity.STAGE,
        influence.STAGE,
        curate.STAGE,
        sft.STAGE,
        grpo.STAGE,
        evaluate.STAGE,
    )
} | {"screen": screening.Settings}
"""Stages whose parameters a recipe may set under `stages:`."""

ARMS = ("base", "sft", "grpo", "control_sft", "control_grpo")
"""The policies that a round compares: before, after each training, and the same steps on the random control."""


@dataclass(frozen=True)
class Node:
    """One stage of one round. `name` is unique in the run; `inputs` name the nodes it reads, in order."""

    name: str
    round: int
    call: StageCall
    inputs: tuple[str, ...]
    key: str


@dataclass
class Plan:
    """The nodes of a run in an order in which each comes after its inputs."""

    recipe: Recipe
    lake: Lake
    nodes: dict[str, Node] = field(default_factory=dict)

    def add(
        self,
        name: str,
        stage: Stage,
        parameters: BaseModel,
        inputs: tuple[str, ...] = (),
        worker: WorkerSpec | None = None,
        number: int = 0,
        versions: Mapping[str, str] | None = None,
    ) -> str:
        """Append a node; returns its name."""
        execution = self.recipe.execution
        call = StageCall(
            stage=stage,
            parameters=parameters,
            inputs=tuple(self.lake.resolve(self.nodes[upstream].key) for upstream in inputs),
            worker=worker,
            versions=versions or {},
            part_rows=execution.part_rows,
            wave_rows=execution.wave_rows,
            max_failed=execution.max_failed,
        )
        self.nodes[name] = Node(name, number, call, inputs, call.key)
        return name

    def parameters(self, stage: Stage, **forced: Any) -> Any:
        """The stage's parameters: the recipe's, and what the plan itself decides. Raises `RecipeError`."""
        given = self.recipe.stages.get(stage.name, {})
        if "style" in stage.parameters.model_fields:
            forced["style"] = self.recipe.policy.prompt
        taken = sorted(given.keys() & forced.keys())
        if taken:
            raise RecipeError(f"{self.recipe.name}: stages.{stage.name}.{taken[0]}: the plan sets this, not the recipe")
        try:
            return stage.parameters(**given, **forced)
        except ValidationError as error:
            raise RecipeError(explain(error, stage.parameters, f"{self.recipe.name}: stages.{stage.name}")) from error


def make_plan(recipe: Recipe, lake: Lake) -> Plan:
    """Every stage of every round. Raises `RecipeError` for what the recipe names and nothing here is or takes."""
    check_recipe(recipe)
    for name in recipe.stages:
        if name not in PARAMETERS:
            raise RecipeError(f"{recipe.name}: stages.{name}: unknown stage{did_you_mean(name, list(PARAMETERS))}")
    plan = Plan(recipe, lake)
    shared = _shared(plan)
    policy, learner, trained, pool = policies.base(recipe.policy), policies.learner(recipe.policy), "", shared
    for number in range(1, recipe.rounds + 1):
        drawn = pool if recipe.accumulate else shared
        trained, pool = _round(plan, number, policy, learner, trained, drawn)
        key = plan.nodes[trained].key
        policy, learner = policies.trained(lake, key, recipe.policy), policies.trained(lake, key)
    return plan


@dataclass(frozen=True)
class _Pool:
    """Nodes that the rounds draw on: `samples` and `traces` grow when the recipe accumulates."""

    banks: str
    targets: str
    samples: tuple[str, ...]
    traces: tuple[str, ...] = ()


def _shared(plan: Plan) -> _Pool:
    recipe = plan.recipe
    made = {"evaluation": recipe.banks, "influence": recipe.targets}
    nodes: dict[str, str] = {}
    for role, entries in made.items():  # targets are built after the banks, and keep away from their states
        nodes[role] = plan.add(
            "banks" if role == "evaluation" else "targets",
            banks.STAGE,
            banks.Parameters(role=role, banks=_bank_parameters(entries), seed=recipe.seed),
            tuple(nodes.values()),
            versions=RENDERER,
        )
    samples: tuple[str, ...] = ()
    if recipe.sources:
        sources = tuple(source_of(recipe, source) for source in recipe.sources)
        samples = (plan.add("ingest", ingest.STAGE, ingest.Parameters(sources=sources)),)
        if screened := screening.settings(recipe):
            samples = (screening.add(plan, samples, screened),)
    return _Pool(nodes["evaluation"], nodes["influence"], samples)


def _bank_parameters(entries: Mapping[str, BankRecipe]) -> Any:
    return {name: banks.Bank(**bank.model_dump()) for name, bank in entries.items()}


def _round(
    plan: Plan, number: int, policy: WorkerSpec, learner: WorkerSpec, previous: str, pool: _Pool
) -> tuple[str, _Pool]:
    """One turn of the flywheel; returns the node that trained its policy, and the pool that the next may draw on.

    `policy` answers; `learner` is the same model as weights on this machine, and gives gradients.
    """
    recipe = plan.recipe
    add = partial(plan.add, number=number)

    def name(stage: str) -> str:
        return f"r{number}/{stage}"

    mix = tuple(synthesize.Mix(task=task.task, dial=task.dial, count=task.count) for task in recipe.tasks)
    drawn = synthesize.Parameters(mix=mix, seed=seed_of(recipe.seed, "round", number))
    made = add(name("synthesize"), synthesize.STAGE, drawn, versions=RENDERER)
    if (screened := screening.settings(recipe)) and screened.generated:
        made = screening.add(plan, (made,), screened, number)
    explored = add(name("explore"), explore.STAGE, plan.parameters(explore.STAGE), (made,), policy, versions=TOOLING)
    verified = add(name("verify"), verify.STAGE, plan.parameters(verify.STAGE), (made, explored), versions=RENDERER)
    captioned = (*pool.samples, made)
    if describe.STAGE.name in recipe.stages and pool.samples:
        captioned += (add(name("describe"), describe.STAGE, plan.parameters(describe.STAGE), pool.samples, policy),)
    proposed: tuple[str, ...] = ()
    if propose.STAGE.name in recipe.stages:
        asked = plan.parameters(propose.STAGE)
        proposed = (add(name("propose"), propose.STAGE, asked, captioned, policy, versions=GRAMMAR),)
    if retell.STAGE.name in recipe.stages:
        captioned += (add(name("retell"), retell.STAGE, plan.parameters(retell.STAGE), captioned),)
    injected = add(
        name("vicrit"), vicrit.STAGE, plan.parameters(vicrit.STAGE), (*captioned, *proposed), versions=RENDERER
    )
    if blind.STAGE.name in recipe.stages:
        read = (*captioned, *proposed, injected, pool.banks)
        injected = add(name("blind"), blind.STAGE, plan.parameters(blind.STAGE), read, versions=ENCODER)
    looking: tuple[str, ...] = ()
    if critic.STAGE.name in recipe.stages:
        shown = (*captioned, injected)
        looked = add(name("critic"), critic.STAGE, plan.parameters(critic.STAGE), shown, versions=RENDERER)
        seen = plan.parameters(verify.STAGE, origins=("critic",))
        looking = (looked, add(name("verify_critic"), verify.STAGE, seen, (injected, looked), versions=RENDERER))
    samples = (*pool.samples, made, injected)
    traces = (*pool.traces, explored, verified, *looking)
    unique = add(
        name("deduplicate"),
        deduplicate.STAGE,
        plan.parameters(deduplicate.STAGE),
        (*samples, pool.banks, pool.targets),
        policies.base(recipe.embedder) if recipe.embedder else None,
    )
    stronger = policies.base(recipe.stronger) if recipe.stronger else None
    measured = add(
        name("difficulty"),
        difficulty.STAGE,
        plan.parameters(difficulty.STAGE, stronger=stronger.identity.name if stronger else ""),
        (*samples, unique),
        policies.beside(policy, stronger) if stronger else policy,
        versions=TOOLING,
    )
    if linearise.STAGE.name in recipe.stages:
        lined = add(
            name("linearise"),
            linearise.STAGE,
            plan.parameters(linearise.STAGE),
            (*samples, measured),
            versions=TOOLING,
        )
        proof = plan.parameters(verify.STAGE, origins=("tree", "backtracking"))
        traces += (lined, add(name("verify_trees"), verify.STAGE, proof, (*samples, lined), versions=RENDERER))
    influenced = add(
        name("influence"),
        influence.STAGE,
        plan.parameters(influence.STAGE),
        (*samples, *traces, unique, pool.targets),
        learner,
    )
    known = (*samples, *traces, unique, measured, influenced)
    if necessity.STAGE.name in recipe.stages:  # it costs as many answers as difficulty, so a recipe asks for it
        needed = (*samples, *traces, unique)
        known += (
            add(name("necessity"), necessity.STAGE, plan.parameters(necessity.STAGE), needed, policy, versions=TOOLING),
        )
    chosen = add(name("curate"), curate.STAGE, plan.parameters(curate.STAGE), known)
    data = (*samples, *traces, chosen)
    trained: dict[str, WorkerSpec] = {"base": policy}
    for arm, prefix in (("curated", ""), ("random", "control_")):
        if previous and recipe.sft_from == "previous":
            first = add(name(f"{prefix}sft"), sft.STAGE, plan.parameters(sft.STAGE, arm=arm), (*data, previous))
        else:
            folder, called = policies.start_of(recipe.policy)
            taught = plan.parameters(sft.STAGE, arm=arm, base=called)
            first = add(name(f"{prefix}sft"), sft.stage(folder), taught, data)
        tuned = add(
            name(f"{prefix}grpo"),
            grpo.STAGE,
            plan.parameters(grpo.STAGE, arm=arm),
            (*data, first),
            versions=TOOLING,
        )
        for node in (first, tuned):
            trained[node.partition("/")[2]] = policies.trained(plan.lake, plan.nodes[node].key, recipe.policy)
    for arm in ARMS:
        asked = plan.parameters(evaluate.STAGE, arm=arm)
        inputs = (pool.banks,) if arm == "base" else (pool.banks, name(arm))
        add(name(f"evaluate_{arm}"), evaluate.STAGE, asked, inputs, trained[arm], versions=TOOLING)
    return name("grpo"), _Pool(pool.banks, pool.targets, samples, traces)


@dataclass(frozen=True)
class Step:
    """What a plan says of one node: `done`, or `run` and why."""

    node: Node
    state: str
    why: str


def steps(plan: Plan, before: Mapping[str, str]) -> list[Step]:
    """What will run and why. `before` gives the keys of the newest run by node name."""
    result: list[Step] = []
    again: set[str] = set()
    for node in plan.nodes.values():
        if plan.lake.find(node.key) is not None:
            result.append(Step(node, "done", ""))
            continue
        again.add(node.name)
        result.append(Step(node, "run", _why(plan, node, before.get(node.name), again)))
    return result


def _why(plan: Plan, node: Node, key: str | None, again: set[str]) -> str:
    old = plan.lake.find(key) if key else None
    if old is None:
        return "never ran" if key is None else "its manifest is gone"
    if key == node.key:
        return "never finished"
    call, reasons = node.call, []
    if old.version != call.stage.version:
        reasons.append(f"code version {old.version} → {call.stage.version}")
    reasons += differences(old.parameters, call.parameters.model_dump(mode="json"))
    if tuple(old.inputs) != call.inputs:
        changed = [upstream for upstream in node.inputs if upstream in again]
        reasons.append("input changed: " + (", ".join(changed) or "other stages"))
    if old.worker != (call.worker.identity.as_json() if call.worker else None):
        reasons.append("another model")
    if dict(old.versions) != dict(call.versions):
        reasons.append("another renderer")
    return "; ".join(reasons) or "its key changed"

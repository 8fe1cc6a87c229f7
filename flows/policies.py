"""Which model answers for a policy: the recipe's own, or one that a stage of ours trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipelines import workers
from pipelines.lake import Lake
from pipelines.stage import ImageLoader, WorkerSpec
from pipelines.workers.identity import folder_of
from pipelines.workers.pair import connect_both
from schemas.recipe import RecipeError, WorkerRecipe
from schemas.requests import TRAINED, Request, Result, Server, Worker, WorkerIdentity
from trainers.policy import POLICY


def base(recipe: WorkerRecipe) -> WorkerSpec:
    """The worker that a recipe names. Raises `RecipeError` when there can be none."""
    named = {"model": recipe.model, "api_key_env": recipe.api_key_env}
    options = {**recipe.options, **{name: value for name, value in named.items() if value is not None}}
    try:
        spec = workers.WorkerSpec(recipe.url, recipe.revision, tuple(sorted(options.items())))
        identity = workers.identity_of(spec)
    except (ValueError, FileNotFoundError) as error:
        raise RecipeError(str(error)) from error
    return WorkerSpec(identity, partial(workers.connect, spec))


def beside(policy: WorkerSpec, stronger: WorkerSpec) -> WorkerSpec:
    """The policy, with a stronger worker at hand. Raises `RecipeError` where nobody could say later who that was."""
    if not stronger.identity.pinned:
        raise RecipeError(f"stronger: {stronger.identity.model}: labels depend on it, so name its `revision`")
    return WorkerSpec(policy.identity, partial(connect_both, policy.connect, stronger.connect))


def learner(recipe: WorkerRecipe) -> WorkerSpec:
    """The policy as weights on this machine, for gradients: itself, or its `weights`. Raises `RecipeError`."""
    return base(recipe) if recipe.url == _weights(recipe) else base(WorkerRecipe(url=_weights(recipe)))


def start_of(recipe: WorkerRecipe) -> tuple[Path, str]:
    """The transformers folder that training starts from, and the name of the policy in it. Raises `RecipeError`."""
    try:
        spec = workers.WorkerSpec(_weights(recipe))
        return folder_of(spec), workers.identity_of(spec).name
    except (ValueError, FileNotFoundError) as error:
        raise RecipeError(str(error)) from error


def _weights(recipe: WorkerRecipe) -> str:
    url = recipe.weights or (recipe.url.replace("vllm:", "local:", 1) if _ours(recipe) else recipe.url)
    if not url.startswith("local:"):
        raise RecipeError(
            f"policy {recipe.url}: gradients and training need weights on this machine; name the same model as"
            " `weights: local:FOLDER`"
        )
    return url


def _ours(recipe: WorkerRecipe) -> bool:
    """Whether the policy is answered by a server that we start of weights on this machine."""
    return recipe.url.startswith("vllm:")


def trained(lake: Lake, key: str, like: WorkerRecipe | None = None) -> WorkerSpec:
    """The policy of a train stage: named by the stage's key, so that plans know it before it exists (design §3).

    It is answered in this process, or, `like` a `vllm:` policy, by that policy's server, restarted on the new weights.
    """
    scheme, options = "local", {}
    if like and _ours(like):
        scheme, options = "vllm", {"slot": like.url, **like.options}
    spec = workers.WorkerSpec(f"{scheme}:{weights_of(lake, key)}", options=tuple(sorted(options.items())))
    identity = WorkerIdentity(scheme, TRAINED, revision=key)
    return WorkerSpec(identity, partial(_open_trained, spec, identity))


def weights_of(lake: Lake, key: str) -> Path:
    """The transformers folder that a train stage leaves, at the key that serves it."""
    return lake.artifact(key) / POLICY


def _open_trained(
    spec: workers.WorkerSpec, identity: WorkerIdentity, load_image: ImageLoader, load_bytes: Callable[[str], bytes]
) -> Worker:
    return _Named(workers.connect(spec, load_image, load_bytes), identity)


@dataclass(frozen=True)
class _Named:
    """A worker under the name by which plans know it."""

    worker: Worker
    identity: WorkerIdentity

    @property
    def in_waves(self) -> bool:
        return self.worker.in_waves

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        return self.worker.answer(requests)

    def submit(self, request: Request) -> Future[Result]:
        assert isinstance(self.worker, Server)
        return self.worker.submit(request)

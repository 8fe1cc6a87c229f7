"""What a model knows besides text: log-probabilities, picture embeddings and projected gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from pipelines.workers import openclip
from pipelines.workers.encoding import Encoded, Encoder
from pipelines.workers.identity import WorkerSpec, folder_of, identity_of
from pipelines.workers.reader import Reader
from schemas.requests import Embed, Failed, Request, Result, Vector, WorkerIdentity

if TYPE_CHECKING:
    from PIL import Image

_BLOCK = 1 << 11  # coordinates of the gradient that share one block of random signs; a block stays in the cache
_HELD = 1 << 24  # numbers that the gradients of one batch may take
_SIGNS = (np.unpackbits(np.arange(256, dtype=np.uint8)).reshape(256, 8) * 2.0 - 1.0).astype(np.float32)
_PLACES = 256  # places of a prompt whose odds over the whole vocabulary are held at once

Likely: TypeAlias = tuple[int, float, list[tuple[int, float]]]
"""A token, its log-probability, and the likeliest tokens at its place with theirs."""


def _hidden(reader: Reader, rows: Sequence[Encoded]) -> torch.Tensor:
    """Last hidden states [rows, longest, width] of right-padded conversations."""
    hidden: torch.Tensor = reader.model.model(**reader.inputs(rows, left=False), use_cache=False).last_hidden_state
    return hidden


def _targets(rows: Sequence[Encoded], *, last_turn_only: bool) -> tuple[list[int], list[int], list[int]]:
    """Row, position of the predicting token, and predicted token, for every token that the assistant says."""
    row_of, place_of, token_of = [], [], []
    for row, encoded in enumerate(rows):
        start = encoded.turns[-1] if last_turn_only else 1
        for place in range(max(start, 1), len(encoded.ids)):
            if encoded.spoken[place]:
                row_of.append(row)
                place_of.append(place - 1)
                token_of.append(encoded.ids[place])
    return row_of, place_of, token_of


@torch.inference_mode()
def token_logprobs(reader: Reader, rows: Sequence[Encoded], *, last_turn_only: bool) -> list[list[float]]:
    """Natural-log probability of every token the assistant says (its end of turn too), row by row."""
    row_of, place_of, token_of = _targets(rows, last_turn_only=last_turn_only)
    hidden = _hidden(reader, rows)[row_of, place_of]
    logits = reader.model.get_output_embeddings()(hidden).float()
    chosen = torch.log_softmax(logits, dim=-1)[torch.arange(len(token_of)), token_of].tolist()
    values: list[list[float]] = [[] for _ in rows]
    for row, value in zip(row_of, chosen, strict=True):
        values[row].append(value)
    return values


def likeliest(logits: torch.Tensor, tokens: Sequence[int], alternatives: int) -> list[Likely]:
    """For `logits` [n, vocabulary] and the tokens [n] that came there: each with its natural-log probability, and the
    likeliest `alternatives` with theirs.
    """
    values = torch.log_softmax(logits.float(), dim=-1)
    chosen = values[torch.arange(len(tokens)), list(tokens)].tolist()
    top = values.topk(min(alternatives, values.shape[-1]), dim=-1)
    ranked = [list(zip(*pair, strict=True)) for pair in zip(top.indices.tolist(), top.values.tolist(), strict=True)]
    return list(zip(tokens, chosen, ranked, strict=True))


@torch.inference_mode()
def prompt_logprobs(reader: Reader, row: Encoded, alternatives: int) -> list[Likely]:
    """As `likeliest`, for every token of a conversation but the first."""
    hidden, following, found = _hidden(reader, [row])[0, :-1], row.ids[1:], list[Likely]()
    for start in range(0, len(following), _PLACES):
        logits = reader.model.get_output_embeddings()(hidden[start : start + _PLACES])
        found += likeliest(logits, following[start : start + _PLACES], alternatives)
    return found


def projected_gradients(
    reader: Reader, rows: Sequence[Encoded], *, seed: int, dimension: int
) -> list[tuple[list[float], float]]:
    """For each row, the projected gradient of its mean assistant-token loss, and that loss.

    The gradient is over the last decoder layer and the final norm. Its inner products are kept in expectation by the
    projection.
    """
    size = sum(
        parameter.numel() for _, module in _leaves(reader.model) for parameter in module.parameters(recurse=False)
    )
    at_once = max(1, _HELD // size)
    found: list[tuple[list[float], float]] = []
    for start in range(0, len(rows), at_once):
        gradients, losses = layer_gradients(reader, rows[start : start + at_once])
        projected = project(gradients, seed=seed, dimension=dimension)
        found += zip(projected.tolist(), losses.tolist(), strict=True)
    return found


def _leaves(model: Any) -> list[tuple[str, nn.Module]]:
    """The modules of the last decoder layer, and the final norm, that hold parameters themselves."""
    decoder = model.get_decoder()
    parts = {"layer": decoder.layers[-1], "norm": decoder.norm}
    return [
        (f"{top}.{name}", module)
        for top, part in parts.items()
        for name, module in part.named_modules()
        if any(True for _ in module.parameters(recurse=False))
    ]


def layer_gradients(reader: Reader, rows: Sequence[Encoded]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Per-row gradients of the last decoder layer and final norm: one tensor [rows, ...] per parameter; and losses
    [rows].

    One backward pass for the whole batch, which reaches no further than that layer: each module's input and the
    gradient of its output, both kept per row, give each row's own gradient.
    """
    model = reader.model
    leaves = _leaves(model)
    seen: dict[str, torch.Tensor] = {}
    flowing: dict[str, torch.Tensor] = {}
    hooks = []
    for name, module in leaves:

        def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any, name: str = name) -> None:
            seen[name] = inputs[0].detach()
            output.register_hook(lambda gradient: flowing.__setitem__(name, gradient))

        hooks.append(module.register_forward_hook(keep))
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.requires_grad_(False)
        for _, module in leaves:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(True)
        with torch.enable_grad():
            losses = _losses(reader, rows)
            anchors = [parameter for _, module in leaves for parameter in module.parameters(recurse=False)]
            torch.autograd.grad(losses.sum(), anchors, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, required in before:
            parameter.requires_grad_(required)
    gradients = [part for name, module in leaves for part in _per_row(module, seen[name], flowing[name])]
    return gradients, losses.detach()


def _losses(reader: Reader, rows: Sequence[Encoded]) -> torch.Tensor:
    row_of, place_of, token_of = _targets(rows, last_turn_only=False)
    hidden = _hidden(reader, rows)
    logits = reader.model.get_output_embeddings()(hidden[row_of, place_of]).float()
    owner = torch.tensor(row_of, device=hidden.device)
    losses = nn.functional.cross_entropy(logits, torch.tensor(token_of, device=hidden.device), reduction="none")
    totals = losses.new_zeros(len(rows)).index_add(0, owner, losses)
    return totals / torch.bincount(owner, minlength=len(rows))


@torch.no_grad()
def _per_row(module: nn.Module, seen: torch.Tensor, flowing: torch.Tensor) -> Iterator[torch.Tensor]:
    """Gradients [rows, ...] of a module's own parameters from its input and the gradient of its output."""
    if isinstance(module, nn.Linear):
        yield torch.einsum("bto,bti->boi", flowing, seen)
        if module.bias is not None:
            yield flowing.sum(dim=1)
        return
    parameters = {name: value.detach() for name, value in module.named_parameters(recurse=False)}

    def response(values: dict[str, torch.Tensor], row: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = torch.func.functional_call(module, values, (row,))
        return (output * gradient).sum()

    per_row = torch.func.vmap(torch.func.grad(response), in_dims=(None, 0, 0))(parameters, seen, flowing)
    yield from per_row.values()


@torch.no_grad()
def project(gradients: Sequence[torch.Tensor], *, seed: int, dimension: int) -> torch.Tensor:
    """Rows of gradients times a random matrix of signs / sqrt(dimension), [rows, dimension] in float32.

    The matrix is never held whole: it is drawn block by block from (seed, block), so memory does not grow with the
    model, and equal seeds give equal matrices everywhere. Inner products are kept in expectation, with deviation
    about |x||y|/sqrt(dimension).
    """
    if dimension % 8:
        raise ValueError(f"dimension {dimension} is no multiple of 8")
    rows = len(gradients[0])
    total = torch.zeros(rows, dimension)
    block = 0
    for gradient in gradients:
        for piece in torch.split(gradient.reshape(rows, -1).float().cpu(), _BLOCK, dim=1):
            total += piece @ _signs(seed, block, piece.shape[1], dimension)
            block += 1
    return total.div_(dimension**0.5)


def _signs(seed: int, block: int, height: int, width: int) -> torch.Tensor:
    draw = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, block], dtype=np.uint64)))
    octets = np.frombuffer(draw.bytes(height * width // 8), dtype=np.uint8)
    return torch.from_numpy(_SIGNS[octets].reshape(height, width))


def picture_vector(reader: Reader, image_id: str) -> list[float]:
    """Mean of the vision tower's outputs for a picture, scaled to length 1."""
    seen = reader.see(image_id).pooler_output
    tower = seen.flatten(0, -2) if isinstance(seen, torch.Tensor) else torch.cat(list(seen))
    vector: list[float] = nn.functional.normalize(tower.float().mean(dim=0), dim=-1).tolist()
    return vector


Embedder = Callable[[str], list[float]]


def embed_all(image_ids: Sequence[str], embed: Embedder) -> list[Result]:
    """A vector or a failure per picture, in their order; equal pictures are computed once."""
    known: dict[str, Result] = {}
    for image_id in image_ids:
        if image_id not in known:
            try:
                known[image_id] = Vector(tuple(embed(image_id)))
            except Exception as error:  # an unreadable picture costs itself only
                known[image_id] = Failed("bad_picture", f"{type(error).__name__}: {error}")
    return [known[image_id] for image_id in image_ids]


class EmbedWorker:
    """`embed:`: answers embed requests only, with a model that stays the same from round to round."""

    in_waves = True

    def __init__(self, embed: Embedder, identity: WorkerIdentity) -> None:
        self.identity = identity
        self._embed = embed

    @classmethod
    def open(cls, spec: WorkerSpec, load_image: Callable[[str], Image.Image]) -> EmbedWorker:
        """Load an open_clip model, or the vision tower of a transformers folder. Raises `ValueError` or
        `FileNotFoundError` with one clear line where there is none.
        """
        from pipelines.workers.local import device_of, load

        device = device_of(str(spec.option("device", "auto")))
        model = openclip.found(spec)
        if model is not None:
            return cls(openclip.embedder(model, spec.revision, load_image, device), identity_of(spec))
        network, processor = load(folder_of(spec), device)
        reader = Reader(network, Encoder(processor, load_image))
        return cls(lambda image_id: picture_vector(reader, image_id), identity_of(spec))

    def answer(self, requests: Sequence[Request]) -> list[Result]:
        """One vector or failure per request, in their order."""
        ids = [request.image_id for request in requests if isinstance(request, Embed)]
        vectors = iter(embed_all(ids, self._embed))
        other = Failed("unsupported", "an embed: worker answers embed requests only")
        return [next(vectors) if isinstance(request, Embed) else other for request in requests]

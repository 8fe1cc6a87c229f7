"""Gradients per sample, checked against autograd; projections, checked against exact inner products."""

from __future__ import annotations

import pytest
import torch

from pipelines.workers import features
from pipelines.workers.encoding import Encoded
from pipelines.workers.local import LocalWorker
from schemas.messages import Message, Picture
from schemas.requests import Gradients, Vector
from tests.pipelines.workers.conftest import Album, plain, says, user


@pytest.fixture
def rows(worker: LocalWorker, album: Album) -> list[Encoded]:
    first, second = album.add(plain("red")), album.add(plain("blue"))
    talks: list[tuple[Message, ...]] = [
        (user(Picture(first), "how many shapes?"), says("red circle 21")),
        (user("no picture"), says("2")),
        (
            user(Picture(second), "how many?"),
            says("look"),
            Message("tool", (Picture(first),)),
            says("blue square 03; the answer is 1"),
        ),
    ]
    return [worker.encoder.encode(talk, opened=False) for talk in talks]


def one_by_one(worker: LocalWorker, row: Encoded) -> tuple[list[torch.Tensor], float]:
    """The gradient of one row by plain autograd with the model's own loss, through nothing of ours but its labels."""
    model = worker._reader.model
    batch = worker.encoder.collate([row], left=False)
    decoder = model.get_decoder()
    loss = model(**batch, labels=torch.tensor([row.labels])).loss
    wanted = [*decoder.layers[-1].parameters(), *decoder.norm.parameters()]
    return list(torch.autograd.grad(loss, wanted)), loss.item()


def test_each_rows_gradient_is_its_own(worker: LocalWorker, rows: list[Encoded]) -> None:
    gradients, losses = features.layer_gradients(worker._reader, rows)
    ours = torch.cat([gradient.reshape(len(rows), -1) for gradient in gradients], dim=1)
    for index, row in enumerate(rows):
        expected, loss = one_by_one(worker, row)
        # Modules are visited in another order than parameters, so sorted coordinates are compared, and sizes.
        exact = torch.cat([gradient.reshape(-1) for gradient in expected])
        assert ours.shape[1] == exact.numel()
        assert torch.allclose(ours[index].sort().values, exact.sort().values, atol=1e-5)
        assert losses[index].item() == pytest.approx(loss, abs=1e-5)


def test_observations_carry_no_loss(worker: LocalWorker, album: Album) -> None:
    """Changing what a tool turn says changes the gradient only through what the assistant reads, never as a target."""
    picture = Picture(album.add(plain("red")))
    base = (user(picture, "how many?"), says("look"), Message("tool", (picture,)), says("2"))
    encoded = worker.encoder.encode(base, opened=False)
    _, _, targets = features._targets([encoded], last_turn_only=False)
    assert worker.encoder.tokenizer.decode(targets) == "look<|im_end|>2<|im_end|>"


def test_gradients_leave_the_model_as_it_was(worker: LocalWorker, rows: list[Encoded]) -> None:
    model = worker._reader.model
    before = [parameter.requires_grad for parameter in model.parameters()]
    features.layer_gradients(worker._reader, rows)
    assert [parameter.requires_grad for parameter in model.parameters()] == before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_projection_keeps_inner_products() -> None:
    """Within four standard deviations of Johnson-Lindenstrauss for every pair, and unbiased over seeds."""
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(1, 30_000, generator=generator)
    rows = torch.cat([shared + torch.randn(1, 30_000, generator=generator) * spread for spread in (0.2, 1.0, 3.0)])
    exact = rows @ rows.T
    norms = rows.norm(dim=1)
    deviation = norms.unsqueeze(0) * norms.unsqueeze(1) * (2 / 512) ** 0.5
    found = []
    for seed in range(6):
        projected = features.project([rows[:, :20_000], rows[:, 20_000:]], seed=seed, dimension=512)
        found.append(projected @ projected.T)
        assert ((found[-1] - exact).abs() < 4 * deviation).all()
    assert ((torch.stack(found).mean(0) - exact).abs() < 4 * deviation / 6**0.5).all()


def test_projection_is_linear_seeded_and_signed() -> None:
    rows = torch.randn(2, 5_000, generator=torch.Generator().manual_seed(1))
    first = features.project([rows], seed=7, dimension=64)
    assert torch.equal(first, features.project([rows], seed=7, dimension=64))
    assert not torch.allclose(first, features.project([rows], seed=8, dimension=64))
    assert torch.allclose(features.project([rows * 3], seed=7, dimension=64), first * 3, rtol=1e-4)
    unit = torch.zeros(1, 40_000)
    unit[0, 33_333] = 1
    signs = features.project([unit], seed=7, dimension=64)[0] * 64**0.5
    assert set(signs.round().int().tolist()) == {-1, 1}
    assert torch.allclose(signs.abs(), torch.ones(64))


def test_gradient_requests_compare_as_the_exact_gradients_do(worker: LocalWorker, album: Album) -> None:
    picture = Picture(album.add(plain("red")))
    answers = ("red circle 21", "red circle 12", "how many shapes are there?")
    talks = [(user(picture, "what is it?"), says(answer)) for answer in answers]
    results = worker.answer([Gradients(str(n), talk, 1024, 3) for n, talk in enumerate(talks)])
    values = torch.tensor([result.values for result in results if isinstance(result, Vector)])
    exact = []
    for talk in talks:
        gradients, _ = one_by_one(worker, worker.encoder.encode(talk, opened=False))
        exact.append(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    truth = torch.stack(exact)
    cosine = torch.nn.functional.normalize(truth) @ torch.nn.functional.normalize(truth).T
    found = torch.nn.functional.normalize(values) @ torch.nn.functional.normalize(values).T
    assert torch.allclose(found, cosine, atol=4 / 1024**0.5)
    assert cosine[0, 1] > cosine[0, 2]
    assert found[0, 1] > found[0, 2]

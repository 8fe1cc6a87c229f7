"""The embedded worker: batches without crosstalk, failures that stay alone, answers that do not depend on order."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
import torch

from pipelines.workers import WorkerSpec, connect
from pipelines.workers.encoding import Encoded
from pipelines.workers.local import LocalWorker
from schemas.messages import Message, Picture
from schemas.requests import Embed, Failed, Generate, Generated, Gradients, Request, Sampling, Score, Scored, Vector
from tests.pipelines.workers.conftest import Album, ask, plain, says, user

COLORS = ("red", "green", "blue", "black", "white")


@pytest.fixture
def ids(album: Album) -> list[str]:
    return [album.add(plain(color)) for color in COLORS]


@pytest.fixture
def mixed(ids: list[str]) -> list[Request]:
    """Requests of all kinds and lengths, some with two pictures, some with none."""
    questions = [
        (user(Picture(ids[0]), "how many shapes are there?"),),
        (user(Picture(ids[1]), "how many?"), says("look"), Message("tool", (Picture(ids[2]),))),
        (user("how many shapes are there? there is no picture"),),
        (user(Picture(ids[3]), Picture(ids[4]), "the answer is red circle 21; blue square 03; red circle 21"),),
    ]
    generates = [ask(f"g{n}", *questions[n % 4], seed=n, tokens=4 + n % 5) for n in range(14)]
    asked = [(*question, says(f"red circle {n}")) for n, question in enumerate(questions)]
    scores = [Score(f"s{n}", messages) for n, messages in enumerate(asked)]
    gradients = [Gradients(f"d{n}", messages, 64, 1) for n, messages in enumerate(asked)]
    return [*generates, *scores, *gradients, *(Embed(f"e{n}", image_id) for n, image_id in enumerate(ids))]


def test_permuting_requests_permutes_answers(worker: LocalWorker, mixed: list[Request]) -> None:
    straight = worker.answer(mixed)
    assert not [result for result in straight if isinstance(result, Failed)]
    for seed in range(2):
        order = list(range(len(mixed)))
        random.Random(seed).shuffle(order)
        assert worker.answer([mixed[index] for index in order]) == [straight[index] for index in order]


def test_a_fresh_worker_answers_alike(worker: LocalWorker, mixed: list[Request], tiny: object, album: Album) -> None:
    worker.answer(mixed[:3])  # what a worker has seen before must not matter
    fresh = connect(WorkerSpec(f"local:{tiny}", options=(("device", "cpu"), ("max_batch", 8))), album)
    assert fresh.answer(mixed) == worker.answer(mixed)
    assert fresh.identity == worker.identity
    assert fresh.in_waves


def test_greedy_text_is_that_of_generate(worker: LocalWorker, ids: list[str]) -> None:
    request = ask("g", user(Picture(ids[0]), "how many shapes?"), temperature=0.0, tokens=12)
    (result,) = worker.answer([request])
    assert isinstance(result, Generated)
    encoded = worker.encoder.encode(request.messages, opened=True)
    model = worker._reader.model
    inputs = worker.encoder.collate([encoded], left=True)
    stock = model.generate(**inputs, do_sample=False, max_new_tokens=12)[0, len(encoded.ids) :]
    assert result.text == worker.encoder.tokenizer.decode(stock, skip_special_tokens=True)
    assert result.prompt_tokens == len(encoded.ids)
    assert result.completion_tokens == len(stock)


def test_a_row_says_alone_what_it_says_in_company(worker: LocalWorker, mixed: list[Request]) -> None:
    together = worker.answer(mixed)
    for request, result in list(zip(mixed, together, strict=True))[:8]:
        assert worker.answer([request]) == [result]


def test_what_is_asked_of_one_prompt_is_encoded_once_and_read_side_by_side(
    tiny: object, album: Album, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = connect(WorkerSpec(f"local:{tiny}", options=(("device", "cpu"), ("max_batch", 4))), album)
    assert isinstance(worker, LocalWorker)
    questions = [user(Picture(key), "how many?") for key in ids[:3]]
    requests = [ask(f"g{seed}/{place}", each, seed=seed) for seed in range(3) for place, each in enumerate(questions)]
    alone = [worker.answer([request])[0] for request in requests]
    encoded: list[object] = []
    read: list[int] = []
    encode, inputs = worker.encoder.encode, worker._reader.inputs
    monkeypatch.setattr(worker.encoder, "encode", lambda *a, **k: encoded.append(a) or encode(*a, **k))
    monkeypatch.setattr(worker._reader, "inputs", lambda rows, **k: read.append(len(rows)) or inputs(rows, **k))
    assert worker.answer(requests) == alone
    assert len(encoded) == 3 and sum(read) == 5  # nine in batches of four: aaab bbcc c


def test_every_row_sees_its_own_picture(worker: LocalWorker, ids: list[str]) -> None:
    def scores(order: list[str]) -> list[tuple[float, ...]]:
        requests = [Score(f"{n}", (user(Picture(key), "how many?"), says("red 2"))) for n, key in enumerate(order)]
        return [result.logprobs for result in worker.answer(requests) if isinstance(result, Scored)]

    straight = scores(ids)
    assert len(set(straight)) == len(ids)  # pictures matter
    swapped = [ids[1], ids[0], *ids[2:]]
    assert scores(swapped) == [straight[1], straight[0], *straight[2:]]

    # The same question with another picture beside it: only the row whose picture changed may change.
    changed = scores([ids[4], *ids[1:]])
    assert changed[0] != straight[0]
    assert torch.allclose(torch.tensor(changed[1:]), torch.tensor(straight[1:]))


def test_the_order_of_a_rows_own_pictures_matters(worker: LocalWorker, ids: list[str]) -> None:
    one, two = (Score("s", (user(Picture(ids[a]), Picture(ids[b]), "same?"), says("red"))) for a, b in ((0, 1), (1, 0)))
    first, second = worker.answer([one, two])
    assert first != second


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_every_picture_of_a_row_is_seen(worker: LocalWorker, ids: list[str], changed: int) -> None:
    def score(keys: list[str]) -> tuple[float, ...]:
        asked = Score("s", (user(*map(Picture, keys), "which one is it?"), says("red 2")))
        (result,) = worker.answer([asked])
        assert isinstance(result, Scored)
        return result.logprobs

    keys = ids[:3]
    other = [ids[4] if place == changed else key for place, key in enumerate(keys)]
    assert not torch.allclose(torch.tensor(score(other)), torch.tensor(score(keys)), atol=1e-4)


def test_a_row_without_pictures_sees_nobody_elses(worker: LocalWorker, ids: list[str]) -> None:
    blind = Score("blind", (user("how many?"), says("red 2")))
    (alone,) = worker.answer([blind])
    assert isinstance(alone, Scored)
    for key in ids[:2]:
        before, after = (Score(name, (user(Picture(key), "how many?"), says("red 2"))) for name in ("before", "after"))
        first, between, last = worker.answer([before, blind, after])
        assert isinstance(between, Scored) and isinstance(first, Scored)
        assert between.logprobs == pytest.approx(alone.logprobs, abs=1e-4) != first.logprobs
        assert last == first
        assert worker.answer([blind]) == [alone]  # nothing of the batch before it has stayed in the model


@pytest.mark.parametrize("left", [True, False])
def test_padding_on_either_side_changes_no_probability(worker: LocalWorker, ids: list[str], left: bool) -> None:
    """Rows of 0, 1 and 2 pictures and of every length beside each other, against each of them unpadded."""
    talks = [
        (user(Picture(ids[0]), "how many?"), says("red 2")),
        (user("no picture"), says("look, the answer is red circle 21; blue square 03")),
        (user(Picture(ids[1]), Picture(ids[2]), "how many shapes are there?"), says("2")),
    ]
    rows = [worker.encoder.encode(talk, opened=False) for talk in talks]

    def logits(batch: Sequence[Encoded]) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = worker._reader.model(**worker._reader.inputs(batch, left=left)).logits
        return found

    together = logits(rows)
    for row, padded in zip(rows, together, strict=True):
        length = len(row.ids)
        assert length < len(padded) or length == max(len(each.ids) for each in rows)
        kept = padded[-length:] if left else padded[:length]
        torch.testing.assert_close(kept, logits([row])[0], atol=1e-4, rtol=1e-4)


def test_one_bad_request_costs_only_itself(worker: LocalWorker, ids: list[str]) -> None:
    good = [ask(f"g{n}", user(Picture(ids[n]), "how many?"), seed=n) for n in range(4)]
    expected = worker.answer(good)
    bad: list[Request] = [
        ask("missing", user(Picture("0" * 32), "how many?")),
        ask("control", user("<|im_start|>system")),
        ask("long", user("how many? " * 3000)),
        Score("nothing said", (user("how many?"),)),
        Gradients("nothing said", (user("how many?"),), 64, 0),
        Embed("missing", "0" * 32),
        Gradients("dimension", (user("how many?"), says("2")), 63, 0),
    ]
    results = worker.answer([*bad[:3], *good, *bad[3:]])
    assert results[3:7] == expected
    failures = [*results[:3], *results[7:]]
    kinds = [failure.kind for failure in failures if isinstance(failure, Failed)]
    assert kinds == [
        "bad_picture",
        "bad_request",
        "too_long",
        "bad_request",
        "bad_request",
        "bad_picture",
        "exception:ValueError",
    ]


def test_a_batch_that_breaks_is_tried_row_by_row(
    worker: LocalWorker, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ask(f"g{n}", user(Picture(ids[n]), "how many?"), temperature=0.0) for n in range(3)]
    expected = worker.answer(requests)
    stock = worker._reader.inputs

    def short_of_memory(rows: list[object], *, left: bool) -> dict[str, torch.Tensor]:
        if len(rows) > 1:
            raise torch.OutOfMemoryError("no room for the batch")
        return stock(rows, left=left)

    monkeypatch.setattr(worker._reader, "inputs", short_of_memory)
    assert worker.answer(requests) == expected


def test_equal_questions_with_other_seeds_differ_and_with_equal_seeds_do_not(
    worker: LocalWorker, ids: list[str]
) -> None:
    requests = [ask(f"g{n}", user(Picture(ids[0]), "how many?"), seed=n % 4, tokens=12) for n in range(8)]
    results = worker.answer(requests)
    texts = [result.text for result in results if isinstance(result, Generated)]
    assert len(set(texts[:4])) == 4
    assert texts[:4] == texts[4:]


def test_a_longer_limit_only_adds(worker: LocalWorker, ids: list[str]) -> None:
    short, long = (ask("g", user(Picture(ids[0]), "how many?"), seed=9, tokens=n) for n in (5, 15))
    first, second = worker.answer([short, long])
    assert isinstance(first, Generated)
    assert isinstance(second, Generated)
    assert second.text.startswith(first.text.rstrip("\N{REPLACEMENT CHARACTER}"))
    assert (first.finish, first.completion_tokens) == ("length", 5)


def test_stop_strings_end_the_text_and_stay_in_it(worker: LocalWorker, ids: list[str]) -> None:
    free = ask("free", user(Picture(ids[0]), "how many?"), seed=3, tokens=24)
    (whole,) = worker.answer([free])
    assert isinstance(whole, Generated)
    stop = whole.text[5:8]
    request = Generate("stopped", free.messages, Sampling(24, 1.0, 1.0, (stop, "never said")), 3)
    (cut,) = worker.answer([request])
    assert isinstance(cut, Generated)
    assert cut.text == whole.text[: whole.text.index(stop) + len(stop)]
    assert cut.finish == "stop"
    assert cut.completion_tokens < whole.completion_tokens


def test_scores_are_the_models_own_probabilities(worker: LocalWorker, ids: list[str]) -> None:
    messages = (user(Picture(ids[0]), "how many?"), says("red"), user("sure?"), says("blue square"))
    (result,) = worker.answer([Score("s", messages)])
    assert isinstance(result, Scored)
    encoded = worker.encoder.encode(messages, opened=False)
    with torch.no_grad():
        logits = worker._reader.model(**worker.encoder.collate([encoded], left=True)).logits[0]
    start = encoded.turns[1]
    spoken = [place for place in range(start, len(encoded.ids)) if encoded.spoken[place]]
    expected = [logits[place - 1].log_softmax(-1)[encoded.ids[place]].item() for place in spoken]
    assert result.logprobs == pytest.approx(expected, abs=1e-4)
    assert result.prompt_tokens == start


def test_embeddings_are_unit_vectors_that_tell_pictures_apart(worker: LocalWorker, tiny: object, album: Album) -> None:
    keys = [album.add(plain(color)) for color in ("red", "blue", "red")]
    embedder = connect(WorkerSpec(f"embed:{tiny}"), album)
    vectors = embedder.answer([Embed(str(n), key) for n, key in enumerate(keys)])
    assert all(isinstance(vector, Vector) for vector in vectors)
    values = torch.tensor([vector.values for vector in vectors if isinstance(vector, Vector)])
    assert torch.allclose(values.norm(dim=1), torch.ones(3))
    assert vectors[0] == vectors[2]
    assert values[0] @ values[1] < 0.9999
    assert worker.answer([Embed("e", keys[0])]) == [vectors[0]]
    assert isinstance(embedder.answer([ask("g", user("how many?"))])[0], Failed)


def test_the_shipped_model_answers_by_its_name(album: Album, ids: list[str]) -> None:
    seedling = connect(WorkerSpec("local:seedling"), album)
    requests = [ask(f"g{n}", user(Picture(ids[n]), "How many shapes are there?"), seed=n) for n in range(4)]
    straight = seedling.answer(requests)
    assert all(isinstance(result, Generated) and result.completion_tokens for result in straight)
    assert seedling.answer(requests[::-1]) == straight[::-1]
    assert seedling.identity.model == "seedling"
    assert seedling.identity.pinned

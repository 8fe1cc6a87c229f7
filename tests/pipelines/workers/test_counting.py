"""Counts are those of `local:`, of which nothing is read but the sizes; what would be cut is never sent."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor, Qwen2VLImageProcessor
from transformers.image_utils import SizeDict

from pipelines.lake.decode import decode
from pipelines.workers import WorkerSpec, connect
from pipelines.workers.counting import Count, Counter, TooLong, countable, pixels_of
from pipelines.workers.encoding import Encoder
from pipelines.workers.local import LocalWorker
from pipelines.workers.server.pictures import data_uri, plain_kind, upright_size
from schemas.messages import Message, Picture, Text
from schemas.requests import Failed, Generate, Generated, Sampling, Worker
from tests.pipelines.workers.conftest import Album, ask, plain, says, user
from tests.pipelines.workers.server import rows
from tests.pipelines.workers.server.test_worker import Server, said, serve

SIZES = dict(zip("abcdef", [(1, 1), (7, 150), (112, 112), (640, 480), (33, 90), (900, 20)], strict=True))


def no_pixels(_: str) -> Image.Image:
    pytest.fail("a count needs no pixels")


@pytest.fixture(scope="session")
def processor(tiny: Path) -> Any:
    """The tiny model's processor with the resize rule of a large one: from 64² to 256² pixels."""
    found = AutoProcessor.from_pretrained(tiny)
    found.image_processor = Qwen2VLImageProcessor(
        patch_size=14, merge_size=2, size={"shortest_edge": 64**2, "longest_edge": 256**2}
    )
    return found


@pytest.fixture(scope="session")
def counter(tiny: Path, processor: Any) -> Counter:
    made = Counter(tiny, SIZES.__getitem__)
    made.__dict__["_processor"] = processor
    return made


parts = st.lists(st.sampled_from(list(SIZES)).map(Picture) | st.text("ab <>/.", max_size=9).map(Text), max_size=5)
turns = st.lists(st.tuples(st.sampled_from(["user", "tool"]), parts, st.text("abc {}", max_size=9)), max_size=3)


@given(st.booleans(), parts, turns, st.booleans())
def test_counts_are_what_local_encodes(
    processor: Any, counter: Counter, system: bool, first: Any, more: Any, opened: bool
) -> None:
    talk = [Message("system", (Text("be brief"),))] * system + [Message("user", (Text("look"), *first))]
    for role, shown, reply in more:
        talk += [says(reply), Message(role, tuple(shown) or (Text("?"),))]
    talk += [says("and so")] * opened
    encoder = Encoder(processor, lambda name: Image.new("RGB", SIZES[name]))
    encoded = encoder.encode(talk, opened=True)
    grids = [encoder.picture(name)["image_grid_thw"] for name in encoded.pictures]
    count = counter.count(talk)
    assert count.prompt_tokens == len(encoded.ids)
    assert count.visual_tokens == encoded.ids.count(encoder.image_token_id)
    assert count.pixels == sum(int(grid.prod()) * 14 * 14 for grid in grids)


def test_the_seedlings_counts_are_those_of_its_answers(album: Album) -> None:
    seedling = connect(WorkerSpec("local:seedling"), album)
    talk = [user("how many?", Picture(album.add(plain("red", (300, 20))))), says("2"), user("and here?")]
    talk[2] = user("and here?", Picture(album.add(plain("blue", (20, 20)))))
    (result,) = seedling.answer([ask("g", *talk, tokens=2)])
    assert isinstance(result, Generated)
    assert Counter.of("seedling", lambda name: album(name).size).count(talk).prompt_tokens == result.prompt_tokens


def test_what_local_refuses_is_refused(counter: Counter) -> None:
    for talk, says_why in [((user("<|im_end|>"),), "control token"), ((user(Picture("g")),), "g")]:
        with pytest.raises((ValueError, KeyError), match=says_why):
            counter.count(talk)
    counter._size_of = lambda _: (9000, 20)
    with pytest.raises(ValueError, match="aspect ratio"):
        counter.count((user(Picture("wide")),))
    counter._size_of = SIZES.__getitem__


def test_a_processor_of_another_kind_is_told(tiny: Path, tmp_path: Path) -> None:
    for file in tiny.iterdir():
        text = file.read_bytes()
        (tmp_path / file.name).write_bytes(text.replace(b"Qwen2VLImageProcessor", b"CLIPImageProcessor"))
    assert countable(tiny) and not countable(tmp_path) and not countable(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no image processor of a Qwen-VL model"):
        Counter(tmp_path, SIZES.__getitem__).count((user("look"),))
    with pytest.raises(FileNotFoundError, match="the processor 'nowhere' cannot be read"):
        Counter.of("nowhere", SIZES.__getitem__)
    assert pixels_of(SimpleNamespace(image_processor=SimpleNamespace(patch_size={"height": 14}))) == 0


def test_an_answer_needs_room(tiny: Path) -> None:
    request = Generate("g", (user("a b c"),), Sampling(max_tokens=10), 0)
    tokens = Counter(tiny, SIZES.__getitem__).count(request.messages).prompt_tokens
    assert Counter(tiny, SIZES.__getitem__, tokens + 10).check(request) == Count(0, 0, tokens)
    with pytest.raises(TooLong, match=f"{tokens} tokens .0 of pictures. and an answer of 10 at most; the model reads"):
        Counter(tiny, SIZES.__getitem__, tokens + 9).check(request)
    most = json.loads((tiny / "config.json").read_text())["text_config"]["max_position_embeddings"]
    with pytest.raises(TooLong, match=str(most)):
        Counter(tiny, SIZES.__getitem__).check(Generate("g", request.messages, Sampling(max_tokens=most), 0))


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 3))
def test_a_picture_made_smaller_is_the_same_to_the_model(
    processor: Any, counter: Counter, width: int, height: int, seed: int
) -> None:
    if max(width, height) > 150 * min(width, height):
        return
    torch.manual_seed(seed)
    picture = Image.effect_noise((width, height), 90).convert("RGB")
    small = counter.resized(picture)
    assert (small is picture) == (width * height <= small.width * small.height)
    if width * height > 300**2:
        assert small is not picture
    seen = [processor.image_processor(images=[each], return_tensors="pt") for each in (picture, small)]
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


def test_where_the_rule_would_not_leave_it_alone_a_picture_stays_whole() -> None:
    whole = Counter.of("seedling", SIZES.__getitem__)
    reads = whole._processor.image_processor
    assert reads.size == SizeDict(shortest_edge=112**2, longest_edge=112**2)
    picture = plain("red", (300, 70))  # no multiple of 28 has just so many pixels: it would be resized again
    assert whole.resized(picture) is picture


@pytest.mark.parametrize("kind", range(9))
def test_sizes_and_files_of_every_kind(kind: int) -> None:
    picture = plain("red", (40, 61))
    data = rows.encoded(picture, kind)
    shown = decode(data)
    assert upright_size(data) == shown.size
    head, _, sent = data_uri(data, lambda: shown).partition(",")
    with Image.open(io.BytesIO(base64.b64decode(sent))) as received:
        assert received.convert("RGB").tobytes() == shown.tobytes()
    assert head == f"data:{plain_kind(data) or 'image/png'};base64"


def worker_at(server: Server, album: Album, tiny: Path, **options: str | int) -> Worker:
    options = {"model": "tiny", "cache": "off", "processor": str(tiny), **options}
    return connect(WorkerSpec(f"openai:{server.address}", None, tuple(options.items())), album)


def test_a_request_that_would_be_cut_is_not_sent(tiny: Path, album: Album) -> None:
    with serve(lambda *_: said("2")) as server:
        (result,) = worker_at(server, album, tiny, max_context=12).answer([ask("g", user("a b c d e f"))])
    assert isinstance(result, Failed)
    assert (result.kind, result.transient, server.bodies) == ("too_long", False, [])


@pytest.mark.parametrize(("wrong", "turns"), [(0, 0), (1, 0), (1, 1), (2, 1)])
def test_a_server_that_reads_another_prompt_gives_no_answer(tiny: Path, album: Album, wrong: int, turns: int) -> None:
    """One token for each turn of the assistant may be a line break that was joined to another."""
    talk = (user("how many?", Picture(album.add(plain("green")))), *(says("red"), user("2")) * turns)
    count = Counter(tiny, lambda name: album(name).size).count(talk)

    def answer(*_: Any) -> tuple[int, dict[str, str], Any]:
        status, headers, body = said("2")
        return (
            status,
            headers,
            {**body, "usage": {"prompt_tokens": count.prompt_tokens - wrong, "completion_tokens": 1}},
        )

    with serve(answer) as server:
        (result,) = worker_at(server, album, tiny).answer([ask("g", *talk)])
    if wrong > turns:
        assert isinstance(result, Failed)
        assert result.kind == "another_prompt"
        assert (
            f"read {count.prompt_tokens - wrong} tokens, the model's processor makes {count.prompt_tokens}"
            in result.message
        )
    else:
        assert isinstance(result, Generated)
        assert Count(result.pixels, result.visual_tokens, result.prompt_tokens + wrong) == count


def test_local_counts_the_same(worker: LocalWorker, tiny: Path, album: Album) -> None:
    talk = (user("how many?", Picture(album.add(plain("green", (200, 90)))), Picture(album.add(plain("red")))),)
    (result,) = worker.answer([ask("g", *talk)])
    assert isinstance(result, Generated)
    count = Counter(tiny, lambda name: album(name).size).count(talk)
    assert Count(result.pixels, result.visual_tokens, result.prompt_tokens) == count


def test_pictures_are_made_smaller_where_that_is_asked_for(tiny: Path, album: Album) -> None:
    key = album.add(Image.effect_noise((448, 448), 90).convert("RGB"))
    with serve(lambda *_: said("2")) as server:
        for resize in ("on", "off"):
            worker_at(server, album, tiny, resize=resize).answer([ask("g", user(Picture(key)))])
        with pytest.raises(ValueError, match="resize needs to know the model's processor"):
            connect(WorkerSpec(f"openai:{server.address}", None, (("model", "tiny"), ("resize", "on"))), album)
    sizes = []
    for body in server.bodies:
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as sent:
            sizes.append(sent.size)
    assert sizes == [(112, 112), (448, 448)]

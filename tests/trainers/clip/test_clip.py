"""The embedder's laws. How well it does is in its table; here only that it is far from chance, and better than the
seedling does.
"""

from __future__ import annotations

import random
from itertools import chain

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.intervals import wilson
from pipelines.tasks import FAMILIES
from trainers.clip import WEIGHTS, corpus, evaluate, model, near, train


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_open_clip_loads_it_unchanged_and_it_is_small():
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{WEIGHTS}")
    assert type(network) is open_clip.model.CLIP
    assert sum(file.stat().st_size for file in WEIGHTS.glob("*.safetensors")) <= 4_000_000
    assert {file.suffix for file in WEIGHTS.iterdir()} <= {".json", ".safetensors"}
    for size in ((96, 96), (448, 280), (31, 200)):  # what it was trained on is what open_clip's own transform makes
        picture = noise(*size)
        ours = corpus.normal(torch.from_numpy(corpus.small(picture))[None])[0]
        assert torch.allclose(ours, open_clip_eval(WEIGHTS)(picture), atol=1e-5)


def open_clip_eval(folder):
    return open_clip.create_model_from_pretrained(f"local-dir:{folder}")[1]


def test_texts_end_where_the_text_tower_is_read():
    tokenizer = open_clip.get_tokenizer(f"local-dir:{WEIGHTS}")
    tokens = tokenizer(["a short one", "Ünïcode ☃ too", "very " * 500])
    assert tokens.shape == (3, model.CONTEXT)
    assert (tokens == model.ARCHITECTURE["text_cfg"]["eos_id"]).sum(dim=1).tolist() == [1, 1, 1]
    assert tokens.max() < model.VOCABULARY


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_says_something_of_its_pictures(name):
    pairs = [corpus.pair(name, dial, seed) for dial in range(len(FAMILIES[name].DIALS)) for seed in range(2)]
    assert all(pair.pixels.shape == (model.SIZE, model.SIZE, 3) and all(pair.sentences) for pair in pairs)
    assert len({pair.text for pair in pairs}) == len(pairs)
    assert sorted(corpus.shuffled(pairs[0].sentences, random.Random(0)).split()) == sorted(pairs[0].text.split())


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_every_pair_comes_once_before_any_comes_again(pairs, batch, steps):
    recipe = train.Recipe(pairs=pairs, batch=batch, steps=steps)
    shown = list(chain.from_iterable(train.batch_of(recipe, step) for step in range(steps)))
    assert len(shown) == steps * batch
    for start in range(0, len(shown) - pairs + 1, pairs):
        assert sorted(shown[start : start + pairs]) == list(range(pairs))


def test_views_are_near_and_one_in_four_is_the_picture_itself():
    pictures = corpus.normal(torch.from_numpy(np.stack([corpus.pair("mazes", 1, seed).pixels for seed in range(64)])))
    views = corpus.seen_again(pictures, torch.Generator().manual_seed(0))
    same = [torch.allclose(view, picture, atol=1e-4) for view, picture in zip(views, pictures, strict=True)]
    assert 6 <= sum(same) <= 28
    assert torch.equal(views, corpus.seen_again(pictures, torch.Generator().manual_seed(0)))


def test_a_view_moves_what_it_shows_by_a_twentieth_at_most():
    pictures = torch.full((200, 3, model.SIZE, model.SIZE), -1.0)
    pictures[:, :, 40:56, 40:56] = 1
    views = corpus.seen_again(pictures, torch.Generator().manual_seed(1))
    lit = (views.mean(dim=1) > 0).float()
    for axis in (1, 2):
        places = torch.arange(model.SIZE).float() + 0.5
        middle = (lit.sum(dim=axis) * places).sum(dim=1) / lit.sum(dim=(1, 2))
        assert (middle - model.SIZE / 2).abs().max() <= model.SIZE * 0.05 * 1.1 + 1


def test_equal_seeds_grow_equal_weights(tmp_path):
    recipe = train.Recipe(pairs=28, steps=2, batch=8, warmup=1)
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        train.train(train.replace(recipe, seed=seed), tmp_path / name)
    first, again, other = (
        (tmp_path / name / "open_clip_model.safetensors").read_bytes() for name in ("first", "again", "other")
    )
    assert first == again != other
    assert open_clip_eval(tmp_path / "first") is not None


def test_it_finds_texts_and_pictures_far_above_chance():
    rows = evaluate.table(WEIGHTS, 20)
    for way in ("text_found", "picture_found"):
        low, _ = wilson(sum(row[way] for row in rows), sum(row["n"] for row in rows))
        assert low > 2 / 20


def test_it_tells_copies_from_kin_better_than_the_tower_of_the_seedling():
    names, shown = near.pictures(42)
    clip, seedling = (near.measure(url, names, shown)["copies"] for url in ("embed:clip", "embed:seedling"))
    for copy in ("border of 2 % cut off", "moved by 2 pixels", "framed"):
        assert clip[copy]["told_apart"] > seedling[copy]["told_apart"]


def test_the_measure_knows_a_perfect_embedder_from_a_blind_one(monkeypatch):
    names, shown = near.pictures(28)
    place = {picture.tobytes(): index for index, picture in enumerate(shown)}
    monkeypatch.setattr(near, "COPIES", {"itself": lambda picture: picture})
    unit = np.eye(28, dtype=np.float32)
    monkeypatch.setattr(near, "embedded", lambda url, some: np.stack([unit[place[each.tobytes()]] for each in some]))
    perfect = near.measure("perfect", names, shown)
    assert perfect["highest"] == 0 and perfect["copies"]["itself"]["clear"] == 28
    assert perfect["copies"]["itself"]["found_hashed"][0.9999] == 28
    monkeypatch.setattr(near, "embedded", lambda url, some: np.stack([unit[0] for _ in some]))
    blind = near.measure("blind", names, shown)
    assert blind["above"][0.9999] == blind["pairs"] == 28 * 27 // 2
    assert blind["copies"]["itself"]["clear"] == 0

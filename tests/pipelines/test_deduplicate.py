"""Deduplicate: what counts as the same, what stays, and that no bank is met."""

import io
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from PIL import Image

from pipelines.deduplicate import STAGE, Candidate, Parameters, decide, normal
from pipelines.lake import Lake
from pipelines.near import Groups, near_pairs, perceptual_hash
from pipelines.tools import picture_id
from schemas.requests import Failed, Vector
from tests.pipelines.jobs import colour_vector, given, picture, reasons, rows, run, sample


def compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return Image.open(buffer).convert("RGB")


A, B, COPY = picture(1), picture(2), compressed(picture(1))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def done_with(
    lake: Lake, samples: list, marks: list = (), images: tuple = (A, B, COPY), script: Any = None, **parameters
):
    upstream = given(lake, *images, samples=list(samples), fingerprints=list(marks))
    return run(lake, STAGE, Parameters(**parameters), upstream, script=script or colour_vector(lake.image))


def mark(image: Image.Image, bank: str = "bank", state: str | None = None) -> dict:
    name = picture_id(image)
    return {"bank": bank, "sample_id": "x", "image_id": name, "phash": perceptual_hash(image), "state_id": state}


def test_three_samples(lake):
    first, copy, other = sample(A, "What colour?"), sample(COPY, "What  COLOUR"), sample(B, "What colour?")
    done = done_with(lake, [first, copy, other])
    keeper, dropped = sorted([first["sample_id"], copy["sample_id"]])
    assert reasons(lake, done) == {dropped: "duplicate"}
    clusters = {row["sample_id"]: row for row in rows(lake, done, "clusters")}
    assert set(clusters) == {keeper, other["sample_id"]}
    assert clusters[keeper]["image_cluster"] == min(picture_id(A), picture_id(COPY))
    assert clusters[keeper]["cluster_id"] != clusters[other["sample_id"]]["cluster_id"]
    embeddings = rows(lake, done, "embeddings")
    assert {row["image_id"] for row in embeddings} == {picture_id(image) for image in (A, B, COPY)}
    assert all(np.linalg.norm(row["vector"]) == pytest.approx(1, abs=1e-5) for row in embeddings)
    assert {row["phash"] for row in embeddings} == {perceptual_hash(image) for image in (A, B, COPY)}


def test_without_an_embedder_the_hashes_of_table_images_decide(lake, monkeypatch):
    tinted = Image.merge("RGB", A.split()[::-1])  # nearly the same grey picture, other colours
    first, copy, other, held = sample(A), sample(COPY), sample(B), sample(picture(3))
    upstream = given(lake, A, B, COPY, picture(3), tinted, samples=[first, copy, other, held], fingerprints=[])
    hashes = {row["image_id"]: row["phash"] for row in lake.read(upstream, "images").to_pylist()}
    assert hashes == {picture_id(image): perceptual_hash(image) for image in (A, B, COPY, picture(3), tinted)}
    banks = given(lake, fingerprints=[mark(picture(3), "looks") | {"image_id": "elsewhere"}])
    monkeypatch.setattr("pipelines.stage.Context.image", None)  # no picture is opened
    done = run(lake, STAGE, Parameters(), upstream, banks)
    assert reasons(lake, done) == {
        max(first["sample_id"], copy["sample_id"]): "duplicate",
        held["sample_id"]: "in_bank:looks",
    }
    assert {row["embedder"] for row in rows(lake, done, "clusters")} == {"phash"}
    assert not rows(lake, done, "embeddings")


def test_a_lake_of_an_older_version_has_no_hashes_and_its_pictures_are_opened(lake):
    stored = given(lake, A, B, COPY)
    assert lake.read(stored, "images").num_rows == 3
    upstream = given(lake, samples=[sample(A), sample(COPY), sample(B)])  # `images` is not among the inputs
    assert run(lake, STAGE, Parameters(), upstream).counts.kept == 2


def test_another_question_or_answer_about_one_picture_stays(lake):
    asked = [sample(A, "What colour?"), sample(A, "How large?"), sample(COPY, "What colour?", "blue")]
    done = done_with(lake, asked)
    assert done.counts.kept == 3
    (group,) = {(row["cluster_id"], row["size"]) for row in rows(lake, done, "clusters")}  # one split for all of them
    assert group[1] == 3


def test_a_bank_is_met_by_picture_by_near_picture_and_by_state(lake):
    images = (A, B, COPY, picture(3), picture(4))
    same, near = sample(B), sample(COPY)
    state, free = sample(picture(3), state_id="s1"), sample(picture(4), state_id="s2")
    marks = [mark(B, "pixels"), mark(A, "looks"), mark(picture(5), "states", "s1")]
    done = done_with(lake, [same, near, state, free], marks, (*images, picture(5)))
    assert reasons(lake, done) == {
        same["sample_id"]: "in_bank:pixels",
        near["sample_id"]: "in_bank:looks",
        state["sample_id"]: "in_bank:states",
    }


def test_hash_and_embedding_must_both_be_near(lake):
    tinted = Image.merge("RGB", A.split()[::-1])  # nearly the same grey picture, other colours
    pair = [sample(A), sample(tinted)]
    images = (A, tinted)
    assert done_with(lake, pair, images=images, phash_distance=32, cosine=0.99).counts.kept == 2
    assert done_with(lake, pair, images=images, phash_distance=32, cosine=-1).counts.kept == 1


def test_a_copy_with_another_hash_is_found_by_its_embedding(lake):
    def script(request):  # sees the colours of a picture, and not where they are
        return Vector(tuple(np.asarray(lake.image(request.image_id)).mean(axis=(0, 1)).tolist()))

    turned = A.rotate(90)
    pair, images = [sample(A), sample(turned)], (A, turned)
    assert done_with(lake, pair, images=images, script=script).counts.kept == 1
    assert done_with(lake, pair, images=images, script=script, cosine_alone=1.1).counts.kept == 2
    asked = [pair[0], sample(turned, "How large?")]
    assert done_with(lake, asked, images=images, script=script).counts.kept == 2
    met = done_with(lake, pair[1:], [mark(A)], images, script)
    assert list(reasons(lake, met).values()) == ["in_bank:bank"]


def test_pairs_stand_or_fall_together(lake):
    one, two = sample(A, pair_id="p"), sample(B, "What shape?", pair_id="p")
    held = done_with(lake, [one, two], [mark(A)])
    assert reasons(lake, held) == {one["sample_id"]: "in_bank:bank", two["sample_id"]: "pair"}
    free = done_with(lake, [one, two])
    assert len({row["cluster_id"] for row in rows(lake, free, "clusters")}) == 1


def test_a_picture_without_embedding_fails_its_own_samples(lake):
    good, bad = sample(A), sample(B)
    embed = colour_vector(lake.image)

    def script(request):
        return Failed("bad_picture", "cannot be read") if request.image_id == picture_id(B) else embed(request)

    done = run(lake, STAGE, Parameters(), given(lake, A, B, samples=[good, bad]), script=script)
    assert reasons(lake, done) == {bad["sample_id"]: "bad_picture"} and done.counts.kept == 1
    with pytest.raises(RuntimeError, match="bank picture .* has no embedding"):
        run(lake, STAGE, Parameters(), given(lake, A, B, samples=[good], fingerprints=[mark(B)]), script=script)


candidates = st.lists(
    st.builds(
        lambda number, pair, key, out: Candidate(f"{number:03d}", pair, (("i",), key, "a"), out),
        st.integers(0, 999),
        st.none() | st.sampled_from("pqr"),
        st.sampled_from("abcdef"),
        st.none() | st.just("in_bank:x"),
    ),
    max_size=25,
    unique_by=lambda each: each.sample_id,
)


@drawn(candidates, st.integers(0, 99))
def test_laws_of_the_decision(found, seed):
    reasons = decide(found)
    shuffled = list(found)
    random.Random(seed).shuffle(shuffled)
    assert decide(shuffled) == reasons
    kept = [each for each in found if each.sample_id not in reasons]
    assert len({each.key for each in kept}) == len(kept)  # nothing is kept twice
    assert not any(each.out for each in kept)
    for pair in {each.pair_id for each in found if each.pair_id}:
        assert len({each.sample_id in reasons for each in found if each.pair_id == pair}) == 1
    kept_keys = {each.key for each in kept}
    for each in found:  # a lone sample falls only for a reason, or for one that is kept
        if each.pair_id is None and each.sample_id in reasons and not each.out:
            assert reasons[each.sample_id] == "duplicate" and each.key in kept_keys


@drawn(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30), st.integers(0, 99))
def test_groups_are_the_connected_components_in_any_order(edges, seed):
    def components(order):
        groups = Groups()
        for first, second in order:
            groups.join(f"{first:02d}", f"{second:02d}")
        return {f"{node:02d}": groups.find(f"{node:02d}") for node in range(21)}

    shuffled = list(edges)
    random.Random(seed).shuffle(shuffled)
    found = components(edges)
    assert components(shuffled) == found
    assert all(found[f"{first:02d}"] == found[f"{second:02d}"] for first, second in edges)
    assert all(leader == min(node for node in found if found[node] == leader) for leader in found.values())


@drawn(st.integers(0, 999), st.integers(0, 12), st.sampled_from([0.6, 0.9, 2.0]), st.integers(1, 7))
def test_near_pairs_are_what_comparing_all_with_all_finds(seed, distance, alone, block):
    draw = np.random.default_rng(seed)
    base = draw.integers(0, 2**16, 12)
    hashes = [f"{int(value) * 0x0001000100010001 % 2**64:016x}" for value in base]
    vectors = draw.normal(size=(12, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {
        (i, j)
        for i in range(12)
        for j in range(i + 1, 12)
        if vectors[i] @ vectors[j] >= alone
        or (bin(int(hashes[i], 16) ^ int(hashes[j], 16)).count("1") <= distance and vectors[i] @ vectors[j] >= 0.2)
    }
    found = list(near_pairs(hashes, vectors, distance, 0.2, alone, block))
    assert set(found) == expected and found == sorted(expected)


def test_signs_inside_a_question_are_kept():
    assert normal("  What   COLOUR is it? ") == normal("what colour is it")
    assert normal("x < 3?") != normal("x > 3?")
    assert normal("-3") != normal("3")

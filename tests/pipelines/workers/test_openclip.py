"""open_clip models by every name that a recipe may give them, run for real."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub.constants
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipelines.workers import WorkerSpec, connect, identity_of
from schemas.requests import Embed, Failed, Gradients, Vector
from tests.pipelines.workers.conftest import plain
from trainers.clip import WEIGHTS

PICTURES = {color: plain(color, (200, 120)) for color in ("red", "blue", "grey")}


def vectors(url: str, revision: str | None = None, **options: str) -> dict[str, tuple[float, ...]]:
    worker = connect(WorkerSpec(url, revision, tuple(options.items())), PICTURES.__getitem__)
    results = worker.answer([Embed(color, color) for color in PICTURES])
    assert all(isinstance(result, Vector) for result in results), results
    return {color: result.values for color, result in zip(PICTURES, results, strict=True)}


def by_hand(folder: Path, picture: Image.Image) -> list[float]:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.inference_mode():
        return model.eval().encode_image(transform(picture)[None], normalize=True)[0].tolist()


def test_the_shipped_model_sees_what_open_clip_itself_sees():
    found = vectors("embed:clip")
    for color, picture in PICTURES.items():
        assert found[color] == pytest.approx(by_hand(WEIGHTS, picture), abs=1e-5)
        assert sum(value**2 for value in found[color]) == pytest.approx(1, abs=1e-5)


def test_a_picture_that_cannot_be_read_costs_itself_only():
    worker = connect(WorkerSpec("embed:clip"), PICTURES.__getitem__)
    kinds = [
        type(result) for result in worker.answer([Embed("a", "red"), Embed("b", "lost"), Gradients("c", (), 8, 0)])
    ]
    assert kinds == [Vector, Failed, Failed]


def test_a_folder_a_name_of_the_hub_and_the_shipped_one_are_one_model(tmp_path, monkeypatch):
    """The hub is a folder here, laid out as its client keeps what it downloaded."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--evolens--clip"
    shutil.copytree(WEIGHTS, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    shipped = vectors("embed:clip")
    assert shipped == vectors(f"embed:{repository / 'snapshots' / commit}")
    for revision in ("v1", commit):
        assert shipped == vectors("embed:open_clip/hf-hub:evolens/clip", revision)
    with pytest.raises(ValueError, match="cannot load open_clip/hf-hub:evolens/clip"):
        vectors("embed:open_clip/hf-hub:evolens/clip", "v2")


def test_an_architecture_of_open_clip_takes_weights_from_a_file(tmp_path):
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms("ViT-S-32-alt")
    state = {name: value.half() for name, value in model.state_dict().items()}
    save_file(state, tmp_path / "weights.safetensors")
    url, checkpoint = "embed:open_clip/ViT-S-32-alt", str(tmp_path / "weights.safetensors")
    found = vectors(url, checkpoint=checkpoint)
    with torch.inference_mode():
        expected = model.eval().encode_image(transform(PICTURES["red"])[None], normalize=True)[0].tolist()
    assert found["red"] == pytest.approx(expected, abs=2e-3)
    with pytest.raises(ValueError, match="cannot load open_clip/ViT-B-32 "):
        vectors("embed:open_clip/ViT-B-32", checkpoint=checkpoint)


def test_identities_are_of_content_where_there_are_files(tmp_path):
    shipped = identity_of(WorkerSpec("embed:clip"))
    copy = shutil.copytree(WEIGHTS, tmp_path / "clip")
    assert shipped == identity_of(WorkerSpec(f"embed:{copy}"))
    assert (shipped.engine, shipped.model, shipped.pinned) == ("embed", "clip", True)
    (copy / "open_clip_config.json").write_text((copy / "open_clip_config.json").read_text() + " ")
    assert identity_of(WorkerSpec(f"embed:{copy}")).weights != shipped.weights
    weights = str(WEIGHTS / "open_clip_model.safetensors")
    of_file = identity_of(WorkerSpec("embed:open_clip/RN50", None, (("checkpoint", weights),)))
    assert of_file.pinned and str(WEIGHTS) not in str(of_file)


@pytest.mark.parametrize("name", ["ViT-B-32/laion2b_s34b_b79k", "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"])
def test_what_is_downloaded_is_pinned_by_its_revision_alone(name):
    assert not identity_of(WorkerSpec(f"embed:open_clip/{name}")).pinned
    pinned = identity_of(WorkerSpec(f"embed:open_clip/{name}", "abc"))
    assert pinned.pinned and pinned.model == f"open_clip/{name}"


@pytest.mark.parametrize(
    ("url", "checkpoint", "message"),
    [
        ("embed:open_clip/ViT-B-33/openai", "", "no architecture 'ViT-B-33'; did you mean 'ViT-B-32'"),
        ("embed:open_clip/ViT-B-32", "", "a tag .* or option `checkpoint`"),
        ("embed:open_clip/ViT-B-32/openai", "weights.pt", "a tag .* or option `checkpoint`"),
        ("embed:open_clip/ViT-B-32", "no such file.pt", "no weights file no such file.pt"),
        ("embed:open_clip/hf-hub:a/b", "weights.pt", "leave `checkpoint` out"),
        ("embed:clip", "weights.pt", "`checkpoint` goes with embed:open_clip/NAME"),
        ("embed:no such folder", "", "holds no config.json"),
    ],
)
def test_what_cannot_be_is_one_clear_line(url, checkpoint, message):
    spec = WorkerSpec(url, None, (("checkpoint", checkpoint),) if checkpoint else ())
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        identity_of(spec)
    assert "\n" not in str(error.value)


def test_a_configuration_without_weights_is_no_model(tmp_path):
    """open_clip itself would warn, and go on with random ones."""
    shutil.copy(WEIGHTS / "open_clip_config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no weights"):
        identity_of(WorkerSpec(f"embed:{tmp_path}"))


def test_an_unknown_tag_is_one_clear_line():
    with pytest.raises(ValueError, match="cannot load open_clip/ViT-B-32/nope .*not a known tag") as error:
        connect(WorkerSpec("embed:open_clip/ViT-B-32/nope"), PICTURES.__getitem__)
    assert "\n" not in str(error.value)

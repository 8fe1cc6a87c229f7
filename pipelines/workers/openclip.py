"""open_clip models for `embed:`: where one is found, and what it makes of a picture.

    embed:clip                                       the one that comes with the package
    embed:FOLDER                                     any folder with an `open_clip_config.json`
    embed:open_clip/NAME, option `checkpoint: FILE`  an architecture of open_clip's, with weights from a local file
    embed:open_clip/NAME/TAG                         the same, with weights that open_clip downloads by their tag
    embed:open_clip/hf-hub:OWNER/REPOSITORY          a model of the hub, at the recipe's `revision`

Files on this machine are pinned by their hash. What is downloaded is not hashed, so a recipe states `revision:`.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.workers.shipped import weights_of

if TYPE_CHECKING:
    from PIL import Image

    from pipelines.workers.identity import WorkerSpec

SHIPPED = "clip"
PREFIX = "open_clip/"
HUB = "hf-hub:"
CONFIGURATION = "open_clip_config.json"
_WEIGHTS = ("open_clip*.safetensors", "open_clip*.bin", "*.safetensors", "*.bin")


@dataclass(frozen=True)
class Found:
    """A model by open_clip's own names, and what identities call it. `files` is what they are a hash of: a folder, a
    weights file, or nothing where weights are downloaded.
    """

    called: str
    name: str
    pretrained: str | None = None
    files: Path | None = None


def found(spec: WorkerSpec) -> Found | None:
    """The open_clip model that an `embed:` spec names, or None where it names another kind of model.

    Loads and downloads nothing. Raises `ValueError` or `FileNotFoundError` with one clear line when it cannot be.
    """
    checkpoint = str(spec.option("checkpoint", ""))
    if spec.target.startswith(PREFIX):
        return _named(spec.url, spec.target.removeprefix(PREFIX), checkpoint)
    folder = weights_of(SHIPPED) if spec.target == SHIPPED else Path(spec.target).expanduser()
    if not (folder / CONFIGURATION).is_file():
        return None
    if checkpoint:
        raise ValueError(
            f"worker {spec.url!r} finds its weights in {folder}; `checkpoint` goes with embed:{PREFIX}NAME"
        )
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        raise FileNotFoundError(f"worker {spec.url!r}: {folder} holds no weights (.safetensors or .bin)")
    return Found(spec.target if spec.target == SHIPPED else folder.resolve().name, f"local-dir:{folder}", files=folder)


def _named(url: str, asked: str, checkpoint: str) -> Found:
    name, _, tag = (asked, "", "") if asked.startswith(HUB) else asked.partition("/")
    if name.startswith(HUB):
        if checkpoint:
            raise ValueError(f"worker {url!r} has its weights from the hub; leave `checkpoint` out")
        return Found(PREFIX + name, name)
    known = architectures()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"worker {url!r}: open_clip has no architecture {name!r}{hint}")
    if bool(tag) == bool(checkpoint):
        raise ValueError(
            f"worker {url!r} has its weights from one place: a tag (embed:{PREFIX}{name}/TAG) or option `checkpoint`"
        )
    if tag:
        return Found(PREFIX + asked, name, tag)
    file = Path(checkpoint).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"worker {url!r}: there is no weights file {file}")
    return Found(PREFIX + name, name, str(file), file)


def architectures() -> list[str]:
    """The names of open_clip's architectures, read off its files without importing it."""
    package = importlib.util.find_spec("open_clip")
    places = list(package.submodule_search_locations or ()) if package else []
    return sorted(path.stem for place in places for path in (Path(place) / "model_configs").glob("*.json"))


def embedder(
    model: Found, revision: str | None, load_image: Callable[[str], Image.Image], device: str
) -> Callable[[str], list[float]]:
    """Load the model. What is returned makes an image id a unit vector, and raises what loading the picture raises.

    Raises `ValueError` with one line where it cannot be loaded: an unknown tag, no network, another architecture.
    """
    import open_clip
    import torch

    try:
        name = f"local-dir:{_from_hub(model.name, revision)}" if model.name.startswith(HUB) else model.name
        loaded: tuple[Any, Any] = open_clip.create_model_from_pretrained(name, model.pretrained, device=device)
    except Exception as error:  # open_clip, torch and the hub raise what they like, assertions too
        why = " ".join(str(error).split())
        raise ValueError(f"open_clip cannot load {model.called} ({type(error).__name__}: {why[:300]})") from error
    network, transform = loaded
    network.eval()

    @torch.inference_mode()
    def embed(image_id: str) -> list[float]:
        picture = transform(load_image(image_id).convert("RGB")).unsqueeze(0).to(device)
        vector: list[float] = network.encode_image(picture, normalize=True)[0].float().tolist()
        return vector

    return embed


def _from_hub(name: str, revision: str | None) -> str:
    """The folder of a model of the hub, with its configuration and weights in one format, open_clip's own first."""
    from huggingface_hub import snapshot_download

    for pattern in _WEIGHTS:
        wanted = [CONFIGURATION, pattern]
        folder = str(snapshot_download(name.removeprefix(HUB), revision=revision, allow_patterns=wanted))
        if any(Path(folder).glob(pattern)):
            break
    return folder

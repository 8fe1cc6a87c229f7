"""How pictures travel to a server: the original file where every reader sees the same pixels in it, a PNG otherwise;
and by its name alone where the server holds it already (`held`).
"""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipelines.lake.decode import orientation_of, quietly

if TYPE_CHECKING:
    from PIL import Image

REMEMBERED_BYTES = 128 * 2**20
REMEMBERED_SIZES = 65536
_SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


class Pictures:
    """Pictures as parts of messages; remembers those it was asked for last. May be asked from several threads."""

    def __init__(
        self, load_image: Callable[[str], Image.Image], load_bytes: Callable[[str], bytes] | None = None
    ) -> None:
        self._load_image, self._load_bytes = load_image, load_bytes
        self.resized: Callable[[Image.Image], Image.Image] | None = None
        """What makes a picture smaller before it is sent; it must not change what the model sees."""
        self._sizes: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._uris: OrderedDict[str, str] = OrderedDict()
        self._room = REMEMBERED_BYTES
        self._lock = threading.Lock()

    def part(self, image_id: str, *, named: bool = False, spared: bool = False) -> dict[str, Any]:
        """The part of a message that shows a picture: with its name where the server keeps names, and by the name
        alone where it is to be spared. Raises what the loaders raise.
        """
        name = {"uuid": f"{image_id}-resized" if self.resized else image_id} if named else {}
        url = None if named and spared else {"url": self._uri(image_id)}
        return {"type": "image_url", "image_url": url, **name}

    def size(self, image_id: str) -> tuple[int, int]:
        """Width and height as we show it; of a file that is kept only the header is read. Raises what the loaders
        raise.
        """
        with self._lock:
            if image_id in self._sizes:
                self._sizes.move_to_end(image_id)
                return self._sizes[image_id]
        size = upright_size(self._load_bytes(image_id)) if self._load_bytes else self._load_image(image_id).size
        with self._lock:
            self._sizes[image_id] = size
            if len(self._sizes) > REMEMBERED_SIZES:
                self._sizes.popitem(last=False)
        return size

    def _uri(self, image_id: str) -> str:
        with self._lock:
            if image_id in self._uris:
                self._uris.move_to_end(image_id)
                return self._uris[image_id]
        original = self._load_bytes(image_id) if self._load_bytes else None
        uri = data_uri(original, lambda: self._load_image(image_id), self.resized)
        with self._lock:
            if image_id not in self._uris:
                self._uris[image_id] = uri
                self._room -= len(uri)
            while self._room < 0:
                self._room += len(self._uris.popitem(last=False)[1])
        return uri


def data_uri(
    original: bytes | None,
    load: Callable[[], Image.Image],
    resized: Callable[[Image.Image], Image.Image] | None = None,
) -> str:
    """The original file where every reader sees the same RGB pixels in it as we do; a PNG of our pixels otherwise, and
    of those that `resized` makes where it makes others.
    """
    whole = load().convert("RGB") if resized else None
    if resized and whole and (small := resized(whole)) is not whole:
        return _png(small)
    if original is not None and (kind := plain_kind(original)):
        return f"data:{kind};base64,{base64.b64encode(original).decode()}"
    return _png(whole or load().convert("RGB"))


def _png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def upright_size(original: bytes) -> tuple[int, int]:
    """Width and height of a picture file once it is turned as its EXIF says."""
    from PIL import Image

    with quietly(), Image.open(io.BytesIO(original)) as file:
        lies = orientation_of(file) in (5, 6, 7, 8)
        return (file.height, file.width) if lies else (file.width, file.height)


def plain_kind(original: bytes) -> str | None:
    """The media type of a file in which every reader sees the same pixels: of three formats, RGB, opaque, upright."""
    from PIL import Image

    with quietly(), Image.open(io.BytesIO(original)) as file:
        plain = file.mode == "RGB" and not file.has_transparency_data and orientation_of(file) == 1
        return _SENT_AS_THEY_ARE.get(file.format or "") if plain else None

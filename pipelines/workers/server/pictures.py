"""How pictures travel to a server: the original file where every reader sees the same pixels in it, a PNG otherwise."""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

REMEMBERED_BYTES = 128 * 2**20
_SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


class Pictures:
    """Pictures as parts of messages; remembers those it was asked for last. May be asked from several threads."""

    def __init__(
        self, load_image: Callable[[str], Image.Image], load_bytes: Callable[[str], bytes] | None = None
    ) -> None:
        self._load_image, self._load_bytes = load_image, load_bytes
        self._uris: OrderedDict[str, str] = OrderedDict()
        self._room = REMEMBERED_BYTES
        self._lock = threading.Lock()

    def part(self, image_id: str) -> dict[str, Any]:
        """The part of a message that shows a picture. Raises what the loaders raise."""
        return {"type": "image_url", "image_url": {"url": self._uri(image_id)}}

    def _uri(self, image_id: str) -> str:
        with self._lock:
            if image_id in self._uris:
                self._uris.move_to_end(image_id)
                return self._uris[image_id]
        original = self._load_bytes(image_id) if self._load_bytes else None
        uri = data_uri(original, lambda: self._load_image(image_id))
        with self._lock:
            if image_id not in self._uris:
                self._uris[image_id] = uri
                self._room -= len(uri)
            while self._room < 0:
                self._room += len(self._uris.popitem(last=False)[1])
        return uri


def data_uri(original: bytes | None, load: Callable[[], Image.Image]) -> str:
    """The original file where every reader sees the same RGB pixels in it as we do; a PNG of our pixels otherwise."""
    from PIL import Image

    if original is not None:
        with Image.open(io.BytesIO(original)) as file:
            upright = file.getexif().get(0x0112, 1) == 1
            if file.format in _SENT_AS_THEY_ARE and file.mode == "RGB" and upright:
                return f"data:{_SENT_AS_THEY_ARE[file.format]};base64,{base64.b64encode(original).decode()}"
    buffer = io.BytesIO()
    load().convert("RGB").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"

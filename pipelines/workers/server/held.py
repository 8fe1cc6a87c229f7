"""Which pictures a server holds already, so that a conversation need not carry them again.

vLLM keeps the pictures it has read under a name that its client may give (`uuid`); a picture of which only the name
comes is taken from there, and where it is there no more the request is refused. That refusal is the proof that a server
knows names: it is asked once for a picture that nobody has ever sent, and only who answers that it misses the picture
is ever sent a name. A server that knows none would pass over the picture in silence, and answer about another one.

Nothing here sends anything. A server that cannot be reached may come back as another: it is asked anew.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

REMEMBERED = 8192
"""How many pictures of one server are remembered. It may hold fewer; then it says so."""
WORTH = 4
"""Names are given up for good where more than one request in so many had to be sent again."""


class Held:
    """What one server holds, as far as this process knows. May be asked from several threads."""

    def __init__(self, *, ask: bool = True) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._shown: OrderedDict[str, None] = OrderedDict()
        self._asked = False
        self._names = False
        self._spared = self._missed = 0

    @property
    def names(self) -> bool:
        """Whether the server keeps pictures by name, and it pays."""
        return self._names and self._missed * WORTH <= self._spared + 16

    def __contains__(self, image_id: str) -> bool:
        with self._lock:
            return self.names and image_id in self._shown

    def answered(self, image_ids: Sequence[str], *, named: bool = False, spared: bool = False) -> bool:
        """A request that showed these pictures was answered. `named` says that it gave their names, `spared` that some
        went by their names alone.

        True where the server should now be asked whether it knows names: something was sent to it again.
        """
        with self._lock:
            if named != self._names:  # it was made before the server told
                return False
            ask = self._ask and not self._asked and any(image_id in self._shown for image_id in image_ids)
            self._asked |= ask
            self._spared += spared
            for image_id in image_ids:
                self._shown[image_id] = None
                self._shown.move_to_end(image_id)
            while len(self._shown) > REMEMBERED:
                self._shown.popitem(last=False)
        return ask

    def told(self, names: bool | None) -> None:
        """What came of asking; None where nothing did."""
        with self._lock:
            self._shown.clear()  # what was sent till now had no name
            self._asked, self._names = names is not None, bool(names)

    def missed(self, image_ids: Iterable[str]) -> None:
        """A request whose pictures went by their names had to be sent again."""
        with self._lock:
            self._missed += 1
            for image_id in image_ids:
                self._shown.pop(image_id, None)

    def lost(self) -> None:
        """The server could not be reached, and may come back as another."""
        self.told(None)


def probe(model: str, name: str) -> bytes:
    """A request about a picture called `name`, which nobody has."""
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": None, "uuid": name},
        {"type": "text", "text": "Nobody has this picture."},
    ]
    return json.dumps({"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 1}).encode()


def misses(status: int, data: bytes) -> bool | None:
    """Whether this answer to `probe` says that the picture is missing; None where it says nothing either way."""
    if status == 429 or status >= 500:
        return None
    return status == 400 and b"cache miss" in data.lower()  # vLLM: "Cache miss for image at index 0 but data is not …"

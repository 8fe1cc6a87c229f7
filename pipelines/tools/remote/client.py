"""A tool server as an environment: usable wherever one in this process is."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import urllib3
from PIL import Image

from pipelines.tools.environment import Full, Lost, NotOpen, Rules, Step, Turn
from pipelines.tools.remote import wire

CONNECTIONS = 1024
"""Most that are kept for the next request: one for each thread that asks at the same time."""


class RemoteEnvironment:
    """An `Environment` at a tool server (`evolens tools serve`); safe to use from many threads.

    Names of trajectories are this client's own: two clients may use the same. A request is sent once: a step may not be
    carried out twice. Where it fails, the trajectory is lost (`Lost`) and must be begun anew.
    """

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        self._url, self._name = url.rstrip("/"), uuid4().hex
        self._http = urllib3.PoolManager(maxsize=CONNECTIONS, timeout=timeout, retries=False)

    def reset(self, trajectory: str, images: Sequence[Image.Image], rules: Rules) -> None:
        """As `Environment.reset`. Raises `Lost` where the server cannot be reached or will not."""
        sent = {"turns": rules.turns, "images": rules.images, "tools": list(rules.tools)}
        self._ask("reset", trajectory, images=[wire.picture_text(image) for image in images], rules=sent)

    def step(self, trajectory: str, turn: Turn) -> Step:
        """As `Environment.step`. Raises `Lost`."""
        return wire.step_of(self._ask("step", trajectory, turn=wire.turn_json(turn)))

    def release(self, trajectory: str) -> None:
        """As `Environment.release`; a server that cannot be reached forgets by itself."""
        with contextlib.suppress(Lost):
            self._ask("release", trajectory)

    def close(self) -> None:
        """Drop the connections."""
        self._http.clear()

    def _ask(self, what: str, trajectory: str, **body: Any) -> Any:
        sent = {"trajectory": f"{self._name}:{trajectory}", **body}
        try:
            answer = self._http.request("POST", f"{self._url}/{what}", json=sent)
        except urllib3.exceptions.HTTPError as error:
            raise Lost(f"the tool server at {self._url} does not answer: {error}") from error
        if answer.status == 410:
            raise NotOpen(trajectory)
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Lost(f"{self._url} answers HTTP {answer.status} and no JSON; is it a tool server?")
        if answer.status == 200:
            return told
        raise (Full if answer.status == 503 else Lost)(f"{self._url}: {told.get('error')}")

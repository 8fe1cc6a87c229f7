"""A tool server as an environment: usable wherever one in this process is."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx
from PIL import Image

from pipelines.tools.environment import Full, Lost, NotOpen, Rules, Step, Turn
from pipelines.tools.remote import wire


class RemoteEnvironment:
    """An `Environment` at a tool server (`evolens tools serve`); safe to use from many threads.

    Names of trajectories are this client's own: two clients may use the same. A request is sent once: a step may not be
    carried out twice. Where it fails, the trajectory is lost (`Lost`) and must be begun anew.
    """

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        self._url, self._name = url.rstrip("/"), uuid4().hex
        # Connections are dropped before the server drops them, or a request could meet one that is being closed.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30.0)
        self._http = httpx.Client(base_url=self._url, timeout=timeout, limits=limits)

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
        self._http.close()

    def _ask(self, what: str, trajectory: str, **body: Any) -> Any:
        try:
            answer = self._http.post(what, json={"trajectory": f"{self._name}:{trajectory}", **body})
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise Lost(f"the tool server at {self._url} does not answer: {said}") from error
        if answer.status_code == 200:
            return answer.json()
        if answer.status_code == 410:
            raise NotOpen(trajectory)
        try:
            told = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            told = f"HTTP {answer.status_code}; is that a tool server?"
        raise (Full if answer.status_code == 503 else Lost)(f"{self._url}: {told}")

"""Which of several servers a request goes to: the one that has read its first picture before, unless that one is
busier than others.

Each picture ranks the servers in an order of its own (rendezvous hashing), the same in every process. So conversations
about one picture meet in one server's prefix cache, and when a server leaves the list only its own pictures move, each
to wherever it stands next. A server whose gate is closed has left the list; when the gate lets one request try, a
request that is at home there does, and the server returns with the first answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from pipelines.workers.server.limit import Limit
from schemas.messages import pictures
from schemas.requests import Generate, Score

SLACK = 0.25
"""How much fuller than the emptiest server, as a share of its room, a picture's own server may be."""


def key_of(request: Generate | Score) -> str:
    """What ranks the servers: the first picture that the conversation shows, or the request where it shows none."""
    return next(iter(pictures(request.messages)), request.request_id)


def ranked(addresses: Iterable[str], key: str) -> list[str]:
    """The servers in the order in which `key` prefers them."""
    return sorted(addresses, key=lambda address: blake2b(f"{address}\0{key}".encode(), digest_size=8).digest())


def choose(servers: Mapping[str, Limit], key: str, now: float) -> str | None:
    """The address that the next request is sent to; None while no server has room."""
    order = ranked(servers, key)
    able = [address for address in order if servers[address].room(now)]
    if not able or (able[0] == order[0] and servers[able[0]].closed):
        return able[0] if able else None
    able = [address for address in able if not servers[address].closed] or able
    least = min(servers[address].load for address in able)
    return next(address for address in able if servers[address].load <= least + SLACK)

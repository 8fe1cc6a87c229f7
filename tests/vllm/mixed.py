"""Requests as they come: no picture or up to four, of several sizes, with tool turns and half-said answers."""

from __future__ import annotations

import random

from PIL import Image

from pipelines.tasks import FAMILIES
from schemas.messages import Message, Part, Picture, Text
from schemas.requests import Generate, Sampling
from tests.pipelines.workers.conftest import Album, says

SIZES = [(112, 112), (224, 224), (448, 448), (300, 200), (97, 211), (640, 128), (56, 72)]
STOPS: list[tuple[str, ...]] = [(), ("</tool_call>", "</answer>"), (";",), ("\n",)]
CALL = 'look closer.\n<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [100, 100, 600, 600]}}\n</tool_call>'


def mixed(album: Album, count: int, seed: int = 0) -> list[Generate]:
    """That many greedy requests, their pictures in the album."""
    return [_request(album, number, random.Random(f"mixed:{seed}:{number}")) for number in range(count)]


def _request(album: Album, number: int, draw: random.Random) -> Generate:
    families = list(FAMILIES.values())
    made = [draw.choice(families).make(draw.randrange(10**6), 0) for _ in range(number % 5)]
    question = made[0].question if made else draw.choice(families).make(number, 0).question
    shown: list[Part] = [Picture(album.add(_sized(each.images[0], draw))) for each in made]
    turns = [Message("user", (*shown, Text(question)))]
    for _ in range(draw.choice((0, 0, 1, 2)) if made else 0):
        closer = _sized(made[0].images[0].crop((20, 20, 90, 90)), draw)
        turns += [says(CALL), Message("tool", (Picture(album.add(closer)),))]
    if draw.random() < 0.2:
        turns.append(says(draw.choice(("red circle 21;", "the ", "so the answer is\n<answer>"))))
    stop = STOPS[draw.randrange(len(STOPS))]
    return Generate(f"r{number}", tuple(turns), Sampling(draw.choice((8, 32, 96)), stop=stop), seed=number)


def _sized(picture: Image.Image, draw: random.Random) -> Image.Image:
    return picture.convert("RGB").resize(draw.choice(SIZES))

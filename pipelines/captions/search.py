"""Captions of `search` tables."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption, Writer
from pipelines.captions.words import NUMBERS, ROWS


def caption(cards: list[dict[str, Any]]) -> Caption:
    """Number of cards, then colour, row and mark of the first three in reading order, and one relation."""
    writer = Writer().say("On a light table lie ")
    writer.claim(NUMBERS[len(cards)], "count", {"claim": "total", "value": len(cards)})
    writer.say(" coloured cards, each with one small mark on a grey tag. ")
    for index, card in enumerate(cards[:3]):
        colour = card["colour"]
        writer.say("There is a card in ").claim(
            colour, "colour", {"claim": "colour_of_card", "index": index, "value": colour}
        )
        row = ROWS[card["row"] - 1]
        writer.say("; it lies in the ").claim(row, "relation", {"claim": "row_of", "colour": colour, "value": row})
        writer.say(" row and carries a ")
        writer.claim(card["mark"], "object", {"claim": "mark_of", "colour": colour, "value": card["mark"]}).say(". ")
    return writer.caption()

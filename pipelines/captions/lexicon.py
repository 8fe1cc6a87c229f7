"""Words that may stand in one another's place: visually near, and never true of the same thing.

A line is a family; any two of its words exclude each other, as a test holds against WordNet (no synonyms, none broader
than another). Families of things keep to what has one size and one surrounding, so that only the picture can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pipelines.captions.swaps import Kind

_FAMILIES: Mapping[Kind, str] = {
    "object": """
        cat dog rabbit fox
        owl parrot pigeon crow gull
        horse cow donkey deer
        sheep goat pig
        man woman
        boy girl
        spaniel poodle terrier
        butterfly bee beetle dragonfly
        rose tulip dahlia daisy sunflower
        oak palm birch pine
        apple pear orange lemon fig peach plum
        banana cucumber carrot
        pancake waffle
        cup bowl jug
        plate tray
        spoon fork knife
        bottle jar
        bottle vase
        table chair bench
        bed sofa
        pillow blanket
        clock mirror
        book magazine newspaper
        pencil pen brush
        hat helmet
        shirt jacket sweater
        shoe boot
        scarf tie
        bag basket suitcase
        backpack handbag
        umbrella cane
        guitar violin
        drum trumpet
        football basketball
        car truck bus
        bicycle motorcycle
        boat raft
        train tram
        aeroplane helicopter
        rocket balloon
        house barn church
        tower chimney
        door window
        street canal
        bridge pier
        meadow beach
        hill dune
        brook path
        telephone calculator
        keyboard piano
        button zip
        rope chain
        sun moon
        feather leaf
        pebble shell
        brick tile
    """,
    "attribute": """
        red green blue yellow orange purple pink brown white black turquoise
        violet turquoise golden green red
        golden violet blue green
        grey red green blue yellow orange purple pink turquoise
        beige red green blue purple black turquoise
        small large
        tiny huge
        tall low
        long short
        wide narrow
        broad narrow
        thick thin
        dark light
        striped spotted
    """,
    "material": """
        wooden plastic metal glass leather paper
        stone wooden metal
        wood metal stone glass plastic
        copper wooden plastic leather
        steel wooden plastic
        wicker leather metal plastic
        concrete wood marble
        silk leather
        clay glass plastic
    """,
    "spatial": """
        left right
        upper lower
        above below
        top bottom
        behind in_front_of
        inside outside
        under over
        leftmost rightmost
        foreground background
        upwards downwards
        left-hand right-hand
    """,
    "condition": """
        open closed
        open shut
        wet dry
        broken intact
        blurred sharp
        clean dirty
        bent straight
        lit unlit
        smooth wrinkled
        polished weathered
        sunny rainy
        cloudy cloudless
        asleep awake
        ripe rotten
        folded unfolded
        raw cooked
        frozen melted
    """,
    "shape": """
        round square triangular
        rounded angular
        oval rectangular triangular
        circular rectangular triangular
        circle square triangle cross star
        sphere cube cone cylinder
        curved straight
        flat domed
        conical cylindrical cubic
        pointed blunt
        hexagonal octagonal
        spiral zigzag
    """,
}


def substitutes(word: str, kind: Kind) -> tuple[str, ...]:
    """What may stand for a lower-case word in its base form, in the order of the families; none where it is unknown."""
    found = (other for family in families(kind) if word in family for other in family if other != word)
    return tuple(dict.fromkeys(found))


@cache
def families(kind: Kind) -> tuple[tuple[str, ...], ...]:
    """The families of a type; none for counts and for what is written, which are not looked up."""
    lines = _FAMILIES.get(kind, "").strip().splitlines()
    return tuple(tuple(word.replace("_", " ") for word in line.split()) for line in lines)

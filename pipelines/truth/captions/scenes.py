"""What captions say of things that lie, stand or move: counting, search, stilllife, frames, views, transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.truth.captions.sentences import Program, Said, Sentence, either, one_of, plain, value

COLOURS = "red green blue yellow purple orange white black pink brown".split()


def counting(p: Program) -> Sequence[Sentence]:
    items = sorted(p["objects"], key=lambda item: (item["row"], item["column"]))
    ends = {"first": items[0], "last": items[-1], "only": items[0]}
    return [
        ("Coloured shapes on a light background, <n> in all.", lambda _: {"n": len(items)}),
        (
            f"Number of <c={either(COLOURS)}> ones: <n>.",
            lambda m: {"n": len([item for item in items if item["colour"] == m["c"]])},
        ),
        (
            "Read from the top left, the <at=first|last|only> one is <c> and is a <s>.",
            lambda m: {"c": ends[m["at"]]["colour"], "s": ends[m["at"]]["shape"]},
        ),
        (
            "The first stands further to the <side> than the last.",
            lambda _: {"side": one_of(items[-1]["column"] - items[0]["column"], "left", "right")},
        ),
    ]


def search(p: Program) -> Sequence[Sentence]:
    cards = p["objects"]
    rows = ("top", "second", "third", "bottom")

    def card(m: Said) -> dict[str, Any]:
        """The card of that colour; where there is none, any card may be meant."""
        meant = [card for card in cards if card["colour"] == m["c"]] or cards
        return {
            "c": {card["colour"] for card in cards},
            "r": {rows[card["row"] - 1] for card in meant},
            "m": {card["mark"] for card in meant},
        }

    return [
        (
            "On a light table lie <n> coloured cards, each with one small mark on a grey tag.",
            lambda _: {"n": len(cards)},
        ),
        ("There is a card in <c>; it lies in the <r> row and carries a <m>.", card),
    ]


def stilllife(p: Program) -> Sequence[Sentence]:
    things = sorted(p["things"], key=lambda thing: thing["x"])
    place = "<at=First|Second|Third|Fourth> from the left"

    def looks(m: Said) -> dict[str, Any]:
        thing = things[(value(m["at"]) or 0) - 1]
        return {name: thing[name] for name in ("shape", "colour", "material", "condition") if name in m}

    nearer = one_of(things[0]["foot"] - things[-1]["foot"], "in front of", "behind")
    number = [
        "On a table in front of a plain wall stand <n> things.",
        "A still life: a table, a wall behind it, and <n> simple bodies.",
        "Somebody has set up <n> bodies on a table top.",
    ]
    return [
        *((wording, lambda _: {"n": len(things)}) for wording in number),
        ("Shadows show that the light comes from the <side>.", lambda _: {"side": p["light"]}),
        ("A lamp stands outside the picture, on the <side> hand side.", lambda _: {"side": p["light"]}),
        (f"{place} stands a <shape>, and its colour is <colour>.", looks),
        (f"{place}: a <shape>, coloured <colour>.", looks),
        (f"{place}, the material is <material>, and the surface looks <condition>.", looks),
        (f"{place} one finds <material>; as to its condition, it is <condition>.", looks),
        ("Of the outermost two, the left one stands <w> the other.", lambda _: {"w": nearer}),
        ("The leftmost body is <w> the rightmost one.", lambda _: {"w": nearer}),
        *plain("The table has no cloth, and nothing hangs on the wall.", "Wall and table are bare otherwise."),
    ]


def frames(p: Program) -> Sequence[Sentence]:
    bodies = p["bodies"]
    moment = p["shown"][0]
    name = f"<{{0}}c={either(COLOURS)}> <{{0}}s=circle|square|triangle|star>"
    one, other = (f"the {name.format(letter)}" for letter in "ab")

    def body(m: Said) -> dict[str, Any]:
        """Which body is meant nobody says: each word must be true of one, and both of the same one."""
        said = {(body["colour"], body["shape"]) for body in bodies}
        colours, shapes = ({pair[at] for pair in said} for at in (0, 1))
        if m["c"] in colours and m["s"] in shapes and (m["c"], m["s"]) not in said:
            colours = set()
        return {"c": colours, "s": shapes}

    def further(m: Said) -> dict[str, Any]:
        first, second = (
            next(body["path"][moment] for body in bodies if (body["colour"], body["shape"]) == (m[k + "c"], m[k + "s"]))
            for k in "ab"
        )
        axis = 0 if m["w"] in ("left", "right") else 1
        return {"w": one_of(second[axis] - first[axis], *(("left", "right"), ("up", "down"))[axis])}

    which = "one body|another body|a further body|the last body of the list"
    number = [
        "This is one of <n> pictures taken one after the other from above.",
        "A short sequence of <n> pictures; described here is the one shown first.",
        "Somebody filmed a table from above, and <n> pictures of the film are kept; here is the one shown first.",
    ]
    return [
        *((wording, lambda _: {"n": len(p["shown"])}) for wording in number),
        ("Number of coloured bodies on the table: <n>.", lambda _: {"n": len(bodies)}),
        ("On the table one can count <n> bodies.", lambda _: {"n": len(bodies)}),
        (f"The colour of <i={which}> is <c>, and its outline is that of a <s>.", body),
        (f"By colour <i={which}> is <c>; by shape it is a <s>.", body),
        (f"Of {one} and {other}, the former is further <w>.", further),
        (f"Compared with {other}, {one} lies further <w>.", further),
        *plain(
            "Between two pictures the same time goes by.",
            "All pictures are taken from the same place.",
            "Bodies move in straight lines, each with its own speed.",
            "Whatever moves, moves steadily and straight.",
        ),
    ]


def views(p: Program) -> Sequence[Sentence]:
    towers = sorted(p["towers"], key=lambda tower: (tower["x"] + tower["y"], tower["x"]))

    def tower(m: Said) -> dict[str, Any]:
        meant = towers[int(m["i"]) - 1]
        return {"c": meant["colour"], "n": meant["height"]}

    def higher(m: Said) -> dict[str, Any]:
        first, second = (towers[int(m[k]) - 1]["height"] for k in "ab")
        return {"w": one_of(second - first, "lower", "higher")}

    three = len([tower for tower in towers if tower["height"] == 3])
    place = "farthest back|next in front of that|third from the back|fourth from the back"
    number = [
        "Seen slantwise from above, <n> towers of cubes stand on a chequered board.",
        "On a small chequered board somebody has built <n> towers from cubes of one size.",
        "A building of cubes: <n> towers, each of one colour, on a board of tiles.",
    ]
    return [
        *((wording, lambda _: {"n": len(towers)}) for wording in number),
        (r"Counted from the back, tower <i=\d> has the colour <c>, and its cubes number <n>.", tower),
        (rf"Tower <i=\d>, that is the one <at={place}>, is <c>; stacked in it are <n> of the cubes.", tower),
        (r"Of towers <a=\d> and <b=\d>, the former is the <w> one.", higher),
        (r"Set beside tower <b=\d>, tower <a=\d> is <w>.", higher),
        ("Towers that are exactly 3 high: <n>.", lambda _: {"n": three}),
        ("Count the towers of height 3, and you find <n>.", lambda _: {"n": three}),
        *plain(
            "The front edge of the board points downwards in the picture.",
            "One corner of the board points to the viewer.",
            "Each cube is as high as it is wide.",
            "All cubes are of the same size.",
        ),
    ]


def transform(p: Program) -> Sequence[Sentence]:
    pieces = p["before"]

    def looks(m: Said) -> dict[str, Any]:
        piece = pieces[int(m["i"]) - 1]
        return {name: piece[name] for name in ("size", "colour", "shape", "row") if name in m}

    def side(m: Said) -> dict[str, Any]:
        name, words = ("column", ("left", "right")) if m["w"] in ("left", "right") else ("row", ("higher", "lower"))
        return {"w": one_of(pieces[1][name] - pieces[0][name], *words)}

    def pattern(m: Said) -> dict[str, Any]:
        return {"n": len([piece for piece in pieces if piece["pattern"] == m["p"]])}

    number = [
        "Seen from above, <n> numbered pieces lie on a squared board.",
        "The first picture shows a board of four by four fields with <n> pieces on it, each with its number.",
        "On a board with sixteen fields lie <n> pieces, numbered in the corner of their field.",
    ]
    i, patterns = r"<i=\d+>", "<p=plain|ringed|dotted>"
    return [
        *((wording, lambda _: {"n": len(pieces)}) for wording in number),
        (f"Piece {i} is of <size> size, its colour is <colour>, and it is a <shape>.", looks),
        (f"Number {i}: a <shape>, coloured <colour>, <size> in size.", looks),
        (f"The piece with the number {i} is <size> and <colour>; its outline is that of a <shape>.", looks),
        (rf"It is in the <row> row that one finds piece {i}, column <at=\d>.", looks),
        (rf"Number {i} lies in column <at=\d>, in the <row> row from the top.", looks),
        (f"Count of {patterns} pieces: <n>.", pattern),
        (f"As to surface, <n> of them can be called {patterns}.", pattern),
        ("Of the first two pieces, number one lies further <w>.", side),
        ("Number one lies further <w> than number two.", side),
    ]

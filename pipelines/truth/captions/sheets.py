"""What captions say of what is drawn, plotted or printed: charts, mazes, transit, puzzles, functions, documents,
structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.truth.captions.sentences import Program, Said, Sentence, either, one_of, plain, value


def charts(p: Program) -> Sequence[Sentence]:
    series = {entry["name"]: entry for entry in p["series"]}
    names, points = either(list(series)), [str(x) for x in p["x"]]
    spread = [sorted(entry["values"][at] for entry in p["series"]) for at in range(len(points))]
    told = max(range(len(points)), key=lambda at: min(b - a for a, b in zip(spread[at], spread[at][1:], strict=False)))

    def extreme(m: Said) -> dict[str, Any]:
        at = points.index(m["x"]) if m.get("x") else 0
        return {"n": (max if m["e"] == "highest" else min)(series, key=lambda name: series[name]["values"][at])}

    def order(m: Said) -> dict[str, Any]:
        at = told if m.get("there") else 0
        first, second = (series[m[k]]["values"][at] for k in "ab")
        return {"w": one_of(first - second, "above", "below")}

    return [
        (
            f"A chart titled “<t={either([p['title']])}>” with <n> <k=lines|bars>.",
            lambda _: {"n": len(series)},
        ),
        (f"<s={names}> is drawn in <c>.", lambda m: {"c": series[m["s"]]["colour"]}),
        (f"The <e=highest|lowest> at <x={either(points)}> is <n={names}>.", extreme),
        (f"The <e=highest|lowest> is <n={names}>.", extreme),
        (f"<there=There>, <a={names}> lies <w> <b={names}>.", order),
        (f"<a={names}> lies <w> <b={names}>.", order),
    ]


def mazes(p: Program) -> Sequence[Sentence]:
    cells, marks = p["cells"], p["marks"]
    size = {"r": len(cells), "c": len(cells[0])}
    column, row = marks["S"]
    ways = len(set(cells[row - 1][column - 1]))
    called = "<o=the start, marked S|the letter A|the letter B|the letter C>"
    letter = f"the letter <o={either([label for label in marks if label != 'S'])}>"

    def place(m: Said) -> dict[str, Any]:
        at = marks["S" if "start" in m["o"] else m["o"][-1]]
        return {"r": at[1], "c": at[0]}

    def side(m: Said) -> dict[str, Any]:
        words, axis = ((("left of", "right of"), 0), (("above", "below"), 1))[m["w"] not in ("left of", "right of")]
        return {"w": one_of(marks[m["o"]][axis] - marks["S"][axis], *words)}

    wide = [
        "Seen from above, this is a maze of <r> rows with <c> squares each.",
        "The picture is a maze on a light floor, <r> squares high and <c> squares wide.",
        "A plan of a maze: <r> rows from top to bottom, and <c> columns from left to right.",
    ]
    walls = [
        "Its walls are drawn in <t>.",
        "Dark <t> lines stand for the walls.",
        "What blocks the way is painted <t>.",
    ]
    return [
        *((wording, lambda _: size) for wording in wide),
        *((wording, lambda _: {"t": p["theme"]}) for wording in walls),
        (f"In the <r> row from the top and the <c> column from the left lies {called}.", place),
        (f"Look for {called} in the <r> row down, <c> column across.", place),
        ("Number of neighbouring squares one can step to from the start: <n>.", lambda _: {"n": ways}),
        ("Standing on S, the open sides come to <n>.", lambda _: {"n": ways}),
        (f"S lies <w> {letter}.", side),
        (f"Compared with {letter}, the start is <w> it.", side),
        *plain(
            "Squares join wherever no wall is drawn between them.",
            "One may step between squares where no line parts them.",
        ),
    ]


def transit(p: Program) -> Sequence[Sentence]:
    lines = {line["colour"]: line["stops"] for line in p["lines"]}
    stations = {station["name"]: station for station in p["stations"]}
    name, line = either(list(stations)), f"<l={either(list(lines))}>"
    both = len([station for station in p["stations"] if station["lines"] == 2])

    def neighbour(m: Said) -> dict[str, Any]:
        """The station next to the named end of a line."""
        stops = lines[m["l"]]
        return {"s": stops[1] if stops[0] == m["end"] else stops[-2]}

    def side(m: Said) -> dict[str, Any]:
        axis, words = ("column", ("left", "right")) if m["w"] in ("left", "right") else ("row", ("up", "down"))
        return {"w": one_of(stations[m["b"]][axis] - stations[m["a"]][axis], *words)}

    number = [
        "This is the map of a transit network with <n> coloured lines.",
        "The map shows <n> lines, each in a colour of its own, as thick strokes with round stations.",
        "A schematic network plan; it has <n> lines, told apart by colour.",
    ]
    return [
        *((wording, lambda _: {"n": len(lines)}) for wording in number),
        (f"One end of the {line} line is <s={name}>.", lambda m: {"s": {lines[m["l"]][0], lines[m["l"]][-1]}}),
        (
            f"The {line} line has <s={name}> as one of its two ends.",
            lambda m: {"s": {lines[m["l"]][0], lines[m["l"]][-1]}},
        ),
        (f"Stations on the {line} line: <n>.", lambda m: {"n": len(lines[m["l"]])}),
        (f"Whoever rides the whole {line} line sees <n> stations.", lambda m: {"n": len(lines[m["l"]])}),
        (f"Counted from <end={name}>, the second station of the {line} line is <s={name}>.", neighbour),
        (f"On the {line} line, the station next to its end at <end={name}> is called <s={name}>.", neighbour),
        ("Number of stations where exactly two lines meet: <n>.", lambda _: {"n": both}),
        ("At <n> of the stations one can change lines.", lambda _: {"n": both}),
        (f"<a={name}> lies further <w> on the page than <b={name}>.", side),
        (f"Compared with <b={name}>, <a={name}> is further <w>.", side),
        *plain("Stations of more than one line are drawn as larger rings.", "Larger rings mark where lines meet."),
    ]


def puzzles(p: Program) -> Sequence[Sentence]:
    scene = p["scene"]
    houses = sorted(scene["houses"], key=lambda house: house["y"])
    sky = [
        "A painted landscape with mountains behind and a meadow in front, as it looks at <v>.",
        "Mountains, a meadow and a sky: this is a drawn landscape, and the light is that of <v>.",
        "The scene is a valley below snowy peaks; the sky tells that the time is <v>.",
    ]
    rock = ["Below their snow the mountains are <v>.", "The rock of the peaks has a <v> tone."]
    ground = ["Underneath, the ground is mostly <v>.", "The meadow in front of the mountains looks <v>."]
    counted = [
        "Number of houses: <n>.",
        "As for houses, one counts <n>.",
        "How many houses stand there? The count is <n>.",
    ]

    def trees(m: Said) -> dict[str, Any]:
        return {"n": len([tree for tree in scene["trees"] if tree["kind"] == m["k"]])}

    def walls(m: Said) -> dict[str, Any]:
        return {"c": houses[(value(m["i"]) or 0) - 1]["colour"]}

    def half(m: Said) -> dict[str, Any]:
        axis = 0 if m["s"] == "left" else 1
        return {"w": one_of(p["half"] - p["hole"][axis], *(("left", "right"), ("upper", "lower"))[axis])}

    house = "<i=first|second|third> house"
    return [
        *((wording, lambda _: {"v": scene["sky"]}) for wording in sky),
        *((wording, lambda _: {"v": scene["mountain"]}) for wording in rock),
        *((wording, lambda _: {"v": scene["meadow"]}) for wording in ground),
        *((wording, lambda _: {"n": len(houses)}) for wording in counted),
        ("Trees of the <k=pine|round> kind: <n>.", trees),
        ("Among the trees, the count of the <k=pine|round> kind is <n>.", trees),
        (f"In the painting as it was made, the {house} from above has <c> walls.", walls),
        (f"Walls of the {house}, counted from the top of the painting downwards: <c>.", walls),
        ("The <s=left|upper> edge of the cover runs through the <w> half of the picture.", half),
        ("Look for the <s=left|upper> edge of the cover in the <w> half.", half),
        *plain(
            "The picture has been turned, so that its upper edge need not be above.",
            "It has been cut into squares that were laid down in another order.",
            "It has been cut into nine squares, not all of which lie where they belong.",
            "It has been cut into nine squares, not all of which stand the right way up.",
            "A square in it is covered, with a question mark on the cover.",
            "The picture is whole; nothing in it has been moved.",
            "Light falls from a round disc in the sky.",
            "There is a round disc in the sky, for sun or moon.",
            "Everything is drawn in flat colours with clear edges.",
            "The style is plain, with flat colours.",
        ),
    ]


def functions(p: Program) -> Sequence[Sentence]:
    curves = dict(zip("fg", p["curves"], strict=False))
    graph, where = "graph <g=f|g>", r"<x=-?\d+>"

    def height(curve: str, x: str) -> float:
        return float(curves[curve]["values"][int(x) + 4])

    def at(m: Said) -> dict[str, Any]:
        return {"v": int(height(m["g"], m["x"]))}

    def order(m: Said) -> dict[str, Any]:
        return {"w": one_of(height("g", m["x"]) - height("f", m["x"]), "below", "above")}

    number = [
        "A coordinate system runs from minus five to five both ways; curves drawn in it: <n>.",
        "On squared paper with an x-axis and a y-axis one sees <n> of the functions that could be plotted.",
        "The plot has two axes with a grid of unit squares behind, and the number of graphs is <n>.",
    ]
    step = [
        "Along the axes, the step from one printed number to the next is <n>.",
        "Numbers are printed in steps of <n>.",
    ]
    return [
        *((wording, lambda _: {"n": len(p["curves"])}) for wording in number),
        *((wording, lambda _: {"n": p["numbered"]}) for wording in step),
        (f"To see {graph}, follow the <c> stroke.", lambda m: {"c": curves[m["g"]]["colour"]}),
        (f"As for colour, {graph} is <c>.", lambda m: {"c": curves[m["g"]]["colour"]}),
        (f"By its form, {graph} is a <k>.", lambda m: {"k": curves[m["g"]]["kind"]}),
        (f"The form of {graph} is that of a <k>.", lambda m: {"k": curves[m["g"]]["kind"]}),
        (f"Where x is {where}, {graph} has the height <v>.", at),
        (f"Above or below the place {where} on the x-axis, {graph} stands at <v>.", at),
        (f"At x = {where}, graph f lies <w> graph g.", order),
        (f"Compare both at x = {where}: f is <w> g.", order),
        *plain(
            "Both axes end in small arrows.",
            "An arrow at its end shows where each axis grows.",
            "Thin grey lines mark whole numbers.",
            "Each square of the grid is one unit wide and one unit high.",
        ),
    ]


def documents(p: Program) -> Sequence[Sentence]:
    rows, columns = p["rows"], p["columns"]
    row, column = f"<r={either([line[0] for line in rows])}>", f"<c={either(columns)}>"
    title = f"“<t={either([p['title']])}>”"

    def entry(m: Said) -> dict[str, Any]:
        at = list(columns).index(m["c"])
        return {"v": {line[at] for line in rows if line[0] == m["r"]}}

    def end(m: Said) -> dict[str, Any]:
        return {"v": rows[0 if m["i"] == "first" else -1][0]}

    tall = [
        f"A printed page headed {title} with one table; below its heading row the table has <n> rows.",
        f"The page shows a table, titled {title}, and below the heading <n> lines of entries.",
        f"This sheet is called {title}. Lines of data in its table: <n>.",
    ]
    across = [
        "Across, the table is divided into <n> columns.",
        "Count of columns: <n>.",
        "Every line has <n> entries.",
    ]
    by = [
        "A note at the foot says that <v> read the proofs.",
        "According to the note below, the proofs were read by <v>.",
    ]
    day = ["The same note gives the date as <v> May.", "Day of May on which that was done: <v>."]
    return [
        *((wording, lambda _: {"n": len(rows)}) for wording in tall),
        *((wording, lambda _: {"n": len(columns)}) for wording in across),
        *((wording, lambda _: {"v": p["note"]["by"]}) for wording in by),
        *((wording, lambda _: {"v": p["note"]["day"]}) for wording in day),
        (f"In the line of {row}, the entry under {column} reads <v>.", entry),
        (f"Under {column}, the table gives <v> for {row}.", entry),
        ("The <i=first|last> line of the table is that of <v>.", end),
        ("It is <v> that the <i=first|last> line is about.", end),
        (f"{row}: {column} <v>.", entry),
    ]


def structure(p: Program) -> Sequence[Sentence]:
    points = p["points"]
    name = either(list(points))

    def side(m: Said) -> dict[str, Any]:
        axis, words = (0, ("left", "right")) if m["w"] in ("left", "right") else (1, ("up", "down"))
        return {"w": one_of(points[m["b"]][axis] - points[m["a"]][axis], *words)}

    number = [
        "A plane figure drawn with ruler and pen; points that carry a letter: <n>.",
        "This is a drawing from a lesson in geometry, in which <n> points are named by letters.",
        "The figure consists of points and straight segments; letters name <n> of the points.",
    ]
    segments = ["Number of segments, each counted from end to end: <n>.", "Straight segments that were drawn: <n>."]
    ink = ["The segments are drawn in <c> ink.", "For the lines a pen with <c> ink was used."]
    return [
        *((wording, lambda _: {"n": len(points)}) for wording in number),
        *((wording, lambda _: {"n": len(p["segments"])}) for wording in segments),
        *((wording, lambda _: {"c": p["ink"]}) for wording in ink),
        (f"Point <a={name}> lies further <w> than point <b={name}>.", side),
        (f"Compared with <b={name}>, point <a={name}> is further <w>.", side),
        *plain(
            "A dot marks each point, with its letter beside it.",
            "Dots mark the points, and letters stand beside them.",
            "Nothing is written on the paper but letters and numbers.",
            "The paper is otherwise empty.",
        ),
    ]

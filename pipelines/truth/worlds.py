"""Answers of the worlds, worked out by matrices, complex numbers, brute force, and from pixels."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations, pairwise, permutations, product
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import shortest_path

from pipelines.truth.formulas import computed
from schemas.ids import canonical


def mazes(program: dict[str, Any]) -> Any:
    """Squares are complex numbers; distances come from a matrix of all pairs."""
    ask, cells = program["ask"], program["cells"]
    steps = {"N": -1j, "E": 1 + 0j, "S": 1j, "W": -1 + 0j}
    places = [complex(x, y) for y in range(1, len(cells) + 1) for x in range(1, len(cells) + 1)]
    index = {place: at for at, place in enumerate(places)}
    edges = []
    for at, place in enumerate(places):
        for side in cells[int(place.imag) - 1][int(place.real) - 1]:
            edges.append((at, index[place + steps[side]]))
    assert {(b, a) for a, b in edges} == set(edges), "a passage is open from both sides"
    marks = {label: complex(*at) for label, at in program["marks"].items()}
    rows, columns = zip(*edges, strict=True)
    graph = coo_matrix((np.ones(len(edges)), (rows, columns)), shape=(len(places),) * 2).tocsr()
    far, before = shortest_path(graph, unweighted=True, return_predecessors=True)
    start = index[marks["S"]]
    match ask["relation"]:
        case "length":
            return int(far[start, index[marks["A"]]])
        case "exit":
            (only,) = [label for label in "ABC" if np.isfinite(far[start, index[marks[label]]])]
            return only
        case "turns":
            way = [index[marks["A"]]]
            while way[-1] != start:
                way.append(before[start, way[-1]])
            moves = [places[a] - places[b] for a, b in pairwise(way)]
            return sum(a != b for a, b in pairwise(moves))
        case "walk":
            place, words = marks["S"], {"up": "N", "right": "E", "down": "S", "left": "W"}
            for way, count in ask["moves"]:
                for _ in range(count):
                    assert words[way] in cells[int(place.imag) - 1][int(place.real) - 1], "the walk runs into a wall"
                    place += steps[words[way]]
            (only,) = [label for label in "ABC" if marks[label] == place]
            return only


def transform(program: dict[str, Any]) -> Any:
    """Differences as sets of (number, attribute, value)."""
    looks = [
        {(at, key, piece[key]) for at, piece in enumerate(program[when], 1) for key in piece}
        for when in ("before", "after")
    ]
    changed = sorted(looks[1] - looks[0])
    match program["ask"]["relation"]:
        case "triplets":
            return [f"{number} {attribute} {value}" for number, attribute, value in changed]
        case "which":
            return changed[0][0]
        case "attribute":
            (only,) = [attribute for number, attribute, _ in changed if number == program["ask"]["piece"]]
            return only
        case "value":
            return changed[0][2]
        case "count":
            return len(changed)
        case "turn":
            return str(program["turn"])


def transit(program: dict[str, Any]) -> Any:
    """Stations as a matrix of neighbours, lines as a matrix of those that meet, routes by trying every tuple."""
    ask, lines = program["ask"], {line["colour"]: line["stops"] for line in program["lines"]}
    for station in program["stations"]:
        assert station["lines"] == sum(station["name"] in stops for stops in lines.values())
    match ask["relation"]:
        case "stops":
            stops = lines[ask["line"]]
            return abs(stops.index(ask["from"]) - stops.index(ask["to"]))
        case "lines":
            return sorted(colour for colour, stops in lines.items() if ask["station"] in stops)
        case "interchange":
            (only,) = set(lines[ask["lines"][0]]) & set(lines[ask["lines"][1]])
            return only
        case "shortest":
            names = [station["name"] for station in program["stations"]]
            pairs = [(names.index(a), names.index(b)) for stops in lines.values() for a, b in pairwise(stops)]
            rows, columns = zip(*pairs, strict=True)
            graph = coo_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(names),) * 2).tocsr()
            far = shortest_path(graph, directed=False, unweighted=True)
            return int(far[names.index(ask["from"]), names.index(ask["to"])])
    for count in range(1, len(lines) + 1):
        ways = []
        for chosen in permutations(lines, count):
            if ask["from"] in lines[chosen[0]] and ask["to"] in lines[chosen[-1]]:
                changes = [set(lines[a]) & set(lines[b]) for a, b in pairwise(chosen)]
                ways += [
                    [f"{c} to {s}" for c, s in zip(chosen, (*at, ask["to"]), strict=True)] for at in product(*changes)
                ]
        if ways and ask["relation"] == "changes":
            return count - 1
        if ways:
            (only,) = ways
            return only
    return None


def puzzles(program: dict[str, Any]) -> Any:
    """Found in the pixels: what is shown is compared with the landscape as it was painted."""
    from pipelines.tasks.landscape import paint
    from pipelines.tasks.mosaic import render

    def pixels(image: Any) -> Any:
        return np.asarray(image.convert("L")).astype(float)

    painted, shown = pixels(paint(program["scene"])), [pixels(image) for image in render(program)]
    match program["ask"]["relation"]:
        case "turned":
            return str(next(90 * k for k in range(4) if np.array_equal(np.rot90(painted, -k), shown[0])))
        case "patch":
            x0, y0, x1, y1 = program["hole"]
            side, off = x1 - x0, []
            for letter in range(4):
                left, top = letter * 98 + (98 - side) // 2, 22 + (86 - side) // 2
                off.append(np.abs(shown[1][top : top + side, left : left + side] - painted[y0:y1, x0:x1]).mean())
            assert sorted(off)[1] > 5
            return "ABCD"[int(np.argmin(off))]
        case "source":
            assert np.array_equal(shown[0], painted)
            x0, y0, x1, y1 = program["patch"]
            row, column = (y0 + y1) // 2 // 84, (x0 + x1) // 2 // 84
            return f"{('top', 'middle', 'bottom')[row]} {('left', 'middle', 'right')[column]}"
    count = 2 if program["ask"]["relation"] == "jigsaw" else 3
    step = 252 // count
    parts = [
        [whole[y : y + step, x : x + step][20:-4, 20:-4] for y in range(0, 252, step) for x in range(0, 252, step)]
        for whole in (painted, shown[0])
    ]
    if program["ask"]["relation"] == "jigsaw":
        return [int(np.argmin([np.abs(part - true).mean() for true in parts[0]])) + 1 for part in parts[1]]
    moved = [at for at, (true, part) in enumerate(zip(*parts, strict=True), 1) if np.abs(true - part).mean() > 1]
    return moved if program["ask"]["relation"] == "swap" else moved[0]


def functions(program: dict[str, Any]) -> Any:
    """Curves as arrays of half a million places; formulas are computed by Python itself."""
    ask = program["ask"]
    x = np.linspace(-5, 5, 500_001)

    def height(curve: dict[str, Any], x: Any) -> Any:
        top, _, bottom = curve["a"].partition("/")
        a, t = int(top) / int(bottom or 1), x - curve["h"]
        forms = {"line": t, "parabola": t**2, "corner": np.abs(t), "cubic": t**3 - 4 * t, "wave": np.sin(np.pi / 2 * t)}
        return a * forms[curve["kind"]] + curve["k"]

    curves = program["curves"]
    for curve in curves:
        assert np.allclose(curve["values"], height(curve, np.arange(-4, 5)))
    match ask["relation"]:
        case "value":
            return round(float(height(curves[ask["curve"]], ask["x"])))
        case "slope":
            slope = float(height(curves[0], 1.0) - height(curves[0], 0.0))
            return int(slope) if slope == int(slope) else slope
        case "zeros":
            y = height(curves[ask["curve"]], x)
            return int((np.diff(np.sign(y - 1e-9)) != 0).sum())
        case "turning":
            y = height(curves[0], x)
            at = np.argmin(y) if y.min() < min(y[0], y[-1]) else np.argmax(y)
            return [round(float(x[at])), round(float(y[at]))]
        case "formula":
            y = height(curves[ask["curve"]], x)
            (only,) = [option for option in ask["options"] if np.allclose(computed(option, x), y)]
            return only
        case "meet":
            y, z = (height(curve, x) for curve in curves)
            return int(((np.diff(np.sign(y - z + 1e-9)) != 0) & (np.abs(y[1:]) < 5)).sum())
        case "higher":
            return "f" if height(curves[0], ask["x"]) > height(curves[1], ask["x"]) else "g"


def documents(program: dict[str, Any]) -> Any:
    """With pandas, from the text of the cells."""
    import pandas as pd

    ask, frame = program["ask"], pd.DataFrame(program["rows"])
    column = frame[ask["column"]] if "column" in ask else frame[0]
    numeric = "column" in ask and program["numeric"][ask["column"]]
    values = pd.to_numeric(column) if numeric else column
    match ask["relation"]:
        case "lookup":
            found = values[ask["row"]]
            return canonical(float(found)) if numeric else found
        case "which":
            (row,) = [at for at, entry in enumerate(column) if entry == ask["entry"]]
            return frame[0][row]
        case "extreme":
            return frame[0].iloc[int(values.argmax() if ask["most"] else values.argmin())]
        case "count":
            return int(values.gt(ask["level"]).sum())
        case "difference":
            one, other = (Decimal(column[row]) for row in ask["rows"])
            return canonical(float(abs(one - other)))
        case "note":
            return program["note"]["by"] if ask["of"] == "by" else int(program["note"]["day"])


def stilllife(program: dict[str, Any]) -> Any:
    """From a table of names; the light is also looked for in the pixels, on the brighter side of the wall."""
    from pipelines.tasks.stilllife import render

    ask, things = program["ask"], {f"{t['colour']} {t['shape']}": t for t in program["things"]}
    assert len(things) == len(program["things"])
    match ask["relation"]:
        case "material" | "condition" as key:
            return things[ask["thing"]][key]
        case "shape":
            (only,) = [thing["shape"] for thing in things.values() if thing["material"] == ask["material"]]
            return only
        case "count":
            return [thing[ask["key"]] for thing in things.values()].count(ask["value"])
        case "same":
            return "yes" if len({things[ask[key]]["material"] for key in ("first", "second")}) == 1 else "no"
        case "which":
            (only,) = [name for name, thing in things.items() if thing["condition"] == ask["condition"]]
            return only
        case "light":
            wall = np.asarray(render(program).convert("L")).astype(float)[:20]
            return "left" if wall[:, :40].mean() > wall[:, -40:].mean() else "right"


def frames(program: dict[str, Any]) -> Any:
    """Paths as arrays of moments by two; the change of colour is looked for in the pixels."""
    from pipelines.tasks.draw import COLOURS
    from pipelines.tasks.frames import render

    ask = program["ask"]
    paths = {f"{body['colour']} {body['shape']}": np.array(body["path"]) for body in program["bodies"]}
    moves = {name: np.diff(path, axis=0) for name, path in paths.items()}
    assert all((step == step[0]).all() for step in moves.values()), "bodies move steadily"
    match ask["relation"]:
        case "direction":
            dx, dy = moves[ask["body"]][0]
            return ("right" if dx > 0 else "left") if dx else ("down" if dy > 0 else "up")
        case "change":
            seen = []
            for picture in render(program):
                found = {colour for _, colour in picture.getcolors(picture.width * picture.height) or ()}
                seen.append({name for name, colour in COLOURS.items() if colour in found})
            return next(at for at, colours in enumerate(seen, 1) if colours != seen[0])
        case "faster":
            return max(ask["bodies"], key=lambda name: float(np.linalg.norm(moves[name][0])))
        case "order":
            return [int(at) + 1 for at in np.argsort(program["shown"])]
        case "meet":
            one, other = (paths[name] for name in ask["bodies"])
            return int(np.argmin(np.linalg.norm(one - other, axis=1))) + 1
        case "next":
            goal = paths[ask["body"]][-1] + moves[ask["body"]][-1]
            return "ABCD"[[list(goal) == point for point in program["points"]].index(True)]


def views(program: dict[str, Any]) -> Any:
    """The building as two arrays, of heights and of colours, turned by numpy."""
    ask = program["ask"]

    def arrays(towers: list[dict[str, Any]]) -> tuple[Any, Any]:
        heights, colours = np.zeros((3, 3), dtype=int), np.full((3, 3), "", dtype=object)
        for tower in towers:
            heights[tower["y"], tower["x"]] = tower["height"]
            colours[tower["y"], tower["x"]] = tower["colour"]
        return heights, colours

    heights, colours = arrays(program["towers"])
    match ask["relation"]:
        case "height":
            return int(heights[colours == ask["colour"]][0])
        case "cubes":
            return int(heights.sum())
        case "side":
            first, second = (int(np.argwhere(colours == ask[key])[0][1]) for key in ("first", "second"))
            return "left" if (first < second) != ask["behind"] else "right"
        case "front":
            return "ABCD"[program["shapes"].index(heights.max(axis=0).tolist())]
    others = arrays(program["second"])
    turns = [
        k
        for k in range(1, 4)
        if all((np.rot90(a, -k) == b).all() for a, b in zip((heights, colours), others, strict=True))
    ]
    return str(90 * turns[0]) if ask["relation"] == "turned" else ("yes" if turns else "no")


def structure(program: dict[str, Any]) -> Any:
    """Complex numbers for angles, fractions for places, and all triples of lines for triangles."""
    at = {label: complex(*place) for label, place in program["points"].items()}

    def straight(a: complex, b: complex) -> bool:
        return (a * b.conjugate()).imag == 0

    match program["ask"]["relation"]:
        case "on_line":
            (only,) = [label for label in "PQR" if straight(at[label] - at["A"], at["B"] - at["A"])]
            return only
        case "angle":
            turn = ((at["A"] - at["B"]) * (at["C"] - at["B"]).conjugate()).real
            return "right" if turn == 0 else ("acute" if turn > 0 else "obtuse")
        case "missing":
            seen = abs(np.angle((at["A"] - at["C"]) / (at["B"] - at["C"]), deg=True))
            told = 180 - sum(int(text[:-1]) for text, _ in program["texts"] if text != "?")
            assert abs(seen - told) < 1, "drawn to scale"
            return told
        case "parallel":
            (only,) = [s for s in ("CD", "EF", "GH") if straight(at[s[1]] - at[s[0]], at["B"] - at["A"])]
            return only
        case "midpoint":
            (only,) = [label for label in "PQR" if 2 * at[label] == at["A"] + at["B"]]
            return only
        case "crossing":
            (ax, ay), (bx, by), (cx, cy), (dx, dy) = (program["points"][label] for label in "ABCD")
            lines = np.array([[by - ay, ax - bx], [dy - cy, cx - dx]], dtype=float)
            x, y = np.linalg.solve(lines, [ax * (by - ay) - ay * (bx - ax), cx * (dy - cy) - cy * (dx - cx)])
            return [round(float(x)), round(float(y))]
    base = {"B", "C", *"DEFGH"} & set(at)
    sides = {frozenset(segment) for segment in program["segments"]} | {
        frozenset(pair) for pair in combinations(base, 2)
    }
    return sum(
        all(frozenset(pair) in sides for pair in combinations(three, 2))
        and not straight(at[three[1]] - at[three[0]], at[three[2]] - at[three[0]])
        for three in combinations(at, 3)
    )

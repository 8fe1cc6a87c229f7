"""Captions of `documents`."""

from __future__ import annotations

from typing import Any

from pipelines.captions import Caption
from pipelines.captions.claims import Teller


def caption(program: dict[str, Any], seed: str) -> Caption:
    """Its title, rows and columns, four entries, and what is written below the table."""
    teller, rows, columns = Teller(program, seed), program["rows"], program["columns"]
    teller.tell(
        f"A printed page headed “{program['title']}” with one table; below its heading row the table has {{0}} rows.|"
        f"The page shows a table, titled “{program['title']}”, and below the heading {{0}} lines of entries.|"
        f"This sheet is called “{program['title']}”. Lines of data in its table: {{0}}.",
        teller.length(("rows",), 2, 12),
    )
    teller.tell(
        "Across, the table is divided into {0} columns.|Count of columns: {0}.|Every line has {0} entries.",
        teller.length(("columns",), 2, 8),
    )
    places = [(row, 1 + (row + len(rows)) % (len(columns) - 1)) for row in range(0, len(rows), max(1, len(rows) // 4))]
    for row, column in places[:4]:
        others = list(dict.fromkeys(line[column] for line in rows))
        if len(others) < 2:
            continue
        teller.tell(
            f"In the line of {rows[row][0]}, the entry under {columns[column]} reads {{0}}.|"
            f"Under {columns[column]}, the table gives {{0}} for {rows[row][0]}.|"
            f"{rows[row][0]}: {columns[column]} {{0}}.",
            teller.word(("rows", row, column), others, "value"),
        )
    names = [row[0] for row in rows]
    for index, place in ((0, "first"), (-1, "last")):
        teller.tell(
            f"The {place} line of the table is that of {{0}}.|It is {{0}} that the {place} line is about.",
            teller.word(("rows", index, 0), names),
        )
    teller.tell(
        "A note at the foot says that {0} read the proofs.|According to the note below, the proofs were read by {0}.",
        teller.word(("note", "by"), PEOPLE),
    )
    teller.tell(
        "The same note gives the date as {0} May.|Day of May on which that was done: {0}.",
        teller.word(("note", "day"), [str(day) for day in range(2, 30)], "value"),
    )
    return teller.caption()


PEOPLE = tuple(
    "Ames Berg Castro Dufour Eriksen Fiore Grant Haas Ito Jansen Kowal Lund Moreau Novak Okoro Price".split()
)

"""TSV, with one habit of VLMEvalKit: an `image` that is the `index` of an earlier row stands for that row's picture."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.sources import delimited
from pipelines.sources.record import Read, Source

LONGEST_INDEX = 64
"""VLMEvalKit takes a shorter `image` for an index."""


def rows(source: Source, file: str) -> Iterator[Read]:
    """The rows of a TSV; one that borrows its picture is read again where the picture stands."""
    places: dict[str, str] = {}
    for read in delimited.rows(source, file):
        if read.fields is None or "index" not in read.fields:
            yield read
            continue
        index, image = str(read.fields["index"]), read.fields.get("image")
        if isinstance(image, str) and len(image) > LONGEST_INDEX:
            places[index] = read.at
        elif isinstance(image, str) and image in places:
            fields = {name: value for name, value in read.fields.items() if name != "image"}
            places[index] = places[image]
            yield read._replace(at=places[image], fields=fields, heavy=("image",))
            continue
        yield read

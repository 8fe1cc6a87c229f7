"""What `verify` reads of a made sample: its rows and pictures, without a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from pipelines import verify
from pipelines.tasks import FAMILIES, Made
from pipelines.tasks.rows import oracle_steps, sample_row, trace_row
from schemas.ids import picture_id
from schemas.outcome import Outcome, Row


@dataclass(frozen=True)
class Told:
    """A row of `traces`, its row of `samples`, and what a lake would give for each image id."""

    trace: Row
    sample: Row
    pictures: Mapping[str, Image.Image]


def told(name: str, dial: int, made: Made) -> Told:
    """The oracle's trace of a made sample."""
    steps, shown = oracle_steps(made)
    sample = sample_row(name, dial, made, [picture_id(image) for image in made.images])
    pictures = {picture_id(image): image for image in (*made.images, *shown)}
    return Told(trace_row(sample, steps, FAMILIES[name].VERSION), sample, pictures)


def answering(whole: Told, answer: str) -> Told:
    """The same trace, honestly sealed, that ends in another answer."""
    *steps, last = whole.trace["steps"]
    trace = trace_row(whole.sample, [*steps, {**last, "text": answer}], 1)
    return Told(trace, whole.sample, whole.pictures)


def judge(whole: Told) -> Outcome:
    """What `verify` says."""

    class Pictures:
        image = staticmethod(whole.pictures.__getitem__)

    own: Sequence[str] = ("trace_id", "origin", "steps")
    row = {**whole.sample, **{name: whole.trace[name] for name in own}, "trace": whole.trace}
    outcome: Outcome = verify.run(row, verify.Parameters(), Pictures())  # type: ignore[arg-type]  # all it asks for
    return outcome

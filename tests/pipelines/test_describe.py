"""Captions of a model: what voters do not find true is left out, and what hangs on it."""

import pytest

from pipelines import propose, vicrit
from pipelines.describe import STAGE, Parameters, believed
from pipelines.lake import Lake
from tests.pipelines.jobs import Failed, given, picture, reasons, rows, run, said

PICTURES = [picture(seed) for seed in range(4)]
TOLD = (
    "A red bicycle stands left of a wooden bench. It has two large baskets. Three cups lie under the round lamp. "
    "A black dog sleeps in the corner. Its ears are long. The gate is open."
)
FALSE = ("A black dog sleeps in the corner.",)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def votes(request):
    """Yes to what the description says but `FALSE`, and no to everything else; the description itself."""
    text = request.messages[0].text
    if text.startswith("Describe"):
        return said(TOLD)
    sentence = text.partition("“")[2].rpartition("”")[0]
    return said("yes" if sentence in TOLD and sentence not in FALSE else "no")


def test_what_is_not_voted_true_is_left_out_with_what_hangs_on_it(lake):
    done = run(lake, STAGE, Parameters(votes=1), given(lake, *PICTURES), script=votes)
    captions = rows(lake, done, "captions")
    assert len(captions) == len(PICTURES) == done.counts.kept
    assert {row["text"] for row in captions} == {
        "A red bicycle stands left of a wooden bench. It has two large baskets. Three cups lie under the round lamp. "
        "The gate is open."
    }
    assert {(row["source"], row["license"]) for row in captions} == {("worker", "CC0-1.0")}


def test_a_described_picture_is_injected(lake):
    upstream = given(lake, *PICTURES)
    told = run(lake, STAGE, Parameters(votes=1), upstream, script=votes)
    asked = propose.Parameters(injectors=("grammatical",), votes=1)
    proposed = run(lake, propose.STAGE, asked, upstream, told.key, script=votes)
    injected = run(lake, vicrit.STAGE, vicrit.Parameters(per_caption=2), upstream, told.key, proposed.key)
    made = rows(lake, injected, "injections")
    assert len(made) == 2 * len(PICTURES) and all("dog" not in row["text"] for row in made)


def test_too_few_true_sentences_or_a_cut_answer_make_no_caption(lake):
    upstream = given(lake, *PICTURES)
    few = run(lake, STAGE, Parameters(votes=1, least=5), upstream, script=votes)
    assert set(reasons(lake, few).values()) == {"too_few_true"}
    assert {(row["value"], row["threshold"]) for row in rows(lake, few, "rejects")} == {(4.0, 5.0)}
    lost = run(lake, STAGE, Parameters(seed=1), upstream, script=lambda request: Failed("http_500", "busy", True))
    assert lost.counts.failed == len(PICTURES)
    none = run(lake, STAGE, Parameters(share=0.0), upstream, script=votes)
    assert none.counts.read == 0


@pytest.mark.parametrize(
    ("said", "verdicts", "kept"),
    [
        (("A.", "B."), (True, True), ["A.", "B."]),
        (("A.", "It B."), (False, True), []),
        (("A.", "It B.", "They C.", "D."), (False, True, True, True), ["D."]),
        (("A.", "Items B."), (None, True), ["Items B."]),
        ((), (), []),
    ],
)
def test_what_is_believed(said, verdicts, kept):
    assert believed(said, verdicts) == kept

"""Scores of a real server are those of `local:`; what it cannot give, it says clearly."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pipelines.workers.local import LocalWorker
from pipelines.workers.vllm import VLLMWorker
from schemas.messages import Picture
from schemas.requests import Embed, Failed, Gradients, Request, Score, Scored
from tests.pipelines.workers.conftest import Album, plain, says, user
from tests.vllm.mixed import mixed

pytestmark = pytest.mark.vllm

ENDS = (
    "red circle 21; blue square 03; 2 shapes.\n<answer>2</answer>",
    "two lines\n\nand what is no ASCII: é ☃ 水",
    '\n<tool_call>\n{"name": "crop", "arguments": {"bbox_2d": [0, 0, 500, 500]}}\n</tool_call>',
    "it ends in a break\n",
    "",
)


def test_scores_agree(local: LocalWorker, served: VLLMWorker, album: Album) -> None:
    """Up to four pictures, tool turns, texts that begin and end as they like; and no turn at all."""
    asked: list[Request] = [
        Score(request.request_id, (*request.messages, says(ENDS[number % len(ENDS)])))
        for number, request in enumerate(mixed(album, 40, seed=6))
        if request.messages[-1].role != "assistant"
    ]
    asked.append(Score("mute", (user("how many?"),)))
    for request, mine, theirs in zip(asked, local.answer(asked), served.answer(asked), strict=True):
        if isinstance(mine, Failed):
            assert isinstance(theirs, Failed)
            assert theirs.kind == mine.kind
            continue
        assert isinstance(mine, Scored)
        if isinstance(theirs, Failed):
            assert isinstance(request, Score)
            assert (theirs.kind, request.messages[-1].text[:1]) == ("unsupported", "\n")
            continue
        assert isinstance(theirs, Scored)
        assert theirs.prompt_tokens == mine.prompt_tokens
        assert theirs.logprobs == pytest.approx(mine.logprobs, abs=2e-3), request


def test_scores_tell_likely_texts_from_unlikely_ones(served: VLLMWorker, album: Album) -> None:
    picture = Picture(album.add(plain("red")))
    texts = ("<answer>2</answer>", "<answer>hippopotamus</answer>")
    results = served.answer([Score(text, (user(picture, "How many objects are there?"), says(text))) for text in texts])
    means = [sum(each.logprobs) / len(each.logprobs) for each in results if isinstance(each, Scored)]
    assert all(likely > unlikely for likely, unlikely in pairwise(means))
    assert len(means) == 2


def test_what_a_server_cannot_give_it_says(served: VLLMWorker, album: Album) -> None:
    picture = album.add(plain("red"))
    asked: list[Request] = [Embed("e", picture), Gradients("g", (user("?"), says("!")), 8, 0)]
    results = served.answer(asked)
    assert [result.kind for result in results if isinstance(result, Failed)] == ["unsupported", "unsupported"]

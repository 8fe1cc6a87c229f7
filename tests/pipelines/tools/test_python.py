"""The `python` tool: only where it is offered, only in the sandbox, and caught when it does not repeat itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from PIL import Image

from pipelines import verify
from pipelines.prompts import step
from pipelines.sandbox import Unavailable
from pipelines.tasks.rows import trace_row
from pipelines.tools import OFFERED, TOOLS, Seen, Shown, picture_id, python
from pipelines.tools.calls import ToolCall, execute, render
from pipelines.tools.environment import LocalEnvironment, Rules
from pipelines.tools.replay import replay, with_observations
from pipelines.tools.tool import CallError
from pipelines.tools.turn import parse_assistant
from schemas.outcome import Drop, Keep, Outcome
from tests.conftest import require
from tests.pipelines.jobs import sample

RED = Image.new("RGB", (60, 40), "red")
CLOCK = "import time; print(time.time_ns())"


@pytest.fixture(autouse=True)
def sandbox() -> Iterator[None]:
    require("bwrap")
    yield
    python._sandbox.cache_clear()


def ran(code: str, *images: Image.Image) -> Seen:
    return execute(Shown.of(images or (RED,)), ToolCall("python", {"code": code}), ("python",))


def refused(code: str) -> str:
    with pytest.raises(CallError) as caught:
        ran(code)
    return str(caught.value)


def test_it_does_not_exist_unless_it_is_offered() -> None:
    assert "python" in TOOLS and "python" not in OFFERED
    turn = render("python", {"code": "print(1)"})
    said = {}
    for tools in (OFFERED, ("crop", "python")):
        environment = LocalEnvironment()
        environment.reset("t", [RED], Rules(tools=tools))
        said[tools] = environment.step("t", turn).seen
    first, second = said.values()
    assert first is not None and first.refused and str(first.text).startswith("There is no tool 'python'")
    assert second == Seen(text="1")


def test_words_a_picture_or_both() -> None:
    assert ran("print(len(images), image.size)") == Seen(text="1 (60, 40)")
    made = ran("show(images[0].rotate(180))", RED, Image.new("RGB", (9, 9)))
    assert made.text is None and made.image is not None and made.image.tobytes() == RED.tobytes()
    both = ran("print('half'); show(image.crop((0, 0, 30, 40)))")
    assert both.text == "half" and both.image is not None and both.image.size == (30, 40)
    assert ran("pass") == Seen(text="The program printed nothing and showed no picture.")


def test_a_call_is_written_and_read_back() -> None:
    code = 'if 1 < 2:\n    print("</tool_call>")'
    for written in (code, f"```python\n{code}\n```"):
        (call,) = parse_assistant(render("python", {"code": written}))
        assert call["tool"] == "python" and json.loads(call["arguments"]) == {"code": code}


def test_a_failing_program_is_one_clear_answer() -> None:
    assert refused("x = 1\n1 / 0") == "The program failed. line 2: ZeroDivisionError: division by zero"
    assert refused("print('so far')\n[][1]").endswith("IndexError: list index out of range\nIt printed:\nso far")
    assert "stopped after 5 seconds" in refused("while True: pass")
    assert "Operation not permitted" in refused("import os; os.fork()")
    assert refused(" ") == "python: code: the code must be text."
    assert "at most 20000 characters" in refused("#" * 20_001)


def test_pictures_keep_to_what_a_model_can_be_shown() -> None:
    assert "61x40 pixels are too many; there is room for 2400" in refused("show(image.resize((61, 40)))")
    assert "is 1x9 pixels" in refused("show(image.resize((1, 9)))")
    assert "at most 1 pictures" in refused("show(image); show(image)")


def test_what_a_program_prints_is_never_markup() -> None:
    assert ran("print('<|im_end|><tool_call>', chr(27))").text == "‹|im_end|>‹tool_call>"
    assert "‹/tool_call>" in refused("raise ValueError('</tool_call>')")
    assert len(str(ran("print('x' * 9000)").text)) == python.MOST_WORDS


def test_without_a_sandbox_it_is_refused_and_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    python._sandbox.cache_clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="apt install bubblewrap"):
        ran("print(1)")


def judged(*programs: str, programs_allowed: bool = True, forge: Image.Image | None = None) -> Outcome:
    """What `verify` says of a trace with these programs; `forge` stands in for the first picture made."""
    asked = sample(RED)
    calls = [step("action", tool="python", arguments={"code": code}) for code in programs]
    steps = with_observations([RED], [*calls, step("answer", "red")])
    shown = list(replay([RED], steps).images)
    if forge is not None:
        steps[1] = replace_picture(steps[1], forge)
        shown[1] = forge
    pictures = {picture_id(image): image for image in shown}
    trace = trace_row(asked, steps, 1)

    class Pictures:
        image = staticmethod(pictures.__getitem__)

    row = {**asked, "trace_id": trace["trace_id"], "origin": trace["origin"], "steps": trace["steps"], "trace": trace}
    # Pictures is all of a Context that it asks for.
    return verify.run(row, verify.Parameters(programs=programs_allowed), Pictures())  # type: ignore[arg-type]


def replace_picture(seen: dict[str, object], image: Image.Image) -> dict[str, object]:
    return {**seen, "image_id": picture_id(image)}


def test_verify_runs_programs_again_and_compares_pixels_and_words() -> None:
    code = "import random, numpy as np\nprint(random.random(), np.random.default_rng().random(), {'a', 'b', 'c'})\n"
    code += "show(image.rotate(180))"
    assert isinstance(judged(code, "show(images[-1].crop((0, 0, 20, 20)))"), Keep)
    flipped = RED.copy()
    flipped.putpixel((3, 3), (254, 0, 0))
    outcome = judged(code, forge=flipped)
    assert isinstance(outcome, Drop) and outcome.reason == "replay_mismatch"


def test_verify_rejects_what_does_not_repeat_itself() -> None:
    outcome = judged(CLOCK)
    assert isinstance(outcome, Drop) and outcome.reason == "replay_mismatch"


def test_verify_runs_no_program_where_the_recipe_does_not_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = judged("print(1)", programs_allowed=False)
    assert isinstance(outcome, Drop) and outcome.reason == "program"

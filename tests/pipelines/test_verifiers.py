import json
import os
import signal
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.verifiers import extract, symbolic, verify, verify_answer, verify_row, written
from pipelines.verifiers.judge import read_vote, tally
from schemas.answers import ANSWER_TYPES, canonical_answer

COLORS = ("red", "green", "navy blue", "a dark grey")

# Right answers of every type, with the options that the type needs.
whole = st.integers(-(10**9), 10**9)
real = st.floats(-1e9, 1e9).map(lambda number: canonical_answer(number, "number"))
word = st.text(st.characters(categories=["L", "Nd"]), min_size=2, max_size=8)
phrase = st.lists(word, min_size=1, max_size=5).map(" ".join)
near = st.integers(0, 1000)
gold = {
    "integer": whole,
    "number": real,
    "yes_no": st.sampled_from(["yes", "no"]),
    "choice": st.sampled_from(COLORS),
    "text": phrase,
    "span": phrase,
    "open": phrase,
    "point": st.lists(near, min_size=2, max_size=2),
    "box": st.tuples(near, near, near, near).filter(lambda box: box[0] != box[2] and box[1] != box[3]).map(list),
    "list": st.lists(whole | phrase, min_size=1, max_size=5),
}
typed = st.sampled_from(ANSWER_TYPES).flatmap(lambda kind: gold[kind].map(lambda value: (kind, value)))


def judged(response: str, value, kind: str, **rules):
    return verify(response, value, kind, rules, COLORS if kind == "choice" else ())


def test_every_answer_type_has_a_law():
    assert set(gold) == set(ANSWER_TYPES)


@given(typed)
def test_gold_verifies_itself(case):
    kind, value = case
    for response in (f"<answer>{written(value)}</answer>", f"so it is \\boxed{{{written(value)}}}"):
        verdict = judged(response, value, kind)
        assert (verdict.correct, verdict.score, verdict.tier) == (True, 1.0, "compare")
    assert verify_answer(value, value, kind, None, COLORS if kind == "choice" else ()).correct


def corrupted(kind: str, value):
    """A wrong answer near the right one."""
    return {
        "integer": lambda: value + 1,
        "number": lambda: value * 1.01 + 1,
        "yes_no": lambda: "no" if value == "yes" else "yes",
        "choice": lambda: COLORS[(COLORS.index(value) + 1) % len(COLORS)],
        "text": lambda: value + "x",
        "span": lambda: value + " indeed",
        "open": lambda: value + "x",
        "point": lambda: [value[0] + 11, value[1]],
        "box": lambda: [value[0] + 2000, value[1], value[2] + 2000, value[3]],
        "list": lambda: [*value, "more"],
    }[kind]()


@given(typed)
@example(("integer", 1_000_000_000))
def test_a_corrupted_gold_does_not_verify(case):
    kind, value = case
    verdict = judged(f"<answer>{written(corrupted(kind, value))}</answer>", value, kind)
    assert verdict.correct is (None if kind == "open" else False)  # nobody voted on the open one
    assert verdict.score < 1


dress = st.sampled_from(["{}", " {} ", "**{}**", "{}.", "`{}`", '"{}"', "\n{}\n", "${}$", "\\text{{{}}}"])


@given(typed, dress, st.booleans())
def test_dress_changes_no_verdict(case, form, wrong):
    kind, value = case
    said = written(corrupted(kind, value) if wrong else value)
    if kind in ("point", "box", "list"):
        form = form if form in ("{}", " {} ", "\n{}\n") else "```json\n{}\n```"
    plain = judged(f"<answer>{said}</answer>", value, kind)
    dressed = judged(f"<answer>{form.format(said)}</answer>", value, kind)
    assert (dressed.correct, dressed.tier, dressed.score) == (plain.correct, plain.tier, plain.score)


@given(st.sampled_from(["yes_no", "choice", "text", "span"]).flatmap(lambda k: gold[k].map(lambda v: (k, v))))
def test_ascii_case_changes_no_verdict(case):
    kind, value = case
    value = value if value.isascii() else "plain"
    if kind in ("text", "span") or value != "plain":
        assert judged(f"<answer>{value.upper()}</answer>", value, kind).correct


pieces = st.lists(
    st.text(max_size=6)
    | st.sampled_from(
        ["\\boxed{", "}", "{", "<answer>", "</answer>", "\\", "$", "[1,", "]", "1e999", "9" * 400, "yes", "-", "%"]
    ),
    max_size=10,
).map("".join)


@given(pieces, typed, st.booleans())
def test_verify_never_raises(text, case, tagged):
    kind, value = case
    verdict = judged(f"<answer>{text}</answer>" if tagged else text, value, kind, symbolic=False)
    assert 0 <= verdict.score <= 1
    json.dumps(verdict.parsed, allow_nan=False)


# Tier 1


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{3} and \\boxed{4", "3"),
        ("\\boxed{a \\} b}", "a \\} b"),
        ("\\boxed{5} <answer>6</answer>", "5"),
        ("<answer>6</answer> \\boxed{ }", "6"),
        ("<answer>6</answer><answer>7</answer>", "7"),
        ("<answer>6", None),
        ("the answer is 8", None),
        ("", None),
    ],
)
def test_where_the_answer_stands(response, answer):
    assert extract(response) == answer


def test_a_declared_pattern_comes_last():
    assert extract("The answer is 8.", r"answer is (\d+)") == "8"
    assert extract("The answer is 8. <answer>9</answer>", r"answer is (\d+)") == "9"


def test_no_answer_is_wrong_by_extraction():
    verdict = judged("five", 5, "integer")
    assert (verdict.correct, verdict.tier) == (False, "extract")


# Tiers 2 and 3

RIGHT, WRONG, UNREAD = (True, "compare"), (False, "compare"), (False, "parse")


@pytest.mark.parametrize(
    ("said", "kind", "value", "rules", "expected"),
    [
        ("1,234", "integer", 1234, {}, RIGHT),
        ("seven", "integer", 7, {}, RIGHT),
        ("twenty-one", "integer", 21, {}, RIGHT),
        ("7 red squares", "integer", 7, {}, RIGHT),
        ("n = 7", "integer", 7, {}, RIGHT),
        ("7.0", "integer", 7, {}, RIGHT),
        ("7.4", "integer", 7, {}, WRONG),
        ("7 of 12", "integer", 7, {}, UNREAD),
        ("7 or eight", "integer", 7, {}, UNREAD),
        ("6 7", "integer", 67, {}, UNREAD),
        ("7, 8", "integer", 7, {}, UNREAD),
        ("5²", "integer", 52, {}, UNREAD),
        ("\u22123", "integer", -3, {}, RIGHT),
        ("about 9.8", "number", 10, {"tolerance": 0.05}, RIGHT),
        ("9.4", "number", 10, {"tolerance": 0.05}, WRONG),
        ("0.5", "number", 0, {"absolute": 0.5}, RIGHT),
        ("45%", "number", 45, {}, RIGHT),
        ("45%", "number", 0.45, {}, RIGHT),
        ("45%", "number", 0.45, {"percent": "points"}, WRONG),
        ("45 percent", "number", 45, {"percent": "fraction"}, WRONG),
        ("$1.5 million", "number", 1_500_000, {}, RIGHT),
        ("1.5 million", "number", 1.5, {}, WRONG),
        ("1.5 million", "number", 1.5, {"unit": "million"}, RIGHT),
        ("12 cm", "number", 12, {"unit": "cm"}, RIGHT),
        ("12", "number", 12, {"unit": "cm"}, RIGHT),
        ("12 m", "number", 12, {"unit": "cm"}, WRONG),
        ("12 cm²", "number", 12, {}, RIGHT),
        ("3/4", "number", 0.75, {}, RIGHT),
        ("1e-7", "number", 1e-7, {}, RIGHT),
        ("Yes, it is.", "yes_no", "yes", {}, RIGHT),
        ("No, it is not.", "yes_no", "no", {}, RIGHT),
        ("true", "yes_no", "yes", {}, RIGHT),
        ("not true", "yes_no", "yes", {}, UNREAD),
        ("yes and no", "yes_no", "yes", {}, UNREAD),
        ("yes, but it isn't", "yes_no", "yes", {}, UNREAD),
        ("C", "choice", "navy blue", {}, RIGHT),
        ("(c)", "choice", "navy blue", {}, RIGHT),
        ("C. navy blue", "choice", "navy blue", {}, RIGHT),
        ("The answer is C", "choice", "navy blue", {}, RIGHT),
        ("C. red", "choice", "navy blue", {}, UNREAD),
        ("Navy Blue", "choice", "navy blue", {}, RIGHT),
        ("blue", "choice", "navy blue", {}, UNREAD),
        ("E", "choice", "red", {}, UNREAD),
        ("the Cat", "text", "cat", {}, RIGHT),
        ("2-1", "text", "1", {}, WRONG),
        ("kitten", "text", "cat", {"aliases": ["kitten"]}, RIGHT),
        ("blue; red", "list", ["red", "blue"], {}, RIGHT),
        ("- red\n- blue", "list", ["red", "blue"], {}, RIGHT),
        ("red and blue", "list", ["red", "blue"], {}, RIGHT),
        ("[5, 5]", "list", [5, 5], {}, RIGHT),
        ("[5]", "list", [5, 5], {}, WRONG),
        ('["2", 1.0]', "list", [1, 2], {}, RIGHT),
        ("[2, 1]", "list", [1, 2], {"ordered": True}, WRONG),
        ("(103, 96)", "point", [100, 100], {}, RIGHT),
        ('{"point_2d": [100, 111], "label": "x"}', "point", [100, 100], {}, WRONG),
        ('{"x": 100, "y": 100}', "point", [100, 100], {}, RIGHT),
        ("the middle", "point", [100, 100], {}, UNREAD),
        ('```json\n[{"bbox_2d": [0, 0, 10, 9]}]\n```', "box", [0, 0, 10, 10], {}, RIGHT),
        ("[10, 10, 0, 0]", "box", [0, 0, 10, 10], {"iou": 1.0}, RIGHT),
        ("[0, 0, 10, 4]", "box", [0, 0, 10, 10], {}, WRONG),
        ("[0, 0, 10]", "box", [0, 0, 10, 10], {}, UNREAD),
    ],
)
def test_typed_answers(said, kind, value, rules, expected):
    verdict = judged(f"<answer>{said}</answer>", value, kind, symbolic=False, **rules)
    assert (verdict.correct, verdict.tier) == expected


def test_option_texts_go_before_letters():
    points = ("C", "A", "B")  # the options are points of a drawing
    assert verify("<answer>B</answer>", "B", "choice", None, points).correct
    assert not verify("<answer>C</answer>", "B", "choice", None, points).correct


def test_boxes_and_lists_are_graded_below_right():
    assert judged("<answer>[0, 0, 10, 4]</answer>", [0, 0, 10, 10], "box").score == pytest.approx(0.4)
    assert judged("<answer>[2, 1]</answer>", [1, 2], "list", ordered=True).score < 1


CAPTION = "A red circle stands left of a blue square, and two green stars lie under it."


@pytest.mark.parametrize(
    ("said", "extra", "right"),
    [
        ("a blue square", 0, True),
        ("Blue square.", 0, True),
        ("blue", 0, False),
        ("square", 2, False),
        (CAPTION, 0, False),
        (CAPTION, 8, False),
        ("left of a blue square", 0, False),
        ("left of a blue square", 3, True),
        ("left of a blue square", 2, False),
        ("not a blue square", 3, False),
        ("blue square, blue square", 3, False),
    ],
)
def test_a_span_counts_as_a_whole(said, extra, right):
    verdict = judged(f"<answer>{said}</answer>", "blue square", "span", context=CAPTION, extra_words=extra)
    assert verdict.correct is right


def test_an_unknown_rule_is_an_error():
    with pytest.raises(ValueError, match="tolerence"):
        verify("<answer>1</answer>", 1, "integer", {"tolerence": 0.1})


def test_a_row_is_judged_by_its_own_columns():
    row = {"answer": '"red"', "answer_type": "choice", "options": ["blue", "red"], "verifier": '{"name":"typed"}'}
    assert verify_row("<answer>B</answer>", row).correct
    assert not verify_row("<answer>A</answer>", {**row, "verifier": None}).correct


# Tier 4


@pytest.mark.parametrize(
    ("said", "value", "kind", "right"),
    [
        ("\\frac{10}{2}", 5, "integer", True),
        ("\\frac{10}{4}", 5, "integer", False),
        ("\\sqrt{2}", 1.4142135623730951, "number", True),
        ("(x+1)^2", "x^2+2x+1", "text", True),
        ("(x+1)^2", "x^2+2x+2", "text", False),
    ],
)
def test_mathematics_is_compared_as_such(said, value, kind, right):
    verdict = judged(f"\\boxed{{{said}}}", value, kind)
    assert (verdict.correct, verdict.tier) == (right, "symbolic")


@pytest.mark.parametrize("said", ["5 or 6 = 11", "the answer is 5 + 0 = 5 of course", "2, 3 and 5", "2 3", "5 5 5"])
def test_prose_is_no_mathematics(said):
    assert judged(f"<answer>{said}</answer>", 5, "integer").tier == "parse"


@pytest.mark.slow
def test_endless_mathematics_is_ended_and_the_next_question_answered():
    assert judged("\\boxed{1000000000!}", 5, "integer").correct is False
    assert judged("\\boxed{\\frac{15}{3}}", 5, "integer").correct is True


def test_a_late_comparison_is_killed_and_not_waited_for(monkeypatch):
    assert symbolic.same("7", "\\frac{21}{3}") is True
    helper = symbolic._pool.idle[-1]
    monkeypatch.setattr(symbolic, "SECONDS", 0.3)
    assert symbolic.same("5", "2000000000!") is False
    assert helper.process.returncode in (-signal.SIGPROF, -signal.SIGKILL)
    assert helper not in symbolic._pool.idle


@pytest.mark.slow
def test_mathematics_survives_a_killed_helper_and_a_fork():
    assert symbolic.same("7", "\\frac{14}{2}") is True
    for helper in symbolic._pool.idle:
        helper.process.kill()
    assert symbolic.same("8", "\\frac{16}{2}") is True
    child = os.fork()
    if child == 0:  # with helpers of its own, although it inherits the pipes of ours
        os._exit(10 + int(symbolic.same("9", "\\frac{18}{2}") is True))
    assert symbolic.same("10", "\\frac{20}{2}") is True
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 11


def test_mathematics_works_in_threads():
    verdicts: dict[int, bool | None] = {}

    def ask(number: int) -> None:
        verdicts[number] = judged(f"\\boxed{{\\frac{{{2 * number}}}{{2}}}}", number, "integer").correct

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == dict.fromkeys(range(3, 9), True)


# Tier 5


@pytest.mark.parametrize(
    ("text", "vote"),
    [
        ("yes", True),
        ("They mean the same.\n\nVerdict: **True**", True),
        ("The two agree. Yes.", True),
        ("The answers differ.\nfalse", False),
        ("not true", None),
        ("It is not the case that this is true", None),
        ("True or false? Hard to say", None),
        ("yes, no", None),
        ("", None),
    ],
)
def test_a_judge_is_read_strictly(text, vote):
    assert read_vote(text) is vote


@given(st.text(), st.sampled_from(["true", "yes"]), st.sampled_from(["not", "never", "hardly", "un"]))
def test_no_negated_word_is_a_yes(before, token, negation):
    assert read_vote(f"{before} {negation} {token}") is not True


@pytest.mark.parametrize(
    ("votes", "correct"),
    [
        (["yes", "yes", "no"], True),
        (["no", "no", "yes"], False),
        (["yes", None, "no"], None),
        (["yes", "yes", None], True),
        (["yes", None], None),
        ([None], None),
        ([], None),
    ],
)
def test_a_failed_judge_masks_what_it_could_have_turned(votes, correct):
    assert tally(votes)[0] is correct


def test_judges_vote_on_open_answers_only():
    response = "<answer>a feline</answer>"
    assert verify(response, "a cat", "open").correct is None
    assert verify(response, "a cat", "open", votes=["yes", "yes", "no"]).correct is True
    assert verify(response, "a cat", "open", votes=["no"]).tier == "judge"
    assert verify(response, "a cat", "text", votes=["yes"]).correct is False
    assert verify("no answer", "a cat", "open", votes=["yes"]).tier == "extract"

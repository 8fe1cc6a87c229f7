"""Kinds of broken fields: JSON that is none, values of the wrong type, numbers that are none, texts without end."""

from __future__ import annotations

from tests.hostile.build import Kind, asked, jsonl
from tests.hostile.pictures import ASKS, ROW

THIRD = b'"file_name": "third.png"'
DEEP = b'{"file_name": "third.png", "question": "Bad?", "answer": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def raw(text: bytes) -> bytes:
    """A line with these fields beside a good picture, byte for byte."""
    return b"{" + THIRD + b", " + text + b"}"


FIELDS: list[Kind] = [
    Kind("absent_answer", asked(answer=None), rule="bad_field", says=(ROW, "'answer'", "absent")),
    Kind("null_answer", jsonl(raw(b'"question": "Bad?", "answer": null')), rule="bad_field", says=(ROW, "'answer'")),
    Kind("blank_answer", asked(answer="  "), rule="bad_field", says=(ROW, "'answer'", "blank")),
    Kind("empty_answer", asked(answer=""), rule="bad_field", says=(ROW, "'answer'", "absent")),
    Kind("object_answer", asked(answer={"a": 1}), rule="bad_field", says=(ROW, "'answer'", "not text")),
    Kind("empty_list_answer", asked(answer=[]), rule="bad_field", says=(ROW, "'answer'", "at least one item")),
    Kind("boolean_answer", asked(answer=True), way="kept", more=1),
    Kind("number_answer", asked(answer=3), way="kept", more=1),
    Kind("list_answer", asked(answer=["a", "b"]), way="kept", more=1),
    Kind(
        "fraction_as_integer",
        asked(answer="3.5", answer_type="integer"),
        rule="bad_field",
        says=(ROW, "'answer'", "a whole number"),
    ),
    Kind(
        "word_as_number",
        asked(answer="many", answer_type="number"),
        rule="bad_field",
        says=(ROW, "'answer'", "a finite number"),
    ),
    Kind(
        "word_as_yes_no",
        asked(answer="maybe", answer_type="yes_no"),
        rule="bad_field",
        says=(ROW, "neither yes nor no"),
    ),
    Kind(
        "box_of_three",
        asked(answer=[1, 2, 3], answer_type="box"),
        rule="bad_field",
        says=(ROW, "'answer'", "a list of 4 numbers"),
    ),
    Kind("unknown_type", asked(answer_type="colour"), rule="bad_field", says=(ROW, "'answer_type'", "integer, number")),
    Kind("type_is_a_list", asked(answer_type=["text"]), rule="bad_field", says=(ROW, "'answer_type'")),
    Kind("nan_answer", jsonl(raw(b'"question": "Bad?", "answer": NaN')), rule="bad_record", says=(ROW, "'answer'")),
    Kind("infinite_answer", jsonl(raw(b'"question": "Bad?", "answer": Infinity')), rule="bad_record", says=(ROW,)),
    Kind("overflowing_answer", jsonl(raw(b'"question": "Bad?", "answer": 1e999')), rule="bad_record", says=(ROW,)),
    Kind(
        "nan_text_as_number",
        asked(answer="nan", answer_type="number"),
        rule="bad_field",
        says=(ROW, "'answer'", "a finite number"),
    ),
    Kind(
        "nan_inside",
        jsonl(raw(b'"question": "Bad?", "answer": "yes", "region": [NaN]')),
        rule="bad_record",
        says=(ROW, "'region'"),
    ),
    Kind("huge_integer", asked(answer=10**400), rule="bad_field", says=(ROW, "'answer'")),
    Kind(
        "endless_integer", jsonl(raw(b'"question": "Bad?", "answer": ' + b"9" * 20_000)), rule="bad_record", says=(ROW,)
    ),
    Kind("huge_integer_as_text", asked(answer="9" * 400), way="kept", more=1),
    Kind(
        "huge_text_as_integer",
        asked(answer="9" * 400, answer_type="integer"),
        rule="bad_field",
        says=(ROW, "'answer'", "a whole number"),
    ),
    Kind("letter_of_an_option", asked(options=["yes", "no"], answer="B"), way="kept", more=1),
    Kind("letter_of_no_option", asked(options=["yes", "no"], answer="C"), rule="bad_field", says=(ROW, "its letter")),
    Kind("question_is_a_number", asked(question=7), rule="bad_field", says=(ROW, "'question'", "string")),
    Kind("question_is_a_list", asked(question=["Bad?"]), rule="bad_field", says=(ROW, "'question'", "string")),
    Kind("empty_question", asked(question=""), rule="bad_field", says=(ROW, "'question'")),
    Kind("blank_question", asked(question=" \n\t"), rule="bad_field", says=(ROW, "'question'")),
    Kind(
        "ten_megabyte_question",
        asked(question="Why " * 2_500_000),
        rule="bad_field",
        says=(ROW, "'question'", "10,000,000 characters", "100,000"),
    ),
    Kind(
        "ten_megabyte_answer", asked(answer="So " * 3_000_000), rule="bad_field", says=(ROW, "'answer'", "characters")
    ),
    Kind(
        "ten_megabyte_caption",
        asked(caption="So " * 3_000_000),
        rule="bad_field",
        says=(ROW, "'caption'", "characters"),
    ),
    Kind("null_character_in_text", asked(question="Bad\0?"), way="kept", more=1),
    Kind(
        "half_a_character",
        jsonl(raw(b'"question": "\\ud83d", "answer": "yes"')),
        rule="bad_record",
        says=(ROW, "'question'", "half a character"),
    ),
    Kind(
        "broken_utf8",
        jsonl(raw(b'"question": "Bad\xff\xfe?", "answer": "yes"')),
        rule="bad_record",
        says=(ROW, "0xff", "UTF-8"),
    ),
    Kind(
        "latin_1",
        jsonl(raw('"question": "Où?", "answer": "yes"'.encode("latin-1"))),
        rule="bad_record",
        says=(ROW, "UTF-8"),
    ),
    Kind(
        "json_cut_mid_line",
        jsonl(b'{"file_name": "third.png", "question": "Ba'),
        rule="bad_record",
        says=(ROW, "no JSON"),
    ),
    Kind(
        "two_objects_in_a_line", jsonl(b'{"file_name": "third.png"} {"a": 1}'), rule="bad_record", says=(ROW, "no JSON")
    ),
    Kind(
        "python_not_json",
        jsonl(b"{'file_name': 'third.png', 'answer': None}"),
        rule="bad_record",
        says=(ROW, "no JSON"),
    ),
    Kind("a_list_not_an_object", jsonl(["third.png", "Bad?"]), rule="bad_record", says=(ROW, "object", "list")),
    Kind("a_number_not_an_object", jsonl(b"42"), rule="bad_record", says=(ROW, "object", "int")),
    Kind("nested_too_deep", jsonl(DEEP), rule="bad_record", says=(ROW, "nested too deep")),
    Kind("binary_noise", jsonl(bytes(range(128, 256))), rule="bad_record", says=(ROW, "UTF-8")),
    Kind("no_picture_named", asked(file_name=None), rule="missing_picture", says=(ROW, "`file_name` or `image`")),
    Kind("picture_is_a_number", asked(file_name=7), rule="bad_picture", says=(ROW, "'file_name'", "a path", "int")),
    Kind("picture_is_an_object", asked(file_name={"x": 1}), rule="bad_picture", says=(ROW, "'file_name'")),
    Kind(
        "pictures_with_nulls", asked(file_name=["third.png", None]), rule="missing_picture", says=(ROW, "'file_name'")
    ),
    Kind("nothing_asked", asked(question=None, answer=None), way="rejects", rule="nothing_asked"),
    Kind(
        "same_question_twice",
        asked(question=None, answer=None, questions=[ASKS, ASKS]),
        way="rejects",
        rule="asked_twice",
        more=1,
    ),
    Kind(
        "one_bad_question_of_two",
        asked(question=None, answer=None, questions=[{"question": "Bad?"}, {"question": "Fine?", "answer": "yes"}]),
        rule="bad_field",
        says=(ROW, "question 1", "'answer'"),
        more=1,
    ),
    Kind(
        "questions_is_a_text",
        asked(question=None, answer=None, questions="Bad?"),
        rule="bad_field",
        says=(ROW, "'questions'", "list of objects"),
    ),
    Kind(
        "same_record_twice", jsonl({"file_name": "first.png", "question": "Good before?", "answer": "yes"}), way="kept"
    ),
    Kind(
        "options_without_the_answer",
        asked(options=["no", "perhaps"]),
        rule="bad_field",
        says=(ROW, "'answer'", "options"),
    ),
    Kind("options_twice", asked(options=["yes", "no", "yes"]), rule="bad_field", says=(ROW, "'options'", "twice")),
    Kind("options_is_a_text", asked(options="yes,no"), rule="bad_field", says=(ROW, "'options'")),
    Kind("options_of_numbers", asked(options=[1, 2], answer=1), rule="bad_field", says=(ROW, "'options")),
    Kind("empty_option", asked(options=["yes", ""]), rule="bad_field", says=(ROW, "'options")),
    Kind(
        "negative_region",
        asked(region=[{"label": "x", "box": [-5, -5, 4, 4]}]),
        rule="bad_field",
        says=(ROW, "'region", "box"),
    ),
    Kind(
        "region_inside_out",
        asked(region=[{"label": "x", "box": [9, 9, 2, 2]}]),
        rule="bad_field",
        says=(ROW, "'region", "box"),
    ),
    Kind(
        "region_beyond_the_picture",
        asked(region=[{"label": "x", "box": [0, 0, 99, 99]}]),
        rule="bad_field",
        says=(ROW, "'region", "16 × 16"),
    ),
    Kind("region_without_box", asked(region=[{"label": "x"}]), rule="bad_field", says=(ROW, "'region", "box")),
    Kind("region_is_a_number", asked(region=5), rule="bad_field", says=(ROW, "'region")),
    Kind("verifier_is_a_text", asked(verifier="exact"), rule="bad_field", says=(ROW, "'verifier")),
    Kind("pair_is_a_number", asked(pair_id=5), rule="bad_field", says=(ROW, "'pair_id'")),
    Kind("license_is_a_list", asked(license=["CC0"]), rule="bad_field", says=(ROW, "'license'", "a text")),
    Kind("domain_is_a_number", asked(domain=5), rule="bad_field", says=(ROW, "'domain'", "a text")),
    Kind("caption_is_a_number", asked(caption=5), rule="bad_field", says=(ROW, "'caption'", "a text")),
    Kind("blank_caption", asked(caption=" "), rule="bad_field", says=(ROW, "'caption'")),
    Kind("captions_is_a_text", asked(captions="A cat."), rule="bad_field", says=(ROW, "'captions'", "list of texts")),
    Kind(
        "placeholder_too_many",
        asked(question="<image><image> Bad?"),
        rule="placeholder_mismatch",
        says=(ROW, "2 `<image>`", "1 picture"),
    ),
    Kind("only_a_placeholder", asked(question="<image>"), rule="bad_field", says=(ROW, "'question'")),
    Kind(
        "names_twice_in_json",
        jsonl(raw(b'"question": "Bad?", "answer": "yes", "answer": "no"')),
        rule="bad_record",
        says=(ROW, "'answer'", "twice"),
    ),
    Kind("unknown_fields", asked(**{"héhé": [1, {"x": None}], "": 1}), way="kept", more=1),
]

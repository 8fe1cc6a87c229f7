"""Kinds of broken text files: JSON lines and lists, conversations, CSV and TSV; and tars."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.hostile.build import (
    BEFORE,
    GOOD,
    PNG,
    Kind,
    base64_tsv,
    beside,
    conversation,
    good,
    jsonl,
    llava,
    member,
    parquet,
    table,
    tar,
    written_csv,
)

CHAT, TAR = "chat.json, row 2", "shard.tar, row 2"
CSV, TSV = "rows.csv, row 3", "bench.tsv, row 3"  # a line: the header is the first
FIRST_ONLY = {BEFORE: GOOD[BEFORE]}


def llamafactory(entry: dict[str, object]) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        llava()(root)
        usual = {"file_name": "chat.json", "formatting": "sharegpt", "columns": {"images": "image"}}
        (root / "dataset_info.json").write_text(json.dumps({"mine": {**usual, **entry}}))

    return build


def tsv_index(root: Path) -> None:
    base64_tsv({"index": "2", "image": "77", "question": "Bad?"})(root)


TEXTS: list[Kind] = [
    # JSON lines, beside a good file
    Kind(
        "utf16_lines",
        beside("more/metadata.jsonl", json.dumps({"a": 1}).encode("utf-16")),
        rule="bad_record",
        says=("more/metadata.jsonl, row 1", "save it as UTF-8"),
    ),
    Kind("empty_file", beside("more/metadata.jsonl", b""), way="kept"),
    Kind("only_blank_lines", beside("more/metadata.jsonl", b"\n \r\n\n"), way="kept"),
    Kind(
        "marked_utf8",
        beside("more/metadata.jsonl", b"\xef\xbb\xbf" + json.dumps(good("Marked?", "../third.png")).encode() + b"\r\n"),
        way="kept",
        more=1,
    ),
    Kind(
        "last_line_cut",
        beside("more/metadata.jsonl", json.dumps(good("Whole?", "../third.png")).encode() + b'\n{"file_name": "../th'),
        rule="bad_record",
        says=("more/metadata.jsonl, row 2", "no JSON"),
        more=1,
    ),
    Kind("an_empty_source", lambda root: None, way="refused", says=("none of the formats", "metadata.jsonl")),
    Kind(
        "two_formats",
        lambda root: (parquet(lambda: table({}))(root), llava()(root)),
        way="refused",
        says=("several formats", "rows.parquet", "chat.json", "`format`"),
    ),
    Kind(
        "unknown_format",
        jsonl(),
        way="refused",
        says=("'imagefoldr'", "did you mean 'imagefolder'"),
        source={"format": "imagefoldr"},
    ),
    Kind(
        "unknown_convention",
        jsonl(),
        way="refused",
        says=("'lava'", "did you mean 'llava'"),
        source={"convention": "lava"},
    ),
    # A list in a JSON file
    Kind(
        "broken_object_in_a_list",
        llava(raw=b'{"image": "third.png", "conversations": [oops]}'),
        rule="bad_record",
        says=(CHAT, "no JSON"),
    ),
    Kind("element_is_no_object", llava("text"), rule="bad_record", says=(CHAT, "object", "str")),
    Kind("null_in_a_list", llava(None), rule="bad_record", says=(CHAT, "object", "NoneType")),
    Kind("broken_utf8_in_a_list", llava(raw=b'{"image": "\xff.png"}'), rule="bad_record", says=(CHAT, "UTF-8")),
    Kind(
        "list_cut_off",
        lambda root: (
            llava()(root),
            (root / "chat.json").write_bytes((root / "chat.json").read_bytes()[:-60]),
        ),
        rule="bad_record",
        says=(CHAT, "cut off"),
        good=FIRST_ONLY,
    ),
    Kind(
        "object_never_closed", llava(raw=b'{"image": "third.png", "conversations": ['), rule="bad_record", says=(CHAT,)
    ),
    # Conversations
    Kind(
        "placeholders_and_no_picture",
        llava(conversation("Bad?", "yes", [])),
        rule="placeholder_mismatch",
        says=(CHAT, "1 `<image>` placeholder for 0 pictures"),
    ),
    Kind(
        "two_placeholders_one_picture",
        llava(conversation("<image> Bad?", "yes", "third.png")),
        rule="placeholder_mismatch",
        says=(CHAT, "2 `<image>` placeholders for 1 picture"),
    ),
    Kind(
        "one_placeholder_two_pictures",
        llava(conversation("Bad?", "yes", ["third.png", "third.png"])),
        rule="placeholder_mismatch",
        says=(CHAT, "1 `<image>` placeholder for 2 pictures", "one for each"),
    ),
    Kind(
        "question_without_reply",
        llava({"image": "third.png", "conversations": [{"from": "human", "value": "<image>Bad?"}]}),
        rule="bad_field",
        says=(CHAT, "no reply"),
    ),
    Kind(
        "reply_before_question",
        llava({"image": "third.png", "conversations": [{"from": "gpt", "value": "<image>Bad?"}]}),
        rule="bad_field",
        says=(CHAT, "turn 1", "before any question"),
    ),
    Kind(
        "unknown_role",
        llava({"image": "third.png", "conversations": [{"from": "alien", "value": "<image>Bad?"}]}),
        rule="bad_field",
        says=(CHAT, "turn 1", "'alien'", "`user` and `assistant`"),
    ),
    Kind(
        "turns_are_a_text",
        llava({"image": "third.png", "conversations": "Bad?"}),
        rule="bad_field",
        says=(CHAT, "'conversations'", "list of turns"),
    ),
    Kind(
        "turn_is_a_list",
        llava({"image": "third.png", "conversations": [["human", "Bad?"]]}),
        rule="bad_field",
        says=(CHAT, "turn 1", "object"),
    ),
    Kind(
        "turns_without_picture",
        llava({"conversations": [{"from": "human", "value": "Bad?"}, {"from": "gpt", "value": "y"}]}),
        way="rejects",
        rule="no_picture",
    ),
    # CSV and TSV
    Kind("row_too_short", written_csv("third.png,Bad?"), rule="bad_record", says=(CSV, "2 cells", "the first line 3")),
    Kind(
        "row_too_long",
        written_csv("third.png,Bad?,yes,no"),
        rule="bad_record",
        says=(CSV, "4 cells", "the first line 3"),
    ),
    Kind("quote_never_closed", written_csv('third.png,"Bad?,yes'), rule="bad_record", says=(CSV, "quotation mark")),
    Kind("line_ends_in_a_cell", written_csv('third.png,"Bad\nreally?",yes'), way="kept", more=1),
    Kind("csv_is_latin_1", written_csv("third.png,B\udce4d?,yes"), rule="bad_record", says=(CSV, "0xe4", "UTF-8")),
    Kind("null_character_in_csv", written_csv("third.png,Bad\0?,yes"), way="kept", more=1),
    Kind("empty_cells", written_csv("third.png,Bad?,"), rule="bad_field", says=(CSV, "'answer'", "absent")),
    Kind("empty_picture_cell", written_csv(",Bad?,yes"), rule="missing_picture", says=(CSV, "picture")),
    Kind(
        "csv_is_utf16",
        lambda root: (
            written_csv("third.png,Fine?,yes")(root),
            (root / "wide.csv").write_bytes("image,question,answer\n".encode("utf-16")),
        ),
        rule="bad_record",
        says=("wide.csv, row 1", "save it as UTF-8"),
        more=1,
    ),
    Kind(
        "csv_without_a_line",
        lambda root: (written_csv("third.png,Fine?,yes")(root), (root / "void.csv").write_bytes(b"")),
        rule="bad_record",
        says=("void.csv, row 1", "the names of the columns"),
        more=1,
    ),
    Kind(
        "csv_with_only_a_header",
        lambda root: (
            written_csv("third.png,Fine?,yes")(root),
            (root / "head.csv").write_bytes(b"image,question,answer\n"),
        ),
        way="kept",
        more=1,
    ),
    Kind(
        "csv_names_a_column_twice",
        lambda root: (
            written_csv("third.png,Fine?,yes")(root),
            (root / "twice.csv").write_bytes(b"image,image\na,b\n"),
        ),
        rule="bad_record",
        says=("twice.csv, row 1", "'image' twice"),
        more=1,
    ),
    Kind(
        "letter_beyond_the_options",
        base64_tsv({"answer": "E"}),
        rule="bad_field",
        says=(TSV, "'answer'", "none of the options A, B"),
    ),
    Kind("broken_base64", base64_tsv({"image": "iVBOR!" * 300}), rule="bad_picture", says=(TSV, "'image'", "base64")),
    Kind(
        "base64_of_text",
        base64_tsv({"image": base64.b64encode(b"no picture at all " * 9).decode()}),
        rule="undecodable",
        says=(TSV, "no format that is read"),
    ),
    Kind("index_of_no_row", tsv_index, rule="missing_file", says=(TSV, "'77'")),
    Kind(
        "info_names_no_file",
        llamafactory({"file_name": "gone.json"}),
        way="refused",
        says=("dataset_info.json", "'gone.json'", "beside"),
    ),
    Kind(
        "info_points_outside",
        llamafactory({"file_name": "../chat.json"}),
        way="refused",
        says=("dataset_info.json", "'../chat.json'"),
    ),
    Kind(
        "info_of_unknown_kind",
        llamafactory({"file_name": "first.png"}),
        way="refused",
        says=("'first.png'", "known are"),
    ),
]

ARCHIVES: list[Kind] = [
    Kind(
        "member_points_up",
        tar(
            lambda t: (
                member(t, "../b.png", PNG["third.png"]),
                member(t, "../b.json", b'{"question": "Bad?", "answer": "yes"}'),
            )
        ),
        rule="bad_record",
        says=(TAR, "'../b.png'", "inside"),
    ),
    Kind(
        "member_is_absolute",
        tar(lambda t: member(t, "/etc/b.png", PNG["third.png"])),
        rule="bad_record",
        says=(TAR, "'/etc/b.png'"),
    ),
    Kind(
        "member_is_a_link",
        tar(lambda t: member(t, "5.png", kind=tarfile.SYMTYPE, link="/etc/passwd")),
        rule="bad_record",
        says=(TAR, "'5.png'", "no regular file"),
    ),
    Kind(
        "member_is_a_device",
        tar(lambda t: member(t, "5.png", kind=tarfile.CHRTYPE)),
        rule="bad_record",
        says=(TAR, "'5.png'", "no regular file"),
    ),
    Kind(
        "member_twice",
        tar(lambda t: (member(t, "5.png", PNG["third.png"]), member(t, "5.png", PNG["first.png"]))),
        rule="bad_record",
        says=(TAR, "'5.png'", "twice"),
    ),
    Kind(
        "member_is_no_json",
        tar(lambda t: (member(t, "5.png", PNG["third.png"]), member(t, "5.json", b"{oops"))),
        rule="bad_record",
        says=(TAR, "'5.json'", "no JSON"),
    ),
    Kind(
        "member_is_no_picture",
        tar(lambda t: (member(t, "5.png", b"oops"), member(t, "5.txt", b"A cat."))),
        rule="undecodable",
        says=(TAR, "5.png"),
    ),
    Kind(
        "text_without_picture",
        tar(lambda t: member(t, "5.txt", b"A cat.")),
        rule="missing_picture",
        says=(TAR, "picture"),
    ),
    Kind(
        "tar_cut_short",
        tar(lambda t: None, size=3_500),
        rule="bad_record",
        says=("shard.tar, row", "cut off"),
        good=FIRST_ONLY,
    ),
    Kind(
        "tar_is_packed",
        tar(lambda t: None, mode="w:gz"),
        rule="bad_record",
        says=("shard.tar, row 1", "unpack it"),
        good={},
    ),
    Kind(
        "noise_in_a_tar",
        lambda root: (tar(lambda t: None)(root), (root / "b.tar").write_bytes(b"noise " * 400)),
        rule="bad_record",
        says=("b.tar, row 1", "broken"),
    ),
    Kind(
        "tar_of_no_bytes",
        lambda root: (tar(lambda t: None)(root), (root / "b.tar").write_bytes(b"")),
        rule="bad_record",
        says=("b.tar, row 1", "empty"),
    ),
]

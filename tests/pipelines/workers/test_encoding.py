"""Tokens, and which of them the assistant says."""

from __future__ import annotations

import pytest

from pipelines.workers.encoding import IGNORED
from pipelines.workers.local import LocalWorker
from schemas.messages import Message, Picture, Text
from tests.pipelines.workers.conftest import Album, plain, says, user

CALL = 'look closer\n<tool_call>\n{"name": "crop", "arguments": {}}\n</tool_call>'


@pytest.fixture
def talk(album: Album) -> tuple[Message, ...]:
    first, second = album.add(plain("red")), album.add(plain("blue"))
    return (
        user(Picture(first), "how many shapes?"),
        says(CALL),
        Message("tool", (Picture(second),)),
        says("red circle 21\n<answer>1</answer>"),
    )


def test_only_what_the_assistant_says_is_spoken(worker: LocalWorker, talk: tuple[Message, ...]) -> None:
    encoded = worker.encoder.encode(talk, opened=False)
    decode = worker.encoder.tokenizer.decode
    spoken = decode([token for token, said in zip(encoded.ids, encoded.spoken, strict=True) if said])
    assert spoken == f"{CALL}<|im_end|>red circle 21\n<answer>1</answer><|im_end|>"
    assert [label for label in encoded.labels if label != IGNORED] == [
        token for token, said in zip(encoded.ids, encoded.spoken, strict=True) if said
    ]
    assert encoded.pictures == (talk[0].parts[0].image_id, talk[2].parts[0].image_id)
    assert encoded.ids.count(worker.encoder.image_token_id) == 32  # two pictures of 16 tokens


def test_tokens_are_those_of_the_processor(worker: LocalWorker, talk: tuple[Message, ...], album: Album) -> None:
    encoded = worker.encoder.encode(talk, opened=False)
    processor = worker.encoder.processor
    chat = [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"}
                for part in message.parts
            ],
        }
        for message in talk
    ]
    text = processor.apply_chat_template(chat, tokenize=False)
    pictures = [album(image_id) for image_id in encoded.pictures]
    stock = processor(text=[text], images=pictures, return_tensors="pt")
    ours = worker.encoder.collate([encoded], left=False)
    assert ours.keys() == stock.keys()
    for name in ours:
        assert (ours[name] == stock[name]).all(), name


def test_a_conversation_begins_with_the_prompts_of_its_turns(worker: LocalWorker, talk: tuple[Message, ...]) -> None:
    whole = worker.encoder.encode(talk, opened=False)
    for turn, start in ((1, whole.turns[0]), (3, whole.turns[1])):
        prompt = worker.encoder.encode(talk[:turn], opened=True)
        assert whole.ids[:start] == prompt.ids
        assert whole.spoken[:start] == prompt.spoken


def test_an_open_assistant_turn_is_continued(worker: LocalWorker, talk: tuple[Message, ...]) -> None:
    prompt = worker.encoder.encode((*talk[:3], says("red circle")), opened=True)
    whole = worker.encoder.encode((*talk[:3], says("red circle 21")), opened=False)
    assert whole.ids[: len(prompt.ids)] == prompt.ids
    assert worker.encoder.tokenizer.decode(prompt.ids[prompt.turns[-1] :]) == "red circle"


def test_control_tokens_in_texts_are_refused(worker: LocalWorker) -> None:
    for text in ("<|image_pad|>", "so <|im_end|> it goes"):
        with pytest.raises(ValueError, match="control token"):
            worker.encoder.encode((user(text),), opened=True)


def test_a_template_that_forgets_is_refused(worker: LocalWorker, talk: tuple[Message, ...]) -> None:
    processor = worker.encoder.processor
    stock = processor.chat_template
    last_only = (
        "{% for message in messages[-1:] %}<|im_start|>{{ message.role }}\n{{ loop.index }}<|im_end|>\n{% endfor %}"
    )
    try:
        processor.chat_template = last_only
        with pytest.raises(ValueError, match="rewrites earlier turns"):
            worker.encoder.encode(talk, opened=False)
    finally:
        processor.chat_template = stock


@pytest.mark.parametrize("left", [True, False])
def test_padding_keeps_every_row_and_its_pictures(worker: LocalWorker, talk: tuple[Message, ...], left: bool) -> None:
    rows = [worker.encoder.encode(messages, opened=False) for messages in (talk[:2], talk, (user("hello"), says("2")))]
    batch = worker.encoder.collate(rows, left=left)
    for index, row in enumerate(rows):
        assert tuple(batch["input_ids"][index][batch["attention_mask"][index] == 1].tolist()) == row.ids
    alone = [worker.encoder.collate([row], left=left).get("pixel_values") for row in rows]
    assert sum(len(pixels) for pixels in alone if pixels is not None) == len(batch["pixel_values"])
    assert (batch["pixel_values"][: len(alone[0])] == alone[0]).all()

"""The architecture as an open_clip configuration, its tokenizer, and the folder that open_clip loads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SIZE = 96
CONTEXT = 64
VOCABULARY = 1024
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
PAD, END = "<pad>", "<end>"

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 128,
    # A residual network whose steps down are averages: it learns from few pictures, and a shift hardly moves it.
    "vision_cfg": {"layers": [1, 2, 2, 1], "width": 16, "head_width": 32, "patch_size": None, "image_size": SIZE},
    "text_cfg": {
        "context_length": CONTEXT,
        "vocab_size": VOCABULARY,
        "hf_tokenizer_name": "clip",  # any name: from a folder open_clip takes the tokenizer that lies in it
        "width": 96,
        "heads": 3,
        "layers": 2,
        "pool_type": "eos",
        "eos_id": 1,
    },
}
"""1.8 million parameters."""

CONFIGURATION: dict[str, Any] = {
    "model_cfg": ARCHITECTURE,
    "preprocess_cfg": {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"},
}
"""What `open_clip_config.json` says. Pictures are squashed to a square: a border counts as much as the middle."""


def build(seed: int) -> Any:
    """A fresh `open_clip.model.CLIP`."""
    from open_clip.model import CLIP

    torch.manual_seed(seed)
    return CLIP(**ARCHITECTURE)


def learn(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE learned from `texts`; every text ends with the token that the text tower is read at."""
    words = Tokenizer(models.BPE())
    words.normalizer = normalizers.NFC()
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[PAD, END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    words.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 1)])
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=PAD, eos_token=END, model_max_length=CONTEXT)


def save(network: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """A folder that `open_clip.create_model_and_transforms("local-dir:FOLDER")` loads; weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(state, folder / "open_clip_model.safetensors", {"format": "pt"})
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIGURATION, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)

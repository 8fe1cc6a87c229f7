"""The network: a Qwen3-VL of 128 channels, and the quick path that trains it on a laptop.

`build` makes the stock transformers model from a config; nothing in it is ours, so `AutoModelForImageTextToText`
loads what `save` wrote. `quicken` swaps two forward methods for equal but faster ones (tests compare them), which is
worth about a tenth of a step: one batched attention over pictures of one size in place of one call per picture, and a
matrix product in place of a convolution whose kernel is the whole patch.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

PICTURE = 112  # pixels a side: every picture is seen at about this size
PATCH = 14
MERGE = 2
CONTEXT = 4096


@dataclass(frozen=True)
class Size:
    """Widths and depths; the default comes to 2.7 million parameters with a vocabulary of 1,500."""

    width: int = 128
    text_layers: int = 4
    text_mlp: int = 384
    vision_layers: int = 4
    vision_mlp: int = 512
    heads: int = 4


def build(tokenizer: Any, size: Size, seed: int) -> Qwen3VLForConditionalGeneration:
    """A freshly initialised float32 model whose special ids are those of `tokenizer`."""
    head = size.width // size.heads
    token = tokenizer.convert_tokens_to_ids
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": size.width,
            "intermediate_size": size.text_mlp,
            "num_hidden_layers": size.text_layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.heads,
            "head_dim": head,
            "max_position_embeddings": CONTEXT,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [head // 4, head // 8, head // 8],
                "mrope_interleaved": True,
            },
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": size.vision_layers,
            "hidden_size": size.width,
            "intermediate_size": size.vision_mlp,
            "num_heads": size.heads,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": size.width,
            "num_position_embeddings": (PICTURE // PATCH) ** 2,
            "deepstack_visual_indexes": [size.vision_layers // 2 - 1],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def parameters(model: nn.Module) -> int:
    """Number of distinct parameters (tied ones once)."""
    return sum(weight.numel() for weight in model.parameters())


def save(model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, folder: Path) -> None:
    """Write an ordinary transformers folder; weights in bfloat16, so that they stay below 6 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    half = Qwen3VLForConditionalGeneration(model.config).to(torch.bfloat16)
    half.load_state_dict(model.state_dict())
    half.generation_config = model.generation_config
    half.save_pretrained(folder)
    processor.save_pretrained(folder)


def load(folder: Path, device: str = "cpu") -> tuple[Qwen3VLForConditionalGeneration, Qwen3VLProcessor]:
    """The model in float32 and its processor (left padding, ready to generate)."""
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    processor = Qwen3VLProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"
    return model, processor


def quicken(model: Qwen3VLForConditionalGeneration) -> None:
    """Replace the vision tower's attention and patch embedding by equal, faster forms; weights stay as they are."""
    visual = model.model.visual
    visual.patch_embed.forward = types.MethodType(_embed_patches, visual.patch_embed)
    for block in visual.blocks:
        block.attn.forward = types.MethodType(_attend, block.attn)


def _embed_patches(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    weight = self.proj.weight.flatten(1)
    embedded: torch.Tensor = nn.functional.linear(hidden_states.to(weight.dtype), weight, self.proj.bias)
    return embedded


def _attend(
    self: Any,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **kwargs: Any,
) -> torch.Tensor:
    lengths = cu_seqlens.diff()
    attended: torch.Tensor
    if bool((lengths == lengths[0]).all()):
        total, pictures = hidden_states.shape[0], len(lengths)
        query, key, value = self.qkv(hidden_states).reshape(total, 3, self.num_heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        split = (pictures, total // pictures, self.num_heads, -1)
        query, key, value = (part.reshape(split).transpose(1, 2) for part in (query, key, value))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, scale=self.scaling)
        attended = self.proj(mixed.transpose(1, 2).reshape(total, -1))
    else:
        stock = type(self).forward
        attended = stock(self, hidden_states, cu_seqlens=cu_seqlens, position_embeddings=position_embeddings, **kwargs)
    return attended

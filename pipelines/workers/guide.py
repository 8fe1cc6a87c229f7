"""Guided JSON for `local:`: which tokens a row may say next so that its text fulfils a schema (llguidance's automaton).

JSON is written without blanks, so that a model cannot say blanks for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import llguidance
import llguidance.hf
import numpy as np
import torch


class Guides:
    """Makes guides for one tokenizer; `ends` are the tokens that end a turn."""

    def __init__(self, tokenizer: Any, ends: Collection[int]) -> None:
        self._tokenizer, self._ends = tokenizer, sorted(ends)
        self._vocabulary: Any = None

    def begin(self, schema: str) -> Guide:
        """A guide at the start of a text. Raises `ValueError` for a schema that llguidance cannot follow."""
        if self._vocabulary is None:  # takes a second for a large vocabulary
            self._vocabulary = llguidance.hf.from_tokenizer(self._tokenizer, eos_token=self._ends)
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": False})
        matcher = llguidance.LLMatcher(self._vocabulary, grammar)
        if matcher.is_error():
            raise ValueError(f"the JSON schema cannot be followed: {matcher.get_error()}")
        return Guide(matcher, self._ends)


class Guide:
    """One text under way."""

    def __init__(self, matcher: Any, ends: list[int]) -> None:
        self._matcher, self._ends = matcher, ends

    def allowed(self, vocabulary: int) -> torch.Tensor:
        """Whether each token [vocabulary] may come next; when the text is whole, those that end the turn."""
        if self._matcher.is_stopped():
            mask = np.zeros(vocabulary, dtype=bool)
            mask[self._ends] = True
            return torch.from_numpy(mask)
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        mask = np.unpackbits(bits, bitorder="little")[:vocabulary].astype(bool)
        return torch.from_numpy(np.pad(mask, (0, vocabulary - len(mask))))

    def said(self, token: int) -> None:
        """Take note of the next token."""
        if not self._matcher.is_stopped():
            self._matcher.consume_token(token)

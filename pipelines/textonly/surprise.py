"""Features of a small language model: how much each phrase, and what follows it, surprises who has read the captions
of other pictures. The model is a recurrent one over words, learnt here from true captions in a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.textonly.candidates import WORD, Block, Puzzle, places

if TYPE_CHECKING:
    import torch

WIDTH, HIDDEN, LONGEST, BATCH = 48, 128, 256, 32
PASSES, SEEN = 8, 1_500_000
"""How often the model reads each caption, and the words after which it stops, whichever comes first."""
FOLLOWING = 4
"""Words after the phrase whose surprise counts as its own: what follows gives a false word away too."""


def features(blocks: Sequence[Block]) -> Any:
    """An array of (candidates, 12): surprise of the phrase, of its hardest word, above what was expected, of the words
    after it, of the rest of the sentence, of all before it; and the places.
    """
    found: list[tuple[float, ...]] = []
    for learn, puzzles in blocks:
        model, known = taught(learn)
        for start in range(0, len(puzzles), BATCH):
            batch = puzzles[start : start + BATCH]
            read = surprises(model, known, [each.text for each in batch])
            for each, (bits, expected) in zip(batch, read, strict=True):
                found += _of_candidates(each, bits, expected)
    where = places([each for _, puzzles in blocks for each in puzzles])
    return np.hstack([np.array(found).reshape(-1, 6), where])


def _of_candidates(
    each: Puzzle, bits: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]
) -> Iterator[tuple[float, ...]]:
    words = each.words
    for start, end in each.spans:
        inside = [at for at, word in enumerate(words) if start <= word.start() < end and at < len(bits)]
        if not inside:  # beyond what the model reads
            yield (0.0,) * 6
            continue
        first, last = inside[0], inside[-1] + 1
        stop = next((at for at in range(last, len(bits)) if words[at].group() == "."), len(bits))
        yield (
            float(bits[first:last].sum()),
            float(bits[first:last].max()),
            float((bits[first:last] - expected[first:last]).sum()),
            float(bits[last : last + FOLLOWING].sum()),
            float(bits[last:stop].mean()) if stop > last else 0.0,
            float(bits[:first].mean()) if first else 0.0,
        )


def taught(texts: Sequence[str]) -> tuple[torch.nn.Module, dict[str, int]]:
    """A model of the texts and the numbers of the words it knows; 0 pads, 1 begins, 2 is any other word."""
    import torch

    counts = Counter(word for text in texts for word in WORD.findall(text.lower()))
    known = {word: 3 + at for at, word in enumerate(sorted(word for word, count in counts.items() if count > 1))}
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = _model(3 + len(known))
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    encoded = [_encoded(text, known) for text in texts]
    seen = 0
    order = torch.cat([torch.randperm(len(encoded), generator=generator) for _ in range(PASSES)])
    for block in order.split(BATCH) if encoded else ():
        rows = _padded([encoded[at] for at in block.tolist()])
        guessed = model(rows[:, :-1]).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(guessed, rows[:, 1:].flatten(), ignore_index=0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += int((rows > 0).sum())
        if seen >= SEEN:
            break
    return model.eval(), known


def surprises(
    model: torch.nn.Module, known: dict[str, int], texts: Sequence[str]
) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """For each text: -log chance of each of its first words, and what it was expected to be (the entropy)."""
    import torch

    encoded = [_encoded(text, known) for text in texts]
    with torch.inference_mode():
        rows = _padded(encoded)
        logs = model(rows[:, :-1]).log_softmax(-1)
        bits = -logs.gather(-1, rows[:, 1:, None])[..., 0]
        expected = -(logs.exp() * logs).sum(-1)
    return [
        (said[: len(row) - 1].numpy(), guessed[: len(row) - 1].numpy())
        for said, guessed, row in zip(bits, expected, encoded, strict=True)
    ]


def _model(size: int) -> torch.nn.Module:
    import torch

    class Reader(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(size, WIDTH, padding_idx=0)
            self.memory = torch.nn.GRU(WIDTH, HIDDEN, batch_first=True)
            self.guess = torch.nn.Linear(HIDDEN, size)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            guessed: torch.Tensor = self.guess(self.memory(self.words(rows))[0])
            return guessed

    return Reader()


def _encoded(text: str, known: dict[str, int]) -> list[int]:
    return [1, *(known.get(word, 2) for word in WORD.findall(text.lower())[:LONGEST])]


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    import torch

    longest = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])

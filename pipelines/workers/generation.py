"""Generate requests to a model in this process: samples, stop strings, guides and log-probabilities around `decode`.

Log-probabilities are the model's own, before temperature, nucleus and guide; vLLM's are, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from pipelines.workers.counting import pixels_of
from pipelines.workers.decode import decode
from pipelines.workers.encoding import Encoded
from pipelines.workers.features import Likely, likeliest, prompt_logprobs
from pipelines.workers.guide import Guide, Guides
from pipelines.workers.reader import Reader
from pipelines.workers.sampler import Sampler
from schemas.ids import seed_of
from schemas.requests import Generate, Generated, Sampling, TokenLogprob


@dataclass(frozen=True)
class _Row:
    """One sample of one request."""

    request: Generate
    encoded: Encoded
    seed: int

    @property
    def sampling(self) -> Sampling:
        return self.request.sampling


class Speaker:
    """Continues conversations. `context` is the most tokens that the model reads."""

    def __init__(self, reader: Reader, context: int) -> None:
        self._reader, self._context = reader, context
        self._tokenizer = reader.encoder.tokenizer
        ends = reader.model.generation_config.eos_token_id
        self._ends = {*(ends if isinstance(ends, list) else [ends]), self._tokenizer.eos_token_id} - {None}
        self._guides = Guides(self._tokenizer, self._ends)
        self._pieces: dict[int, str] = {}

    def check(self, request: Generate) -> None:
        """Raises `ValueError` for a request that cannot be carried out."""
        if request.sampling.json_schema is not None:
            self._guides.begin(request.sampling.json_schema)

    def say(self, asked: Sequence[tuple[Generate, Encoded]]) -> list[Generated]:
        """One answer per request, in their order. A prompt that several rows continue is read once."""
        rows = [
            _Row(request, encoded, seed_of("sample", request.seed, n) if n else request.seed)
            for request, encoded in asked
            for n in range(request.sampling.n)
        ]
        distinct: dict[tuple[tuple[int, ...], tuple[str, ...]], int] = {}
        for row in rows:
            distinct.setdefault((row.encoded.ids, row.encoded.pictures), len(distinct))
        prompt_of = [distinct[row.encoded.ids, row.encoded.pictures] for row in rows]
        first = [rows[prompt_of.index(place)].encoded for place in range(len(distinct))]
        drawing = _Drawing(rows, self._guides)
        prompts = self._reader.inputs(first, left=True)
        said = decode(self._reader.model, prompts, prompt_of, drawing, self._finished(rows))
        samples = [
            self._read(row, tokens, drawing.heard[index])
            for index, (row, tokens) in enumerate(zip(rows, said, strict=True))
        ]
        return [self._joined(*each, samples) for each in asked]

    def _finished(self, rows: Sequence[_Row]) -> Callable[[int, list[int]], bool]:
        limits = [min(row.sampling.max_tokens, self._context - len(row.encoded.ids)) for row in rows]
        reach = [max((len(stop) for stop in row.sampling.stop), default=0) for row in rows]
        last = [frozenset(stop[-1:] for stop in row.sampling.stop) for row in rows]

        def finished(row: int, tokens: list[int]) -> bool:
            if tokens[-1] in self._ends or len(tokens) >= limits[row]:
                return True
            piece = self._piece(tokens[-1])
            if not any(end in piece for end in last[row]):
                return False
            # A token may hold many characters: what is new is its own text and what a stop could have begun before it.
            tail = "".join(self._piece(token) for token in tokens[-reach[row] - 1 :])[-(reach[row] + len(piece)) :]
            return any(stop in tail for stop in rows[row].sampling.stop)

        return finished

    def _piece(self, token: int) -> str:
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = str(self._tokenizer.decode([token]))
        return piece

    def _read(self, row: _Row, tokens: list[int], heard: Sequence[Likely]) -> Generated:
        ended, stops = tokens[-1] in self._ends, row.sampling.stop
        text = str(self._tokenizer.decode(tokens, skip_special_tokens=True))
        cuts = [text.index(stop) + len(stop) for stop in stops if stop in text]
        finish = "stop" if ended or cuts else "length"
        logprobs = None if row.sampling.logprobs is None else self._named(heard[: len(tokens)])
        return Generated(text[: min(cuts)] if cuts else text, finish, 0, len(tokens), logprobs)

    def _named(self, places: Sequence[Likely]) -> tuple[TokenLogprob, ...]:
        return tuple(
            TokenLogprob(self._piece(token), value, tuple((self._piece(other), odds) for other, odds in top))
            for token, value, top in places
        )

    def _joined(self, request: Generate, encoded: Encoded, samples: list[Generated]) -> Generated:
        """The next answer's samples, taken off the list, as one answer."""
        mine = samples[: request.sampling.n]
        del samples[: request.sampling.n]
        before = None
        if request.sampling.prompt_logprobs is not None:
            places = prompt_logprobs(self._reader, encoded, request.sampling.prompt_logprobs)
            before = (TokenLogprob("", None), *self._named(places))
        visual = encoded.ids.count(self._reader.encoder.image_token_id)
        return replace(
            mine[0],
            prompt_tokens=len(encoded.ids),
            pixels=visual * pixels_of(self._reader.encoder.processor),
            visual_tokens=visual,
            completion_tokens=sum(sample.completion_tokens for sample in mine),
            prompt_logprobs=before,
            others=tuple(replace(sample, completion_tokens=0) for sample in mine[1:]),
        )


class _Drawing:
    """A sampler that draws what the rows' guides allow, and notes the log-probabilities that were asked for."""

    def __init__(self, rows: Sequence[_Row], guides: Guides) -> None:
        self._sampler = Sampler([row.sampling for row in rows], [row.seed for row in rows])
        self._guides: dict[int, Guide] = {
            index: guides.begin(row.sampling.json_schema)
            for index, row in enumerate(rows)
            if row.sampling.json_schema is not None
        }
        self._asked = {i: row.sampling.logprobs for i, row in enumerate(rows) if row.sampling.logprobs is not None}
        self.heard: list[list[Likely]] = [[] for _ in rows]

    def draw(self, logits: torch.Tensor, rows: torch.Tensor, index: int) -> torch.Tensor:
        """Token ids [n] for `logits` [n, vocabulary] of the batch rows `rows` [n]."""
        allowed = self._allow(logits, rows.tolist()) if self._guides else logits
        tokens = self._sampler.draw(allowed, rows, index)
        for place, (row, token) in enumerate(zip(rows.tolist(), tokens.tolist(), strict=True)):
            if row in self._guides:
                self._guides[row].said(token)
            if row in self._asked:
                self.heard[row] += likeliest(logits[place : place + 1], [token], self._asked[row])
        return tokens

    def _allow(self, logits: torch.Tensor, rows: list[int]) -> torch.Tensor:
        allowed = logits.clone()
        for place, row in enumerate(rows):
            if row in self._guides:
                mask = self._guides[row].allowed(logits.shape[-1]).to(logits.device)
                allowed[place].masked_fill_(~mask, -torch.inf)
        return allowed

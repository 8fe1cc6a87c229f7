"""The Arrow schema of every table. Columns are only ever added; open-shaped values are canonical-JSON text.

`TABLES` names each table once, with its columns in the order in which they are written; `IDS` names the column that
orders it. `schema_version` travels in the Parquet metadata.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1

_text = pa.string()
_texts = pa.list_(pa.string())
_json = pa.string()  # canonical-JSON text
_int = pa.int64()
_float = pa.float64()
_bool = pa.bool_()


def _schema(**columns: pa.DataType) -> pa.Schema:
    fields = [pa.field(name, kind) for name, kind in columns.items()]
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION)})


STEP = pa.struct(
    [
        pa.field("kind", _text),  # thought | action | observation | answer
        pa.field("text", _text),
        pa.field("tool", _text),
        pa.field("arguments", _json),
        pa.field("image_id", _text),
    ]
)
CLAUSE = pa.struct(
    [
        pa.field("text", _text),
        pa.field("start", _int),  # character span in the caption, end exclusive
        pa.field("end", _int),
        pa.field("kind", _text),
        pa.field("fact", _json),
    ]
)
FIND = pa.struct(
    [
        pa.field("rule", _text),
        pa.field("shown", _text),  # masked text; null for a classifier's score
        pa.field("value", _float),
    ]
)
_SAMPLE: dict[str, pa.DataType] = {
    "sample_id": _text,
    "image_ids": _texts,
    "question": _text,
    "options": _texts,
    "answer": _json,
    "answer_type": _text,
    "task": _text,
    "relation": _text,
    "dial": _int,
    "domain": _text,
    "source": _text,
    "license": _text,
    "program": _json,
    "state_id": _text,
    "region": _json,
    "checklist": _json,
    "verifier": _json,
    "parents": _texts,
    "pair_id": _text,
}

TABLES: dict[str, pa.Schema] = {
    "images": _schema(
        image_id=_text,
        bytes_sha=_text,
        width=_int,
        height=_int,
        format=_text,
        origin=_text,
        path=_text,
        license=_text,
        pack=_text,
        phash=_text,  # 64-bit perceptual hash; null in files that older versions wrote
    ),
    "samples": _schema(**_SAMPLE),
    "traces": _schema(
        trace_id=_text,
        sample_id=_text,
        origin=_text,  # oracle | policy | reflection | tree | backtracking | critic
        steps=pa.list_(STEP),
        answer=_json,
        producer=_json,  # worker identity, prompt hash, sampling, seed
        wrong_steps=_int,  # reflection, backtracking: how many of the first steps are its wrong attempt; null elsewhere
        wrong_answer=_json,  # reflection, backtracking: what that attempt answered
        shared_steps=_int,  # backtracking: how many of the wrong steps the right attempt took as well; null elsewhere
    ),
    "rollouts": _schema(
        rollout_id=_text,
        sample_id=_text,
        policy=_text,
        purpose=_text,  # explore | difficulty | mcts | blind | wrong_image | blurred | shuffled | original | edited
        # | stronger | evaluate
        prompt_hash=_text,
        sampling=_json,
        seed=_int,
        text=_text,
        answer=_json,
        correct=_bool,
        tier=_text,
        turns=_int,
        prompt_tokens=_int,
        completion_tokens=_int,
        finish=_text,  # answer | silent | length (cut off) | turns (none left)
        calls=_int,  # of tools, refused ones included
        pictures=_int,  # that tools made
        refused=_int,  # calls that were not carried out, because the conversation held as many pictures as it may
        turn_ends=pa.list_(_int),  # behind which characters of `text` its turns end
        node_id=_text,  # mcts: the node of the tree that it went on from, or that is its end; null elsewhere
        iteration=_int,  # mcts: of the search, from 1
    ),
    "tree_nodes": _schema(
        node_id=_text,
        sample_id=_text,
        policy=_text,
        parent_id=_text,
        depth=_int,
        text=_text,
        visits=_int,
        value=_float,
        terminal=_bool,
        correct=_bool,
        iteration=_int,
        expansion_tokens=_int,  # said here by steps that became its children, or were said before
        rollout_tokens=_int,  # said here by attempts that went on to an end
        tree_id=_text,  # one search of one policy for one sample
        child=_int,  # place among its siblings, from 0; null for a root
        tool=_text,  # the call that the step made, and what came of it; null where it made none
        arguments=_json,
        observation=_text,
        image_id=_text,
        ends_turn=_bool,
        prior=_float,  # P of puct among its siblings as they are at the end
        logprob=_float,  # mean over the step's tokens, natural; null where nobody asked for it
        expansions=_int,  # how often it grew children
    ),
    "checks": _schema(
        trace_id=_text,
        sample_id=_text,
        origin=_text,
        replayed=_int,  # observations re-executed and found pixel-equal
        actions=_int,
        tier=_text,
        correct=_bool,
        region_seen=_bool,  # null where the sample declares no region or the trace uses no crop
    ),
    "captions": _schema(
        caption_id=_text,
        image_id=_text,
        sample_id=_text,
        text=_text,
        clauses=pa.list_(CLAUSE),
        source=_text,  # program | human | worker | excerpt
        license=_text,
        task=_text,
        domain=_text,
    ),
    "injections": _schema(
        injection_id=_text,
        caption_id=_text,
        image_id=_text,
        sample_id=_text,
        kind=_text,  # one of pipelines.captions.swaps.KINDS; none: the caption is unchanged
        original=_text,
        replacement=_text,
        original_start=_int,  # characters of the caption; null where it is unchanged
        original_end=_int,
        start=_int,  # characters of `text`
        end=_int,
        original_token_start=_int,  # the same in words and marks
        original_token_end=_int,
        token_start=_int,
        token_end=_int,
        text=_text,
        injector=_text,  # program | grammatical | author | none
        distance=_float,  # of the substitute, 0–1
        size=_float,  # share of the picture that the named thing fills, where it is known
        position=_float,  # where in the caption the phrase starts, 0–1
        proof=_json,
    ),
    "proposals": _schema(  # swaps that no program proves: proved by words and votes, to be injected by vicrit
        proposal_id=_text,
        caption_id=_text,
        kind=_text,
        original=_text,
        replacement=_text,
        start=_int,
        injector=_text,  # grammatical | author
        distance=_float,
        proof=_json,
    ),
    "detectability": _schema(  # per injection: what readers without the picture made of it
        injection_id=_text,  # null for a question of a bank
        sample_id=_text,
        image_id=_text,
        part=_text,  # of the pictures: first | second | held | bank; null for an unchanged caption
        candidates=_int,  # phrases to choose from
        before_ngrams=_float,  # share of the other candidates that look less false
        before_surprise=_float,
        before_meaning=_float,
        after_ngrams=_float,  # the same by detectors fitted on what the filter left; only of what is left of `held`
        after_surprise=_float,
        after_meaning=_float,
        kept=_bool,
    ),
    "difficulty": _schema(
        sample_id=_text,
        policy=_text,
        iterations=_int,
        censored_at=_int,
        k=_int,
        n=_int,
        pass_rate=_float,
        low=_float,
        high=_float,
        blind_rate=_float,
        wrong_image_rate=_float,
        blurred_rate=_float,
        zero_variance=_float,
        suspicion=_text,  # label | blind
        tokens=_int,  # of all attempts and searches
        interval=_text,  # of low and high: wilson | mixture
        solutions=_int,  # right lines of the tree; null without one
        root_value=_float,
        flat_tokens=_int,
        expansion_tokens=_int,
        rollout_tokens=_int,
        blind_low=_float,
        blind_high=_float,
        blind_solvable=_bool,
        shuffled_rate=_float,
        evidence=_text,  # against the label: program | stronger | agreement
        suggested=_json,  # the answer that the evidence gives in its place
        curriculum=_float,  # 0 the easiest, 1 the hardest
    ),
    "necessity": _schema(  # per sample and policy: tool-less attempts, of which so many were right
        sample_id=_text,
        policy=_text,
        trace_id=_text,  # whose tools made the edited picture
        origin=_text,
        original_k=_int,  # with the sample's own pictures
        original_n=_int,
        original_low=_float,
        original_high=_float,
        edited_k=_int,  # with what the trace's tools made of them
        edited_n=_int,
        edited_low=_float,
        edited_high=_float,
        needs_interaction=_bool,  # edited_low > original_high: shown to fail without and to succeed with
    ),
    "influence": _schema(
        sample_id=_text,
        target=_text,
        score=_float,
        checkpoint=_text,
        projection_seed=_int,
        dimension=_int,
        loss=_float,
        norm=_float,
    ),
    "embeddings": _schema(image_id=_text, embedder=_text, phash=_text, vector=pa.list_(pa.float32())),
    "clusters": _schema(
        sample_id=_text,
        image_cluster=_text,
        cluster_id=_text,
        size=_int,
        embedder=_text,
    ),
    "findings": _schema(  # what stage look saw in each picture
        image_id=_text,
        lines=_int,
        found=pa.list_(FIND),
    ),
    "screened": _schema(row_id=_text, kind=_text, pictures=_int),  # kind: sample | caption
    "curated": _schema(
        sample_id=_text,
        trace_id=_text,
        arm=_text,  # curated | random
        split=_text,  # sft | rl
        position=_int,
        selection=_text,
        cluster_id=_text,
        pair_id=_text,
    ),
    "banks": _schema(bank=_text, role=_text, **_SAMPLE),
    "fingerprints": _schema(bank=_text, sample_id=_text, image_id=_text, phash=_text, state_id=_text, role=_text),
    "evals": _schema(
        eval_id=_text,
        policy=_text,
        arm=_text,  # base | sft | grpo | control_sft | control_grpo
        bank=_text,
        sample_id=_text,
        rollout_id=_text,
        correct=_bool,
        score=_float,
        tier=_text,
    ),
    "rewards": _schema(
        policy=_text,
        trainer=_text,
        arm=_text,
        step=_int,
        position=_int,
        sample_id=_text,
        reward=_text,
        value=_float,
        advantage=_float,
        completion=_text,
    ),
    "policies": _schema(
        policy=_text,
        trainer=_text,
        arm=_text,
        parent=_text,
        path=_text,
        weights=_text,
        steps=_int,
        rows=_int,
        first_loss=_float,
        last_loss=_float,
        curve=_json,
        image_effect=_json,
    ),
    "lineage": _schema(child_id=_text, parent_id=_text, relation=_text, stage=_text),
    "rejects": _schema(
        stage=_text, row_id=_text, parent_id=_text, reason=_text, value=_float, threshold=_float, payload=_json
    ),
    "failures": _schema(
        stage=_text, row_id=_text, parent_id=_text, kind=_text, message=_text, transient=_bool, payload=_json
    ),
    "failures_detail": _schema(
        stage=_text, row_id=_text, parent_id=_text, traceback=_text, attempts=_int, host=_text, at=_text
    ),
    "cost": _schema(
        stage=_text,
        part=_int,
        seconds=_float,
        requests=_int,
        prompt_tokens=_int,
        completion_tokens=_int,
        cached=_int,  # of the requests: answered from the cache, for nothing; no other column but the next counts them
        retries=_int,
        host=_text,
        cached_tokens=_int,
        visual_tokens=_int,  # of the prompt tokens: those that stand for pictures
        pixels=_int,
        request_ms=_int,  # from each request's first sending to its answer; many are under way at once
    ),
}

MEASUREMENTS = frozenset({"failures_detail", "cost"})
"""Tables that hold times, hosts and tracebacks; every other table is data and repeats byte for byte."""

REVIEW = _schema(
    review_id=_text,
    run_id=_text,  # whose rows were put to people
    queue=_text,  # random | suspect | judge
    sample_id=_text,
    shown_id=_text,  # the trace or rollout that was shown with it; null where there was none
    label=_text,  # is the stored answer right? right | wrong | unsure; null: not said
    shown=_text,  # is what was shown right? the same
    note=_text,
    reviewer=_text,
    reviewed_at=_text,  # ISO 8601
)
"""One verdict of one person. No stage makes it and nothing can make it again, so it is no table of a stage."""

PACK = _schema(image_id=_text, bytes_sha=_text, format=_text, bytes=pa.binary())
"""One row of an image pack: the original bytes."""


def table_of(name: str, rows: list[dict[str, object]]) -> pa.Table:
    """Rows as an Arrow table of the named schema; absent columns are null.

    Raises `ValueError` naming table, row and field for an unknown column or a value of a wrong type.
    """
    schema = TABLES[name]
    known = set(schema.names)
    columns = []
    for index, row in enumerate(rows):
        extra = row.keys() - known
        if extra:
            raise ValueError(f"table {name}, row {index}: unknown column {sorted(extra)[0]!r}")
    for field in schema:
        try:
            columns.append(pa.array([row.get(field.name) for row in rows], type=field.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ValueError(f"table {name}, field {field.name!r}: {error}") from error
    return pa.Table.from_arrays(columns, schema=schema)

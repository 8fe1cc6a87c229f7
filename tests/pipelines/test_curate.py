"""Curate: the recipe's SELECT decides, and nothing it writes can break the rules."""

import random

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from pipelines.curate import DEFAULT_SQL, STAGE, Candidate, Parameters, SelectionError, control, split_apart
from pipelines.lake import Lake
from tests.pipelines.jobs import given, reasons, rows, run, sample


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def pool(lake: Lake, count: int = 3, verified: int = 3, shared: bool = False) -> tuple[list[str], str]:
    """So many samples; the first `verified` have a checked trace. Returns ids by number and the upstream key."""
    samples = [sample(f"{number:032x}", f"Question {number}?") for number in range(count)]
    ids = [row["sample_id"] for row in samples]
    traces = [{"trace_id": f"t{i}", "sample_id": ids[i], "origin": "oracle"} for i in range(verified)]
    tables = {
        "samples": samples,
        "clusters": [{"sample_id": name, "cluster_id": "c" if shared else f"c{i}"} for i, name in enumerate(ids)],
        "traces": [*traces, {"trace_id": "unchecked", "sample_id": ids[-1], "origin": "policy"}],
        "checks": traces,
        "difficulty": [
            {"sample_id": name, "pass_rate": i / count, "zero_variance": 0.5 if i % 3 == 2 else 0.9}
            for i, name in enumerate(ids)
        ],
        "influence": [
            {"sample_id": name, "target": target, "score": score}
            for i, name in enumerate(ids)
            for target, score in (("a", i / 10), ("b", -1.0))
        ],
    }
    return ids, given(lake, **tables)


def chosen(lake: Lake, done, arm: str = "curated") -> list[tuple[str, str, int, str | None]]:
    found = [row for row in rows(lake, done, "curated") if row["arm"] == arm]
    return sorted((row["split"], row["position"], row["sample_id"], row["trace_id"]) for row in found)


def test_three_samples(lake):
    ids, key = pool(lake, 3, verified=2)
    split = "CASE WHEN trace_id IS NULL THEN 'rl' ELSE 'sft' END"
    sql = f"SELECT sample_id, {split} AS split FROM pool ORDER BY influence DESC"
    done = run(lake, STAGE, Parameters(sql=sql), key)
    assert chosen(lake, done) == [("rl", 0, ids[2], None), ("sft", 0, ids[1], "t1"), ("sft", 1, ids[0], "t0")]
    assert done.counts.kept == 3 and len({row["selection"] for row in rows(lake, done, "curated")}) == 2


def test_the_first_origin_that_has_a_verified_trace_teaches_in_both_arms(lake):
    samples = [sample(f"{number:032x}", f"Question {number}?") for number in range(3)]
    ids = [row["sample_id"] for row in samples]
    checks = [
        {"trace_id": f"{origin}{place}", "sample_id": ids[place], "origin": origin}
        for origin, places in {"oracle": (0, 1), "policy": (0, 2), "reflection": (0,)}.items()
        for place in places
    ]
    clusters = [{"sample_id": name, "cluster_id": name} for name in ids]
    key = given(lake, samples=samples, clusters=clusters, checks=checks)
    sql = "SELECT sample_id, 'sft' AS split FROM pool WHERE trace_id IS NOT NULL"
    for traces, taught in (
        (("oracle", "policy", "reflection"), ["oracle0", "oracle1", "policy2"]),
        (("reflection", "policy", "oracle"), ["reflection0", "oracle1", "policy2"]),
        (("reflection", "oracle"), ["reflection0", "oracle1", None]),
    ):
        done = run(lake, STAGE, Parameters(sql=sql, traces=traces), key)
        for arm in ("curated", "random"):
            found = {sample_id: trace for _, _, sample_id, trace in chosen(lake, done, arm)}
            assert [found.get(name) for name in ids] == taught


def test_what_is_not_chosen_is_counted(lake):
    ids, key = pool(lake)
    done = run(lake, STAGE, Parameters(sql=f"SELECT '{ids[1]}' AS sample_id, 'rl' AS split", control=False), key)
    assert reasons(lake, done) == {ids[0]: "not_selected", ids[2]: "not_selected"}
    assert chosen(lake, done) == [("rl", 0, ids[1], None)]


def test_rules_hold_against_the_query(lake):
    ids, key = pool(lake, 3, verified=1)
    done = run(lake, STAGE, Parameters(sql="SELECT sample_id, 'sft' AS split FROM pool", control=False), key)
    assert reasons(lake, done) == {ids[1]: "no_verified_trace", ids[2]: "no_verified_trace"}
    ids, key = pool(lake, 3, verified=3, shared=True)
    split = f"CASE WHEN sample_id = '{ids[1]}' THEN 'rl' ELSE 'sft' END"
    sql = f"SELECT sample_id, {split} AS split FROM pool ORDER BY influence"
    done = run(lake, STAGE, Parameters(sql=sql, control=False), key)
    assert reasons(lake, done) == {ids[1]: "other_split"}


def test_the_control_has_the_same_sizes_from_the_same_pool(lake):
    ids, key = pool(lake, 30, verified=20)
    sql = (
        "SELECT sample_id, CASE WHEN pass_rate < 0.3 THEN 'sft' ELSE 'rl' END AS split FROM pool WHERE pass_rate < 0.5"
    )
    done = run(lake, STAGE, Parameters(sql=sql, seed=3), key)
    sizes = [[split for split, *_ in chosen(lake, done, arm)] for arm in ("curated", "random")]
    assert sizes[0] == sizes[1] and len(sizes[0]) == 15
    assert {name for _, _, name, _ in chosen(lake, done, "random")} <= set(ids)
    assert chosen(lake, done, "random") != chosen(lake, done)
    again = run(lake, STAGE, Parameters(sql=sql, seed=4), key)
    assert chosen(lake, again, "random") != chosen(lake, done, "random")
    assert chosen(lake, again) == chosen(lake, done)


def test_the_default_uses_both_splits_and_never_cuts_a_cluster(lake):
    _, key = pool(lake, 45, verified=30)
    done = run(lake, STAGE, Parameters(), key)
    splits = [split for split, *_ in chosen(lake, done)]
    assert 0 < splits.count("rl") <= 15 and 0 < splits.count("sft") <= 30
    assert not {"other_split", "no_verified_trace"} & set(reasons(lake, done).values())
    assert "influence" in DEFAULT_SQL


def test_both_arms_choose_from_the_eligible(lake):
    ids, key = pool(lake, 12)
    sql = "SELECT sample_id, 'rl' AS split FROM pool ORDER BY influence DESC LIMIT 5"
    done = run(lake, STAGE, Parameters(sql=sql, eligible="pass_rate < 0.5 -- of 12, the first 6"), key)
    arms = [{name for _, _, name, _ in chosen(lake, done, arm)} for arm in ("curated", "random")]
    assert len(arms[0]) == len(arms[1]) == 5 and arms[0] | arms[1] <= set(ids[:6])
    assert {name: why for name, why in reasons(lake, done).items() if name in ids[6:]} == dict.fromkeys(
        ids[6:], "not_eligible"
    )
    outside = f"SELECT sample_id, 'rl' AS split FROM samples WHERE sample_id = '{ids[8]}'"
    with pytest.raises(SelectionError, match=r"not in the pool.*\(pass_rate < 0.5\)"):
        run(lake, STAGE, Parameters(sql=outside, eligible="pass_rate < 0.5"), key)


@pytest.mark.parametrize("condition", ["nothing_such", "pass_rate <", "1 = (SELECT count(*) FROM '/etc/hostname')"])
def test_a_condition_that_cannot_be_used_is_refused_in_one_line(lake, condition):
    _, key = pool(lake)
    with pytest.raises(SelectionError, match=r"^curate\.eligible: [^\n]+$"):
        run(lake, STAGE, Parameters(eligible=condition), key)


def test_the_control_finds_room_for_both_splits():
    """Nine clusters of four, of which one row each has a trace: taken row by row, sft would leave rl nothing."""
    found = [Candidate(f"{i:02d}", f"c{i // 4}", None, "t" if i % 4 == 0 else None) for i in range(36)]
    for seed in range(20):
        drawn_at_random = control(found, {"sft": 5, "rl": 16}, seed)
        lawful(found, drawn_at_random)
        assert sorted(drawn_at_random.values()) == ["rl"] * 16 + ["sft"] * 5


WRONG = {
    "SELECT sample_idd, 'rl' AS split FROM pool": "sample_idd",
    "SELECT * FROM nowhere": "nowhere",
    "SELECT sample_id FROM pool": "must return a column 'split'",
    "SELECT sample_id, 'test' AS split FROM pool": "neither 'sft' nor 'rl'",
    "SELECT 'x' AS sample_id, 'rl' AS split": "not in the pool",
    "SELECT sample_id, 'rl' AS split FROM pool UNION ALL SELECT sample_id, 'rl' FROM pool": "more than once",
    "SELECT content FROM read_text('/etc/hostname')": "",
    "SELEC": "",
}


@pytest.mark.parametrize("sql", WRONG)
def test_a_query_that_cannot_be_used_is_refused_in_one_line(lake, sql):
    _, key = pool(lake)
    with pytest.raises(SelectionError) as caught:
        run(lake, STAGE, Parameters(sql=sql), key)
    assert WRONG[sql] in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("curate.sql")


many = st.lists(
    st.builds(
        lambda number, cluster, pair, trace: Candidate(f"{number:03d}", cluster, pair, trace),
        st.integers(0, 999),
        st.sampled_from("abcdefgh"),
        st.none() | st.sampled_from("pq"),
        st.none() | st.just("t"),
    ),
    max_size=30,
    unique_by=lambda each: each.sample_id,
)


def lawful(found: list[Candidate], splits: dict[str, str]) -> None:
    for group in {group for each in found for group in each.groups}:
        assert len({splits[each.sample_id] for each in found if group in each.groups and each.sample_id in splits}) <= 1
    assert all(each.trace_id for each in found if splits.get(each.sample_id) == "sft")


@drawn(many, st.integers(0, 99))
def test_no_cluster_and_no_pair_is_in_two_splits(found, seed):
    draw = random.Random(seed)
    kept, dropped = split_apart([(each, draw.choice(("sft", "rl"))) for each in found])
    lawful(found, kept)
    assert kept.keys() | dropped.keys() == {each.sample_id for each in found} and not kept.keys() & dropped.keys()
    sizes = {split: list(kept.values()).count(split) for split in ("sft", "rl")}
    drawn_at_random = control(found, sizes, seed)
    lawful(found, drawn_at_random)
    assert all(list(drawn_at_random.values()).count(split) <= sizes[split] for split in sizes)
    assert control(list(reversed(found)), sizes, seed) == drawn_at_random


@drawn(st.integers(1, 40), st.integers(0, 20), st.integers(0, 20), st.integers(0, 99))
def test_the_control_is_short_of_nothing_where_every_sample_stands_alone(count, sft, rl, seed):
    found = [Candidate(f"{i:02d}", f"c{i}", None, "t") for i in range(count)]
    sizes = {"sft": min(sft, count), "rl": min(rl, count - min(sft, count))}
    drawn_at_random = list(control(found, sizes, seed).values())
    assert {split: drawn_at_random.count(split) for split in sizes} == sizes

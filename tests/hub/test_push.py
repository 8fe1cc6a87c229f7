"""`push` against a Hub that speaks the real client's protocol, and that fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.push import CannotPush, Parcel, Wish, push
from flows.push.hub import deliver
from flows.push.parcel import packed
from pipelines.export.write import CannotExport
from pipelines.lake import Lake
from pipelines.lake.runs import Run, start_run
from pipelines.workers.shipped import weights_of as shipped
from tests.hub.conftest import TOKEN, files_of
from tests.hub.repos import Blob, Repo, Trouble
from tests.hub.server import Hub
from tests.pipelines.export.lakes import file_bytes, given, lake_of
from tests.pipelines.jobs import given as stage_of

REPO = "me/curated"


def assert_whole(hub: Hub, parcel: Parcel) -> Repo:
    """One commit beside the Hub's own, tagged with the run's id, of just these files."""
    repo = hub.repos[parcel.kind, REPO]
    assert [each.title for each in repo.commits] == ["initial commit", f"Evolens run {parcel.run_id}"]
    assert repo.tags == {parcel.run_id: repo.head.oid}
    found = {path: blob.data for path, blob in repo.head.tree.items() if path != ".gitattributes"}
    assert found == {piece.path: piece.local.read_bytes() for piece in parcel.pieces}
    return repo


def test_a_dataset_and_again(hub: Hub, stored: tuple[Lake, Run], parcel: Parcel) -> None:
    wish = Wish(endpoint=hub.url)
    done = push(*stored, REPO, wish)
    assert done is not None
    repo = assert_whole(hub, parcel)
    assert (done.private, done.tag, done.commit) == (repo.private, stored[1].run_id, repo.head.oid)
    assert repo.private
    assert {"README.md", "croissant.json", "data/sft-00000-of-00001.parquet"} <= repo.head.tree.keys()
    assert max(len(blob.data) for blob in hub_lfs(repo)) > 8_000  # in parts
    before = hub.counted.copy()
    again = push(*stored, REPO, wish)
    assert again is not None and (again.sent, again.commit) == (0, done.commit)
    assert not (hub.counted - before).keys() & {"commit", "put", "part", "batch", "preupload", "tag", "create"}


def hub_lfs(repo: Repo) -> list[Blob]:
    return [blob for blob in repo.head.tree.values() if blob.lfs]


def test_load_dataset_shows_pictures(hub: Hub, stored: tuple[Lake, Run], parcel: Parcel, tmp_path: Path) -> None:
    """By the name of the repository and the run's tag, as anybody would read it."""
    deliver(parcel, REPO, public=False, endpoint=hub.url)
    code = (
        "import sys, json; from datasets import load_dataset; from pipelines.tools import picture_id\n"
        f"rows = load_dataset({REPO!r}, revision={stored[1].run_id!r})\n"
        "print(json.dumps([[row['sample_id'], [picture_id(i.convert('RGB')) for i in row['images']]]"
        " for split in rows.values() for row in split]))"
    )
    environment = client(hub, HF_HOME=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    with stored[0].connect([node.key for node in stored[1].nodes.values()]) as lake:
        expected = lake.execute(
            "SELECT sample_id, image_ids FROM samples WHERE sample_id IN (SELECT sample_id FROM curated)"
        ).fetchall()
    assert sorted(json.loads(done.stdout)) == sorted([list(row) for row in expected])


def client(hub: Hub, **more: str) -> dict[str, str]:
    """The environment of a client in a process of its own."""
    reach = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    online = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"}
    return {**os.environ, **reach, **online, **more}


FAILURES = [
    ("POST /api/repos/create", "lost"),
    ("GET /api/datasets/me/curated/refs", "reset"),
    ("GET .*/tree/", "status"),
    ("POST .*/preupload/", "reset"),
    ("POST .*/batch", "status"),
    ("PUT /store/.*/2", "reset"),
    ("POST /complete/", "status"),
    ("POST .*/commit/", "status"),
    ("POST .*/commit/", "reset"),
    ("POST .*/commit/", "lost"),
    ("POST .*/tag/", "status"),
    ("POST .*/tag/", "lost"),
]


@pytest.mark.parametrize(("match", "kind"), FAILURES)
def test_a_failure_for_a_while_doubles_nothing(hub: Hub, parcel: Parcel, match: str, kind: str) -> None:
    hub.troubles = [Trouble(match, kind, times=1)]
    deliver(parcel, REPO, public=False, endpoint=hub.url)
    assert hub.met[kind] == 1
    assert_whole(hub, parcel)


def test_somebody_else_commits_meanwhile(hub: Hub, parcel: Parcel) -> None:
    hub.troubles = [Trouble("POST .*/commit/", "moved", times=1)]
    deliver(parcel, REPO, public=False, endpoint=hub.url)
    repo = hub.repos["dataset", REPO]
    assert [each.title for each in repo.commits] == ["initial commit", "by hand", f"Evolens run {parcel.run_id}"]
    assert repo.head.tree.keys() == {".gitattributes", "NOTES.txt", *(piece.path for piece in parcel.pieces)}
    assert repo.tags == {parcel.run_id: repo.head.oid}


def test_a_failure_that_stays_is_one_line_without_the_token(
    hub: Hub, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushed again when it is over, only what is missing goes."""
    monkeypatch.setattr("flows.push.hub.ATTEMPTS", 2)
    hub.troubles = [Trouble("POST .*/commit/", "status", times=2)]
    with pytest.raises(CannotPush) as failed:
        deliver(parcel, REPO, public=False, endpoint=hub.url)
    said = str(failed.value)
    assert "<token>" in said and TOKEN not in said and "\n" not in said
    assert failed.value.__cause__ is None and failed.value.__suppress_context__
    parts = hub.counted["part"] + hub.counted["put"]
    deliver(parcel, REPO, public=False, endpoint=hub.url)
    assert hub.counted["part"] + hub.counted["put"] == parts
    assert_whole(hub, parcel)


def test_a_refused_upload_says_which_and_why(hub: Hub, parcel: Parcel) -> None:
    hub.troubles = [Trouble("PUT /store/", "status", times=99, status=403)]
    with pytest.raises(CannotPush, match="uploading '.*403") as refused:
        deliver(parcel, REPO, public=False, endpoint=hub.url)
    assert any(f"'{piece.path}'" in str(refused.value) for piece in parcel.pieces)
    assert hub.met["status"] <= 3  # nobody insists: once for each large file


@pytest.mark.parametrize("moment", ["PUT /store/.*/2", "POST .*/commit/", "POST .*/tag/"])
def test_killed_and_pushed_again(hub: Hub, stored: tuple[Lake, Run], parcel: Parcel, moment: str) -> None:
    """`kill -9` between uploads, before the commit, and between commit and tag: the same command ends it."""
    rooms = set(stored[0].root.parent.glob(".evolens-push-*"))
    hub.troubles = [Trouble(moment, "held", times=1)]
    words = [sys.executable, "-m", "flows.cli", "push", REPO, "--lake", str(stored[0].root), "--json"]
    child = subprocess.Popen(words, env=client(hub), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert hub.reached.wait(60), child.communicate(timeout=5)
    finally:
        child.send_signal(signal.SIGKILL)
    child.communicate(timeout=30)
    assert set(stored[0].root.parent.glob(".evolens-push-*")) > rooms
    push(*stored, REPO, Wish(endpoint=hub.url))
    repo = assert_whole(hub, parcel)
    assert hub.counted["complete"] + hub.counted["put"] == len(hub_lfs(repo))  # each large file arrived once
    assert set(stored[0].root.parent.glob(".evolens-push-*")) == rooms


def test_the_next_run_replaces_files_of_ours_alone(hub: Hub, stored: tuple[Lake, Run], other: tuple[Lake, Run]) -> None:
    wish = Wish(endpoint=hub.url)
    push(*stored, REPO, wish)
    repo = hub.repos["dataset", REPO]
    repo.commit("by hand", {**repo.head.tree, "NOTES.txt": Blob(b"mine", lfs=False)})
    push(*other, REPO, wish)
    with packed(*other, wish) as held:
        assert repo.head.tree.keys() == {".gitattributes", "NOTES.txt", *(piece.path for piece in held.pieces)}
    assert "data/rl-00000-of-00001.parquet" not in repo.head.tree
    assert repo.tags.keys() == {stored[1].run_id, other[1].run_id}
    again = push(*stored, REPO, wish)
    assert again is not None and again.sent == 0  # its tag still stands


def test_a_model(hub: Hub, tmp_path: Path) -> None:
    lake, run = trained(tmp_path, "CC0-1.0")
    wish = Wish("model", endpoint=hub.url)
    seen: list[Parcel] = []
    push(lake, run, REPO, wish, tell=seen.append)
    with packed(lake, run, wish) as parcel:
        repo = assert_whole(hub, parcel)
    policy = files_of(lake.artifact(run.nodes["r1/grpo"].key) / "policy")
    assert {path: repo.head.tree[path].data for path in policy if path != "README.md"} == {
        path: data for path, data in policy.items() if path != "README.md"
    }
    assert b"reinforcement learning by GRPO" in repo.head.tree["README.md"].data
    assert (seen[0].rows, seen[0].licenses) == ({"rl": 1}, {"CC0-1.0": 1})


def trained(folder: Path, *licenses: str) -> tuple[Lake, Run]:
    """A run of a round for each licence, of rows with it, whose last one trained: its policy is the shipped one."""
    lake, nodes = Lake(folder / "lake"), []
    for number, name in enumerate(licenses, start=1):
        row = given((file_bytes(number),), "A?", "a", split="rl", license=name)
        nodes.append((number, "given", lake_of(lake.root, [row])[1].nodes["given"].key))
    policy = {"policy": "p", "trainer": "grpo", "arm": "curated", "steps": 8, "rows": 1, "weights": "w", "curve": "[]"}
    nodes.append((len(licenses), "grpo", stage_of(lake, policies=[policy])))
    shutil.copytree(shipped("seedling"), lake.artifact(nodes[-1][2]) / "policy")
    run = start_run(lake.root, "test", "0")
    for number, stage, key in nodes:
        run.plan(f"r{number}/{stage}", round=number, stage=stage, key=key)
    run.finish("complete")
    return lake, run


def test_the_licence_gate_closes_for_both(hub: Hub, tmp_path: Path) -> None:
    lake, run = trained(tmp_path, "CC-BY-NC-4.0")
    with pytest.raises(CannotExport, match="1 rows are nc"):
        push(lake, run, REPO, Wish(endpoint=hub.url))
    with pytest.raises(CannotPush, match=r"CC-BY-NC-4.0 \(1 rows\)"):
        push(lake, run, REPO, Wish("model", endpoint=hub.url))
    assert not hub.repos and not hub.counted
    push(lake, run, REPO, Wish(allow=("nc",), endpoint=hub.url))
    assert hub.repos["dataset", REPO].private


def test_a_model_answers_for_the_rounds_before_it(tmp_path: Path) -> None:
    lake, run = trained(tmp_path, "CC-BY-NC-4.0", "CC0-1.0")
    push(lake, run, REPO, Wish(), dry=True)  # the rows of the last round are free
    with pytest.raises(CannotPush, match=r"CC-BY-NC-4.0 \(1 rows\)"):
        push(lake, run, REPO, Wish("model"), dry=True)
    seen: list[Parcel] = []
    push(lake, run, REPO, Wish("model", allow=("nc",)), dry=True, tell=seen.append)
    assert (seen[0].rows, seen[0].licenses) == ({"rl": 2}, {"CC-BY-NC-4.0": 1, "CC0-1.0": 1})


def test_what_everybody_sees_is_opened_on_demand(hub: Hub, stored: tuple[Lake, Run]) -> None:
    hub.repos["dataset", REPO] = Repo(private=False)
    with pytest.raises(CannotPush, match="--public"):
        push(*stored, REPO, Wish(endpoint=hub.url))
    assert len(hub.repos["dataset", REPO].commits) == 1
    done = push(*stored, REPO, Wish(public=True, endpoint=hub.url))
    assert done is not None and not done.private


def test_one_tag_is_one_content(hub: Hub, stored: tuple[Lake, Run]) -> None:
    push(*stored, REPO, Wish(endpoint=hub.url))
    with pytest.raises(CannotPush, match=re.escape(f"holds run {stored[1].run_id} already, with other content")):
        push(*stored, REPO, Wish(format="trl-sft", endpoint=hub.url))
    assert len(hub.repos["dataset", REPO].commits) == 2


def test_a_dry_run_needs_no_token_and_sends_nothing(
    hub: Hub, stored: tuple[Lake, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    seen: list[Parcel] = []
    assert push(*stored, REPO, Wish(endpoint=hub.url), dry=True, tell=seen.append) is None
    assert not hub.repos
    assert sum(seen[0].rows.values()) == sum(seen[0].licenses.values()) == 12
    with pytest.raises(CannotPush, match="HF_TOKEN, which is not set"):
        push(*stored, REPO, Wish(endpoint=hub.url))
    monkeypatch.setenv("HF_TOKEN", "hf_wrongWRONGwrong")
    with pytest.raises(CannotPush) as refused:
        push(*stored, REPO, Wish(endpoint=hub.url))
    assert "401" in str(refused.value) and "hf_wrong" not in str(refused.value)


@pytest.mark.parametrize("name", ["curated", "me/", "a/b/c", "me/cu rated"])
def test_a_repository_has_an_owner_and_a_name(stored: tuple[Lake, Run], name: str) -> None:
    with pytest.raises(CannotPush, match="OWNER/NAME"):
        push(*stored, name, Wish(), dry=True)


def test_an_unfinished_run_stays_here(stored: tuple[Lake, Run], tmp_path: Path) -> None:
    run = start_run(tmp_path, "test", "0")
    with pytest.raises(CannotPush, match="is running; only a complete run"):
        push(Lake(tmp_path), run, REPO, Wish(), dry=True)

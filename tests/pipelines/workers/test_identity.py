"""URLs say who answers; identities are of content, never of places."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.workers import WorkerSpec, connect, identity_of


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("vlm:Qwen/Qwen3-VL-8B", "did you mean 'vllm:Qwen/Qwen3-VL-8B'"),
        ("http://localhost:8000/v1", "did you mean 'openai:http://localhost:8000/v1'"),
        ("locl:seedling", "did you mean 'local:seedling'"),
        ("seedling", "did you mean 'local:seedling'"),
        ("grpc:there", "one of local:, embed:, openai:, vllm:"),
        ("local:", "names nothing"),
    ],
)
def test_an_unknown_url_is_one_clear_line(url: str, hint: str) -> None:
    with pytest.raises(ValueError) as error:
        WorkerSpec(url)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_option_names_its_neighbour() -> None:
    with pytest.raises(ValueError, match="did you mean 'max_batch'"):
        WorkerSpec("local:seedling", options=(("max_bach", 8),))


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    spec = WorkerSpec(f"local:{tmp_path}")
    for call in (lambda: identity_of(spec), lambda: connect(spec, lambda _: pytest.fail("no picture was asked for"))):
        with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
            call()


def test_specs_travel() -> None:
    spec = WorkerSpec("openai:http://localhost:8000/v1", "abc", (("model", "qwen"), ("concurrency", 4)))
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert identity_of(spec).as_json() == {"engine": "openai", "model": "qwen", "revision": "abc", "weights": None}


def test_a_server_needs_the_name_of_its_model() -> None:
    with pytest.raises(ValueError, match="option 'model'"):
        identity_of(WorkerSpec("openai:http://localhost:8000/v1"))


def test_a_server_of_ours_is_named_by_its_weights_or_by_the_hub(tiny: Path) -> None:
    here, served = identity_of(WorkerSpec(f"local:{tiny}")), identity_of(WorkerSpec(f"vllm:{tiny}"))
    assert served == replace(here, engine="vllm")
    assert identity_of(WorkerSpec("vllm:seedling")).weights == identity_of(WorkerSpec("local:seedling")).weights
    named = identity_of(WorkerSpec("vllm:Qwen/Qwen3-VL-8B-Instruct", "0c35"))
    assert named.as_json() == {
        "engine": "vllm",
        "model": "Qwen/Qwen3-VL-8B-Instruct",
        "revision": "0c35",
        "weights": None,
    }
    with pytest.raises(FileNotFoundError, match="holds no config"):
        identity_of(WorkerSpec("vllm:./weights/that/are/not/here"))


def test_identity_is_of_content(tiny: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / tiny.name
    shutil.copytree(tiny, copy)
    first, second = identity_of(WorkerSpec(f"local:{tiny}")), identity_of(WorkerSpec(f"local:{copy}"))
    assert first == second
    assert first.pinned

    (copy / "README.md").write_text("what lies beside the model does not count")
    assert identity_of(WorkerSpec(f"local:{copy}")) == first
    template = next(path for path in copy.iterdir() if path.name.startswith("chat_template"))
    template.write_text(template.read_text() + " ")
    assert identity_of(WorkerSpec(f"local:{copy}")).weights != first.weights


def test_naming_a_worker_loads_nothing_heavy() -> None:
    code = (
        "import sys, pipelines.workers as w; w.WorkerSpec('local:seedling')\n"
        "try: w.identity_of(w.WorkerSpec('local:seedling'))\n"
        "except FileNotFoundError: pass\n"
        "bad = {'torch', 'transformers', 'httpx', 'trainers'} & set(sys.modules)\n"
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])

"""A worker inside a Beam pipeline of your own: every photograph of a folder is described and gets its vector.

    python examples/run_inference.py [FOLDER] [--url local:seedling]

Change the address and the same pipeline asks a server (`openai:http://localhost:8000/v1`, with its model's name among
the options). The shipped policy knows drawings and not the world, so what it says of photographs is nothing to go by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import apache_beam as beam
from apache_beam.ml.inference.base import PredictionResult, RunInference
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.run_inference import Ask
from schemas.messages import Message, Picture, Text
from schemas.requests import Embed, Generate, Generated, Sampling, Vector

PHOTOGRAPHS = Path(__file__).parent / "photographs"


def description(path: str) -> Generate:
    """The request for a text about one picture; its path is its id."""
    question = Message("user", (Picture(path), Text("Describe the picture.")))
    return Generate(path, (question,), Sampling(max_tokens=24), seed=0)


def line(answered: PredictionResult) -> str:
    """What became of one element. A failure is a line like any other."""
    name, result = Path(answered.example.request_id).name, answered.inference
    match result:
        case Generated():
            return f"{name}: says {result.text!r} ({result.prompt_tokens} + {result.completion_tokens} tokens)"
        case Vector():
            return f"{name}: {len(result.values)} numbers"
        case _:
            return f"{name}: {result}"


def run(folder: Path, url: str) -> None:
    """Print a description and a vector's length for every picture of the folder."""
    paths = [str(path) for path in sorted(folder.glob("*.jpg"))]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:  # or any other runner of Beam
        pictures = pipeline | beam.Create(paths)
        told = pictures | beam.Map(description) | "describe" >> RunInference(Ask(url))
        seen = pictures | beam.Map(lambda path: Embed(path, path)) | "embed" >> RunInference(Ask("embed:clip"))
        _ = (told, seen) | beam.Flatten() | beam.Map(line) | beam.Map(print)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Describe and embed every picture of a folder.")
    parser.add_argument("folder", type=Path, nargs="?", default=PHOTOGRAPHS)
    parser.add_argument("--url", default="local:seedling", help="which worker describes")
    given = parser.parse_args()
    run(given.folder, given.url)

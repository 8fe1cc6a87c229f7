"""Export: rows of a run in the formats that trainers and loaders read, with the pictures' own bytes.

One file per family of formats, one dictionary of all. `write.export` runs one; docs/exports.md shows each.
"""

from pipelines.export import conversations, easyr1, flat, trl, verl, vlmevalkit
from pipelines.export.format import Format

FORMATS: dict[str, Format] = {
    "trl-sft": trl.SFT,
    "trl-grpo": trl.GRPO,
    "trl-dpo": trl.DPO,
    "verl": verl.FORMAT,
    "easyr1": easyr1.FORMAT,
    "llama-factory": conversations.LLAMA_FACTORY,
    "llava": conversations.LLAVA,
    "ms-swift": conversations.MS_SWIFT,
    "datasets": flat.DATASETS,
    "imagefolder": flat.IMAGEFOLDER,
    "jsonl": flat.JSONL,
    "csv": flat.CSV,
    "webdataset": flat.WEBDATASET,
    "vlmevalkit": vlmevalkit.FORMAT,
}
"""Every format by the name that the command line knows."""

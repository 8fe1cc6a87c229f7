"""The lake: tables as immutable parts, committed by manifests, with pictures in content-addressed packs (design §3)."""

from pipelines.lake.images import MissingPicture
from pipelines.lake.lake import Lake, NotDone
from pipelines.lake.manifest import Manifest
from pipelines.lake.parts import Damaged, PartFile

__all__ = ["Damaged", "Lake", "Manifest", "MissingPicture", "NotDone", "PartFile"]

"""A small open_clip model grown from scratch on what the task families draw and say: the pinned embedder, `embed:clip`.

The shipped weights lie in `weights/`; `python -m trainers.clip.train --out DIR` makes them again.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"

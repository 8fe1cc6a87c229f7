"""The seedling: a vision-language model of under three million parameters, grown from scratch on the task families.

It has the Qwen3-VL architecture, so whatever works on it works on its large relatives by a changed URL. The shipped
weights lie in `weights/`; `python -m trainers.seedling.train --recipe cpu --out DIR` makes them again.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"

"""Task families, answer first: draw a latent state, compute the answer, then render.

Label, region, checklist and oracle trace are right by construction, because all of them are read off the same state.
"""

from __future__ import annotations

from pipelines.tasks import charts, geometry, scenes, search
from pipelines.tasks.made import Box, Fact, Family, Made, Region, Step, state_id

FAMILIES: dict[str, Family] = {"counting": scenes, "search": search, "charts": charts, "geometry": geometry}

__all__ = ["FAMILIES", "Box", "Fact", "Family", "Made", "Region", "Step", "state_id"]

"""What leaves for the Hub: a run's curated rows as a dataset, or a policy that it trained as a model (docs/push.md).

`parcel` gathers the files, with card and Croissant, `hub` makes the repository hold just these.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flows.push.hub import Pushed, deliver
from flows.push.parcel import CannotPush, Parcel, Wish, packed
from pipelines.lake import Lake
from pipelines.lake.runs import Run
from schemas.recipe import PublishRecipe


def planned(run: Run) -> PublishRecipe:
    """What the recipe of a run says about publication."""
    return PublishRecipe.model_validate(run.settings.get("publish", {}))


def wish_of(said: PublishRecipe) -> Wish:
    """A dataset, as a recipe wants it."""
    return Wish("dataset", said.format, allow=said.allow, leave_out=said.leave_out, public=said.public)


def push(
    lake: Lake,
    run: Run,
    repo: str,
    wish: Wish,
    *,
    dry: bool = False,
    tell: Callable[[Parcel], None] = lambda parcel: None,
) -> Pushed | None:
    """Send what `wish` names of a finished run to `repo` (`owner/name`), under a tag that is the run's id.

    `tell` is shown the parcel before anything is sent; `dry` ends there, needs no token and gives None. A push that was
    killed is done again by the same call: what arrived is not sent twice, and there is one commit. Raises `CannotPush`
    and, where the licence gate refuses rows of a dataset, `CannotExport`.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise CannotPush(f"{repo!r} is no repository; name it as OWNER/NAME")
    with packed(lake, run, wish) as parcel:
        tell(parcel)
        return None if dry else deliver(parcel, repo, public=wish.public, endpoint=wish.endpoint)


__all__ = ["CannotPush", "Parcel", "Pushed", "Wish", "planned", "push", "wish_of"]

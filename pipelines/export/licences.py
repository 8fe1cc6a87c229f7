"""The licence gate: which rows may be given away (design §7).

A row carries the licences of its text and of each of its pictures. It is refused for every reason that any of them
gives: `unknown` (none stated, or a name that is not known here), `nd` (no derivatives: an exported set is one), `nc`
(no commercial use). Who knows better allows a reason, or one licence by its name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

REASONS = ("unknown", "nc", "nd")

OPEN = re.compile(
    r"cc0|cc-zero|cc-by(-sa)?|public-domain|pdm|pddl|mit|isc|zlib|unlicense|wtfpl|0?bsd(-\w+)*|apache(-license)?|"
    r"gpl|lgpl|agpl|mpl|epl|odc-by|odbl|ogl(-uk)?|etalab|cdla-(permissive|sharing)|gfdl|fdl|lal|artistic"
)
"""Names without version numbers, in the form that `_plain` gives them, that are open."""

LIMITS = {
    "nc": re.compile(r"(?<![^-])nc(?![^-])|non-?commercial"),
    "nd": re.compile(r"(?<![^-])nd(?![^-])|no-?deriv"),
}


def reasons(license: str) -> tuple[str, ...]:  # noqa: A002 - the column's name
    """Why a licence is refused; empty for an open one.

    >>> reasons("CC-BY-4.0"), reasons("cc by-nc-nd 3.0 IGO"), reasons(""), reasons("ask me")
    ((), ('nc', 'nd'), ('unknown',), ('unknown',))
    """
    name = _plain(license)
    limits = tuple(reason for reason, sign in LIMITS.items() if sign.search(name))
    if limits:
        return limits
    return () if OPEN.fullmatch(name) else ("unknown",)


def refused(licenses: Iterable[str | None], allowed: Sequence[str] = ()) -> tuple[str, ...]:
    """Why a row with these licences is refused; `allowed` holds reasons and names of licences that are no obstacle."""
    names = {each or "unknown" for each in licenses} - set(allowed)
    return tuple(sorted({reason for name in names for reason in reasons(name)} - set(allowed)))


def tally(counts: Iterable[tuple[Sequence[str | None], int]], allowed: Sequence[str] = ()) -> Counter[str]:
    """Rows refused for each reason, given (licences of a row, how many such rows); a row may count for several."""
    found: Counter[str] = Counter()
    for licenses, count in counts:
        found.update(dict.fromkeys(refused(licenses, allowed), count))
    return found


def _plain(license: str) -> str:  # noqa: A002 - the column is called so
    """Lower case, words joined by hyphens, without versions and ports: `CC BY-NC 3.0 IGO` is `cc-by-nc`."""
    name = re.sub(r"[^a-z0-9.]+", "-", license.strip().lower()).strip("-")
    name = re.sub(r"^creative-commons(?=-|$)", "cc", name)
    name = re.sub(r"-attribution(?=-|$)", "-by", name)
    name = re.sub(r"-sharealike(?=-|$)", "-sa", name)
    name = re.sub(r"-(v|version-?)?\d+(\.\d+)*(?=-|$)", "", name)  # bsd-3-clause becomes bsd-clause
    return re.sub(r"-(international|unported|igo|license|licence|only|or-later|only|deed)(?=-|$)", "", name)

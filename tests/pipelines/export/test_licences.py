"""The licence gate: what is open, what is refused and why, and what lets it through."""

from __future__ import annotations

import pytest

from pipelines.export.licences import reasons, refused, tally

OPEN = """
CC0-1.0; cc-by-4.0; CC BY 4.0; CC BY-SA 3.0 IGO; Creative Commons Attribution 4.0 International;
public-domain;
Public Domain;
PDM; MIT; MIT License; Apache-2.0; apache license 2.0; BSD-3-Clause; bsd-2-clause; ODbL-1.0; GPL-3.0-only;
LGPL-2.1-or-later; CDLA-Permissive-2.0; etalab-2.0; Unlicense; CC-BY-2.0; cc-by-sa-4.0; AGPL-3.0; PDDL
"""
NC = "CC-BY-NC-4.0; cc by-nc-sa 3.0; Non-Commercial use only; CC-BY-NC-ND-4.0; noncommercial research"
ND = "CC-BY-ND-4.0; cc-by-nc-nd-2.0; No-Derivatives; Attribution-NoDerivs 3.0"
UNKNOWN = "unknown; ; other; ask me; proprietary; Flickr terms; all rights reserved; research only; CC"


def names(text: str) -> list[str]:
    return [name.strip() for name in text.replace("\n", " ").split(";")]


@pytest.mark.parametrize("name", names(OPEN))
def test_open(name: str) -> None:
    assert reasons(name) == ()


def test_limits() -> None:
    assert all("nc" in reasons(name) for name in names(NC))
    assert all("nd" in reasons(name) for name in names(ND))
    assert all(reasons(name) == ("unknown",) for name in names(UNKNOWN))
    assert reasons("CC-BY-NC-ND-4.0") == ("nc", "nd")
    assert reasons("CC-BY-NC-4.0") == ("nc",)


def test_the_strictest_licence_of_a_row_decides() -> None:
    assert refused(["CC0-1.0", "MIT"]) == ()
    assert refused(["CC0-1.0", "CC-BY-NC-4.0", None]) == ("nc", "unknown")


def test_what_is_allowed_passes() -> None:
    both = ["CC-BY-NC-ND-4.0", "ask me"]
    assert refused(both, ["nc"]) == ("nd", "unknown")
    assert refused(both, ["nc", "nd", "unknown"]) == ()
    assert refused(both, ["ask me"]) == ("nc", "nd")
    assert refused(both, ["CC-BY-NC-ND-4.0"]) == ("unknown",)
    assert refused(["unheard of"], ["ask me"]) == ("unknown",)


def test_rows_are_counted_for_each_reason() -> None:
    counts = [(["CC0-1.0"], 5), (["CC-BY-NC-ND-4.0", "MIT"], 3), (["ask me", "CC-BY-NC-4.0"], 2)]
    assert tally(counts) == {"nc": 5, "nd": 3, "unknown": 2}
    assert tally(counts, ["nc"]) == {"nd": 3, "unknown": 2}

"""Whether Python finds our packages and not a folder of the user that has the name of one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from flows import console

PACKAGES = ("schemas", "pipelines", "trainers", "flows")


def check_packages() -> None:
    """Exit with one line when a folder stands in place of one of our packages. Imports none of them."""
    house = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        found = spec.origin if spec is not None else None
        if found is None or Path(found).resolve().parent.parent != house:
            console.fail(
                f"the package {name!r} was found at {found}, which is not Evolens ({house}); "
                "rename that folder, or run from another one"
            )
            raise SystemExit(2)

"""Markdown of cards: templates of `data_cards/`, tables, and the YAML head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

PLACES = (
    Path(__file__).parents[2] / "data_cards",  # a checkout
    Path(__file__).parents[1] / "data_cards",  # an installed distribution
)


def fill(template: str, **values: Any) -> str:
    """A template of `data_cards/`, filled."""
    environment = Environment(
        loader=FileSystemLoader(PLACES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # Markdown, not HTML
    )
    environment.globals["table"] = table
    return environment.get_template(template).render(**values)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table, or a dash where there are none."""
    if not rows:
        return "–"
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def as_yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).strip()


def portable(value: Any) -> Any:
    """A recipe without this machine's folders: of an absolute path the last part remains, behind `…/`."""
    if isinstance(value, dict):
        return {name: portable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [portable(each) for each in value]
    if not isinstance(value, str):
        return value
    scheme, colon, path = value.rpartition(":") if value.startswith(("local:", "vllm:")) else ("", "", value)
    return f"{scheme}{colon}…/{Path(path).name}" if Path(path).is_absolute() else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")

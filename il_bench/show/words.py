"""Words: how settings are written wherever something is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..records.rows import title_of


def settings_text(settings: Iterable[tuple[str, Any]]) -> str:
    """Names and values: "L = 1.2, noise = 0.05"."""
    return ", ".join(f"{title_of(name)} = {value_text(value)}" for name, value in settings)


def counted(number: int, noun: str) -> str:
    """How many of something: "1 run", "2 runs"."""
    ending = "" if number == 1 else "s"
    return f"{number} {noun}{ending}"


def value_text(value: Any) -> str:
    """A value of a setting: a number without idle zeros, nothing where it is unknown, else its text."""
    if not isinstance(value, int | float):
        return str(value)
    return "" if value != value else f"{value:g}"

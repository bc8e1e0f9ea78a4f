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


def portion(share: float) -> str:
    """A share such as 43 %, neither nearly none nor nearly all rounded away."""
    if share in (0, 1):
        return "all" if share else "none"
    if share < 0.01:
        return "less than 1 %"
    if share > 0.99:
        return "more than 99 %"
    return f"{100 * share:.0f} %"


def value_text(value: Any) -> str:
    """A value of a setting: a number without idle zeros, nothing where it is unknown, else its text."""
    if not isinstance(value, int | float):
        return str(value)
    return "" if value != value else f"{value:g}"

"""The figure of a ranked list: who looks where, and what items are worth once that is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..paint.canvas import colour_of
from .figure import SOFT, headline, lettering, panels
from .style import LOOKS

NAIVE = colour_of(LOOKS["naive"])
CORRECTED = colour_of(LOOKS["corrected"])
"""Colours of clicks per display, and per look."""
LONGEST = 24
"""Letters of an item's name."""


@dataclass(frozen=True)
class Measure:
    """Numbers with intervals; NaN where there are none.

    Attributes:
        value: (n,).
        low, high: (n,).
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def drawn(
    title: str,
    note: str,
    rank: np.ndarray,
    looks: Measure,
    rate: np.ndarray,
    item: list[str],
    relevance: Measure,
    naive: np.ndarray,
) -> Figure:
    """The figure.

    Args:
        title: what is shown.
        note: of how much it is made.
        rank: (K,) ranks.
        looks: (K,) chance to be looked at, over that of the first.
        rate: (K,) clicks per display at each rank over that at the first.
        item: (J,) names, the best first.
        relevance: (J,) clicks per look.
        naive: (J,) clicks per display.
    """
    figure, axes = panels(1, 2)
    left, right = axes[0]
    _draw_looks(left, rank, looks, rate)
    _draw_items(right, item, relevance, naive)
    headline(figure, title, note)
    return figure


def _draw_looks(axis: Any, rank: np.ndarray, looks: Measure, rate: np.ndarray) -> None:
    """Who looks at each rank, and who clicks there."""
    axis.fill_between(rank, looks.low, looks.high, color=CORRECTED, alpha=0.18, lw=0)
    axis.plot(rank, looks.value, "o-", color=CORRECTED, lw=2, ms=4, label="looks")
    axis.plot(rank, rate, "o--", color=NAIVE, lw=1.5, ms=3, label="clicks per display")
    axis.set_xlabel("rank")
    axis.set_ylabel("over those of the first rank")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=9)


def _draw_items(axis: Any, item: list[str], relevance: Measure, naive: np.ndarray) -> None:
    """A line for each item, the best above: from clicks per display to clicks per look."""
    place = np.arange(len(item))
    axis.hlines(place, naive, relevance.value, color=SOFT, lw=0.8)
    axis.plot(naive, place, "o", color=NAIVE, ms=4, label="clicks per display")
    axis.hlines(place, relevance.low, relevance.high, color=CORRECTED, lw=4, alpha=0.25)
    axis.plot(relevance.value, place, "o", color=CORRECTED, ms=5, label="clicks per look")
    names = [lettering(_short(name)) for name in item]
    axis.set_yticks(place, names)
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.set_xlabel("chance of a click at the first rank")
    axis.legend(frameon=False, fontsize=9)


def _short(name: str) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"

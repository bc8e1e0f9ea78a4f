"""The figure of a museum: life tables as collected and corrected, beside the lives themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ..paint.canvas import colour_of
from .figure import INK, headline, panels
from .style import LOOKS

NAIVE = colour_of(LOOKS["naive"])
CORRECTED = colour_of(LOOKS["corrected"])
DELAYED = colour_of(LOOKS["dagger"])
"""Colours of the ages as they were collected, with weights, and counted from the first sight on."""
STYLES = {NAIVE: "--", CORRECTED: "-", DELAYED: ":"}
"""Their lines."""
MOST_LIVES = 250
"""Lives that are drawn; of more, so many at equal distances."""


@dataclass(frozen=True)
class Curve:
    """A life table as a curve.

    Attributes:
        label: in the legend.
        l: (ω + 1,) share that reaches each age.
        low, high: (ω + 1,) its interval.
    """

    label: str
    l: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Lexis:
    """Lives by year and age, and when there were collectors.

    Attributes:
        born: (n,) year of birth.
        age: (n,) at death.
        year: (Y,) years of the collectors.
        effort: (Y,) theirs.
    """

    born: np.ndarray
    age: np.ndarray
    year: np.ndarray
    effort: np.ndarray


def drawn(title: str, note: str, curves: dict[str, Curve], lexis: Lexis | None) -> Figure:
    """The figure.

    Args:
        title: what is shown.
        note: of how much it is made.
        curves: by their colour.
        lexis: lives, where the years are known.
    """
    figure, axes = panels(1, 1 if lexis is None else 2)
    first = axes[0, 0]
    for colour, curve in curves.items():
        _draw_curve(first, curve, colour)
    first.set_xlabel("age, years")
    first.set_ylabel("share that reaches it")
    first.set_ylim(-0.02, 1.02)
    first.legend(frameon=False, fontsize=9)
    if lexis is not None:
        _draw_lexis(axes[0, 1], lexis)
    headline(figure, title, note)
    return figure


def _draw_curve(axis: Any, curve: Curve, colour: str) -> None:
    """A curve with its band."""
    age = np.arange(len(curve.l))
    style = STYLES[colour]
    band = {"color": colour, "alpha": 0.18, "lw": 0}
    axis.fill_between(age, curve.low, curve.high, **band)
    line = {"color": colour, "lw": 2, "label": curve.label}
    axis.plot(age, curve.l, style, **line)


def _draw_lexis(axis: Any, lexis: Lexis) -> None:
    """Each life a diagonal stroke from birth to death, above the years in which there were collectors."""
    _draw_lives(axis, lexis)
    highest = lexis.age.max() + 1
    deepest = 0.25 * highest
    share = lexis.effort / lexis.effort.max()
    band = {"step": "mid", "color": DELAYED, "alpha": 0.5, "lw": 0}
    axis.fill_between(lexis.year, -deepest * share, 0, **band)
    axis.axhline(0, color=INK, lw=0.8)
    axis.set_ylim(-0.27 * highest, highest)
    death = lexis.born + lexis.age
    first = min(lexis.born.min(), lexis.year.min())
    last = max(death.max(), lexis.year.max())
    axis.set_xlim(first - 1, last + 1)
    ticks = [tick for tick in axis.get_yticks() if 0 <= tick <= highest]
    axis.set_yticks(ticks)
    axis.set_xlabel("year; below the line the collectors' effort")
    axis.set_ylabel("age, years")


def _draw_lives(axis: Any, lexis: Lexis) -> None:
    """The lives, or some of them."""
    every = 1 + len(lexis.age) // MOST_LIVES
    born = lexis.born[::every]
    age = lexis.age[::every]
    death = born + age
    birth = np.zeros_like(age)
    start = np.stack((born, birth), -1)
    end = np.stack((death, age), -1)
    lives = np.stack((start, end), 1)
    strokes = LineCollection(list(lives), colors=CORRECTED, lw=0.7, alpha=0.5)
    axis.add_collection(strokes)
    axis.plot(death, age, ".", color=CORRECTED, ms=4)

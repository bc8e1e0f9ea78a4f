"""Figure: paper, axes and legend that all figures share; no pyplot, so no global state and no display."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..core.printable import harmless
from ..paint.canvas import colour_of
from .style import pattern_of

INK, SOFT, RULE = "0.15", "0.45", "0.9"
ALONE, AMONG_OTHERS = (6.2, 3.7), (4.6, 3.0)  # width and height of a panel, inches
MOST_REMARKS = 3
"""Sentences that stand beneath the panels."""
LETTER, LINE = 0.062, 0.15
"""Inches that a letter and a line of them take, about."""
HIGHEST = 1e12
"""Divergences above this are drawn at the head of the axis, marked as infinite."""
LOWEST = 1e-9
"""The lowest decade of any axis: what is smaller is rounding."""


class Drawing(Figure):
    """A figure that a notebook shows, whether or not pyplot was imported before."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def panels(rows: int, columns: int, **shared: Any) -> tuple[Drawing, np.ndarray]:
    """Paper with panels (rows, columns) of about 4.6 by 3 inches."""
    wide, tall = ALONE if rows * columns == 1 else AMONG_OTHERS
    width = 1.2 + wide * columns
    height = 1.5 + tall * rows
    figure = Drawing(figsize=(width, height), layout="constrained", dpi=130)
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    for axis in axes.flatten():
        _make_light(axis)
    return figure, axes


def _make_light(axis: Any) -> None:
    """Leave out of matplotlib's axes what says nothing."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(SOFT)
    axis.tick_params(color=SOFT, labelcolor=INK, labelsize=9)
    axis.grid(True, which="major", color=RULE, lw=0.7)


def lettering(words: str) -> str:
    """Somebody's words as matplotlib shows them as they are.

    Between dollars it would read mathematics, and what begins with an underscore it leaves out of a legend.
    """
    plain = harmless(words).replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def headline(figure: Figure, title: str, note: str) -> None:
    """What is shown, in bold, and of how much it is made."""
    figure.suptitle(lettering(title), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    figure.text(0.99, 0.985, lettering(note), ha="right", va="top", fontsize=9, color=SOFT)


def legend(figure: Figure, handles: Sequence[Any], remarks: Sequence[str] = ()) -> None:
    """The one legend, beneath the panels, in as many columns as fit, and above it what a reader must know of them."""
    width, height = figure.get_size_inches()
    labels = [handle.get_label() for handle in handles]
    columns = max(len(labels), 1)
    while columns > 1 and _legend_width(labels, columns) > width:
        columns -= 1
    place: dict[str, Any] = {"loc": "outside lower left", "ncols": columns}
    if remarks:
        note = _note(remarks, width)
        taller = height + LINE * (1 + note.count("\n"))
        figure.set_size_inches(width, taller)
        place |= {"title": note, "title_fontsize": 8.5, "alignment": "left"}
    figure.legend(handles=handles, frameon=False, fontsize=9, handlelength=2.6, **place)


def _note(remarks: Sequence[str], width: float) -> str:
    """The first of some sentences, in lines of `width` inches, and how many more there are."""
    told = list(remarks[:MOST_REMARKS])
    rest = len(remarks) - len(told)
    if rest > 0:
        told.append(f"{rest} more of these stand beneath the table.")
    letters = int(width / LETTER)
    lines = [textwrap.fill(lettering(sentence), letters) for sentence in told]
    return "\n".join(lines)


def _legend_width(labels: Sequence[str], columns: int) -> float:
    """Inches, about: a line and a gap a column, and its longest label; columns are filled one after the other."""
    tall = math.ceil(len(labels) / columns)
    width = 0.3
    for first in range(0, len(labels), tall):
        column = labels[first : first + tall]
        longest = max(len(_visible(label)) for label in column)
        width += 0.8 + 0.075 * longest
    return width


def _visible(label: str) -> str:
    """A label without what only tells matplotlib how to set it."""
    return re.sub(r"\\[a-z]+|[${}_^]", "", label)


def line_of(learner: int, width: float = 2.0) -> dict[str, Any]:
    """Matplotlib's keywords for a learner's line."""
    dashes = pattern_of(learner)
    style = (0, dashes) if dashes else "-"
    return {"color": colour_of(learner), "lw": width, "ls": style}


def decades(values: np.ndarray, ceiling: float) -> tuple[float, float]:
    """The lowest and the highest power of ten that an axis needs for some values, zero and infinity apart."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    line = ceiling if np.isfinite(ceiling) else 0
    most = positive.max(initial=line)
    room = 1.2 * most or 1.0
    head = _power_above(np.clip(room, 1e-6, HIGHEST))
    highest_floor = head / 100
    visible = positive[positive >= LOWEST]
    least = visible.min(initial=highest_floor)
    return _power_below(least), head


def _power_below(value: float) -> float:
    power = np.floor(np.log10(value))
    return float(10**power)


def _power_above(value: float) -> float:
    power = np.ceil(np.log10(value))
    return float(10**power)


def by_decades(axis: Any, values: np.ndarray, ceiling: float = np.inf) -> float:
    """Make the vertical axis one of decades, zero at its foot and infinity at its head where they occur.

    Args:
        axis: matplotlib's.
        values: all that is to be shown.
        ceiling: what shall lie on the axis besides, unless infinite.

    Returns:
        Where infinity stands.
    """
    floor, head = decades(values, ceiling)
    infinity = 2.5 * head
    ticks = _powers(floor, head)
    top = head
    if (values > head).any():
        ticks.append(infinity)
        top = 4 * head
    if (values < floor).any():
        ticks.append(0.0)
        axis.set_yscale("symlog", linthresh=floor, linscale=0.5)
        axis.set_ylim(-floor / 5, top)
    else:
        axis.set_yscale("log")
        axis.set_ylim(floor, top)
    axis.yaxis.set_minor_locator(NullLocator())
    _set_ticks(axis, ticks, lambda value, _: "∞" if value > head else _tick_text(value))
    return infinity


def _set_ticks(axis: Any, ticks: list[float], text: Callable[[float, Any], str]) -> None:
    """Write some values beside the vertical axis."""
    locator = FixedLocator(sorted(ticks))
    axis.yaxis.set_major_locator(locator)
    axis.yaxis.set_major_formatter(FuncFormatter(text))


def _powers(floor: float, head: float) -> list[float]:
    """Powers of ten from one to another, ten of them at most."""
    low = round(np.log10(floor))
    high = round(np.log10(head))
    every = 1 + (high - low) // 10
    powers = range(high, low - 1, -every)
    return [10.0**power for power in powers]


def _tick_text(value: float) -> str:
    if value <= 0:
        return "0"
    power = round(np.log10(value))
    return f"$10^{{{power}}}$"


def as_chance(axis: Any) -> None:
    """Make the vertical axis one from 0 to 1."""
    axis.set_ylim(-0.02, 1.02)
    _set_ticks(axis, [0, 0.25, 0.5, 0.75, 1], lambda value, _: f"{value:g}")


def without_nan(values: Any) -> np.ndarray:
    """Divergences with what is not a number as infinite: a number that was lost is as far away as can be."""
    numbers = np.asarray(values, dtype=float)
    return np.nan_to_num(numbers, nan=np.inf, posinf=np.inf)

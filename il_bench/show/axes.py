"""Axes of a divergence over time, painted on a canvas: by decades with a place for zero, or from the same to apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..paint.canvas import RULE, SOFT, Canvas

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MOST_WORDS = 7  # beside an axis
POWERS = 1, 10, 100, 1_000, 10_000, 100_000
NOUGHT = 14  # pixels between zero and the lowest decade: a logarithm has no zero, so the axis is broken there


@dataclass(frozen=True)
class Axes:
    """Axes of one curve or several.

    Attributes:
        size: width and height of the picture, pixels.
        margin: around the axes: left, above, right, below; pixels.
        horizon: the last time.
        low: power of ten of the lowest decade; None for a distance that is 0 or 1: the same, or apart.
        high: power of ten at the head.
    """

    size: tuple[int, int]
    margin: tuple[int, int, int, int]
    horizon: int
    low: int | None = None
    high: int = 0

    def place(self, time: Any, value: Any) -> np.ndarray:
        """Where values at times stand, pixels (..., 2); what is off the axes stands at their edge."""
        left, _, right, _ = self.margin
        width = self.size[0] - left - right
        share = np.asarray(time) / self.horizon
        column = left + share * width
        row = self._row(np.asarray(value, dtype=float))
        both = np.broadcast_arrays(column, row)
        return np.stack(both, -1)

    def _row(self, value: np.ndarray) -> np.ndarray:
        head = self.head
        foot = self.foot
        if self.low is None:
            chance = np.clip(value, 0, 1)
            return foot - chance * (foot - head)
        lowest = foot - NOUGHT
        inside = np.clip(value, 10.0**self.low, 10.0**self.high)
        decades = np.log10(inside) - self.low
        share = decades / (self.high - self.low)
        row = lowest - share * (lowest - head)
        return np.where(value > 0, row, foot)

    @property
    def head(self) -> int:
        """The row of the highest value, pixels."""
        _, above, _, _ = self.margin
        return above

    @property
    def foot(self) -> int:
        """The row of zero, pixels."""
        *_, below = self.margin
        return self.size[1] - below

    def paint(self, canvas: Canvas) -> None:
        """Rules with their values, and some times."""
        whole = [0, self.horizon]
        for value, words in self._values():
            ends = self.place(whole, value)
            left, row = ends[0]
            canvas.line(ends, RULE)
            canvas.text(words, (left - 8, row), SOFT, 11, part=1)
        below = self.foot + 12
        for time in range(0, self.horizon + 1, self._step()):
            column, _ = self.place(time, 0)
            canvas.text(str(time), (column, below), SOFT, 11, part=0.5)

    def _values(self) -> list[tuple[float, str]]:
        """Values with a rule, and what is written beside it: no more words than there is room for."""
        if self.low is None:
            return [(0.0, "same"), (1.0, "apart")]
        every = 1 + (self.high - self.low) // MOST_WORDS
        values = [(0.0, "0")]
        for power in range(self.low, self.high + 1):
            has_words = (self.high - power) % every == 0
            words = _power(power) if has_words else ""
            values.append((10.0**power, words))
        return values

    def _step(self) -> int:
        """Between the times that are written: 1, 2 or 5 of some power of ten."""
        most = 10 if self.size[0] > 400 else 5
        for ten in POWERS:
            for step in (ten, 2 * ten, 5 * ten):
                if self.horizon / step <= most:
                    return step
        return self.horizon


def _power(exponent: int) -> str:
    raised = str(exponent).translate(RAISED)
    return f"10{raised}"

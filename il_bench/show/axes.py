"""Axes: logarithmic ones, painted on a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..paint.canvas import RULE, SOFT, Canvas

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class LogAxes:
    """Axes of a curve that grows by decades.

    Attributes:
        size: width and height of the picture, and `margin`, around the axes: left, above, right, below; pixels.
        horizon: the last time.
        low: power of ten at the foot, and `high`, at the head.
    """

    size: tuple[int, int]
    margin: tuple[int, int, int, int]
    horizon: int
    low: int
    high: int

    def place(self, time: Any, value: Any) -> np.ndarray:
        """Where values at times stand, pixels (..., 2); what is off the axes stands at their edge."""
        (w, h), (left, above, right, below) = self.size, self.margin
        up = (np.log10(np.clip(value, 10.0**self.low, 10.0**self.high)) - self.low) / (
            self.high - self.low
        )
        x, y = (
            left + np.asarray(time) / self.horizon * (w - left - right),
            h - below - up * (h - above - below),
        )
        return np.stack(np.broadcast_arrays(x, y), -1)

    def paint(self, canvas: Canvas) -> None:
        """A line for each decade, a number for each if there is room, and some times."""
        steps = [m * 10**p for p in range(6) for m in (1, 2, 5)]
        for power in range(self.low, self.high + 1):
            ends = self.place([0, self.horizon], 10.0**power)
            canvas.line(ends, RULE)
            if (self.high - power) % (1 + (self.high - self.low) // 7) == 0:
                canvas.text("10" + str(power).translate(RAISED), ends[0] - (8, 0), SOFT, 11, part=1)
        for time in range(0, self.horizon + 1, next(s for s in steps if self.horizon / s <= 10)):
            x, y = self.place(time, 0)
            canvas.text(str(time), (x, y + 12), SOFT, 11, part=0.5)

"""Trace: the divergences so far, as a film draws them beneath its panels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..paint.canvas import INK, SOFT, Canvas, colour_of
from .axes import Axes
from .style import looks, paint_line
from .take import Take

HEIGHT = 196
EDGE = 16  # to the left of the title
WIDE_MARGIN, NARROW_MARGIN = (50, 46, EDGE, 26), (42, 46, 12, 26)  # around the axes
WIDE = 600  # pixels from which on there is room for whole sentences
MOMENTS = 26, 42  # first row of the times of parting, and the one beneath them


def axes_of(takes: Sequence[Take], who: Sequence[int], width: int) -> Axes:
    """Axes on which the divergences of all takes find room."""
    size = width, HEIGHT
    horizon = takes[0].horizon
    margin = WIDE_MARGIN if width > WIDE else NARROW_MARGIN
    if all(take.env.indicator for take in takes):
        return Axes(size, margin, horizon)
    learners = list(who)
    values = [take.drift[learners].ravel() for take in takes]
    thresholds = [take.threshold for take in takes]
    low, high = _decades(np.concatenate([*values, thresholds]))
    return Axes(size, margin, horizon, low, high)


def _decades(values: np.ndarray) -> tuple[int, int]:
    """The lowest and the highest power of ten shown: two decades at least, nine at most."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    lowest = np.quantile(positive, 0.02)
    largest = np.log10(positive.max())
    smallest = np.log10(lowest)
    high = math.ceil(largest.clip(-3, 12))
    low = math.floor(smallest.clip(high - 9, high - 2))
    return low, high


class Trace:
    """The divergences of a take so far.

    Curves go from left to right, so that the picture at a time is the finished one up to there and the empty one
    behind; what moves, the curves' heads, is painted on a narrow strip of it.
    """

    REACH = 8  # pixels of the strip to either side

    def __init__(self, take: Take, who: Sequence[int], axes: Axes):
        self._axes = axes
        self._looks = looks(take.names)
        times = np.arange(axes.horizon + 1)
        learners = sorted((k for k in who if k), key=take.parted)
        self._parted = {k: take.parted(k) for k in learners}
        self._points = {k: axes.place(times, take.drift[k]) for k in learners}
        self._columns = axes.place(times, 0)[:, 0].tolist()
        canvas = _foot(take, axes)
        self._empty = canvas.image()
        for k in learners:
            self._draw_curve(canvas, k)
        self._full = canvas.image()
        self._moments = self._moment_rows()

    def _draw_curve(self, canvas: Canvas, learner: int) -> None:
        points = self._points[learner]
        moment = self._parted[learner]
        look = self._looks[learner]
        colour = colour_of(look)
        paint_line(canvas, points, look)
        if moment < len(points):
            x, y = points[moment]
            head = x, MOMENTS[1]
            canvas.line([(x, y), head], colour)
            canvas.circle((x, y), 5, colour)

    def _moment_rows(self) -> list[np.ndarray]:
        """The row that says when learners parted: of nobody yet, of the first, of the first two, ..."""
        wide, _ = self._axes.size
        top, foot = MOMENTS
        canvas = Canvas((wide, foot - top))
        rows = [canvas.image()]
        free = 0.0
        for k, moment in self._parted.items():
            x, _ = self._axes.place(moment, 0)
            start = min(max(x, free), wide - 64)
            length = canvas.text(
                f"t = {moment}", (start, 8), colour_of(self._looks[k]), 12, bold=True
            )
            free = start + length + 10
            rows.append(canvas.image())
        return rows

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the trace at a time on its part of the page (height, width, 3)."""
        x = self._columns[time]
        now = round(x)
        top, head = MOMENTS
        page[:] = self._empty
        page[head:, :now] = self._full[head:, :now]
        parted = sum(time >= moment for moment in self._parted.values())
        page[top:head] = self._moments[parted]
        first = max(now - self.REACH, 0)
        strip = page[:, first : first + 2 * self.REACH]
        strip[:] = self._with_heads(strip, time, x - first)

    def _with_heads(self, strip: np.ndarray, time: int, x: float) -> np.ndarray:
        """A strip of the trace with the heads of the curves at a column of it."""
        height, width, _ = strip.shape
        canvas = Canvas((width, height))
        canvas.picture(strip)
        foot = x, self._axes.foot
        head = x, self._axes.head
        canvas.line([foot, head], SOFT)
        for k, points in self._points.items():
            row = points[time, 1]
            canvas.circle((x, row), 4, colour_of(self._looks[k]))
        return canvas.image()


def _foot(take: Take, axes: Axes) -> Canvas:
    """Axes, title and threshold of a trace."""
    canvas = Canvas(axes.size)
    axes.paint(canvas)
    is_wide = axes.size[0] > WIDE
    left = EDGE if is_wide else 0
    title = _title(axes, is_wide)
    canvas.text(title, (left, 10), INK, 13, bold=True)
    if axes.low is None:
        return canvas
    if is_wide:
        _explain_threshold(canvas, take)
    _paint_threshold(canvas, axes, take.threshold)
    return canvas


def _title(axes: Axes, is_wide: bool) -> str:
    """What the curves are."""
    if axes.low is None:
        return "the same as the expert's twin, or apart, over time t" if is_wide else "apart over t"
    if is_wide:
        return "divergence D from the expert's twin over time t"
    return "divergence D over t"


def _explain_threshold(canvas: Canvas, take: Take) -> None:
    """What the dashed line is."""
    right = canvas.size[0] - EDGE
    reason = ", a tenth of the state space's diameter" if take.bounded else ""
    words = f"dashed: parted, D > {take.threshold:.2g}{reason}"
    canvas.text(words, (right, 10), SOFT, 12, part=1)


def _paint_threshold(canvas: Canvas, axes: Axes, value: float) -> None:
    """A dashed line, with a dash and a gap of some six pixels each."""
    dashes = axes.size[0] // 12
    times = np.linspace(0, axes.horizon, 2 * dashes + 1)
    ends = axes.place(times[:-1], value)
    for dash in ends.reshape(dashes, 2, 2):
        canvas.line(dash, SOFT)

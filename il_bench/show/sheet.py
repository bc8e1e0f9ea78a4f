"""Sheet: what a film shows at one time: learners beside their twin, and beneath them how far they are apart.

A sheet is made of blocks, one for each rollout that is shown, side by side. What stays as it is is painted once; at
each time only the pictures, the numbers and the heads of the curves are new.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..paint.canvas import INK, PAPER, SOFT, Canvas, colour_of
from .axes import Axes
from .painter import Painter
from .style import paint_line, paint_mark
from .take import Take

WIDE, EDGE, GAP = (
    1008,
    16,
    22,
)  # pixels: the sheet, its margin, and between its panels; all sizes are even
HEAD, TITLE, CAPTION, BAR, TRACE = 38, 26, 28, 24, 196  # heights of the parts
REST = 6  # beneath each row of panels
LARGEST = 640  # width of a panel
WIDE_MARGIN, NARROW_MARGIN = (50, 46, EDGE, 26), (34, 46, 12, 26)  # around the axes of a trace
ROOM = 96  # for "D = 1.2e-05"
ROW = 34  # height in a trace at which the times of parting stand


@lru_cache(maxsize=512)
def label(words: str, size: tuple[int, int], height: int, colour: str, part: float) -> np.ndarray:
    """Words in bold on paper, (height, width, 3): at the left (`part` 0), in the middle (.5) or at the right (1)."""
    canvas = Canvas(size)
    canvas.text(words, (part * size[0], size[1] / 2), colour, height, bold=True, part=part)
    return canvas.image()


class Sheet:
    """The page of a film for each time.

    Args:
        takes: rollouts, side by side.
        who: places of the learners shown, the same in every rollout.
        title: what is filmed.
    """

    def __init__(self, takes: Sequence[Take], who: Sequence[int], title: str):
        alone = len(takes) == 1
        width = _width(len(takes))
        axes = _axes_of(takes, who, width)
        self.blocks = [Block(take, who, axes, alone) for take in takes]
        self.horizon = takes[0].horizon
        tall = self.blocks[0].size[1]
        self.size = WIDE, HEAD + tall
        edge = 0 if alone else EDGE
        self._lefts = [edge + i * (width + GAP) for i in range(len(takes))]
        self._page = np.full((HEAD + tall, WIDE, 3), 255, np.uint8)
        self._page[:HEAD] = _head(title)

    def image(self, time: int) -> np.ndarray:
        """The page (height, WIDE, 3), uint8."""
        right = WIDE - EDGE
        clock = label(f"t = {time}", (ROOM, HEAD), 15, INK, 1)
        self._page[:HEAD, right - ROOM : right] = clock
        for block, left in zip(self.blocks, self._lefts, strict=True):
            part = self._page[HEAD:, left : left + block.size[0]]
            block.paint(part, time)
        return self._page.copy()


def _width(blocks: int) -> int:
    """Of each block, pixels, even: one alone has the sheet to its edges."""
    if blocks == 1:
        return WIDE
    inside = WIDE - 2 * EDGE - (blocks - 1) * GAP
    return _even(inside / blocks)


def _even(pixels: float) -> int:
    """The largest even number of pixels: films have no half colours."""
    return 2 * int(pixels / 2)


def _head(title: str) -> np.ndarray:
    strip, middle = Canvas((WIDE, HEAD)), HEAD / 2
    end = EDGE + strip.text(title, (EDGE, middle), INK, 15, bold=True)
    strip.circle((end + 34, middle), 5, colour_of(0))
    strip.text("the expert's twin: same start, same noise", (end + 46, middle), SOFT, 13)
    return strip.image()


def _axes_of(takes: Sequence[Take], who: Sequence[int], width: int) -> Axes:
    """Axes on which the divergences of all takes find room."""
    horizon, size = takes[0].horizon, (width, TRACE)
    margin = WIDE_MARGIN if width == WIDE else NARROW_MARGIN
    if all(take.env.indicator for take in takes):
        return Axes(size, margin, horizon)
    parts = [take.drift[list(who)].ravel() for take in takes]
    thresholds = [take.threshold for take in takes]
    low, high = _decades(np.concatenate([*parts, thresholds]))
    return Axes(size, margin, horizon, low, high)


def _decades(values: np.ndarray) -> tuple[int, int]:
    """The lowest and the highest power of ten shown: two decades at least, nine at most."""
    positive = values[np.isfinite(values) & (values > 0)]
    largest = np.log10(positive.max())
    smallest = np.log10(np.quantile(positive, 0.02))
    high = math.ceil(largest.clip(-3, 12))
    low = math.floor(smallest.clip(high - 9, high - 2))
    return low, high


class Block:
    """One rollout: a panel for each learner, and beneath them the trace.

    Args:
        take: the rollout.
        who: places of the learners shown.
        axes: of the trace, as wide as the block.
        alone: whether it has the sheet for itself; otherwise its panels stand one above the other under its title.
    """

    def __init__(self, take: Take, who: Sequence[int], axes: Axes, alone: bool):
        self._words = take.words
        self._title = 0 if alone else TITLE
        width = axes.size[0]
        columns = _columns(len(who)) if alone else 1
        self.panel = _panel_size(width - 2 * EDGE if alone else width, columns)
        self._places = self._places_of(len(who), columns, width)
        painter = Painter(take, self.panel)
        self.panels = [Panel(take, k, painter, self.panel) for k in who]
        self.trace = Trace(take, who, axes)
        rows = math.ceil(len(who) / columns)
        self.size = width, self._title + rows * self._step + TRACE

    @property
    def _step(self) -> int:
        """From one row of panels to the next, pixels."""
        return CAPTION + self.panel[1] + BAR + REST

    def _places_of(self, count: int, columns: int, width: int) -> list[tuple[int, int]]:
        """Where the panels' upper left corners are: column and row of pixels."""
        step = self.panel[0] + GAP
        left = (width - columns * step + GAP) // 2
        places = []
        for number in range(count):
            row, column = divmod(number, columns)
            y = self._title + row * self._step
            places.append((left + column * step, y))
        return places

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the block at a time on its part of the page (height, width, 3)."""
        wide, tall = self.panel[0], self._step - REST
        if self._title:
            size = self.size[0], self._title
            page[: self._title] = label(self._words, size, 13, INK, 0)
        for panel, (x, y) in zip(self.panels, self._places, strict=True):
            panel.paint(page[y : y + tall, x : x + wide], time)
        self.trace.paint(page[-TRACE:], time)


def _panel_size(inside: int, columns: int) -> tuple[int, int]:
    """Width and height of each of some panels side by side, pixels."""
    share = (inside - (columns - 1) * GAP) / columns
    wide = _even(min(share, LARGEST))
    return wide, 2 * round(0.36 * wide)


def _columns(panels: int) -> int:
    return panels if panels <= 4 else -(-panels // 2)


class Panel:
    """One learner: its name and its divergence, its picture, and a banner when it has parted or its episode has ended."""

    def __init__(self, take: Take, learner: int, painter: Painter, size: tuple[int, int]):
        self.learner, self.painter = learner, painter
        self._size = size
        self._drift = take.drift[learner]
        self._name = _caption(take.names[learner], learner, size[0])
        parted = take.parted(learner)
        end = int(take.end[learner])
        self._events = (parted, "parted"), (end, take.env.ending)

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the panel at a time on its part of the page (height, width, 3)."""
        foot = CAPTION + self._size[1]
        page[:CAPTION] = self._name
        if self.learner:
            words = f"D = {self._drift[time]:.2g}"
            page[:CAPTION, -ROOM:] = label(words, (ROOM, CAPTION), 13, INK, 1)
        page[CAPTION:foot] = self.painter.picture(self.learner, time)
        page[foot:] = self._banner(time)

    def _banner(self, time: int) -> np.ndarray:
        """What has happened last; it stands beneath the picture and hides nothing of it."""
        words = ""
        for since, event in self._events:
            if time >= since:
                words = f"{event} at t = {since}"
        return _banner(words, self._size[0], colour_of(self.learner))


def _caption(name: str, learner: int, wide: int) -> np.ndarray:
    strip, middle = Canvas((wide, CAPTION)), CAPTION / 2
    paint_mark(strip, learner, (7, middle))
    fits = 10 * len(name) < wide - 130
    strip.text(name, (22, middle), INK, 15 if fits else 11, bold=True)
    return strip.image()


@lru_cache(maxsize=64)
def _banner(words: str, width: int, colour: str) -> np.ndarray:
    bar = Canvas((width, BAR), colour if words else PAPER)
    bar.text(words, (width / 2, BAR / 2), PAPER, 13, bold=True, part=0.5)
    return bar.image()


class Trace:
    """The divergences so far.

    Curves go from left to right, so that the picture at a time is the finished one up to there and the empty one
    behind; what moves, the curves' heads, is painted on a narrow strip of it.
    """

    REACH = 8  # pixels of the strip to either side

    def __init__(self, take: Take, who: Sequence[int], axes: Axes):
        self._axes = axes
        learners = sorted((k for k in who if k), key=take.parted)
        self._parted = {k: take.parted(k) for k in learners}
        times = np.arange(axes.horizon + 1)
        self._points = {k: axes.place(times, take.drift[k]) for k in learners}
        canvas = _foot(take, axes)
        self._empty = canvas.image()
        for k in learners:
            self._draw_curve(canvas, k)
        self._full = canvas.image()
        self._moments = self._moment_rows()

    def _draw_curve(self, canvas: Canvas, learner: int) -> None:
        points, moment = self._points[learner], self._parted[learner]
        paint_line(canvas, points, learner)
        if moment < len(points):
            x, y = points[moment]
            canvas.line([(x, y), (x, ROW + 8)], colour_of(learner))
            canvas.circle((x, y), 5, colour_of(learner))

    def _moment_rows(self) -> list[np.ndarray]:
        """The row that says when learners parted: of nobody yet, of the first, of the first two, ..."""
        wide = self._axes.size[0]
        canvas, free = Canvas((wide, 16)), 0.0
        rows = [canvas.image()]
        for k, moment in self._parted.items():
            x, _ = self._axes.place(moment, 0)
            start = min(max(x, free), wide - 64)
            words = f"t = {moment}"
            length = canvas.text(words, (start, 8), colour_of(k), 12, bold=True)
            free = start + length + 10
            rows.append(canvas.image())
        return rows

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the trace at a time on its part of the page (height, width, 3)."""
        x = float(self._axes.place(time, 0)[0])
        now, head = round(x), ROW + 8
        page[:] = self._empty
        page[head:, :now] = self._full[head:, :now]
        parted = sum(time >= moment for moment in self._parted.values())
        page[ROW - 8 : head] = self._moments[parted]
        first = max(now - self.REACH, 0)
        strip = page[:, first : first + 2 * self.REACH]
        strip[:] = self._with_heads(strip, time, x - first)

    def _with_heads(self, strip: np.ndarray, time: int, x: float) -> np.ndarray:
        """A strip of the trace with the heads of the curves at a column of it."""
        height, width, _ = strip.shape
        canvas = Canvas((width, height))
        canvas.picture(strip)
        foot, head = self._axes.place(time, [0, np.inf])[:, 1]
        canvas.line([(x, foot), (x, head)], SOFT)
        for k, points in self._points.items():
            canvas.circle((x, points[time, 1]), 4, colour_of(k))
        return canvas.image()


def _foot(take: Take, axes: Axes) -> Canvas:
    """Axes, title and threshold of a trace."""
    canvas = Canvas(axes.size)
    axes.paint(canvas)
    if axes.size[0] == WIDE:
        title = "divergence D from the expert's twin over time t"
        canvas.text(title, (EDGE, 10), INK, 13, bold=True)
        reason = ", a tenth of the state space's diameter" if take.bounded else ""
        words = f"dashed: parted, D > {take.threshold:.2g}{reason}"
        canvas.text(words, (WIDE - EDGE, 10), SOFT, 12, part=1)
    else:
        canvas.text("divergence D over t", (0, 10), INK, 13, bold=True)
    _paint_threshold(canvas, axes, take.threshold)
    return canvas


def _paint_threshold(canvas: Canvas, axes: Axes, value: float) -> None:
    """A dashed line, with a dash and a gap of some six pixels each."""
    dashes = axes.size[0] // 12
    times = np.linspace(0, axes.horizon, 2 * dashes + 1)[:-1]
    ends = axes.place(times, value).reshape(dashes, 2, 2)
    for dash in ends:
        canvas.line(dash, SOFT)

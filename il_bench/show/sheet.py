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
        axes = _axes_of(takes, who, _width(len(takes)))
        alone = len(takes) == 1
        self.blocks = [Block(take, who, axes, alone) for take in takes]
        self.size = WIDE, HEAD + self.blocks[0].size[1]
        self.horizon = takes[0].horizon
        self._page = np.full((self.size[1], WIDE, 3), 255, np.uint8)
        self._page[:HEAD] = _head(title)

    def image(self, time: int) -> np.ndarray:
        """The page (height, WIDE, 3), uint8."""
        clock = label(f"t = {time}", (ROOM, HEAD), 15, INK, 1)
        self._page[:HEAD, WIDE - EDGE - ROOM : WIDE - EDGE] = clock
        step = _width(len(self.blocks)) + GAP
        for i, block in enumerate(self.blocks):
            left = EDGE * (len(self.blocks) > 1) + i * step
            block.paint(self._page[HEAD:, left : left + block.size[0]], time)
        return self._page.copy()


def _width(blocks: int) -> int:
    """Of each block, pixels: one alone has the sheet to its edges."""
    return WIDE if blocks == 1 else (WIDE - 2 * EDGE - (blocks - 1) * GAP) // blocks // 2 * 2


def _head(title: str) -> np.ndarray:
    strip, middle = Canvas((WIDE, HEAD)), HEAD / 2
    end = EDGE + strip.text(title, (EDGE, middle), INK, 15, bold=True)
    strip.circle((end + 34, middle), 5, colour_of(0))
    strip.text("the expert's twin: same start, same noise", (end + 46, middle), SOFT, 13)
    return strip.image()


def _axes_of(takes: Sequence[Take], who: Sequence[int], width: int) -> Axes:
    """Axes on which the divergences of all takes find room."""
    horizon, size = takes[0].horizon, (width, TRACE)
    margin = (50, 46, EDGE, 26) if width == WIDE else (34, 46, 12, 26)
    if all(take.env.indicator for take in takes):
        return Axes(size, margin, horizon)
    shown = np.concatenate([take.drift[list(who)].ravel() for take in takes])
    thresholds = [take.threshold for take in takes]
    known = np.append(shown[np.isfinite(shown) & (shown > 0)], thresholds)
    high = math.ceil(np.log10(known.max()).clip(-3, 12))
    low = math.floor(np.log10(np.quantile(known, 0.02)).clip(high - 9, high - 2))
    return Axes(size, margin, horizon, low, high)


class Block:
    """One rollout: a panel for each learner, and beneath them the trace.

    Args:
        take: the rollout.
        who: places of the learners shown.
        axes: of the trace, as wide as the block.
        alone: whether it has the sheet for itself; otherwise its panels stand one above the other under its title.
    """

    def __init__(self, take: Take, who: Sequence[int], axes: Axes, alone: bool):
        width, edge = axes.size[0], EDGE if alone else 0
        self._title = 0 if alone else TITLE
        self._columns = _columns(len(who)) if alone else 1
        inside = width - 2 * edge - (self._columns - 1) * GAP
        wide = min(inside // self._columns, LARGEST) // 2 * 2
        self.panel = wide, round(0.36 * wide) * 2
        self._left = (width - self._columns * (wide + GAP) + GAP) // 2
        self._tall = CAPTION + self.panel[1] + BAR
        painter = Painter(take, self.panel)
        self.panels = [Panel(take, k, painter, self.panel) for k in who]
        self.trace = Trace(take, who, axes)
        self._words = take.words
        rows = -(-len(who) // self._columns)
        self.size = width, self._title + rows * (self._tall + REST) + TRACE

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the block at a time on its part of the page (height, width, 3)."""
        wide, _ = self.panel
        if self._title:
            page[: self._title] = label(self._words, (self.size[0], self._title), 13, INK, 0)
        for i, panel in enumerate(self.panels):
            row, column = divmod(i, self._columns)
            x = self._left + column * (wide + GAP)
            y = self._title + row * (self._tall + REST)
            panel.paint(page[y : y + self._tall, x : x + wide], time)
        self.trace.paint(page[-TRACE:], time)


def _columns(panels: int) -> int:
    return panels if panels <= 4 else -(-panels // 2)


class Panel:
    """One learner: its name and its divergence, its picture, and a banner when it has parted or its episode has ended."""

    def __init__(self, take: Take, learner: int, painter: Painter, size: tuple[int, int]):
        self._take, self._learner, self._painter, self._size = take, learner, painter, size
        self._name = self._caption()
        never = take.horizon + 1
        parted = take.parted(learner) if learner else never
        self._events = (parted, "parted"), (int(take.end[learner]), take.env.ending)

    def _caption(self) -> np.ndarray:
        wide, name = self._size[0], self._take.names[self._learner]
        strip, middle = Canvas((wide, CAPTION)), CAPTION / 2
        paint_mark(strip, self._learner, (7, middle))
        size = 15 if 10 * len(name) < wide - 130 else 11
        strip.text(name, (22, middle), INK, size, bold=True)
        return strip.image()

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the panel at a time on its part of the page (height, width, 3)."""
        tall = self._size[1]
        page[:CAPTION] = self._name
        if self._learner:
            words = f"D = {self._take.drift[self._learner, time]:.2g}"
            page[:CAPTION, -ROOM:] = label(words, (ROOM, CAPTION), 13, INK, 1)
        page[CAPTION : CAPTION + tall] = self._painter.picture(self._learner, time)
        page[CAPTION + tall :] = self._banner(time)

    def _banner(self, time: int) -> np.ndarray:
        """What has happened last; it stands beneath the picture and hides nothing of it."""
        happened = [f"{words} at t = {since}" for since, words in self._events if time >= since]
        return _banner(happened[-1] if happened else "", self._size[0], colour_of(self._learner))


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
        self._take, self._axes = take, axes
        self._who = sorted((k for k in who if k), key=take.parted)
        foot = self._foot()
        self._empty = foot.image()
        for k in self._who:
            self._draw_curve(foot, k)
        self._full = foot.image()
        self._moments = self._moment_rows()

    def _foot(self) -> Canvas:
        """Axes, title and threshold."""
        take, axes = self._take, self._axes
        wide = axes.size[0] == WIDE
        canvas, left = Canvas(axes.size), EDGE if wide else 0
        axes.paint(canvas)
        title = "divergence D from the expert's twin over time t" if wide else "divergence D over t"
        canvas.text(title, (left, 10), INK, 13, bold=True)
        if wide:
            reason = ", a tenth of the state space's diameter" if take.bounded else ""
            words = f"dashed: parted, D > {take.threshold:.2g}{reason}"
            canvas.text(words, (WIDE - EDGE, 10), SOFT, 12, part=1)
        ends = np.linspace(0, axes.horizon, axes.size[0] // 6 // 2 * 2 + 1)[:-1]
        for dash in axes.place(ends, take.threshold).reshape(-1, 2, 2):
            canvas.line(dash, SOFT)
        return canvas

    def _points(self, learner: int) -> np.ndarray:
        times = np.arange(self._axes.horizon + 1)
        return self._axes.place(times, self._take.drift[learner])

    def _draw_curve(self, canvas: Canvas, learner: int) -> None:
        points, moment = self._points(learner), self._take.parted(learner)
        paint_line(canvas, points, learner)
        if moment <= self._axes.horizon:
            x, y = points[moment]
            canvas.line([(x, y), (x, ROW + 8)], colour_of(learner))
            canvas.circle((x, y), 5, colour_of(learner))

    def _moment_rows(self) -> list[np.ndarray]:
        """The row that says when learners parted: of nobody yet, of the first, of the first two, ..."""
        wide = self._axes.size[0]
        canvas, free = Canvas((wide, 16)), 0.0
        rows = [canvas.image()]
        for k in self._who:
            x = self._axes.place(self._take.parted(k), 0)[0]
            free = min(max(x, free), wide - 64)
            words = f"t = {self._take.parted(k)}"
            free += 10 + canvas.text(words, (free, 8), colour_of(k), 12, bold=True)
            rows.append(canvas.image())
        return rows

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the trace at a time on its part of the page (height, width, 3)."""
        x = float(self._axes.place(time, 0)[0])
        now, head = round(x), ROW + 8
        page[:] = self._empty
        page[head:, :now] = self._full[head:, :now]
        parted = sum(time >= self._take.parted(k) for k in self._who)
        page[ROW - 8 : head] = self._moments[parted]
        self._paint_heads(page, time, x)

    def _paint_heads(self, page: np.ndarray, time: int, x: float) -> None:
        first = max(round(x) - self.REACH, 0)
        part = page[:, first : first + 2 * self.REACH]
        strip = Canvas(part.shape[1::-1])
        strip.picture(part)
        foot, head = self._axes.place(time, [0, np.inf])[:, 1]
        strip.line([(x - first, foot), (x - first, head)], SOFT)
        for k in self._who:
            row = self._axes.place(time, self._take.drift[k, time])[1]
            strip.circle((x - first, row), 4, colour_of(k))
        part[:] = strip.image()

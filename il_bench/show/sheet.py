"""Sheet: what a film shows at one time: learners beside their twin, and beneath them how far they are apart.

A sheet is made of blocks, one for each rollout that is shown, side by side. What stays as it is is painted once; at
each time only the pictures, the numbers and the heads of the curves are new.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..paint.canvas import BANNER, INK, PAPER, SOFT, Canvas, colour_of
from .axes import Axes
from .painter import Painter
from .style import looks, paint_mark
from .take import Take, joined
from .trace import EDGE, HEIGHT, Trace, axes_of

# Pixels: the sheet, and between its panels. All sizes are even.
WIDE, GAP = 1008, 22
HEAD, TITLE, CAPTION = 38, 26, 28  # heights of the parts
REST = 6  # beneath each row of panels
LARGEST = 640  # width of a panel
SHAPE = 0.36  # of a panel: half its height over its width
ROOM = 96  # for "D = 1.2e-05"
LETTER = 7  # of the words in the head, about


class Part(NamedTuple):
    """A rectangle of a page, pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, page: np.ndarray) -> np.ndarray:
        """Its pixels, which can be written on."""
        right = self.left + self.width
        foot = self.top + self.height
        return page[self.top : foot, self.left : right]


@lru_cache(maxsize=512)
def label(words: str, size: tuple[int, int], height: int, colour: str, part: float) -> np.ndarray:
    """Words in bold on paper, (height, width, 3): at the left (`part` 0), in the middle (.5) or at the right (1)."""
    wide, tall = size
    canvas = Canvas(size)
    at = part * wide, tall / 2
    canvas.text(words, at, colour, height, bold=True, part=part)
    return canvas.image()


class Sheet:
    """The page of a film for each time.

    Args:
        takes: rollouts, side by side.
        who: places of the learners shown, the same in every rollout.
        title: what is filmed.
    """

    def __init__(self, takes: Sequence[Take], who: Sequence[int], title: str):
        count = len(takes)
        layout = Layout(len(who), _width(count), alone=count == 1)
        axes = axes_of(takes, who, layout.width)
        self.blocks = [Block(take, who, axes, layout) for take in takes]
        self.horizon = takes[0].horizon
        self.size = WIDE, HEAD + layout.height
        self._clock = Part(WIDE - EDGE - ROOM, 0, ROOM, HEAD)
        self._parts = _block_parts(layout, count)
        self._page = np.full((HEAD + layout.height, WIDE, 3), 255, np.uint8)
        coupled = all(take.coupled for take in takes)
        self._page[:HEAD] = _head(title, coupled)

    def image(self, time: int) -> np.ndarray:
        """The page (height, WIDE, 3), uint8."""
        clock = self._clock.of(self._page)
        clock[:] = label(f"t = {time}", (ROOM, HEAD), 15, INK, 1)
        for block, part in zip(self.blocks, self._parts, strict=True):
            block.paint(part.of(self._page), time)
        return self._page.copy()


def _block_parts(layout: Layout, count: int) -> list[Part]:
    """Of so many blocks side by side."""
    edge = 0 if layout.alone else EDGE
    step = layout.width + GAP
    lefts = [edge + number * step for number in range(count)]
    return [Part(left, HEAD, layout.width, layout.height) for left in lefts]


def _width(blocks: int) -> int:
    """Of each block, pixels, even: one alone has the sheet to its edges."""
    if blocks == 1:
        return WIDE
    gaps = (blocks - 1) * GAP
    inside = WIDE - 2 * EDGE - gaps
    return _even(inside / blocks)


def _even(pixels: float) -> int:
    """The largest even number of pixels: films have no half colours."""
    return 2 * int(pixels / 2)


def _head(title: str, coupled: bool) -> np.ndarray:
    """The title, and what the ghosts are: all of it, where there is room beside the clock."""
    strip = Canvas((WIDE, HEAD))
    middle = HEAD / 2
    width = strip.text(title, (EDGE, middle), INK, 15, bold=True)
    end = EDGE + width
    strip.circle((end + 34, middle), 5, colour_of(0))
    shared = "same start, same noise" if coupled else "same seed, not same noise"
    words = f"the expert's twin: {shared}"
    if end + 46 + LETTER * len(words) > WIDE - EDGE - ROOM:
        words = "twin" if coupled else "twin: not same noise"
    strip.text(words, (end + 46, middle), SOFT, 13)
    return strip.image()


@dataclass(frozen=True)
class Layout:
    """Where the parts of a block stand.

    Attributes:
        count: of its panels.
        width: of the block, pixels.
        alone: whether it has the sheet for itself; otherwise its panels stand one above the other under its title.
    """

    count: int
    width: int
    alone: bool

    @property
    def columns(self) -> int:
        """Panels side by side."""
        if not self.alone:
            return 1
        return self.count if self.count <= 4 else math.ceil(self.count / 2)

    @property
    def title(self) -> int:
        """Height of the title, pixels."""
        return 0 if self.alone else TITLE

    @property
    def panel(self) -> tuple[int, int]:
        """Width and height of each picture, pixels."""
        edges = 2 * EDGE if self.alone else 0
        gaps = (self.columns - 1) * GAP
        share = (self.width - edges - gaps) / self.columns
        wide = _even(min(share, LARGEST))
        tall = 2 * round(SHAPE * wide)
        return wide, tall

    @property
    def step(self) -> int:
        """From one row of panels to the next, pixels."""
        _, tall = self.panel
        return CAPTION + tall + BANNER + REST

    @property
    def height(self) -> int:
        """Of the block, pixels."""
        rows = math.ceil(self.count / self.columns)
        return self.title + rows * self.step + HEIGHT

    def parts(self) -> list[Part]:
        """Of the panels: captions, pictures and banners."""
        wide, _ = self.panel
        tall = self.step - REST
        across = wide + GAP
        first = (self.width - self.columns * across + GAP) // 2
        places = [divmod(number, self.columns) for number in range(self.count)]
        return [
            Part(first + column * across, self.title + row * self.step, wide, tall)
            for row, column in places
        ]


class Block:
    """One rollout: a panel for each learner, and beneath them the trace.

    Args:
        take: the rollout.
        who: places of the learners shown.
        axes: of the trace, as wide as the block.
        layout: where its parts stand.
    """

    def __init__(self, take: Take, who: Sequence[int], axes: Axes, layout: Layout):
        # Where there is no room for all of it, which run it is falls away first.
        share = take.note.partition(";")[0]
        self.words = joined(take.words, share, take.place)
        self.layout = layout
        self.parts = layout.parts()
        painter = Painter(take, layout.panel)
        self.panels = [Panel(take, k, painter, layout.panel) for k in who]
        self.trace = Trace(take, who, axes)

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the block at a time on its part of the page (height, width, 3)."""
        title = self.layout.title
        if title:
            size = self.layout.width, title
            page[:title] = label(self.words, size, 13, INK, 0)
        for panel, part in zip(self.panels, self.parts, strict=True):
            panel.paint(part.of(page), time)
        self.trace.paint(page[-HEIGHT:], time)


class Panel:
    """One learner: its name and its divergence, its picture, and a banner when it has parted or its episode has ended."""

    def __init__(self, take: Take, learner: int, painter: Painter, size: tuple[int, int]):
        self.learner = learner
        self.painter = painter
        self._size = size
        self._drift = take.drift[learner]
        self._indicator = take.env.indicator
        self._look = looks(take.names)[learner]
        self._name = _caption(take.names[learner], self._look, size[0])
        parted = take.parted(learner)
        end = int(take.end[learner])
        self._events = (parted, "parted"), (end, take.env.ending)

    def paint(self, page: np.ndarray, time: int) -> None:
        """Write the panel at a time on its part of the page (height, width, 3)."""
        foot = CAPTION + self._size[1]
        page[:CAPTION] = self._name
        if self.learner:
            words = self._distance(time)
            page[:CAPTION, -ROOM:] = label(words, (ROOM, CAPTION), 13, INK, 1)
        page[CAPTION:foot] = self.painter.picture(self.learner, time)
        page[foot:] = self._banner(time)

    def _distance(self, time: int) -> str:
        """How far it is from its twin, in words."""
        drift = self._drift[time]
        if self._indicator:
            return "apart" if drift > 0 else "same"
        return f"D = {drift:.2g}"

    def _banner(self, time: int) -> np.ndarray:
        """What has happened last; it stands beneath the picture and hides nothing of it."""
        words = ""
        for since, event in self._events:
            if time >= since:
                words = f"{event} at t = {since}"
        return _banner(words, self._size[0], colour_of(self._look))


def _caption(name: str, look: int, wide: int) -> np.ndarray:
    strip = Canvas((wide, CAPTION))
    middle = CAPTION / 2
    paint_mark(strip, look, (7, middle))
    fits = 10 * len(name) < wide - 130
    size = 15 if fits else 11
    strip.text(name, (22, middle), INK, size, bold=True)
    return strip.image()


@lru_cache(maxsize=64)
def _banner(words: str, width: int, colour: str) -> np.ndarray:
    ground = colour if words else PAPER
    bar = Canvas((width, BANNER), ground)
    middle = width / 2, BANNER / 2
    bar.text(words, middle, PAPER, 13, bold=True, part=0.5)
    return bar.image()

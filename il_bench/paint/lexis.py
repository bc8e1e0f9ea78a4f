"""Lexis: lives as diagonal strokes over years and ages, the collectors' effort beneath them, and a life table that grows.

Lexis (1875). Who was collected is coloured: long strokes more often than short ones, none in a war.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .canvas import BANNER, INK, RULE, SOFT, Canvas, colour_of
from .panel import block, lettering, note

MISSED = "#d5d9df"
"""The stroke of a life that nobody met."""
WORK = "#c9a227"
"""The collectors' effort."""
LEFT = 36.0
RIGHT = 12.0
"""Pixels beside the plots."""
BAND = 13.0
"""Height of the band of effort, pixels."""


class Life(NamedTuple):
    """An animal.

    Attributes:
        born: when, in years from the first.
        age: at death, in completed years.
        found: whether it lies in the museum.
    """

    born: int
    age: int
    found: bool


class Museum(NamedTuple):
    """What the diagram shows, the same at all times.

    Attributes:
        first: the first year.
        effort: (years,) of the collectors.
        lives: some animals.
        omega: the age up to which the life table is shown.
    """

    first: int
    effort: tuple[float, ...]
    lives: tuple[Life, ...]
    omega: int

    @property
    def oldest(self) -> int:
        """The age, in years, at which the last of them dies."""
        return 1 + max(life.age for life in self.lives)


class Table(NamedTuple):
    """Life tables up to the present age.

    Attributes:
        own: points (n, 2) of age and survivors as somebody believes.
        true: points (m, 2) as they are.
    """

    own: np.ndarray
    true: np.ndarray


class Frame:
    """A plot: where its axes lie.

    Args:
        ends: left and right column, pixels.
        rows: top and bottom row.
        reach: the largest numbers of both axes, which begin at 0.
    """

    def __init__(
        self,
        ends: tuple[float, float],
        rows: tuple[float, float],
        reach: tuple[float, float],
    ):
        self.left, self.right = ends
        self.top, self.foot = rows
        self.reach = np.array(reach)
        self._corner = np.array([self.left, self.foot])
        wide = self.right - self.left
        tall = self.top - self.foot
        self._size = np.array([wide, tall])

    def place(self, points: Any) -> np.ndarray:
        """Pixels (..., 2) of points (..., 2)."""
        share = np.asarray(points) / self.reach
        return self._corner + share * self._size


def lexis(
    size: tuple[int, int], museum: Museum, table: Table, colour: str | None = None
) -> np.ndarray:
    """A picture (height, width, 3): lives and effort above, the life table beneath.

    Args:
        size: width and height, pixels.
        museum: lives and effort.
        table: what is believed, and what is so.
        colour: of who believes it; the first learner's unless given.
    """
    canvas = Canvas(size)
    paint = colour or colour_of(1)
    width, height = size
    ends = LEFT, width - RIGHT
    top = BANNER + 20.0
    middle = 0.48 * height
    years = len(museum.effort)
    upper = Frame(ends, (top, middle), (years, museum.oldest))
    below = middle + BAND + 22
    foot = height - 18.0
    lower = Frame(ends, (below, foot), (museum.omega, 1))
    _lives(canvas, upper, museum, paint)
    _effort(canvas, upper, museum)
    _age_line(canvas, upper, table.own[-1, 0])
    _curves(canvas, lower, table, paint)
    return canvas.image()


def _lives(canvas: Canvas, frame: Frame, museum: Museum, paint: str) -> None:
    """Every life from its birth to its death; those in the museum above the others."""
    row = BANNER + 12
    width = canvas.text("lives found", (LEFT, row), paint, lettering(canvas) + 1, bold=True)
    after = LEFT + width + 5, row
    note(canvas, "and never found", after)
    in_order = sorted(museum.lives, key=lambda life: life.found)
    last = len(museum.effort)
    for life in in_order:
        length = min(life.age + 1, last - life.born)
        birth = life.born, 0
        death = life.born + length, length
        stroke = frame.place([birth, death])
        if not life.found:
            canvas.line(stroke, MISSED, 1)
            continue
        canvas.line(stroke, paint, 2)
        canvas.circle(stroke[1], 2.2, paint)
    beside = frame.left - 6
    for age in (0, 5 * (museum.oldest // 5)):
        _, level = frame.place((0, age))
        note(canvas, f"{age}", (beside, level), part=1)


def _effort(canvas: Canvas, frame: Frame, museum: Museum) -> None:
    """The collectors' effort of each year as a bar, downwards; wars are gaps."""
    most = max(museum.effort)
    years = len(museum.effort)
    top = frame.foot + 3
    half = 0.5 * (frame.right - frame.left) / years
    for year, effort in enumerate(museum.effort):
        column, _ = frame.place((year + 0.5, 0))
        foot = top + BAND * effort / most
        block(canvas, column, half, (top, foot), WORK)
    row = top + BAND + 7
    for year in range(0, years + 1, 25):
        column, _ = frame.place((year, 0))
        part = 0.8 if year == years else 0.5
        words = str(museum.first + year)
        note(canvas, words, (column, row), part=part)
    note(canvas, "collectors", (frame.left + 2, top + 11), WORK)


def _age_line(canvas: Canvas, frame: Frame, age: float) -> None:
    """The present age."""
    years, _ = frame.reach
    canvas.line(frame.place([(0, age), (years, age)]), INK)


def _curves(canvas: Canvas, frame: Frame, table: Table, paint: str) -> None:
    """Survivors by age: as believed, as they are, and between them the error."""
    omega, _ = frame.reach
    for share in (0, 0.5, 1):
        ends = frame.place([(0, share), (omega, share)])
        canvas.line(ends, RULE if share else SOFT)
        if share == 0.5:
            continue
        note(canvas, f"{100 * share:.0f}", (frame.left - 6, ends[0, 1]), part=1)
    own = frame.place(table.own)
    true = frame.place(table.true)
    if len(own) > 1 and len(true) > 1:
        between = np.concatenate((own, true[::-1]))
        with canvas.layer(0.25, between):
            canvas.polygon(between, paint)
        canvas.line(true, colour_of(0), 2.5)
        canvas.line(own, paint, 2.5)
    canvas.circle(true[-1], 4, colour_of(0))
    canvas.circle(own[-1], 4, paint)
    _words(canvas, frame, table, paint)


def _words(canvas: Canvas, frame: Frame, table: Table, paint: str) -> None:
    """How many are alive at the present age."""
    age, believed = table.own[-1]
    _, truth = table.true[-1]
    size = lettering(canvas) + 1
    lines = [
        (f"of 100, alive at {age:.0f}:", SOFT),
        (f"{100 * believed:.0f} believed", paint),
        (f"{100 * truth:.0f} in truth", colour_of(0)),
    ]
    for number, (words, ink) in enumerate(lines):
        row = frame.top + 4 + 14 * number
        canvas.text(words, (frame.right, row), ink, size, bold=True, part=1)
    middle = (frame.left + frame.right) / 2
    note(canvas, "age, years", (middle, frame.foot + 10), part=0.5)

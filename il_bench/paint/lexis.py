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
WIDE = 300.0
"""Width of a picture in which there is room for thick strokes and larger words."""
LEGEND = 13.0
"""The row of what strokes are: it never changes."""
LINE = 12.0
"""From one line of small words to the next."""


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
        ages = [life.age for life in self.lives]
        return 1 + max(ages)


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


class Rows(NamedTuple):
    """Where things stand, from above to below, pixels.

    Attributes:
        top, foot: of the lives.
        band: the lower end of the collectors' effort.
        years: the middle of the years' numbers.
        words: that of the words above the life table.
        head, base: upper and lower end of the life table.
        ages: the middle of the ages' numbers.
    """

    top: float
    foot: float
    band: float
    years: float
    words: float
    head: float
    base: float
    ages: float


def _rows(height: int) -> Rows:
    """For a picture of this height: words take what they need, the two plots share the rest."""
    top = BANNER + 2.0
    band = 6 + 0.02 * height
    ages = height - 7.0
    base = ages - 0.75 * LINE
    between = 3 + band + 2.8 * LINE
    plots = base - top - between
    foot = top + 0.42 * plots
    bottom = foot + 3 + band
    years = bottom + 0.6 * LINE
    words = years + 1.1 * LINE
    head = foot + between
    return Rows(top, foot, bottom, years, words, head, base, ages)


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
    rows = _rows(height)
    right = width - RIGHT
    ends = LEFT, right
    years = len(museum.effort)
    lifetime = years, museum.oldest
    upper = Frame(ends, (rows.top, rows.foot), lifetime)
    everyone = museum.omega, 1
    lower = Frame(ends, (rows.head, rows.base), everyone)
    age = table.own[-1, 0]
    _legend(canvas, paint)
    _lives(canvas, upper, museum, paint)
    _effort(canvas, upper, museum, rows)
    _age_line(canvas, upper, age)
    _words(canvas, rows, table, paint)
    _scales(canvas, lower, rows)
    _curves(canvas, lower, table, paint)
    return canvas.image()


def _legend(canvas: Canvas, paint: str) -> None:
    """What strokes are."""
    size = lettering(canvas) + 1
    width = canvas.text("lives found", (LEFT, LEGEND), paint, size, bold=True)
    start = LEFT + width + 5
    note(canvas, "and never found", (start, LEGEND))


def _lives(canvas: Canvas, frame: Frame, museum: Museum, paint: str) -> None:
    """Every life from its birth to its death; those in the museum above the others."""
    in_order = sorted(museum.lives, key=lambda life: life.found)
    last = len(museum.effort)
    width, _ = canvas.size
    thick = 2 if width > WIDE else 1
    for life in in_order:
        lasting = last - life.born
        length = min(life.age + 1, lasting)
        birth = life.born, 0
        death = life.born + length, length
        stroke = frame.place([birth, death])
        if not life.found:
            canvas.line(stroke, MISSED, 1)
            continue
        canvas.line(stroke, paint, thick)
        canvas.circle(stroke[1], 1.1 * thick, paint)
    beside = frame.left - 6
    lustra = museum.oldest // 5
    high = 5 * lustra
    _, level = frame.place((0, high))
    note(canvas, "0", (beside, frame.foot), part=1)
    note(canvas, f"{high}", (beside, level), part=1)


def _effort(canvas: Canvas, frame: Frame, museum: Museum, rows: Rows) -> None:
    """The collectors' effort of each year as a bar, downwards; wars are gaps."""
    effort = np.array(museum.effort)
    years = len(effort)
    top = frame.foot + 3
    tall = rows.band - top
    wide = frame.right - frame.left
    half = 0.5 * wide / years
    feet = top + tall * effort / effort.max()
    for year, foot in enumerate(feet):
        middle = year + 0.5
        column, _ = frame.place((middle, 0))
        ends = top, foot
        block(canvas, column, half, ends, WORK)
    start = frame.left, rows.years
    end = frame.right, rows.years
    _mark(canvas, f"{museum.first}", start)
    _mark(canvas, f"{museum.first + years}", end, is_last=True)
    middle = frame.left + wide / 2
    place = middle, rows.years
    note(canvas, "collectors at work", place, WORK, part=0.5)


def _mark(canvas: Canvas, words: str, place: tuple[float, float], is_last: bool = False) -> None:
    """What stands beneath an axis; the last ends not far behind it."""
    part = 0.8 if is_last else 0.5
    note(canvas, words, place, part=part)


def _age_line(canvas: Canvas, frame: Frame, age: float) -> None:
    """The present age."""
    years, _ = frame.reach
    line = [(0, age), (years, age)]
    ends = frame.place(line)
    canvas.line(ends, INK)


def _scales(canvas: Canvas, frame: Frame, rows: Rows) -> None:
    """Of the life table: a line for all, half and none of a hundred, and some ages."""
    omega, _ = frame.reach
    for share in (0, 0.5, 1):
        line = [(0, share), (omega, share)]
        ends = frame.place(line)
        ink = RULE if share else SOFT
        canvas.line(ends, ink)
    beside = frame.left - 6
    note(canvas, "100", (beside, frame.top), part=1)
    note(canvas, "0", (beside, frame.foot), part=1)
    last = int(omega)
    half = last // 2
    middle, _ = frame.place((half, 0))
    _mark(canvas, "0", (frame.left, rows.ages))
    _mark(canvas, f"{half}", (middle, rows.ages))
    _mark(canvas, f"{last} years", (frame.right, rows.ages), is_last=True)


def _curves(canvas: Canvas, frame: Frame, table: Table, paint: str) -> None:
    """Survivors by age: as believed, as they are, and between them the error."""
    own = frame.place(table.own)
    true = frame.place(table.true)
    are_lines = len(own) > 1 and len(true) > 1
    if are_lines:
        back = true[::-1]
        between = np.concatenate((own, back))
        with canvas.layer(0.25, between):
            canvas.polygon(between, paint)
        canvas.line(true, colour_of(0), 2.5)
        canvas.line(own, paint, 2.5)
    truth = true[-1]
    belief = own[-1]
    canvas.circle(truth, 4, colour_of(0))
    canvas.circle(belief, 4, paint)


def _words(canvas: Canvas, rows: Rows, table: Table, paint: str) -> None:
    """How many are alive at the present age, in a line above the life table."""
    age, believed = table.own[-1]
    _, truth = table.true[-1]
    of_own = 100 * believed
    of_true = 100 * truth
    width, _ = canvas.size
    is_wide = width > WIDE
    size = lettering(canvas) + 2 * is_wide
    pieces = [
        (f"of 100, at age {age:.0f}:", SOFT),
        (f"{of_own:.0f} believed", paint),
        (f"{of_true:.0f} in truth", colour_of(0)),
    ]
    left = LEFT if is_wide else 8.0
    for words, ink in pieces:
        is_number = ink != SOFT
        wide = canvas.text(words, (left, rows.words), ink, size, bold=is_number)
        left += wide + 6

"""Panel: what the pictures of many environments share: balls, small words, scales, dials, trails and arrows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .canvas import BANNER, INK, RULE, SOFT, Canvas, squeezed

TOP = 54  # the first row beneath the headline, where a scale ends
LIMIT, UNIT = 10.0, 0.01  # of the scales: where they end, and up to where they are linear
MARKS = -10, -1, -0.1, 0, 0.1, 1, 10
LOW_MARKS = -10, -1, 0, 1, 10  # on a low panel
TWIN = 1.35  # how much larger the expert's twin is, so that it shows where both are in one spot


def ball(canvas: Canvas, at: np.ndarray, radius: float, paint: str, alpha: float) -> None:
    """A body as a disc, its centre at `at` (2,); the expert's twin, which is faint, larger."""
    size = radius if alpha == 1 else TWIN * radius
    first = at - size
    last = at + size
    with canvas.layer(alpha, (first, last)):
        canvas.circle(at, size, paint)


def balls(
    canvas: Canvas,
    drawn: list[tuple[np.ndarray, str, float]],
    place: Callable[[np.ndarray], np.ndarray],
    radius: float | None = None,
) -> None:
    """Each of `bodies` as a disc where `place` puts its state; of a size that suits the panel unless a radius is given."""
    _, height = canvas.size
    usual = 0.022 * height + 3
    size = radius or usual
    for state, paint, alpha in drawn:
        middle = place(state)
        ball(canvas, middle, size, paint, alpha)


def lettering(canvas: Canvas) -> int:
    """The size of small letters that suits the panel."""
    width, _ = canvas.size
    return 9 if width < 260 else 10


def headline(canvas: Canvas, words: str) -> None:
    """The panel's main words, beneath a film's banner."""
    size = lettering(canvas) + 2
    canvas.text(words, (10, 37), INK, size, bold=True)


def note(canvas: Canvas, words: str, at: Any, colour: str = SOFT, part: float = 0) -> float:
    """Small words, with `part` of their width to the left of `at`; returns their width."""
    size = lettering(canvas)
    return canvas.text(words, at, colour, size, part=part)


def footnote(canvas: Canvas, words: str) -> None:
    """Small words in the middle of the last line."""
    width, height = canvas.size
    middle = width / 2
    row = height - 12
    note(canvas, words, (middle, row), INK, part=0.5)


def key(canvas: Canvas, at: tuple[float, float], strokes: Iterable[tuple[str, str]]) -> None:
    """What strokes mean: their words and colours, one line each, from `at` downwards."""
    left, row = at
    step = lettering(canvas) + 4
    for words, colour in strokes:
        middle = left + 5, row
        start = left + 15, row
        stroke(canvas, middle, 5, colour, 3)
        note(canvas, words, start, INK)
        row += step


def scaled(value: Any) -> Any:
    """Numbers on a scale from -1 to 1: logarithmic on both sides of zero, at its end from 10 on; NaN is at its end."""
    known = np.nan_to_num(value, nan=LIMIT)
    shown = known.clip(-LIMIT, LIMIT)
    return squeezed(shown, UNIT, LIMIT)


def marks(canvas: Canvas) -> tuple[float, ...]:
    """The numbers beside such a scale: fewer on a low panel."""
    _, height = canvas.size
    is_low = height <= 200
    return LOW_MARKS if is_low else MARKS


def rows(canvas: Canvas, value: Any, foot: float) -> Any:
    """Rows of numbers on an upright scale, which ends at TOP and `foot` rows above the panel's lower edge."""
    _, height = canvas.size
    reach = (height - foot - TOP) / 2
    down = 1 - scaled(value)
    return TOP + reach * down


def ladder(canvas: Canvas, left: float, right: float, foot: float) -> None:
    """An upright scale: a line for each mark from column `left` to `right`, and its number."""
    beside = left - 5
    for mark in marks(canvas):
        row = rows(canvas, mark, foot)
        colour = RULE if mark else SOFT
        ends = [(left, row), (right, row)]
        canvas.line(ends, colour)
        number = f"{mark:g}"
        canvas.text(number, (beside, row), SOFT, 9, part=1)


class Dial(NamedTuple):
    """A circle on the panel: its middle (2,) and its radius, pixels."""

    middle: np.ndarray
    reach: float

    def place(self, angle: Any, part: float = 1.0) -> np.ndarray:
        """Pixels (..., 2) of angles (...), anticlockwise from the right, at a part of the radius."""
        right = np.cos(angle)
        down = -np.sin(angle)
        way = np.stack((right, down), -1)
        length = part * self.reach
        return self.middle + length * way


def dial(canvas: Canvas) -> Dial:
    """A circle as large as it fits beneath the banner, with room for words to its left."""
    width, height = canvas.size
    head = BANNER + 20
    reach = 0.5 * (height - BANNER) - 20
    column = 0.62 * width
    middle = np.array([column, head + reach])
    return Dial(middle, reach)


def trail(canvas: Canvas, points: np.ndarray, colour: str) -> None:
    """A way in steps: a line through points (n, 2), and a dot for each but the first."""
    canvas.line(points, colour, 1.5)
    for point in points[1:]:
        canvas.circle(point, 2.5, colour)


def block(canvas: Canvas, middle: float, half: float, ends: Any, colour: str) -> None:
    """A filled rectangle: its middle column, half its width, and its two rows."""
    top, bottom = ends
    left = middle - half
    right = middle + half
    head = [(left, top), (right, top)]
    foot = [(right, bottom), (left, bottom)]
    canvas.polygon([*head, *foot], colour)


def stroke(canvas: Canvas, middle: Any, half: float, colour: str, width: float = 1) -> None:
    """A level line: its middle (2,), half its length, and its width."""
    column, row = middle
    left = column - half
    right = column + half
    ends = [(left, row), (right, row)]
    canvas.line(ends, colour, width)


def arrow(canvas: Canvas, tip: Any, way: tuple[float, float], colour: str = SOFT) -> None:
    """An arrow's head: where its tip is, and where it points, pixels."""
    along = np.array(way)
    aside = along[::-1] * (0.7, -0.7)
    back = np.asarray(tip) - along
    left = back + aside
    right = back - aside
    canvas.polygon([tip, left, right], colour)

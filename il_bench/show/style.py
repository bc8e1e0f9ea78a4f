"""Style: the line of a learner, the same in every figure and film; colour and pattern together never repeat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..paint.canvas import COLOURS, Canvas, colour_of

OWN = (
    ("expert",),
    ("bc",),
    ("dagger",),
    ("chunk", "corrected"),
    ("noise", "naive"),
    ("dart",),
    ("gated",),
    ("finetune",),
    ("lols",),
    ("smile",),
    ("tasil",),
    ("aggrevate",),
    ("sqil",),
    ("gail",),
    ("airl",),
    ("dac",),
)
"""Learners whose look is theirs in every figure and film, whoever stands beside them; the first six have a colour each.

Two share one where nobody compares them: a reader of logs has none of a demonstrator's means.
"""
LOOKS = {name: number for number, names in enumerate(OWN) for name in names}

DASH, DOT, SPACE = 7.0, 1.5, 2.5  # lengths along a line, in its widths


def looks(names: Sequence[str]) -> tuple[int, ...]:
    """The number of each learner's colour and pattern: its own, or the first that nobody among these names has."""
    owners: dict[int, str] = {}
    for name in names:
        if name in LOOKS:
            owners.setdefault(LOOKS[name], name)
    own = {name: number for number, name in owners.items()}
    free = (number for number in itertools.count(1) if number not in owners)
    return tuple(own[name] if name in own else next(free) for name in names)


def pattern_of(learner: int) -> tuple[float, ...]:
    """Lengths drawn and left out in turn, in line widths; empty is a solid line.

    The first learners, as many as there are colours for, have solid lines; the next as many a dash and one dot, then
    a dash and two dots, and so on.
    """
    colours = len(COLOURS) - 1  # one is the expert's
    dots = max(learner - 1, 0) // colours
    if not dots:
        return ()
    dotted = (DOT, SPACE) * dots
    return (DASH, SPACE, *dotted)


def paint_line(canvas: Canvas, points: np.ndarray, learner: int, width: float = 2.0) -> None:
    """A learner's line through points (n, 2), n at least 1."""
    colour = colour_of(learner)
    if not pattern_of(learner):
        canvas.line([points[0], *points], colour, width)
        return
    for piece in _pieces(points, learner, width):
        canvas.line(piece, colour, width)


def _pieces(points: np.ndarray, learner: int, width: float) -> Iterator[np.ndarray]:
    """The parts (m, 2) of a line that its pattern draws."""
    line = Line.through(points)
    whole = line.along[-1]
    lengths = itertools.cycle(pattern_of(learner))
    start = 0.0
    while start < whole:
        end = start + width * next(lengths)
        yield line.part(start, min(end, whole))
        start = end + width * next(lengths)


@dataclass(frozen=True)
class Line:
    """A line that can be cut by its length.

    Attributes:
        points: (n, 2).
        along: the length up to each of them (n,).
    """

    points: np.ndarray
    along: np.ndarray

    @classmethod
    def through(cls, points: np.ndarray) -> Line:
        """Through points (n, 2)."""
        ways = np.diff(points, axis=0)
        steps = np.linalg.norm(ways, axis=-1)
        lengths = np.cumsum(steps)
        along = np.concatenate(([0.0], lengths))
        return cls(points, along)

    def part(self, start: float, end: float) -> np.ndarray:
        """Points (m, 2) of what lies between two lengths along it."""
        along = self.along
        is_inside = (along > start) & (along < end)
        lengths = np.concatenate(([start], along[is_inside], [end]))
        columns, rows = self.points.T
        x = np.interp(lengths, along, columns)
        y = np.interp(lengths, along, rows)
        return np.stack((x, y), -1)


def paint_mark(canvas: Canvas, learner: int, at: tuple[float, float]) -> None:
    """What stands before a learner's name: a disc of its colour, or a piece of its line where that is not solid."""
    x, y = at
    if pattern_of(learner):
        left = x - 6
        right = x + 10
        ends = np.array([(left, y), (right, y)])
        paint_line(canvas, ends, learner, 1.5)
    else:
        canvas.circle(at, 6, colour_of(learner))

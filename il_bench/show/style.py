"""Style: the line of a learner, the same in every figure and film; colour and pattern together never repeat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..paint.canvas import COLOURS, Canvas, colour_of

DASH, DOT, SPACE = 7.0, 1.5, 2.5  # lengths along a line, in its widths


def pattern_of(learner: int) -> tuple[float, ...]:
    """Lengths drawn and left out in turn, in line widths; empty is a solid line.

    The first learners, as many as there are colours for, have solid lines; the next as many a dash and one dot, then
    a dash and two dots, and so on.
    """
    colours = len(COLOURS) - 1  # one is the expert's
    dots = max(learner - 1, 0) // colours
    return (DASH, SPACE, *(DOT, SPACE) * dots) if dots else ()


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
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    whole = along[-1]
    lengths = itertools.cycle(pattern_of(learner))
    start = 0.0
    while start < whole:
        end = start + width * next(lengths)
        yield _between(points, along, start, min(end, whole))
        start = end + width * next(lengths)


def _between(points: np.ndarray, along: np.ndarray, start: float, end: float) -> np.ndarray:
    """The part of a line between two lengths along it."""
    inside = along[(along > start) & (along < end)]
    lengths = np.concatenate(([start], inside, [end]))
    x = np.interp(lengths, along, points[:, 0])
    y = np.interp(lengths, along, points[:, 1])
    return np.stack((x, y), -1)


def paint_mark(canvas: Canvas, learner: int, at: tuple[float, float]) -> None:
    """What stands before a learner's name: a disc of its colour, or a piece of its line where that is not solid."""
    x, y = at
    if pattern_of(learner):
        ends = np.array([(x - 6, y), (x + 10, y)])
        paint_line(canvas, ends, learner, 1.5)
    else:
        canvas.circle(at, 6, colour_of(learner))

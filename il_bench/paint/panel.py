"""Panel: what the pictures of many environments share: who is drawn, the words at the head, the key to strokes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .canvas import INK, Canvas, colour_of

BANNER = 26  # rows at the top which a film covers when two have parted: nothing is told there
TOP = 54  # the first row beneath the headline


class Body(NamedTuple):
    """Who is drawn: a state (X,), its colour and how opaque it is."""

    state: np.ndarray
    colour: str
    alpha: float


def bodies(state: np.ndarray, ghost: np.ndarray | None, colour: str | None) -> list[Body]:
    """Whom to draw, in this order: the expert's twin, paler, where there is one; then the learner.

    Args:
        state: of the learner (X,).
        ghost: the state of the expert's twin, or None.
        colour: the learner's own; None is the first learner's.
    """
    learner = Body(state, colour or colour_of(1), 1.0)
    if ghost is None:
        return [learner]
    return [Body(ghost, colour_of(0), 0.6), learner]


def balls(
    canvas: Canvas,
    place: Callable[[np.ndarray], Any],
    drawn: list[Body],
    radius: float,
) -> None:
    """Each body as a disc where `place` puts its state; the twin's is larger and shows where both are in one spot."""
    for body in drawn:
        at = np.asarray(place(body.state))
        size = radius if body.alpha == 1 else 1.35 * radius
        with canvas.layer(body.alpha, (at - size, at + size)):
            canvas.circle(at, size, body.colour)


def lettering(canvas: Canvas) -> int:
    """The size of small letters that suits a panel."""
    return 9 if canvas.size[0] < 260 else 10


def headline(canvas: Canvas, words: str) -> None:
    """The panel's main words, beneath a film's banner."""
    canvas.text(words, (10, 37), INK, lettering(canvas) + 2, bold=True)


def marks(canvas: Canvas) -> tuple[float, ...]:
    """The numbers beside a scale that is logarithmic on both sides of zero and ends at 10: fewer on a low panel."""
    return (-10, -1, -0.1, 0, 0.1, 1, 10) if canvas.size[1] > 200 else (-10, -1, 0, 1, 10)


def key(canvas: Canvas, at: tuple[float, float], strokes: Iterable[tuple[str, str]]) -> None:
    """What strokes mean: their words and colours, one line each, from `at` downwards."""
    left, row = at
    for words, colour in strokes:
        canvas.line([(left, row), (left + 10, row)], colour, 3)
        canvas.text(words, (left + 15, row), INK, lettering(canvas))
        row += lettering(canvas) + 4

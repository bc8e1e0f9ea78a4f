"""Ribbon: a text as a row of cells, one a symbol, in the expert's writing and in one's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .canvas import BANNER, INK, PAPER, SOFT, Canvas, colour_of, mix

GAP = 8.0
"""Pixels around the ribbons."""
OUTSIDE = "#c0392b"
"""The border of a symbol that the oracle never writes there."""
UNUSUAL = "#f4b183"
"""The cell of a symbol that costs `WORST` nats or more; one that costs nothing is white."""
WORST = 7.0
COST = "shade: nats each costs"
KL = "shade: nats from expert's chances"
"""What a shade means, where the writer's chances are not known, and where they are."""
HEADING = 18.0


class Text(NamedTuple):
    """What somebody has written.

    Attributes:
        symbols: (n,) as they are shown.
        outside: (n,) bool, whether the oracle never writes each there.
        costs: (n,) by which each is shaded, nats.
    """

    symbols: tuple[str, ...]
    outside: np.ndarray
    costs: np.ndarray

    @classmethod
    def of(
        cls,
        symbols: Sequence[int],
        outside: np.ndarray,
        costs: np.ndarray,
        names: Sequence[str] = (),
    ) -> Text:
        """A text of numbered symbols, shown by their names where they have some."""
        shown = [names[symbol] if names else str(symbol) for symbol in symbols]
        return cls(tuple(shown), outside, costs)


def written(
    env: Any,
    state: np.ndarray,
    size: tuple[int, int],
    ghost: np.ndarray | None,
    colour: str | None,
    kl: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> np.ndarray:
    """The picture of a language: what an environment spells along a path, see `Env.draw`; `names` of its symbols."""
    symbols, outside, costs = env.spelled(state)
    shades = costs if kl is None or len(kl) != len(symbols) else kl
    told = shades is kl
    own = Text.of(symbols, outside, shades, names)
    twin = None
    if ghost is not None:
        symbols, outside, costs = env.spelled(ghost)
        # The expert's chances are its own.
        twin = Text.of(symbols, outside, 0 * costs if told else costs, names)
    shade = KL if told else COST
    return ribbons(size, own, twin, env.horizon, colour, shade)


def ribbons(
    size: tuple[int, int],
    own: Text,
    twin: Text | None,
    length: int,
    colour: str | None,
    shade: str,
) -> np.ndarray:
    """A picture (height, width, 3) of a text, and of the expert's above it, as far as they are written.

    Args:
        size: width and height, pixels.
        own: what is written.
        twin: what the expert writes by the same chance.
        length: symbols of a whole text.
        colour: of who writes; the first learner's unless given.
        shade: what a cell's shade means.
    """
    canvas = Canvas(size)
    rows = [("written", own, colour or colour_of(1))]
    if twin is not None:
        rows.insert(0, ("the expert's", twin, colour_of(0)))
    width, height = size
    top = BANNER + GAP
    room = (height - top - GAP) / len(rows)
    wide = width - 2 * GAP
    columns = _columns(wide, room - HEADING - GAP, length)
    for number, (title, text, paint) in enumerate(rows):
        above = top + number * room
        canvas.text(title, (GAP, above), paint, 10, bold=True)
        if text is own:
            canvas.text(shade, (width - GAP, above), SOFT, 9, part=1)
        corner = np.array([GAP, above + HEADING])
        _ribbon(canvas, text, corner, wide / columns, columns)
    return canvas.image()


def _ribbon(canvas: Canvas, text: Text, corner: np.ndarray, side: float, columns: int) -> None:
    """One text in cells of a side, so many in a row."""
    for number, word in enumerate(text.symbols):
        line, column = divmod(number, columns)
        at = corner + side * np.array([column, line])
        outside = bool(text.outside[number])
        cost = float(text.costs[number])
        _cell(canvas, at, side, word, outside, cost)


def _columns(width: float, height: float, length: int) -> int:
    """How many cells stand in a row, so that all fit and are as large as can be."""
    for columns in range(1, length + 1):
        side = width / columns
        if math.ceil(length / columns) * side <= height:
            return columns
    return max(length, 1)


def _cell(
    canvas: Canvas, corner: np.ndarray, side: float, word: str, outside: bool, cost: float
) -> None:
    """One symbol."""
    inner = side - 1.5
    square = corner + inner * np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    share = min(cost / WORST, 1.0)
    canvas.polygon(square, mix(PAPER, UNUSUAL, share))
    edge = OUTSIDE if outside else "#d5dae1"
    closed = [*square, square[0]]
    canvas.line(closed, edge, 2 if outside else 1)
    size = int(min(max(0.5 * inner, 6), 15))
    middle = corner + inner / 2
    canvas.text(word, middle, INK if inner > 9 else SOFT, size, part=0.5)

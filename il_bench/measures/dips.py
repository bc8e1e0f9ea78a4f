"""Dips: falls back on the way of learning, their depth and length, and what they cost who stops early inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.settings import require


@dataclass(frozen=True)
class Dip:
    """The deepest fall back of a cost while it is learned to be small.

    Attributes:
        depth: by how much the cost rises above the best before; 0 where it never rises.
        best: the update of that best.
        length: updates from that best until the cost is as small again; None where it never is.
        loss: by how much that best costs more than the end, who stops there loses it; below 0 it is a gain.
    """

    depth: float
    best: int
    length: int | None
    loss: float

    def __str__(self) -> str:
        """Such as "1.71 after 40, for 110"."""
        if self.depth == 0:
            return "none"
        end = "for good" if self.length is None else f"for {self.length}"
        return f"{self.depth:.2f} after {self.best}, {end}"


def dip(updates: np.ndarray, cost: np.ndarray) -> Dip:
    """The deepest dip of a curve.

    Args:
        updates: (K,) made at each moment at which one looked, ascending.
        cost: (K,) of the iterates of these moments; one that became NaN counts as infinite.

    Raises:
        ValueError: for a curve without moments, or of other moments than there are costs.
    """
    fits = 0 < len(cost) == len(updates)
    counts = f"{len(updates)} and {len(cost)}"
    require(fits, f"dip: expected as many updates as costs, at least one, got {counts}")
    unknown = np.isnan(cost)
    known = np.where(unknown, np.inf, cost)
    rise = _rise(known)
    deepest = int(rise.argmax())
    before = known[: deepest + 1]
    best = int(before.argmin())
    length = _length(updates, known, best, deepest)
    end = float(known[-1])
    loss = float(known[best]) - end
    depth = float(rise[deepest])
    first = int(updates[best])
    return Dip(depth, first, length, loss)


def _rise(cost: np.ndarray) -> np.ndarray:
    """By how much costs (K,) are above the smallest one up to each."""
    lowest = np.minimum.accumulate(cost)
    # Who has been infinite from the first has nothing to fall back from.
    finite = np.isfinite(lowest)
    nothing = np.zeros(len(cost))
    return np.subtract(cost, lowest, out=nothing, where=finite)


def _length(updates: np.ndarray, cost: np.ndarray, best: int, deepest: int) -> int | None:
    """Updates from the best moment until the cost is as small again after the deepest; None where it never is."""
    as_small = cost[deepest:] <= cost[best]
    if not as_small.any():
        return None
    again = deepest + int(as_small.argmax())
    passed = updates[again] - updates[best]
    return int(passed)

"""Starts: how many of an evaluation's episodes begin where an episode that was learned from began.

The seeds of an evaluation are its own. Where an environment has few places to begin in, episodes begin where
demonstrations did nevertheless, and the evaluation says less about what was never seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def demonstrated(learned: Sequence[torch.Tensor], evaluated: torch.Tensor) -> list[float]:
    """The share of episodes of each run (R,) whose first state equals, exactly, one that was learned from.

    Args:
        learned: first states (R, E, X) of the episodes whose labels were learned from; NaN where there is none.
        evaluated: first states (R, E, X) of the evaluation.
    """
    known = torch.cat(list(learned), 1).cpu().numpy()
    asked = evaluated.cpu().numpy()
    pairs = zip(known, asked, strict=True)
    return [_share(one, other) for one, other in pairs]


def _share(known: np.ndarray, asked: np.ndarray) -> float:
    """The share of the rows (n, X) `asked` that stand among the rows `known`."""
    begun = np.isfinite(known).all(-1)
    places = set(_keys(known[begun]))
    again = [key in places for key in _keys(asked)]
    return float(np.mean(again))


def _keys(rows: np.ndarray) -> list[bytes]:
    """Rows (n, X) as bytes, which are equal where the numbers are; zero has one sign."""
    return [row.tobytes() for row in rows + 0.0]

"""Accumulation: what errors of the chances come to on one's own prefixes, beside what they are on the expert's.

Arora et al. (2022): with epsilon_t = E KL(expert, learner) on the expert's prefixes and R_t the same on the learner's own,
AccErr = sum R_t / mean epsilon_t is the number of steps where nothing accumulates, and %ExAccErr is the percentage above
that. A ratio of two errors says nothing about their size: a model that errs as badly on the expert's prefixes as on its own has a
small one. It never stands without the two.
"""

from __future__ import annotations

import numpy as np

from .theory import off_path

FIRST = 1
"""The step from which on prefixes differ: what comes first follows nothing, in both texts."""

NOTHING = 1e-6
"""Nats a step below which an error is none, and no multiple of it means anything."""


def mean_step(each: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The mean of a number of each step (R, E, T) over runs' episodes of a length (R, E), from the second step on, (R,).

    NaN of runs whose episodes have no second step.
    """
    horizon = each.shape[-1]
    time = np.arange(horizon)
    lived = time < length[..., None]
    later = lived & (time >= FIRST)
    return _mean(each, later)


def _mean(each: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The mean (R,) of numbers (R, E, T) where they are counted; NaN where none is."""
    taken = np.where(counted, each, 0.0)
    count = counted.sum((1, 2))
    total = taken.sum((1, 2))
    mean = total / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan)


def accumulated(on: np.ndarray, off: np.ndarray, steps: int) -> np.ndarray:
    """AccErr (R,) over so many steps, of errors a step (R,) on one's own prefixes and on the expert's."""
    times = _ratio(on, off)
    return steps * times


def excess(on: np.ndarray, off: np.ndarray) -> np.ndarray:
    """%ExAccErr (R,), of errors a step (R,); each run is its own pair."""
    times = _ratio(on, off)
    return 100 * (times - 1)


def _ratio(on: np.ndarray, off: np.ndarray) -> np.ndarray:
    """How many times as large an error is on one's own prefixes; NaN where it is nothing on the expert's."""
    known = off >= NOTHING
    below = np.where(known, off, 1.0)
    # inf / inf, of who rules out what its expert does.
    with np.errstate(invalid="ignore"):
        times = on / below
    return np.where(known, times, np.nan)


def rates(off: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each run leaves its path from a step on it, and comes back from a step off it, (R,) each.

    Args:
        off: whether prefixes are off the path (R, E, T+1), bool; NaN where nobody was on it, or off it.
    """
    before = off[..., :-1]
    after = off[..., 1:]
    leaves = _mean(after, ~before)
    returns = _mean(~after, before)
    return leaves, returns


def misfit(off: np.ndarray) -> np.ndarray:
    """How far the share off the path is at most from its closed form with the run's own two rates, (R,).

    Args:
        off: whether prefixes are off the path (R, E, T+1), bool.
    """
    shares = off.mean(1)
    error, recovery = rates(off)
    runs = zip(shares, error, recovery, strict=True)
    apart = [_furthest(*run) for run in runs]
    return np.array(apart)


def _furthest(share: np.ndarray, error: float, recovery: float) -> float:
    """The largest distance of a share (T+1,) from the closed form; who was never off the path never came back."""
    back = np.nan_to_num(recovery)
    left = np.nan_to_num(error)
    horizon = len(share) - 1
    closed = off_path(left, back, horizon)
    apart = np.abs(share - closed)
    return float(apart.max())

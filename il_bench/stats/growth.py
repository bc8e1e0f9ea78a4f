"""Growth: what becomes of a deviation in a step, its class, and how sure one can be of both.

delta_{t+1} = M delta_t + N error_t + b holds to first order, M being the closed loop's Jacobian and error_t the
learner's error in the expert's state; for affine dynamics and policy it is exact. M is found by least squares on signed
vectors, each pair counted by its relative change. Leaving the error out biases M towards one wherever errors persist (on
the lane's bends 0.98 instead of 0.7), and a fit on lengths instead of signed vectors is biased as well (a true 0.5 reads
0.22). Where the Jacobian changes with a period M is the product over the period, its root taken; where it changes
otherwise M is its mean, not its geometric mean: `loops.lyapunov` gives that. Whether such a recursion foretells the
deviations is checked (`foresight`); where it does not there is no interval, but a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from . import poles
from .foresight import loop_and_reason
from .poles import Loop
from .recursion import ROOM, pairs_of

Kind = Literal[
    "explosive",
    "saturating",
    "linear",
    "diffusive",
    "polynomial",
    "marginal",
    "underpowered",
    "not linear",
    "none",
]


NEARLY = 0.15
"""How far, in logarithms, a median deviation is on average from the power of time that explains it."""

FEWEST = 8
"""Rollouts below which a bootstrap over rollouts is no interval: of a random walk it excludes 1 far too often."""


@dataclass(frozen=True)
class Growth:
    """The fit of one run.

    Attributes:
        kind: "explosive" where the interval lies above 1 + 1/T; "saturating" where it lies below 1 - 1/T; around 1
            "linear" or "diffusive" by the exponent of the deviation in time (about 1, about 1/2); "polynomial" where a
            power of time explains the deviation better than an exponential does; "marginal" where |alpha - 1| < 1/T
            cannot be resolved; "underpowered" where the interval is too wide to say, or there is none; "not linear"
            where no linear recursion foretells the deviations; "none" without any deviation.
        alpha: the spectral radius of M, growth a step; that of the mean M where the recursion is not linear.
        low, high: its 95 % interval over rollouts: the sampling error of this run's fit, not what a policy that is not
            linear adds to it (`loops.lyapunov` is the path's own derivative). NaN of fewer than eight rollouts, without
            resamples, and where the recursion is not linear. Tried on 30 recursions in `benchmarks/growth_coverage.py`.
        epsilon: the deviation that one step adds, |N error + b|, its median.
        plateau: epsilon / (1 - alpha) where that is a limit, else inf.
        exponent: of the median deviation as a power of time.
        reason: why the recursion is not linear, where it is not.
    """

    kind: Kind
    alpha: float
    low: float
    high: float
    epsilon: float
    plateau: float
    exponent: float
    reason: str = ""


NONE = Growth("none", np.nan, np.nan, np.nan, 0.0, 0.0, np.nan)


def fit(
    delta: np.ndarray,
    error: np.ndarray,
    alive: np.ndarray,
    ceiling: float,
    resamples: int = 300,
    seed: int = 0,
) -> Growth:
    """Fit and classify the growth of one run's deviations.

    Pairs are chosen by the earlier deviation alone, and small enough for the later one to stay below a fifth of the
    ceiling as a rule: where an error has nowhere left to grow nothing is to be learned about growth.

    Args:
        delta: signed deviations (E, T+1, D).
        error: signed action errors on the expert's path (E, T, U).
        alive: (E, T) bool, the step was taken by living episodes of both twins.
        ceiling: the deviation of two unrelated states.
        resamples: bootstrap samples of rollouts; 0 for the estimate alone.
        seed: of the bootstrap.

    Returns:
        The fit; its alpha is NaN where pairs are too few, or move too little, to tell.
    """
    pairs = pairs_of(delta, error, alive, ceiling)
    if pairs is None or not pairs.tell_apart():
        return NONE
    loop, reason = loop_and_reason(pairs)
    alpha = poles.growth(loop)
    low, high = _interval(loop, reason, resamples, seed)
    epsilon = pairs.injection(loop.fit().mean(0))
    plateau = epsilon / (1 - alpha) if alpha < 1 else np.inf
    exponent, is_power = _shape(delta, pairs.use, ceiling)
    if reason and is_power and not -0.25 <= exponent <= 1.25:
        return Growth("polynomial", alpha, low, high, epsilon, plateau, exponent)
    kind = _kind(reason, low, high, alive.shape, exponent, is_power)
    return Growth(kind, alpha, low, high, epsilon, plateau, exponent, reason)


def _interval(loop: Loop, reason: str, resamples: int, seed: int) -> tuple[float, float]:
    """The interval of alpha; NaN where there is none, from few rollouts or without a recursion."""
    if reason or loop.episodes < FEWEST or not resamples:
        return np.nan, np.nan
    return poles.interval(loop, resamples, seed)


_SHRINKING = np.linspace(0.5, 0.999, 40)
_GROWING = np.linspace(1.001, 1.6, 60)
RATES = np.log(np.concatenate((_SHRINKING, _GROWING)))
"""Logarithms of the growths with which a deviation that is also fed is compared."""


def _shape(delta: np.ndarray, usable: np.ndarray, ceiling: float) -> tuple[float, bool]:
    """The exponent of the median deviation in time, and whether that power of time explains it, and better than a growth.

    Compared by the residuals of log D, with two parameters each (so that comparing information criteria is comparing
    residuals): c t**p against c alpha**t, an error that only grows, and c (alpha**t - 1), one that is also fed.
    """
    size = np.linalg.norm(delta[:, 1:], axis=-1)
    middle = np.median(size, axis=0)
    keep = (middle > 0) & (middle < ROOM * ceiling)
    keep &= usable.any(0)
    if keep.sum() < 8:
        return np.nan, False
    time = 1 + np.flatnonzero(keep)
    log = np.log(middle[keep])
    exponent, power = _line(np.log(time), log)
    _, grown = _line(time, log)
    exponents = RATES[:, None] * time
    fed = np.log(np.abs(np.expm1(exponents)))
    variances = np.var(log - fed, axis=1)
    best = min(grown, variances.min() * len(log))
    return exponent, bool(power < min(best, NEARLY**2 * len(log)))


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of the straight line through points (n,), and the sum of its squared residuals."""
    coefficients, residuals, *_ = np.polyfit(x, y, 1, full=True)
    slope = float(coefficients[0])
    return slope, float(residuals.sum())


def _kind(
    reason: str, low: float, high: float, shape: tuple[int, ...], exponent: float, is_power: bool
) -> Kind:
    """The class of an interval of alpha, from so many rollouts and steps; see `Growth`."""
    episodes, steps = shape
    band = 1 / steps
    if reason:
        return "not linear"
    if episodes < FEWEST or math.isnan(low):
        return "underpowered"
    if low > 1 + band:
        return "polynomial" if is_power and exponent > 1.25 else "explosive"
    if high < 1 - band:
        return "polynomial" if is_power and exponent < -0.25 else "saturating"
    if low >= 1 - 2 * band and high <= 1 + 2 * band:
        return _around_one(exponent)
    return "underpowered" if high - low > 2 * band else "marginal"


def _around_one(exponent: float) -> Kind:
    """The class of a growth that is 1, by the exponent of the deviation in time."""
    if abs(exponent - 1) <= 0.25:
        return "linear"
    return "diffusive" if abs(exponent - 0.5) <= 0.25 else "marginal"

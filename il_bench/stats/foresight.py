"""Foresight: whether a recursion foretells the deviations that it was fitted to, and if not, why.

A fit of one step always looks good; what it says of many steps is what it is for. Three things are asked: whether the
loop changes with a period; whether large deviations are stretched otherwise than small ones; and whether the recursion,
run from where the rollouts begin under the errors that are known and under its own residuals with signs drawn at random,
brings the deviations back. It does where the residuals are noise, and does not where an error that nobody knows persists.
"""

from __future__ import annotations

import math

import numpy as np

from .poles import Loop, loop_of, moduli, student
from .recursion import LEAST, TINY, Moments, Pairs

DRAWS = 6
"""How often the deviations are foretold."""

APART = math.log(1.5)
"""How far the logarithms of deviations may be from those foretold, beyond what chance explains."""

CHANCE = 2.5
"""Standard errors that count as chance."""

LONGEST = 12
"""Steps of the longest period that is looked for."""

OFTEN = 4
"""How often a period must come round while deviations are small, to be told from what is passing."""

RARELY = 2.0
"""Standard errors of a normal variable beyond which a bend is no chance."""

CLEARLY = 0.5
"""What a period must take off the logarithm of what a constant map leaves unexplained."""


def loop_and_reason(pairs: Pairs) -> tuple[Loop, str]:
    """The recursion that explains the deviations, and why it does not foretell them; "" where it does."""
    constant = loop_of(pairs)
    fit = constant.fit()
    if _exact(constant, fit):
        return constant, ""
    period, gained = _period(pairs.by_step(), pairs.columns)
    reason = _bent(pairs, fit, gained)
    if reason:
        return constant, reason
    loop = loop_of(pairs, period)
    if _misses(pairs, loop):
        return loop, "its errors persist: signs drawn at random do not bring the deviations back"
    return loop, ""


def _exact(loop: Loop, fit: np.ndarray) -> bool:
    """Whether a constant map leaves nothing to explain."""
    whole = loop.phases[0].total(np.ones((1, loop.episodes)))
    left = whole.residuals(fit)
    return bool((left <= 1e-8 * whole.squares + TINY).all())


def _period(steps: Moments, columns: int) -> tuple[int, float]:
    """The period, of 1 to `LONGEST` steps, that explains most beyond the price of its coefficients.

    And what it takes off the logarithm of what a constant map leaves unexplained.
    """
    lived = steps.counts >= steps.counts.max() / 2
    longest = min(LONGEST, int(lived.sum()) // OFTEN)
    periods = np.arange(1, max(longest, 1) + 1)
    firsts = np.cumsum(periods) - periods
    phases = steps.total(_phases(periods, len(steps.counts)))
    left = phases.residuals(phases.coefficients())
    unexplained = np.log(np.add.reduceat(left, firsts)).mean(1)
    gains = unexplained[0] - unexplained
    pairs = steps.counts.sum()
    price = columns * math.log(pairs) / pairs
    enough = np.minimum.reduceat(phases.counts, firsts) >= LEAST * columns
    eligible = enough & (gains > CLEARLY)
    worth = np.where(eligible, gains - price * (periods - 1), 0.0)
    best = int(worth.argmax())
    return int(periods[best]), float(gains[best])


def _phases(periods: np.ndarray, horizon: int) -> np.ndarray:
    """Which steps (n, T) belong to which step of each period: n rows, 1 + 2 + ... of them."""
    time = np.arange(horizon)
    rows = [time % period == phase for period in periods for phase in range(period)]
    return np.array(rows, dtype=float)


def _bent(pairs: Pairs, fit: np.ndarray, gained: float) -> str:
    """Why one constant map does not fit deviations of all sizes; "" where it does, or where a period explains more.

    A score test of one more coefficient, that of M delta times the size of delta (up to its 90 % quantile), whose
    standard error is over whole rollouts.
    """
    dims = pairs.dims
    size = np.linalg.norm(pairs.delta[:, :-1], axis=-1)
    usual = np.quantile(size[pairs.use], 0.9) + TINY
    share = np.minimum(size / usual, 1.0)
    ahead = pairs.regressors[..., :dims] @ fit[0, :dims]
    bend = _unexplained(pairs, ahead * share[..., None])
    left = pairs.following - pairs.regressors @ fit[0]
    scores = (bend * left).sum((1, 2))
    squares = np.square(bend).sum() + TINY
    slope = scores.sum() / squares
    rollouts = len(scores)
    error = math.sqrt(rollouts) * scores.std(ddof=1) / squares
    explained = slope * scores.sum() / np.square(left).sum()
    by_chance = abs(slope) < student(rollouts - 1, RARELY) * error
    if by_chance or -math.log1p(-min(explained, 1 - 1e-12)) < gained:
        return ""
    middle = share[pairs.use].mean()
    radius = float(moduli(fit[None])[0, 0])
    small = radius * (1 - slope * middle)
    large = radius * (1 + slope * (1 - middle))
    band = 1 / pairs.use.shape[1]
    if _side(small, band) == _side(large, band):
        return ""
    return f"large deviations grow by {large:.3g} a step where small ones grow by {small:.3g}"


def _side(growth: float, band: float) -> int:
    """Whether a growth is below, about or above 1: -1, 0 or 1."""
    return int(growth > 1 + band) - int(growth < 1 - band)


def _unexplained(pairs: Pairs, values: np.ndarray) -> np.ndarray:
    """What the regressors do not explain of weighted values (E, T, D)."""
    x = pairs.regressors[pairs.use]
    solution = np.linalg.lstsq(x, values[pairs.use], rcond=1e-12)[0]
    return values - pairs.regressors @ solution


def _misses(pairs: Pairs, loop: Loop) -> bool:
    """Whether deviations are apart from those foretold, beyond chance, in some third of the time."""
    size = np.linalg.norm(pairs.delta, axis=-1).T
    expected = np.linalg.norm(_foretold(pairs, loop), axis=-1)
    use = pairs.use.T
    usual = np.median(size[1:][use])
    floor = 1e-6 * usual + TINY
    logs = np.log(np.maximum(size, floor))[:, None] - np.log(np.maximum(expected, floor))
    thirds = np.array_split(np.arange(len(use)), 3)
    return any(_differs(logs[third + 1], use[third]) for third in thirds)


def _differs(logs: np.ndarray, use: np.ndarray) -> bool:
    """Whether log ratios (t, n, E), n of the draws, differ from 0 on average over the pairs used (t, E)."""
    counts = use.sum(0)
    begun = counts > 0
    if begun.sum() < 2:
        return False
    sums = (logs * use[:, None]).sum(0)
    each = sums[:, begun] / counts[begun]
    of_draws = each.mean(1).std()
    of_rollouts = each.mean(0).std() / math.sqrt(begun.sum())
    chance = math.hypot(of_draws, of_rollouts)
    return bool(abs(each.mean()) > APART + CHANCE * chance)


def _foretold(pairs: Pairs, loop: Loop) -> np.ndarray:
    """Deviations (T+1, n, E, D) as resampled fits foretell them; where a pair is not used they begin again."""
    plain = pairs.plain.swapaxes(0, 1)
    delta = pairs.delta.swapaxes(0, 1)
    use = pairs.use.T[..., None]
    phase = np.arange(len(plain)) % loop.period
    maps = loop.resampled(DRAWS, seed=1)[:, phase].swapaxes(0, 1)
    carry, drive = maps[:, :, : pairs.dims], maps[:, :, pairs.dims :]
    left = delta[1:] - plain @ loop.fit()[phase]
    added = plain[:, None, :, pairs.dims :] @ drive + _signs(use) * left[:, None]
    afresh = np.where(use[:, None], added, delta[1:, None])
    out = np.empty((len(delta), DRAWS, *delta.shape[1:]))
    out[0] = delta[0]
    for t, carried in enumerate(carry):
        out[t + 1] = (out[t] @ carried) * use[t] + afresh[t]
    return out


def _signs(use: np.ndarray) -> np.ndarray:
    """Signs (T, n, E, 1) drawn at random, as many draws as are foretold of pairs (T, E, 1)."""
    steps, episodes, _ = use.shape
    coins = np.random.default_rng(0).integers(2, size=(steps, DRAWS, episodes, 1))
    return 2.0 * coins - 1

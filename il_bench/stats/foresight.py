"""Foresight: whether a recursion foretells the deviations that it was fitted to, and if not, why.

A fit of one step always looks good; what it says of many steps is what it is for. Three things are asked: whether the
loop changes with a period; whether large deviations are stretched otherwise than small ones; and whether the recursion,
run from where the rollouts begin under the errors that are known and under its own residuals with signs drawn at random,
brings the deviations back. It does where the residuals are noise, and does not where an error that nobody knows persists.
"""

from __future__ import annotations

import math

import numpy as np

from . import poles
from .poles import Loop, loop_of
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
    constant = loop.phases[0]
    every = np.ones((1, loop.episodes))
    whole = constant.total(every)
    nothing = 1e-8 * whole.squares + TINY
    left = whole.residuals(fit)
    explained = left <= nothing
    return bool(explained.all())


def _period(steps: Moments, columns: int) -> tuple[int, float]:
    """The period, of 1 to `LONGEST` steps, that explains most beyond the price of its coefficients.

    And what it takes off the logarithm of what a constant map leaves unexplained.
    """
    longest = _longest(steps)
    periods = np.arange(1, longest + 1)
    gains, fewest = _gains(steps, periods)
    enough = fewest >= LEAST * columns
    eligible = enough & (gains > CLEARLY)
    pairs = steps.counts.sum()
    price = columns * math.log(pairs) / pairs
    worth = gains - price * (periods - 1)
    worth[~eligible] = 0.0
    best = int(worth.argmax())
    return int(periods[best]), float(gains[best])


def _gains(steps: Moments, periods: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each period takes off the logarithm of the unexplained, and the pairs of its rarest step."""
    firsts = np.cumsum(periods) - periods
    rows = _phases(periods, len(steps.counts))
    phases = steps.total(rows)
    fits = phases.coefficients()
    left = phases.residuals(fits)
    by_period = np.add.reduceat(left, firsts)
    unexplained = np.log(by_period).mean(1)
    gains = unexplained[0] - unexplained
    fewest = np.minimum.reduceat(phases.counts, firsts)
    return gains, fewest


def _longest(steps: Moments) -> int:
    """The longest period that comes round often enough while deviations are small."""
    counts = steps.counts
    often = counts >= counts.max() / 2
    rounds = int(often.sum()) // OFTEN
    allowed = min(LONGEST, rounds)
    return max(1, allowed)


def _phases(periods: np.ndarray, horizon: int) -> np.ndarray:
    """Which steps (n, T) belong to which step of each period: n rows, 1 + 2 + ... of them."""
    time = np.arange(horizon)
    rows = []
    for period in periods:
        phase = time % period
        numbers = np.arange(period)
        rows.append(phase == numbers[:, None])
    return np.concatenate(rows).astype(float)


def _bent(pairs: Pairs, fit: np.ndarray, gained: float) -> str:
    """Why one constant map does not fit deviations of all sizes; "" where it does, or where a period explains more.

    A score test of one more coefficient, that of M delta times the size of delta (up to its 90 % quantile), whose
    standard error is over whole rollouts. A bend counts where it makes small deviations of another class than large ones.
    """
    share = _share(pairs)
    slope, explained = _slope(pairs, fit[0], share)
    gain = -math.log1p(-explained)
    if gain < gained:
        return ""
    use = pairs.use
    usual = share[use].mean()
    middle = slope * usual
    radius = poles.radius(fit)
    small = radius * (1 - middle)
    large = radius * (1 + slope - middle)
    steps = use.shape[1]
    band = 1 / steps
    if _side(small, band) == _side(large, band):
        return ""
    # An error of each rollout's own that nobody recorded looks the same: it weighs most while deviations are small.
    sizes = f"large deviations grow by {large:.3g} a step where small ones grow by {small:.3g}"
    return f"{sizes}, or an error that is not recorded persists"


def _share(pairs: Pairs) -> np.ndarray:
    """Sizes (E, T) of deviations as shares of their 90 % quantile, 1 at most."""
    earlier = pairs.delta[:, :-1]
    size = np.linalg.norm(earlier, axis=-1)
    used = size[pairs.use]
    usual = np.quantile(used, 0.9) + TINY
    return np.minimum(size / usual, 1.0)


def _slope(pairs: Pairs, fit: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """By how much the growth changes from the smallest deviations to the largest, as a part of it; 0 if by chance.

    And which part it explains of what coefficients (C, D) leave unexplained.
    """
    bend = _bend(pairs, fit, share)
    left = pairs.following - pairs.regressors @ fit
    products = bend * left
    scores = products.sum((1, 2))
    total = float(scores.sum())
    if abs(total) < _chance(scores):
        return 0.0, 0.0
    squares = float(np.square(bend).sum()) + TINY
    unexplained = float(np.square(left).sum())
    explained = total**2 / squares / unexplained
    return total / squares, min(explained, 1 - 1e-12)


def _bend(pairs: Pairs, fit: np.ndarray, share: np.ndarray) -> np.ndarray:
    """M delta times the size of delta (E, T, D), as far as the regressors do not explain it."""
    dims = pairs.dims
    deviations = pairs.regressors[..., :dims]
    ahead = deviations @ fit[:dims]
    sizes = share[..., None]
    return _unexplained(pairs, ahead * sizes)


def _chance(scores: np.ndarray) -> float:
    """The sum that scores of rollouts (E,) reach by chance; infinite for one rollout."""
    rollouts = len(scores)
    if rollouts < 2:
        return math.inf
    spread = float(scores.std(ddof=1))
    error = math.sqrt(rollouts) * spread
    return poles.student(rollouts - 1, RARELY) * error


def _side(growth: float, band: float) -> int:
    """Whether a growth is below, about or above 1: -1, 0 or 1."""
    if growth > 1 + band:
        return 1
    return -1 if growth < 1 - band else 0


def _unexplained(pairs: Pairs, values: np.ndarray) -> np.ndarray:
    """What the regressors do not explain of weighted values (E, T, D)."""
    use = pairs.use
    x = pairs.regressors[use]
    y = values[use]
    solution, *_ = np.linalg.lstsq(x, y, rcond=1e-12)
    explained = pairs.regressors @ solution
    return values - explained


def _misses(pairs: Pairs, loop: Loop) -> bool:
    """Whether deviations are apart from those foretold, beyond chance, in some third of the time.

    It hardly ever says so under noise, and in about half of the cases where an error of each rollout's own persists.
    """
    use = pairs.use.T
    apart = _log_ratios(pairs, loop)
    time = np.arange(len(use))
    for third in np.array_split(time, 3):
        ratios = apart[third + 1]
        if _differs(ratios, use[third]):
            return True
    return False


def _log_ratios(pairs: Pairs, loop: Loop) -> np.ndarray:
    """Logarithms (T+1, n, E) of deviations, as multiples of what each of n draws foretells."""
    size = np.linalg.norm(pairs.delta, axis=-1).T
    foretold = _foretold(pairs, loop)
    expected = np.linalg.norm(foretold, axis=-1)
    later = size[1:]
    usual = np.median(later[pairs.use.T])
    floor = 1e-6 * usual + TINY
    logs: np.ndarray = np.log(np.maximum(size, floor))
    expected_logs = np.log(np.maximum(expected, floor))
    return logs[:, None] - expected_logs


def _differs(apart: np.ndarray, use: np.ndarray) -> bool:
    """Whether log ratios (t, n, E), n of the draws, differ from 0 on average over the pairs used (t, E)."""
    counts = use.sum(0)
    begun = counts > 0
    rollouts = int(begun.sum())
    if rollouts < 2:
        return False
    used = apart * use[:, None]
    sums = used.sum(0)
    each = sums[:, begun] / counts[begun]
    by_draw = each.mean(1)
    by_rollout = each.mean(0)
    of_draws = by_draw.std()
    of_rollouts = by_rollout.std() / math.sqrt(rollouts)
    chance = math.hypot(of_draws, of_rollouts)
    bound = APART + CHANCE * chance
    return abs(float(each.mean())) > bound


def _foretold(pairs: Pairs, loop: Loop) -> np.ndarray:
    """Deviations (T+1, n, E, D) as resampled fits foretell them; where a pair is not used they begin again."""
    delta = pairs.delta.swapaxes(0, 1)
    use = pairs.use.T[..., None]
    carries, added = _carried_and_added(pairs, loop)
    later = delta[1:, None]
    afresh = np.where(use[:, None], added, later)
    draws = afresh.shape[1:]
    out = np.empty((len(delta), *draws))
    out[0] = delta[0]
    for t, carry in enumerate(carries):
        carried = out[t] @ carry
        out[t + 1] = carried * use[t] + afresh[t]
    return out


def _carried_and_added(pairs: Pairs, loop: Loop) -> tuple[np.ndarray, np.ndarray]:
    """The maps (T, n, D, D) of resampled fits, and what a step adds (T, n, E, D): by the errors, and residuals as noise."""
    dims = pairs.dims
    delta = pairs.delta.swapaxes(0, 1)
    plain = pairs.plain.swapaxes(0, 1)
    time = np.arange(len(plain))
    phase = time % loop.period
    fits = loop.fit()[phase]
    samples = loop.resampled(DRAWS, seed=1)
    maps = samples[:, phase].swapaxes(0, 1)
    carry, drive = np.split(maps, [dims], axis=2)
    left = delta[1:] - plain @ fits
    noise = _signs(pairs.use.T) * left[:, None]
    drivers = plain[:, None, :, dims:]
    added = drivers @ drive + noise
    return carry, added


def _signs(use: np.ndarray) -> np.ndarray:
    """Signs (T, n, E, 1) drawn at random, as many draws as are foretold of pairs (T, E)."""
    steps, episodes = use.shape
    shape = (steps, DRAWS, episodes, 1)
    rng = np.random.default_rng(0)
    coins = rng.integers(2, size=shape)
    return 2.0 * coins - 1

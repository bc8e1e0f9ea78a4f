"""Growth: what becomes of a deviation in a step, its class, and how sure one can be of both.

delta_{t+1} = M delta_t + N error_t + b holds to first order, M being the closed loop's Jacobian and error_t the
learner's error in the expert's state; for affine dynamics and policy it is exact. M is found by least squares on signed
vectors, each pair counted by its relative change. Leaving the error out biases M towards one wherever errors persist (on
the lane's bends 0.98 instead of 0.7), and a fit on lengths instead of signed vectors is biased as well (a true 0.5 reads
0.22). Where the Jacobian changes along the path M is its mean, not its geometric mean: `loops.lyapunov` gives that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal[
    "explosive",
    "saturating",
    "linear",
    "diffusive",
    "polynomial",
    "marginal",
    "underpowered",
    "none",
]


FEWEST = 8
"""Rollouts below which a bootstrap over rollouts is no interval: of a random walk it excludes 1 far too often."""


@dataclass(frozen=True)
class Growth:
    """The fit of one run.

    Attributes:
        kind: "explosive" where the interval lies above 1 + 1/T; "saturating" where it lies below 1 - 1/T; around 1
            "linear" or "diffusive" by the exponent of the deviation in time (about 1, about 1/2); "polynomial" where a
            power of time explains the deviation better than an exponential does; "marginal" where |alpha - 1| < 1/T
            cannot be resolved; "underpowered" where the interval is too wide to say; "none" without any deviation.
        alpha: the spectral radius of M, growth a step.
        low, high: its 95 % interval over rollouts: the sampling error of this run's fit, not what a policy that is not
            linear adds to it (`loops.lyapunov` is the path's own derivative).
        epsilon: the deviation that one step adds, |N error + b|, its median.
        plateau: epsilon / (1 - alpha) where that is a limit, else inf.
        exponent: of the median deviation as a power of time.
    """

    kind: Kind
    alpha: float
    low: float
    high: float
    epsilon: float
    plateau: float
    exponent: float


NONE = Growth("none", np.nan, np.nan, np.nan, 0.0, 0.0, np.nan)


@dataclass(frozen=True)
class _Moments:
    """Normal equations of each rollout: their sums over rollouts are those of a fit, so that resampling is a sum."""

    gram: np.ndarray
    cross: np.ndarray
    dims: int

    def radius(self, weights: np.ndarray) -> np.ndarray:
        """Spectral radii (n,) of M under weights (n, E) of the rollouts."""
        gram = np.einsum("ne,eij->nij", weights, self.gram)
        cross = np.einsum("ne,eij->nij", weights, self.cross)
        transposed = _solve(gram, cross)[:, : self.dims]
        eigenvalues = np.linalg.eigvals(transposed.swapaxes(-1, -2))
        return np.abs(eigenvalues).max(-1)

    def solution(self) -> np.ndarray:
        """M, N and b of all rollouts, transposed: (D + U + 1, D)."""
        gram, cross = self.gram.sum(0), self.cross.sum(0)
        return _solve(gram[None], cross[None])[0]


def _solve(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Solutions (n, C, D) of normal equations (n, C, C) and (n, C, D), whatever the scales of the columns."""
    squares = np.einsum("nii->ni", gram)
    size = np.sqrt(np.maximum(squares, 1e-300))
    rows = size[:, :, None]
    columns = size[:, None, :]
    unit = gram / rows / columns
    inverse = np.linalg.pinv(unit, rcond=1e-12, hermitian=True)
    return inverse @ (cross / rows) / rows


def fit(
    delta: np.ndarray,
    error: np.ndarray,
    alive: np.ndarray,
    ceiling: float,
    resamples: int = 300,
    seed: int = 0,
) -> Growth:
    """Fit and classify the growth of one run's deviations.

    Args:
        delta: signed deviations (E, T+1, D).
        error: signed action errors on the expert's path (E, T, U).
        alive: (E, T) bool, the step was taken by living episodes of both twins.
        ceiling: the deviation of two unrelated states; pairs above a fifth of it, where an error has nowhere left to
            grow, are left out.
        resamples: bootstrap samples of rollouts; 0 for the estimate alone.
        seed: of the bootstrap.

    Returns:
        The fit; its alpha is NaN where pairs are too few, or move too little, to tell.
    """
    pairs = _pairs(delta, error, alive, ceiling)
    if pairs is None or not pairs.tell_apart():
        return NONE
    moments = pairs.moments()
    episodes, steps = alive.shape
    alpha = float(moments.radius(np.ones((1, episodes)))[0])
    low, high = _interval(moments, alpha, resamples, seed)
    epsilon = pairs.injection(moments)
    plateau = epsilon / (1 - alpha) if alpha < 1 else np.inf
    exponent, power_wins = _shape(delta, pairs.use, ceiling)
    kind = _classify(low, high, steps, exponent, power_wins)
    if episodes < FEWEST:
        kind = "underpowered"
    return Growth(kind, alpha, low, high, epsilon, plateau, exponent)


def _interval(moments: _Moments, alpha: float, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % interval of alpha over resampled rollouts; alpha itself without any."""
    if not resamples:
        return alpha, alpha
    episodes = len(moments.gram)
    chances = np.full(episodes, 1 / episodes)
    weights = np.random.default_rng(seed).multinomial(episodes, chances, size=resamples)
    low, high = np.quantile(moments.radius(weights), (0.025, 0.975))
    return float(low), float(high)


@dataclass(frozen=True)
class _Pairs:
    """What the fit sees: deviations now and a step later, those that move, and what drives them.

    Attributes:
        regressors: (E, T, D + U + 1) deviations, errors and a constant, weighted.
        following: (E, T, D) deviations a step later, weighted.
        weight: (E, T, 1) of each pair; zero where it is not used.
        use: (E, T) bool, which pairs are used.
        dims: D, how many coordinates move.
    """

    regressors: np.ndarray
    following: np.ndarray
    weight: np.ndarray
    use: np.ndarray
    dims: int

    def moments(self) -> _Moments:
        """The normal equations of each rollout."""
        gram = np.einsum("eti,etj->eij", self.regressors, self.regressors)
        cross = np.einsum("eti,etj->eij", self.regressors, self.following)
        return _Moments(gram, cross, self.dims)

    def tell_apart(self) -> bool:
        """Whether the deviations move apart from what drives them: without that no M can be told."""
        design = self.regressors[self.use]
        unit = design / np.maximum(np.linalg.norm(design, axis=0), 1e-300)
        rank = np.linalg.matrix_rank(unit, tol=1e-7)
        drivers = np.linalg.matrix_rank(unit[:, self.dims :], tol=1e-7)
        return bool(rank >= drivers + self.dims)

    def injection(self, moments: _Moments) -> float:
        """Median length of what a step adds, |N error + b|."""
        unweighted = (self.regressors / self.weight.clip(1e-300))[self.use]
        terms = unweighted[:, self.dims :] @ moments.solution()[self.dims :]
        return float(np.median(np.linalg.norm(terms, axis=-1)))


def _pairs(
    delta: np.ndarray, error: np.ndarray, alive: np.ndarray, ceiling: float
) -> _Pairs | None:
    """The pairs of one run's deviations, see `fit`; None where they are too few, or nothing moves."""
    now = delta[:, :-1]
    then = delta[:, 1:]
    size = np.linalg.norm(delta, axis=-1)
    small = size < 0.2 * ceiling
    use = alive & small[:, :-1] & small[:, 1:]
    use &= np.isfinite(error).all(-1)
    moving = (np.abs(now[use]) > 0).any(0)
    driving = np.abs(error[use]).max(0, initial=0) > 0
    dims = int(moving.sum())
    columns = dims + int(driving.sum()) + 1
    if dims == 0 or use.sum() < 10 * columns:
        return None
    constant = np.ones((*use.shape, 1))
    regressors = np.concatenate((now[..., moving], error[..., driving], constant), -1)
    weight = _weights(size[:, :-1], use)
    return _Pairs(
        regressors=_weighted(regressors, weight),
        following=_weighted(then[..., moving], weight),
        weight=weight,
        use=use,
        dims=dims,
    )


def _weighted(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (E, T, ...) times weights (E, T, 1); zero where a pair is not used, whatever stands there."""
    return np.where(weight > 0, values, 0) * weight


def _weights(size: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Weights (E, T, 1) that make a pair count by its relative change, down to deviations of a single step's size.

    Unweighted, the fit is that of the few largest deviations, where a policy is least linear: on the lane it reads 1.18
    where the path's own derivative says 1.14. Weighted by 1 / |delta| alone, pairs near zero would count for nothing
    but the errors that no regressor explains.
    """
    begins = use[:, 1:2].any()
    after_one_step = size[:, 1:2][use[:, 1:2]]
    first = after_one_step if begins else size[use]
    moved = first[first > 0]
    floor = np.median(moved) if len(moved) else 1.0
    weight = use / np.hypot(size, floor)
    return weight[..., None]


RATES = np.log(np.concatenate((np.linspace(0.5, 0.999, 40), np.linspace(1.001, 1.6, 60))))
"""Logarithms of the growths with which a deviation that is also fed is compared."""


def _shape(delta: np.ndarray, usable: np.ndarray, ceiling: float) -> tuple[float, bool]:
    """The exponent of the median deviation in time, and whether a power of time explains it better than a growth does.

    Compared by the residuals of log D, with two parameters each (so that comparing information criteria is comparing
    residuals): c t**p against c alpha**t, an error that only grows, and c (alpha**t - 1), one that is also fed.
    """
    size = np.linalg.norm(delta[:, 1:], axis=-1)
    middle = np.median(size, axis=0)
    keep = (middle > 0) & (middle < 0.2 * ceiling) & usable.any(0)
    if keep.sum() < 8:
        return np.nan, False
    time = 1 + np.flatnonzero(keep)
    log = np.log(middle[keep])
    power, power_residual = _line(np.log(time), log)
    _, grown_residual = _line(time, log)
    exponents = RATES[:, None] * time
    fed = np.log(np.abs(np.expm1(exponents)))
    variance = np.var(log - fed, axis=1)
    fed_residual = variance.min() * len(log)
    return power, bool(power_residual < min(fed_residual, grown_residual))


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of the straight line through points (n,), and the sum of its squared residuals."""
    coefficients, residuals, *_ = np.polyfit(x, y, 1, full=True)
    return float(coefficients[0]), float(residuals.sum())


def _classify(low: float, high: float, steps: int, exponent: float, power_wins: bool) -> Kind:
    """The class of an interval of alpha; see `Growth`."""
    band = 1 / steps
    if low > 1 + band:
        return "polynomial" if power_wins and exponent > 1.25 else "explosive"
    if high < 1 - band:
        return "polynomial" if power_wins and exponent < -0.25 else "saturating"
    if low >= 1 - 2 * band and high <= 1 + 2 * band:
        if abs(exponent - 1) <= 0.25:
            return "linear"
        return "diffusive" if abs(exponent - 0.5) <= 0.25 else "marginal"
    return "underpowered" if high - low > 2 * band else "marginal"

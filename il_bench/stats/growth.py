"""Growth: what becomes of a deviation in a step, its class, and how sure one can be of both.

delta_{t+1} = M delta_t + N error_t + b holds to first order, M being the closed loop's Jacobian and error_t the
learner's error in the expert's state; for affine dynamics and policy it is exact. M is found by least squares on signed
vectors, each pair counted by its relative change. Leaving the error out biases M towards one wherever errors persist (on
the lane's bends 0.98 instead of 0.7), and a fit on lengths instead of signed vectors is biased as well (a true 0.5 reads
0.22). Where the Jacobian changes along the path M is its mean, not its geometric mean: `probes.lyapunov` gives that.
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
            linear adds to it (`probes.lyapunov` is the path's own derivative).
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
    usable: np.ndarray

    def radius(self, weights: np.ndarray) -> np.ndarray:
        """Spectral radii (n,) of M under weights (n, E) of the rollouts."""
        gram, cross = (np.einsum("ne,eij->nij", weights, part) for part in (self.gram, self.cross))
        return np.abs(
            np.linalg.eigvals(self._solve(gram, cross)[:, : self.dims].swapaxes(-1, -2))
        ).max(-1)

    @staticmethod
    def _solve(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
        size = np.sqrt(
            np.maximum(np.einsum("nii->ni", gram), 1e-300)
        )  # columns of unit length: scales do not matter
        unit = gram / size[:, :, None] / size[:, None, :]
        return (
            np.linalg.pinv(unit, rcond=1e-12, hermitian=True)
            @ (cross / size[:, :, None])
            / size[:, :, None]
        )

    def solution(self) -> np.ndarray:
        """M, N and b of all rollouts, transposed: (D + U + 1, D)."""
        return self._solve(self.gram.sum(0)[None], self.cross.sum(0)[None])[0]


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
    moments, terms = _moments(delta, error, alive, ceiling)
    if moments is None:
        return NONE
    episodes, steps = alive.shape
    alpha = float(moments.radius(np.ones((1, episodes)))[0])
    weights = np.random.default_rng(seed).multinomial(
        episodes, np.full(episodes, 1 / episodes), size=resamples
    )
    low, high = (
        np.quantile(moments.radius(weights), (0.025, 0.975)) if resamples else (alpha, alpha)
    )
    epsilon = float(np.median(np.linalg.norm(terms, axis=-1)))
    plateau = epsilon / (1 - alpha) if alpha < 1 else np.inf
    exponent, power_wins = _shape(delta, moments.usable, ceiling)
    kind = (
        _classify(float(low), float(high), steps, exponent, power_wins)
        if episodes >= FEWEST
        else "underpowered"
    )
    return Growth(kind, alpha, float(low), float(high), epsilon, plateau, exponent)


def _moments(
    delta: np.ndarray, error: np.ndarray, alive: np.ndarray, ceiling: float
) -> tuple[_Moments | None, np.ndarray]:
    """Normal equations of each rollout, and what each usable step adds (n, D)."""
    now, then, size = delta[:, :-1], delta[:, 1:], np.linalg.norm(delta, axis=-1)
    use = (
        alive
        & (size[:, :-1] < 0.2 * ceiling)
        & (size[:, 1:] < 0.2 * ceiling)
        & np.isfinite(error).all(-1)
    )
    moving = (np.abs(now[use]) > 0).any(0)
    forcing = error[..., np.abs(error[use]).max(0, initial=0) > 0]
    dims, columns = int(moving.sum()), int(moving.sum()) + forcing.shape[-1] + 1
    if dims == 0 or use.sum() < 10 * columns:
        return None, np.zeros((0, 1))
    weight = _weights(size[:, :-1], use)
    x = np.concatenate((now[..., moving], forcing, np.ones((*use.shape, 1))), -1) * weight
    y = then[..., moving] * weight
    gram, cross = np.einsum("eti,etj->eij", x, x), np.einsum("eti,etj->eij", x, y)
    moments = _Moments(gram, cross, dims, use)
    if not _informative(x[use], dims):
        return None, np.zeros((0, 1))
    return moments, (x / weight.clip(1e-300))[use][:, dims:] @ moments.solution()[dims:]


def _weights(size: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Weights (E, T, 1) that make a pair count by its relative change, down to deviations of a single step's size.

    Unweighted, the fit is that of the few largest deviations, where a policy is least linear: on the lane it reads 1.18
    where the path's own derivative says 1.14. Weighted by 1 / |delta| alone, pairs near zero would count for nothing
    but the errors that no regressor explains.
    """
    first = size[:, 1][use[:, 1]] if size.shape[1] > 1 and use[:, 1].any() else size[use]
    floor = np.median(first[first > 0]) if (first > 0).any() else 1.0
    return (use / np.hypot(size, floor))[..., None]


def _informative(design: np.ndarray, dims: int) -> bool:
    """Whether the deviations move apart from what drives them: without that no M can be told."""
    unit = design / np.maximum(np.linalg.norm(design, axis=0), 1e-300)
    rank = np.linalg.matrix_rank(unit, tol=1e-7)
    return bool(rank >= np.linalg.matrix_rank(unit[:, dims:], tol=1e-7) + dims)


def _shape(delta: np.ndarray, usable: np.ndarray, ceiling: float) -> tuple[float, bool]:
    """The exponent of the median deviation in time, and whether a power of time explains it better than a growth does.

    Compared by the residuals of log D, with two parameters each (so that comparing information criteria is comparing
    residuals): c t**p against c alpha**t, an error that only grows, and c (alpha**t - 1), one that is also fed.
    """
    middle = np.median(np.linalg.norm(delta[:, 1:], axis=-1), axis=0)
    time = np.arange(1, len(middle) + 1)
    keep = (middle > 0) & (middle < 0.2 * ceiling) & usable.any(0)
    if keep.sum() < 8:
        return np.nan, False
    log, time = np.log(middle[keep]), time[keep]
    rate = np.log(np.concatenate((np.linspace(0.5, 0.999, 40), np.linspace(1.001, 1.6, 60))))[
        :, None
    ]
    power = np.polyfit(np.log(time), log, 1, full=True)
    fed = np.var(log - np.log(np.abs(np.expm1(rate * time))), axis=1).min() * len(log)
    exponential = min(fed, np.polyfit(time, log, 1, full=True)[1].sum())
    return float(power[0][0]), bool(power[1].sum() < exponential)


def _classify(low: float, high: float, steps: int, exponent: float, power_wins: bool) -> Kind:
    """The class of an interval of alpha; see `Growth`."""
    band = 1 / steps
    if low > 1 + band:
        return "polynomial" if power_wins and exponent > 1.25 else "explosive"
    if high < 1 - band:
        return "polynomial" if power_wins and exponent < -0.25 else "saturating"
    if low >= 1 - 2 * band and high <= 1 + 2 * band:
        for kind, middle in (("linear", 1.0), ("diffusive", 0.5)):
            if abs(exponent - middle) <= 0.25:
                return kind  # type: ignore[return-value]
        return "marginal"
    return "underpowered" if high - low > 2 * band else "marginal"

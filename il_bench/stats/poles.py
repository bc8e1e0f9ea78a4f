"""Poles: the growth a step of a fitted loop, constant or periodic, and its interval over rollouts.

The growth is the spectral radius of M, or of the product of a period's maps (the monodromy), its root taken. Where poles
are equal, or nearly, the largest of them is no smooth function of the data: noise parts them, the largest moves up, and
a resample of the noisy fit parts them further. What noise does not move so is their geometric mean, which lies below the
largest. Such an interval therefore reaches from the least mean to the greatest radius, and is wider than 95 % asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .recursion import TINY, Moments, Pairs

NORMAL = 1.959964
"""Standard errors in a 95 % interval of a normal variable."""

COUPLED = 0.1
"""Poles are near each other where they mix by this part of what the leading one moves by itself."""

PARTS = 12
"""Groups of rollouts, left out in turn, from which a periodic loop's interval comes."""


@dataclass(frozen=True)
class Loop:
    """A recursion whose map depends on the step of a period alone.

    Attributes:
        phases: the normal equations of each rollout, for each of the period's steps; one step is a constant map.
    """

    phases: tuple[Moments, ...]

    @property
    def period(self) -> int:
        """Its steps, p."""
        return len(self.phases)

    @property
    def episodes(self) -> int:
        """Rollouts, E."""
        return len(self.phases[0].counts)

    def coefficients(self, weights: np.ndarray) -> np.ndarray:
        """M, N and b, transposed, (m, p, C, D), where rollouts count by weights (m, E)."""
        maps = [phase.total(weights).coefficients() for phase in self.phases]
        return np.stack(maps, 1)

    def fit(self) -> np.ndarray:
        """Those (p, C, D) of all rollouts."""
        return self.coefficients(np.ones((1, self.episodes)))[0]

    def resampled(self, count: int, seed: int) -> np.ndarray:
        """Those (count, p, C, D) of rollouts drawn with replacement."""
        chances = np.full(self.episodes, 1 / self.episodes)
        rng = np.random.default_rng(seed)
        return self.coefficients(rng.multinomial(self.episodes, chances, size=count))


def loop_of(pairs: Pairs, period: int = 1) -> Loop:
    """The loop of a period, not yet fitted."""
    phases = [pairs.by_rollout(slice(k, None, period)) for k in range(period)]
    return Loop(tuple(phases))


def moduli(coefficients: np.ndarray) -> np.ndarray:
    """Growths a step (m, D) along the loop's own directions, the largest first, of coefficients (m, p, C, D)."""
    dims = coefficients.shape[-1]
    whole = coefficients[:, 0, :dims]
    logs = np.zeros(len(whole))
    for step in range(1, coefficients.shape[1]):
        whole = whole @ coefficients[:, step, :dims]
        size = np.linalg.norm(whole, axis=(1, 2)) + TINY
        whole = whole / size[:, None, None]
        logs += np.log(size)
    eigenvalues = np.abs(np.linalg.eigvals(whole))
    ordered = np.sort(eigenvalues, axis=-1)[:, ::-1]
    period = coefficients.shape[1]
    if period == 1:
        return ordered
    logarithms = np.log(ordered + TINY) + logs[:, None]
    return np.exp(logarithms / period)


def interval(loop: Loop, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % interval of a loop's growth over rollouts."""
    if loop.period > 1:
        return _left_out(loop)
    fit = loop.fit()
    samples = loop.resampled(resamples, seed)
    radii = moduli(samples)
    own = moduli(fit[None])[0]
    scale = _few(loop.episodes)
    ends = np.quantile(radii, (0.025, 0.975), axis=0)
    low, high = own + scale * (ends - own)
    overlapping = int((high >= low[0]).sum())
    close = max(overlapping, _coupled(fit, samples))
    means = _mean(radii[:, :close])
    mean = float(_mean(own[:close]))
    least = mean + scale * (np.quantile(means, 0.025) - mean)
    return max(0.0, float(least)), float(high[0])


def _few(count: int) -> float:
    """How much wider an interval of so few rollouts is than their resamples spread: Student's quantile, and the loss of
    a degree of freedom.
    """
    return student(count - 1) / NORMAL * math.sqrt(count / (count - 1))


def student(freedom: int, z: float = NORMAL) -> float:
    """The quantile of Student's distribution that is `z` of the normal one, to three digits from 7 degrees of freedom on."""
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _mean(radii: np.ndarray) -> np.ndarray:
    """Geometric means over the last axis."""
    logarithms = np.log(np.maximum(radii, TINY))
    return np.exp(logarithms.mean(-1))


def _coupled(fit: np.ndarray, samples: np.ndarray) -> int:
    """How many of the leading poles noise can mix: those of a term of second order that is not small beside the first's.

    Args:
        fit: coefficients (1, C, D).
        samples: those (m, 1, C, D) of resampled rollouts.
    """
    dims = fit.shape[-1]
    own = fit[0, :dims].T
    moved = samples[:, 0, :dims].swapaxes(-1, -2) - own
    values, vectors = np.linalg.eig(own)
    order = np.argsort(-np.abs(values))
    values, vectors = values[order], vectors[:, order]
    within = np.linalg.pinv(vectors) @ moved @ vectors
    gaps = np.abs(values[0] - values)
    mixed = within[:, 0, :] * within[:, :, 0] / np.maximum(gaps, 1e-9 * gaps.max() + TINY)
    size = np.abs(mixed).mean(0)
    alone = np.abs(within[:, 0, 0]).mean()
    near = size > COUPLED * alone
    near[0] = True
    return 1 + int(np.flatnonzero(near)[-1])


def _left_out(loop: Loop) -> tuple[float, float]:
    """The interval of a periodic loop, from fits that leave groups of rollouts out in turn (a jackknife)."""
    logs, centre = _leave_out(loop)
    count = len(logs)
    spread = np.square(logs - logs.mean()).sum()
    error = math.sqrt(spread * (count - 1) / count)
    half = student(count - 1) * error
    return math.exp(centre - half), math.exp(centre + half)


def _leave_out(loop: Loop) -> tuple[np.ndarray, float]:
    """Logarithms of the growth without each group of rollouts, and their estimate without its bias."""
    groups = min(PARTS, loop.episodes)
    group = np.arange(loop.episodes) % groups
    every = np.ones((1, loop.episodes))
    without = (group != np.arange(groups)[:, None]).astype(float)
    weights = np.concatenate((every, without))
    logs = np.log(moduli(loop.coefficients(weights))[:, 0] + TINY)
    centre = groups * logs[0] - (groups - 1) * logs[1:].mean()
    return logs[1:], float(centre)


def growth(loop: Loop) -> float:
    """The growth a step of all rollouts; of a periodic loop without the bias of its logarithm."""
    if loop.period == 1:
        return float(moduli(loop.fit()[None])[0, 0])
    return math.exp(_leave_out(loop)[1])

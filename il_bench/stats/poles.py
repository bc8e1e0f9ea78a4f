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


CORNISH_FISHER = (
    ((3, 0, 19, 0, 17, 0, -15, 0), 384),
    ((5, 0, 16, 0, 3, 0), 96),
    ((1, 0, 1, 0), 4),
)
"""Polynomials in z and their divisors: Student's quantile as a power series in 1 / freedom, the third order first."""


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
        maps = []
        for phase in self.phases:
            moments = phase.total(weights)
            maps.append(moments.coefficients())
        return np.stack(maps, 1)

    def fit(self) -> np.ndarray:
        """Those (p, C, D) of all rollouts."""
        every = np.ones((1, self.episodes))
        fits = self.coefficients(every)
        return fits[0]

    def resampled(self, count: int, seed: int) -> np.ndarray:
        """Those (count, p, C, D) of rollouts drawn with replacement."""
        episodes = self.episodes
        chances = np.full(episodes, 1 / episodes)
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(episodes, chances, size=count)
        return self.coefficients(weights)


def loop_of(pairs: Pairs, period: int = 1) -> Loop:
    """The loop of a period, not yet fitted."""
    times = [slice(first, None, period) for first in range(period)]
    phases = map(pairs.by_rollout, times)
    return Loop(tuple(phases))


def moduli(coefficients: np.ndarray) -> np.ndarray:
    """Growths a step (m, D) along the loop's own directions, the largest first, of coefficients (m, p, C, D)."""
    dims = coefficients.shape[-1]
    maps = coefficients[:, :, :dims].swapaxes(0, 1)
    if len(maps) == 1:
        return _ordered_moduli(maps[0])
    whole, logs = _product(maps)
    own = _ordered_moduli(whole) + TINY
    logs = logs + np.log(own)
    return np.exp(logs / len(maps))


def _product(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The product (m, D, D) of a period's maps (p, m, D, D), of length one, and the logarithm (m, 1) of its length."""
    whole, *later = maps
    logs = np.zeros((len(whole), 1))
    for step in later:
        whole = whole @ step
        size = np.linalg.norm(whole, axis=(1, 2), keepdims=True)
        size += TINY
        whole = whole / size
        logs += np.log(size[..., 0])
    return whole, logs


def _ordered_moduli(maps: np.ndarray) -> np.ndarray:
    """Moduli (m, D) of the eigenvalues of maps (m, D, D), the largest first."""
    eigenvalues = np.linalg.eigvals(maps)
    sizes = np.abs(eigenvalues)
    ascending = np.sort(sizes, axis=-1)
    return ascending[:, ::-1]


def interval(loop: Loop, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % interval of a loop's growth over rollouts."""
    if loop.period > 1:
        return _left_out(loop)
    fit = loop.fit()
    samples = loop.resampled(resamples, seed)
    episodes = loop.episodes
    radii = moduli(samples)
    own = moduli(fit[None])[0]
    low, high = _ends(own, radii, episodes)
    overlapping = high >= low[0]
    count = int(overlapping.sum())
    coupled = _coupled(fit, samples)
    close = max(count, coupled)
    leading = radii[:, :close]
    mean = _mean(own[:close])
    means = _mean(leading)
    least, _ = _ends(mean, means, episodes)
    return max(0.0, float(least)), float(high[0])


def _ends(own: np.ndarray, samples: np.ndarray, rollouts: int) -> np.ndarray:
    """Ends (2, ...) of the interval about a number by its resamples (m, ...).

    From few rollouts it is wider than they spread: by Student's quantile, and a degree of freedom that they lack.
    """
    ends = np.quantile(samples, (0.025, 0.975), axis=0)
    freedom = rollouts - 1
    lacking = math.sqrt(rollouts / freedom)
    wider = student(freedom) / NORMAL * lacking
    scaled: np.ndarray = own + wider * (ends - own)
    return scaled


def student(freedom: int, z: float = NORMAL) -> float:
    """The quantile of Student's distribution that is `z` of the normal one, to three digits from 7 degrees of freedom on."""
    terms = [float(np.polyval(odd, z)) / divisor for odd, divisor in CORNISH_FISHER]
    terms.append(z)
    return float(np.polyval(terms, 1 / freedom))


def _mean(radii: np.ndarray) -> np.ndarray:
    """Geometric means over the last axis."""
    positive = np.maximum(radii, TINY)
    logarithms = np.log(positive)
    return np.exp(logarithms.mean(-1))


def _coupled(fit: np.ndarray, samples: np.ndarray) -> int:
    """How many of the leading poles noise can mix: those of a term of second order that is not small beside the first's.

    Args:
        fit: coefficients (1, C, D).
        samples: those (m, 1, C, D) of resampled rollouts.
    """
    dims = fit.shape[-1]
    own = fit[0, :dims].T
    resampled = samples[:, 0, :dims].swapaxes(-1, -2)
    values, vectors = _eigenpairs(own)
    inverse = np.linalg.pinv(vectors)
    within = inverse @ (resampled - own) @ vectors
    gaps = np.abs(values - values[0])
    least = 1e-9 * gaps.max() + TINY
    mixed = within[:, 0, :] * within[:, :, 0]
    distances = np.maximum(gaps, least)
    second = np.abs(mixed) / distances
    first = np.abs(within[:, 0, 0])
    small = COUPLED * first.mean()
    near = second.mean(0) > small
    others = np.flatnonzero(near[1:])
    return 2 + int(others[-1]) if len(others) else 1


def _eigenpairs(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (D,) of a matrix (D, D), the largest first, and their eigenvectors as columns."""
    values, vectors = np.linalg.eig(matrix)
    sizes = np.abs(values)
    order = np.argsort(-sizes)
    columns = vectors[:, order]
    return values[order], columns


def _left_out(loop: Loop) -> tuple[float, float]:
    """The interval of a periodic loop, from fits that leave groups of rollouts out in turn (a jackknife)."""
    logs, centre = _leave_out(loop)
    freedom = len(logs) - 1
    spread = float(logs.std())
    error = math.sqrt(freedom) * spread
    half = student(freedom) * error
    low = math.exp(centre - half)
    high = math.exp(centre + half)
    return low, high


def _leave_out(loop: Loop) -> tuple[np.ndarray, float]:
    """Logarithms of the growth without each group of rollouts, and their estimate without its bias."""
    episodes = loop.episodes
    count = min(PARTS, episodes)
    numbers = np.arange(count)
    group = np.arange(episodes) % count
    others = group != numbers[:, None]
    every = np.ones((1, episodes))
    weights = np.concatenate((every, others))
    fits = loop.coefficients(weights)
    radii = moduli(fits)[:, 0]
    whole, *parts = np.log(radii + TINY)
    logs = np.array(parts)
    mean = logs.mean()
    centre = count * whole - (count - 1) * mean
    return logs, float(centre)


def growth(loop: Loop) -> float:
    """The growth a step of all rollouts; of a periodic loop without the bias of its logarithm."""
    if loop.period == 1:
        return radius(loop.fit())
    _, centre = _leave_out(loop)
    return math.exp(centre)


def radius(coefficients: np.ndarray) -> float:
    """The spectral radius of a constant M, of coefficients (1, C, D)."""
    largest = moduli(coefficients[None])[0]
    return float(largest[0])

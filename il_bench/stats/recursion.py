"""Recursions: least squares of delta' = M delta + N error + b on signed deviations.

Every pair of a deviation and the next counts by its relative change. Which pairs are used depends on the earlier of the
two alone: a selection that looks at the later one leaves out what noise carried off, and reads a smaller growth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEAST = 10
"""Pairs for each coefficient of a coordinate, without which there is no fit."""

ROOM = 0.2
"""Part of the ceiling up to which a deviation has room to grow."""

TINY = 1e-300
"""What keeps a division by nothing finite."""


@dataclass(frozen=True)
class Moments:
    """Normal equations of n parts of the data, such as its rollouts or its steps: those of a whole are their sum.

    Attributes:
        gram: (n, C, C) products of the regressors: D deviations, U errors and a constant, C = D + U + 1.
        cross: (n, C, D) products of the regressors and what follows.
        squares: (n, D) squares of what follows.
        counts: (n,) pairs.
    """

    gram: np.ndarray
    cross: np.ndarray
    squares: np.ndarray
    counts: np.ndarray

    def total(self, weights: np.ndarray) -> Moments:
        """Sums of the parts, as often as weights (m, n) say."""
        gram = np.tensordot(weights, self.gram, 1)
        cross = np.tensordot(weights, self.cross, 1)
        squares = weights @ self.squares
        counts = weights @ self.counts
        return Moments(gram, cross, squares, counts)

    def coefficients(self) -> np.ndarray:
        """M, N and b of each part, transposed, (n, C, D), whatever the scales of the columns."""
        squares = np.einsum("nii->ni", self.gram)
        positive = np.maximum(squares, TINY)
        size = np.sqrt(positive)
        rows = size[:, :, None]
        columns = size[:, None, :]
        unit = self.gram / rows / columns
        inverse = np.linalg.pinv(unit, rcond=1e-12, hermitian=True)
        cross = self.cross / rows
        return inverse @ cross / rows

    def residuals(self, coefficients: np.ndarray) -> np.ndarray:
        """Squares (n, D) that coefficients (n or 1, C, D) leave; no less than rounding lets one see."""
        carried = self.gram @ coefficients
        explained = coefficients * (2 * self.cross - carried)
        left = self.squares - explained.sum(1)
        rounding = 1e-10 * self.squares + TINY
        return np.maximum(left, rounding)


@dataclass(frozen=True)
class Pairs:
    """What a fit sees: deviations now and a step later, those that move, and what drives them.

    Attributes:
        regressors: (E, T, C) deviations, errors and a constant, weighted.
        following: (E, T, D) deviations a step later, weighted.
        weight: (E, T, 1) of each pair; zero where it is not used.
        delta: (E, T+1, D) the deviations themselves.
    """

    regressors: np.ndarray
    following: np.ndarray
    weight: np.ndarray
    delta: np.ndarray

    @property
    def use(self) -> np.ndarray:
        """Which pairs are used, (E, T) bool."""
        used: np.ndarray = self.weight[..., 0] > 0
        return used

    @property
    def dims(self) -> int:
        """How many coordinates move, D."""
        return self.following.shape[-1]

    @property
    def columns(self) -> int:
        """How many coefficients a coordinate has, C."""
        return self.regressors.shape[-1]

    @property
    def plain(self) -> np.ndarray:
        """The regressors (E, T, C) without their weights; zero where a pair is not used."""
        weight = np.maximum(self.weight, TINY)
        return self.regressors / weight

    def tell_apart(self) -> bool:
        """Whether the deviations move apart from what drives them: without that no M can be told."""
        design = self.regressors[self.use]
        dims = self.dims
        lengths = np.linalg.norm(design, axis=0)
        unit = design / np.maximum(lengths, TINY)
        drivers = unit[:, dims:]
        whole_rank = np.linalg.matrix_rank(unit, tol=1e-7)
        rank = np.linalg.matrix_rank(drivers, tol=1e-7)
        return bool(whole_rank >= rank + dims)

    def by_rollout(self, times: slice = slice(None)) -> Moments:
        """The normal equations of each rollout, E parts, at some of the times."""
        x = self.regressors[:, times]
        y = self.following[:, times]
        use = self.use[:, times]
        return _moments(x, y, use)

    def by_step(self) -> Moments:
        """The normal equations of each step, T parts."""
        x = self.regressors.swapaxes(0, 1)
        y = self.following.swapaxes(0, 1)
        return _moments(x, y, self.use.T)

    def injection(self, coefficients: np.ndarray) -> float:
        """Median length of what a step adds, |N error + b|, of coefficients (C, D)."""
        dims = self.dims
        used = self.plain[self.use]
        drivers = used[:, dims:]
        added = drivers @ coefficients[dims:]
        lengths = np.linalg.norm(added, axis=-1)
        return float(np.median(lengths))


def _moments(x: np.ndarray, y: np.ndarray, use: np.ndarray) -> Moments:
    """Those of regressors (n, m, C), what follows (n, m, D) and which of the m pairs are used (n, m), n parts."""
    transposed = x.swapaxes(1, 2)
    gram = transposed @ x
    cross = transposed @ y
    squares = np.square(y).sum(1)
    return Moments(gram, cross, squares, use.sum(1))


def pairs_of(
    delta: np.ndarray, error: np.ndarray, alive: np.ndarray, ceiling: float
) -> Pairs | None:
    """The pairs of one run's deviations, see `growth.fit`; None where they are too few, or nothing moves."""
    size = np.linalg.norm(delta, axis=-1)
    use = _used(size, error, alive, ceiling)
    earlier = delta[:, :-1]
    moving = _at_all(earlier[use])
    driving = _at_all(error[use])
    dims = int(moving.sum())
    columns = dims + int(driving.sum()) + 1
    if dims == 0 or use.sum() < LEAST * columns:
        return None
    moved = delta[..., moving]
    following = moved[:, 1:]
    drivers = error[..., driving]
    constant = np.ones((*use.shape, 1))
    regressors = np.concatenate((moved[:, :-1], drivers, constant), -1)
    weight = _weights(size[:, :-1], use)
    return Pairs(
        regressors=_weighted(regressors, weight),
        following=_weighted(following, weight),
        weight=weight,
        delta=moved,
    )


def _used(size: np.ndarray, error: np.ndarray, alive: np.ndarray, ceiling: float) -> np.ndarray:
    """Which pairs (E, T) of deviations of sizes (E, T+1) are finite and have room to grow."""
    finite = np.isfinite(size)
    use: np.ndarray = alive & finite[:, :-1] & finite[:, 1:]
    use &= np.isfinite(error).all(-1)
    room = _room(size, use, ceiling)
    use &= size[:, :-1] < room
    return use


def _at_all(values: np.ndarray) -> np.ndarray:
    """Which columns of values (n, D) are not zero throughout."""
    nonzero = values != 0
    return nonzero.any(0)


def _room(size: np.ndarray, use: np.ndarray, ceiling: float) -> float:
    """The size below which a deviation's next one has room below a fifth of the ceiling as well.

    From their typical stretch a third to a tenth of the way there, beyond what noise adds to the smallest: of a map that
    doubles, pairs up to a tenth are used.
    """
    limit = ROOM * ceiling
    if not math.isfinite(limit):
        return math.inf
    now = size[:, :-1]
    tiny = use & (now < limit / 10)
    near = use & (now < limit / 3) & ~tiny
    if not near.any():
        return limit
    then = size[:, 1:]
    noise = np.median(then[tiny]) if tiny.any() else 0.0
    before = float(np.median(now[near]))
    after = np.median(then[near])
    ahead = max(after**2 - noise**2, 0.0)
    stretch = math.sqrt(ahead) / before
    return limit / max(1.0, stretch)


def _weighted(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (E, T, ...) times weights (E, T, 1); zero where a pair is not used, whatever stands there."""
    used = np.where(weight > 0, values, 0)
    return used * weight


def _weights(size: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Weights (E, T, 1) that make a pair count by its relative change, down to deviations of a single step's size.

    Unweighted, the fit is that of the few largest deviations, where a policy is least linear: on the lane it reads 1.18
    where the path's own derivative says 1.14. Weighted by 1 / |delta| alone, pairs near zero would count for nothing
    but the errors that no regressor explains.
    """
    second_step = slice(1, 2)
    begun = use[:, second_step]
    second = size[:, second_step]
    first = second[begun] if begun.any() else size[use]
    moved = first[first > 0]
    floor = np.median(moved) if len(moved) else 1.0
    weight = use / np.hypot(size, floor)
    return weight[..., None]

"""Ranker: what is liked about things, learned from clicks on lists, so that things which nobody has seen yet can be ranked.

A score is a weighted sum of features, and a click falls on thing i of a list in proportion to exp(score_i) (softmax; of
lists ListNet, Cao et al. 2007). Each click weighs 1/e, so that the mean of the loss over who looks where is the loss of
visitors who look everywhere (Joachims, Swaminathan & Schnabel 2017); it is linear in clicks and convex in the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.settings import require
from .freedom import alike, quantile

STEPS = 100
"""Newton's steps at most."""
ENOUGH = 1e-10
"""A fall of the mean loss that is none."""
PENALTY = 1e-9
"""On squared weights: keeps those finite that clicks without a contradiction would drive without end."""
LEAST = 1e-8
"""Curvature along weights below which features, each of deviation one, tell nothing apart."""


@dataclass(frozen=True)
class Ranker:
    """What features are worth.

    Attributes:
        weight: (d,) of each feature.
        error: (d,) standard errors.
        low, high: (d,) the 95 % intervals.
        level: clicks per look on a thing of score 0.
        units: how many lists or groups of lists it was learned from.
    """

    weight: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    units: int

    def score(self, features: Any) -> np.ndarray:
        """Scores (...) of things with features (..., d)."""
        columns = np.asarray(features, dtype=float)
        return columns @ self.weight

    def relevance(self, features: Any) -> np.ndarray:
        """Clicks per look (...) that are foretold for things with features (..., d)."""
        scores = self.score(features)
        return self.level * np.exp(scores)


class Lists(NamedTuple):
    """A log, as the loss reads it.

    Attributes:
        features: (L, n, d).
        worth: (L, n) clicks over exposure; 0 of what was not shown.
        shown: (L, n).
    """

    features: np.ndarray
    worth: np.ndarray
    shown: np.ndarray


class Loss(NamedTuple):
    """The loss at some weights.

    Attributes:
        weight: (d,) these.
        value: the mean of -log softmax over clicks, each counted by its weight.
        slope: (d,) its gradient.
        curvature: (d, d) its second derivatives.
        each: (L, d) what each list adds to the gradient.
    """

    weight: np.ndarray
    value: float
    slope: np.ndarray
    curvature: np.ndarray
    each: np.ndarray


def ranker(features: Any, click: Any, exposure: Any = None, unit: Any = None) -> Ranker:
    """The weights of features under which clicks are likeliest, each click counted 1/e times.

    Where the chance of a click is e·exp(w·features), up to a factor of each list, this finds w. Where trust is known,
    take click - β for the click and α for the exposure (see `affine`).

    Args:
        features: (L, n, d) of n things in each of L lists.
        click: (L, n) clicks, or shares of visits with one.
        exposure: (L, n) chance that each was looked at; 0 of what was not shown, which is then left out of its list.
            By default one: the naive reading.
        unit: (L,) labels of lists that belong together, such as a user's; by default each stands alone.

    Raises:
        ValueError: for parts of other shapes, a click on what was not shown, no clicks at all, and features that do not
            differ within any list.
    """
    columns, clicks, looks = _checked(features, click, exposure)
    shown = looks > 0
    columns = np.where(shown[..., None], columns, 0.0)
    worth = np.divide(clicks, looks, out=np.zeros_like(clicks), where=shown)
    require(worth.sum() > 0, "click: expected some, got none in any list; show the lists longer")
    # Alike in scale, so that neither the penalty nor what tells nothing apart depends on units.
    spread = columns[shown].std(0)
    scale = np.where(spread > 0, spread, 1.0)
    at_minimum = _minimum(Lists(columns / scale, worth, shown))
    scaled_error, units = _error(at_minimum, unit)
    weight = at_minimum.weight / scale
    error = scaled_error / scale
    width = quantile(units - 1) * error
    return Ranker(
        weight=weight,
        error=error,
        low=weight - width,
        high=weight + width,
        level=_level(weight, columns, clicks, looks),
        units=units,
    )


def _checked(features: Any, click: Any, exposure: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, clicks and exposure, as numbers."""
    columns = _features(features)
    clicks = np.asarray(click, dtype=float)
    looks = np.ones_like(clicks)
    if exposure is not None:
        looks = np.asarray(exposure, dtype=float)
    _require_alike("click", clicks, columns)
    _require_alike("exposure", looks, columns)
    usable = np.isfinite(looks) & (looks >= 0)
    wanted = "exposure: expected finite numbers, 0 or more"
    require(bool(usable.all()), f"{wanted}, got others; mend or drop them")
    clicked = clicks != 0
    impossible = clicked & (looks == 0)
    possible = np.isfinite(clicks) & ~impossible
    wanted = "click: expected finite numbers, and none where exposure is 0"
    require(bool(possible.all()), f"{wanted}, got others; mend either")
    return columns, clicks, looks


def _features(features: Any) -> np.ndarray:
    """Features (L, n, d), as numbers."""
    columns = np.asarray(features, dtype=float)
    wanted = "features: expected (L, n, d), d numbers of n things in L lists"
    shape = columns.shape
    require(len(shape) == 3, f"{wanted}, got shape {shape}; add what is missing")
    usable = np.isfinite(columns)
    require(bool(usable.all()), f"{wanted}, got NaN or infinity; mend or drop it")
    return columns


def _require_alike(name: str, part: np.ndarray, columns: np.ndarray) -> None:
    """Refuse a part that is not one number for each thing."""
    expected = columns.shape[:2]
    got = part.shape
    fits = got == expected
    require(fits, f"{name}: expected {expected}, one a thing, got {got}; give those")


def loss(weight: np.ndarray, lists: Lists) -> Loss:
    """The loss at weights (d,): a mean over all clicks, so that the scale of exposure does not matter."""
    features = lists.features
    scores = features @ weight
    chance, surprise = _softmax(scores, lists.shown)
    share = lists.worth / lists.worth.sum()
    of_list = share.sum(1)
    expected = of_list[:, None] * chance
    each = np.einsum("li,lid->ld", expected - share, features)
    mean = np.einsum("li,lid->ld", chance, features)
    rows = features.reshape(-1, len(weight))
    within = _products(rows, expected.ravel())
    between = _products(mean, of_list)
    pull = PENALTY * weight
    size = np.eye(len(weight))
    return Loss(
        weight=weight,
        value=float((share * surprise).sum() + pull @ weight / 2),
        slope=each.sum(0) + pull,
        curvature=within - between + PENALTY * size,
        each=each,
    )


def _products(rows: np.ndarray, heavy: np.ndarray) -> np.ndarray:
    """Sums (d, d) of products of the columns of rows (m, d), each row counted by a weight (m,)."""
    weighted = heavy[:, None] * rows
    return weighted.T @ rows


def _softmax(scores: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chances (L, n) and minus their logarithms, among what was shown; 0 of the rest."""
    among = np.where(shown, scores, -np.inf)
    # A list of which nothing was shown has no largest score.
    top = among.max(1, initial=-1e300)[:, None]
    below = among - top
    odds = np.exp(below)
    total = odds.sum(1)[:, None]
    some = np.where(total > 0, total, 1.0)
    normaliser = top + np.log(some)
    missing = normaliser - scores
    surprise = np.where(shown, missing, 0.0)
    return odds / some, surprise


def _minimum(lists: Lists) -> Loss:
    """Where the loss is least, by Newton's steps, halved until they lead down."""
    size = lists.features.shape[2]
    now = loss(np.zeros(size), lists)
    _require_told_apart(now.curvature)
    for _ in range(STEPS):
        step = np.linalg.solve(now.curvature, now.slope)
        after = loss(now.weight - step, lists)
        while after.value > now.value + ENOUGH:
            step = step / 2
            after = loss(now.weight - step, lists)
        fall = now.value - after.value
        now = after
        if fall < ENOUGH and np.abs(now.slope).max() < ENOUGH:
            break
    return now


def _require_told_apart(curvature: np.ndarray) -> None:
    """Refuse features that are sums of others within every list, or alike in all of it."""
    along = np.linalg.eigvalsh(curvature)
    least = along.min()
    wanted = "features: expected each to differ within lists, and none to be a sum of others"
    require(least > LEAST, f"{wanted}, got some that tell nothing apart; leave these out")


def _error(at_minimum: Loss, unit: Any) -> tuple[np.ndarray, int]:
    """Standard errors (d,) of weights, and how many units there are."""
    each = at_minimum.each
    if unit is not None:
        each = _by_unit(each, unit)
    units = len(each)
    freedom = alike(units)
    influence = np.linalg.solve(at_minimum.curvature, each.T)
    squares = influence**2 / freedom.left
    variance = squares.sum(1)
    return np.sqrt(variance), units


def _by_unit(each: np.ndarray, unit: Any) -> np.ndarray:
    """What lists add (L, d), summed within units (m, d)."""
    _, owner = np.unique(unit, return_inverse=True)
    units = int(owner.max()) + 1
    columns = [np.bincount(owner, column, units) for column in each.T]
    return np.stack(columns, -1)


def _level(
    weight: np.ndarray, features: np.ndarray, clicks: np.ndarray, looks: np.ndarray
) -> float:
    """Clicks per look at score 0, by pooled weights."""
    scores = features @ weight
    foretold = looks * np.exp(scores)
    level = clicks.sum() / foretold.sum()
    return float(level)

"""Propensity: how likely each rank is looked at, from the log itself.

An item at two ranks is clicked differently often for no other reason than its rank; so the ratio of two ranks is known
from what was shown at both, and from nothing else. Where no such thing ties a rank to the first one, its chance is *not
identified*: relevance and position cannot be told apart, and a warning says so.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.settings import require
from .freedom import quantile

STEPS = 100
"""Newton's steps at most."""
ROUNDS = 5_000
"""Rounds of EM at most."""
ENOUGH = 1e-9
"""Change of log θ below which both have arrived."""


@dataclass(frozen=True)
class PositionBias:
    """How likely each rank is looked at, against the first one.

    Attributes:
        rank: (K,) the ranks that occur, from 1, in order.
        theta: (K,) chance to be looked at over that of the first of them; NaN where the log does not tell.
        error: (K,) standard error of log θ; NaN where it is not known.
        low, high: (K,) the 95 % interval of θ.
        influence: (M, K) of each of M units on log θ; of no unit where θ is taken for granted.
    """

    rank: np.ndarray
    theta: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    influence: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether the log tells of each rank (K,)."""
        return np.isfinite(self.theta)

    def of(self, rank: Any) -> np.ndarray:
        """θ (n,) at ranks (n,); NaN where it is not known."""
        asked = np.asarray(rank)
        place = np.searchsorted(self.rank, asked)
        last = len(self.rank) - 1
        inside = np.minimum(place, last)
        occurs = self.rank[inside] == asked
        theta = self.theta[inside]
        return np.where(occurs, theta, np.nan)


@dataclass(frozen=True)
class Cells:
    """A log of displays, counted by thing and rank.

    Attributes:
        rank: (K,) the ranks that occur.
        place: (n,) which of them each display has.
        thing: (n,) what it shows, numbered from 0.
        click: (n,) whether it was clicked.
        shown: (D, K) how often each thing was shown at each rank.
        clicked: (D, K) how often it was clicked there.
    """

    rank: np.ndarray
    place: np.ndarray
    thing: np.ndarray
    click: np.ndarray
    shown: np.ndarray
    clicked: np.ndarray

    def among(self, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displays and clicks (D, K) at some of the ranks (K,) alone."""
        shown = self.shown * ranks
        clicked = self.clicked * ranks
        return shown, clicked


def stated(theta: Any) -> PositionBias:
    """Position bias that is known from elsewhere: θ (K,) of ranks 1 to K, without error."""
    chance = np.asarray(theta, dtype=float)
    shown = np.where(chance > 0, chance, np.nan)
    none = np.zeros(len(chance))
    return PositionBias(
        rank=np.arange(1, len(chance) + 1),
        theta=shown,
        error=none,
        low=shown,
        high=shown,
        influence=np.zeros((0, len(chance))),
    )


def randomised(rank: Any, click: Any, unit: Any = None) -> PositionBias:
    """Position bias of lists in random order: what is shown does not depend on the rank, so clicks tell all.

    Args:
        rank: (n,) of each display, from 1.
        click: (n,) 0 or 1.
        unit: (n,) labels of displays that belong together, such as a visit or a query.
    """
    same = np.zeros(np.shape(rank), int)
    return pairs(same, rank, click, unit)


def pairs(thing: Any, rank: Any, click: Any, unit: Any = None) -> PositionBias:
    """Position bias from what was shown at two ranks or more (intervention harvesting, Agarwal et al. 2019).

    Of the clicks on one thing, a share n_k·θ_k / Σ n·θ falls on rank k: the likelihood of that knows of no relevance,
    and what was shown at one rank alone says nothing. Maximised by Newton's method; errors by influence functions.

    Args:
        thing: (n,) labels, alike where relevance is: the item, or item and query.
        rank: (n,) of each display, from 1.
        click: (n,) 0 or 1.
        unit: (n,) labels of displays that belong together.
    """
    cells = _cells(thing, rank, click)
    tied = _tied(cells)
    _warn(cells, tied)
    shown, clicked = cells.among(tied)
    log_theta = np.zeros(len(tied))
    for _ in range(STEPS):
        share = _shares(shown, log_theta)
        score = _score(clicked, share)
        step = _inverse(clicked, share, tied) @ score
        # Far from the maximum a full step may leave where the likelihood is well approximated.
        largest = np.abs(step).max()
        log_theta += step / max(largest, 1.0)
        if largest < ENOUGH:
            break
    share = _shares(shown, log_theta)
    inverse = _inverse(clicked, share, tied)
    influence = _influence(cells, log_theta, share, inverse, tied)
    return _bias(cells.rank, log_theta, tied, _summed(influence, unit))


def em(thing: Any, rank: Any, click: Any) -> PositionBias:
    """Position bias by expectation and maximisation: who did not click did not look, or did not like (Wang et al. 2018).

    It always gives an answer, also where relevance and position cannot be told apart and the answer is where it began;
    such ranks are NaN here. Arguments as of `pairs`, whose errors it does not have.
    """
    cells = _cells(thing, rank, click)
    tied = _tied(cells)
    _warn(cells, tied)
    shown, clicked = cells.among(tied)
    at_rank = np.where(tied, shown.sum(0), 1.0)
    of_thing = np.maximum(shown.sum(1), 1.0)
    theta = np.where(tied, 0.5, 0.0)
    relevance = np.full(len(shown), 0.5)
    for _ in range(ROUNDS):
        looked, liked = _expected(shown - clicked, theta, relevance)
        before = theta
        theta = (clicked + looked).sum(0) / at_rank
        relevance = (clicked + liked).sum(1) / of_thing
        change = np.abs(theta - before)
        if change.max() < ENOUGH:
            break
    with np.errstate(divide="ignore"):
        logs = np.log(theta)
    nobody = np.zeros((0, len(tied)))
    return _bias(cells.rank, logs, tied, nobody)


def _expected(
    ignored: np.ndarray, theta: np.ndarray, relevance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of displays without a click (D, K), how many were looked at, and how many would have been liked."""
    liking = relevance[:, None]
    click = theta * liking
    # Where a click is certain there is no display without one.
    otherwise = np.maximum(1 - click, 1e-300)
    looked = ignored * theta * (1 - liking) / otherwise
    liked = ignored * liking * (1 - theta) / otherwise
    return looked, liked


def _cells(thing: Any, rank: Any, click: Any) -> Cells:
    """A log, checked and counted."""
    ranks = np.asarray(rank)
    clicks = np.asarray(click, dtype=float)
    labels = np.asarray(thing)
    count = ranks.shape
    require(len(ranks) > 0, "rank: expected at least one display, got none; give some")
    for name, part in {"click": clicks, "thing": labels}.items():
        got = part.shape
        require(
            got == count, f"{name}: expected {count}, one for each rank, got {got}; give as many"
        )
    whole = (ranks == np.floor(ranks)) & (ranks >= 1)
    _require_all(whole, "rank: expected whole numbers from 1", ranks)
    binary = (clicks == 0) | (clicks == 1)
    _require_all(binary, "click: expected 0 or 1", clicks)
    kinds, place = np.unique(ranks, return_inverse=True)
    things, number = np.unique(labels, return_inverse=True)
    size = len(things), len(kinds)
    cell = number * len(kinds) + place
    total = len(things) * len(kinds)
    shown = np.bincount(cell, minlength=total)
    clicked = np.bincount(cell, clicks, total)
    return Cells(
        rank=kinds,
        place=place,
        thing=number,
        click=clicks,
        shown=shown.reshape(size).astype(float),
        clicked=clicked.reshape(size),
    )


def _require_all(right: np.ndarray, sentence: str, numbers: np.ndarray) -> None:
    """Refuse numbers (n,) with the first that is not right."""
    wrong = np.flatnonzero(~right)
    if len(wrong):
        place = wrong[0]
        raise ValueError(f"{sentence}, got {numbers[place]:g}, display {place}; mend or drop it")


def _tied(cells: Cells) -> np.ndarray:
    """Which ranks (K,) the log ties to the first: clicks here on what was also shown there, and back."""
    from scipy.sparse.csgraph import connected_components

    clicked = cells.clicked > 0
    shown = cells.shown > 0
    ties = clicked.T.astype(float) @ shown
    _, part = connected_components(ties > 0, directed=True, connection="strong")
    return part == part[0]


def _warn(cells: Cells, tied: np.ndarray) -> None:
    """Say which ranks the log does not tell of."""
    if tied.all():
        return
    loose = cells.rank[~tied]
    names = ", ".join(f"{rank:g}" for rank in loose[:5])
    more = ", ..." if len(loose) > 5 else ""
    first = f"{cells.rank[0]:g}"
    warnings.warn(
        f"position bias is not identified at rank {names}{more}: nothing that was clicked there and at rank {first} ties "
        "them together, so that relevance and position cannot be told apart; show some things at both",
        stacklevel=3,
    )


def _shares(shown: np.ndarray, log_theta: np.ndarray) -> np.ndarray:
    """Of the clicks on each thing, the share (D, K) that falls on each rank."""
    looks = shown * np.exp(log_theta)
    total = looks.sum(1, keepdims=True)
    some = np.where(total > 0, total, 1.0)
    return looks / some


def _score(clicked: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Clicks (K,) at each rank beyond those that its share foretells."""
    total = clicked.sum(1, keepdims=True)
    surplus = clicked - total * share
    return surplus.sum(0)


def _inverse(clicked: np.ndarray, share: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """The inverse (K, K) of the information on log θ, of which the first is held at 0."""
    total = clicked.sum(1)
    heavy = total[:, None] * share
    of_rank = heavy.sum(0)
    shared = heavy.T @ share
    information = np.diag(of_rank) - shared
    free = np.flatnonzero(tied)[1:]
    block = np.ix_(free, free)
    inverse = np.zeros_like(information)
    known = information[block]
    inverse[block] = np.linalg.inv(known)
    return inverse


def _influence(
    cells: Cells,
    log_theta: np.ndarray,
    share: np.ndarray,
    inverse: np.ndarray,
    tied: np.ndarray,
) -> np.ndarray:
    """How each display (n,) moves log θ, (n, K)."""
    shown, clicked = cells.among(tied)
    looks = (shown * np.exp(log_theta)).sum(1)
    relevance = clicked.sum(1) / np.where(looks > 0, looks, 1.0)
    theta = np.exp(log_theta)[cells.place]
    foretold = relevance[cells.thing] * theta
    counts = tied[cells.place]
    surprise = np.where(counts, cells.click - foretold, 0.0)
    usual = share @ inverse
    direction = inverse[cells.place] - usual[cells.thing]
    return surprise[:, None] * direction


def _summed(influence: np.ndarray, unit: Any) -> np.ndarray:
    """Influences (n, K) summed within units (M, K)."""
    if unit is None:
        return influence
    _, owner = np.unique(unit, return_inverse=True)
    units = int(owner.max()) + 1
    columns = [np.bincount(owner, column, units) for column in influence.T]
    return np.stack(columns, -1)


def _bias(
    rank: np.ndarray, logs: np.ndarray, tied: np.ndarray, influence: np.ndarray
) -> PositionBias:
    """Position bias from log θ (K,) and the influence (M, K) of units on it."""
    units = len(influence)
    freedom = units / (units - 1) if units > 1 else np.nan
    squares = (influence**2).sum(0)
    known = np.where(tied, logs - logs[0], np.nan)
    error = np.where(tied, np.sqrt(freedom * squares), np.nan)
    width = quantile(units - 1) * error
    return PositionBias(
        rank=rank,
        theta=np.exp(known),
        error=error,
        low=np.exp(known - width),
        high=np.exp(known + width),
        influence=influence,
    )

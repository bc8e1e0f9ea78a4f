"""Relevance: what is clicked how often by those who look, from a log of displays, whoever stood where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .freedom import quantile
from .propensity import PositionBias


@dataclass(frozen=True)
class Relevances:
    """Items and what is known of them.

    Attributes:
        item: (J,) labels.
        shown: (J,) displays.
        clicked: (J,) clicks.
        naive: (J,) clicks per display.
        value: (J,) clicks per look: Σ clicks / Σ θ, relevance by pooled weights; NaN where no rank of its is known.
        low, high: (J,) its 95 % interval, of what is uncertain in θ too; NaN of a single unit.
        effective: (J,) how many displays at the first rank would be as certain.
    """

    item: np.ndarray
    shown: np.ndarray
    clicked: np.ndarray
    naive: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    effective: np.ndarray


@dataclass(frozen=True)
class Looks:
    """Displays whose rank has a known chance to be looked at.

    Attributes:
        item: (n,) numbered from 0.
        place: (n,) of its rank among those of the position bias.
        theta: (n,) chance to be looked at.
        click: (n,) 0 or 1.
        unit: (n,) numbered from 0.
    """

    item: np.ndarray
    place: np.ndarray
    theta: np.ndarray
    click: np.ndarray
    unit: np.ndarray


def relevances(
    item: Any, rank: Any, click: Any, bias: PositionBias, unit: Any = None
) -> Relevances:
    """The relevance of each item, from a log and its position bias.

    Displays at ranks of which nothing is known are left out.

    Args:
        item: (n,) labels.
        rank: (n,) of each display, from 1.
        click: (n,) 0 or 1.
        bias: of the same log with the same units, or known from elsewhere.
        unit: (n,) labels of displays that belong together; by default each stands alone.
    """
    items, number = np.unique(item, return_inverse=True)
    count = len(items)
    clicks = np.asarray(click, dtype=float)
    looks = _looks(number, rank, clicks, bias, unit)
    shown = np.bincount(number, minlength=count)
    clicked = np.bincount(number, clicks, count)
    total = np.bincount(looks.item, looks.theta, count)
    hits = np.bincount(looks.item, looks.click, count)
    known = total > 0
    exposure = np.where(known, total, 1.0)
    value = np.where(known, hits / exposure, np.nan)
    width = _width(looks, value, exposure, bias)
    squares = np.bincount(looks.item, looks.theta**2, count)
    safe = np.where(known, squares, 1.0)
    return Relevances(
        item=items,
        shown=shown,
        clicked=clicked,
        naive=clicked / shown,
        value=value,
        low=np.maximum(value - width, 0.0),
        high=value + width,
        effective=total**2 / safe,
    )


def _looks(
    number: np.ndarray, rank: Any, clicks: np.ndarray, bias: PositionBias, unit: Any
) -> Looks:
    """The displays at ranks of which something is known."""
    theta = bias.of(rank)
    known = np.isfinite(theta)
    owner = np.arange(len(clicks))
    if unit is not None:
        _, owner = np.unique(unit, return_inverse=True)
    place = np.searchsorted(bias.rank, rank)
    return Looks(
        item=number[known],
        place=place[known],
        theta=theta[known],
        click=clicks[known],
        unit=owner[known],
    )


def _width(looks: Looks, value: np.ndarray, exposure: np.ndarray, bias: PositionBias) -> np.ndarray:
    """Half the interval (J,) of each item: its own units' luck, and what they and the others say of θ."""
    count = len(value)
    liked = value[looks.item]
    foretold = liked * looks.theta
    surprise = looks.click - foretold
    luck = surprise / exposure[looks.item]
    # The luck of each unit with each item: few of all pairs.
    pair = looks.unit * count + looks.item
    pairs, number = np.unique(pair, return_inverse=True)
    own = np.bincount(number, luck)
    unit, item = np.divmod(pairs, count)
    squares = np.bincount(item, own**2, count)
    units = np.bincount(item, minlength=count)
    if not len(bias.influence):
        return _times_error(squares, units)
    lean = _lean(looks, value, exposure, len(bias.rank))
    moves = np.nan_to_num(bias.influence)
    columns = [np.bincount(item, own * column[unit], count) for column in moves.T]
    shared = np.stack(columns, -1)
    of_theta = moves.T @ moves
    crossed = lean * shared
    others = (lean @ of_theta) * lean
    variance = squares - 2 * crossed.sum(1) + others.sum(1)
    return _times_error(variance, units)


def _lean(looks: Looks, value: np.ndarray, exposure: np.ndarray, ranks: int) -> np.ndarray:
    """By how much each item's relevance falls with log θ of each rank (J, K)."""
    count = len(value)
    cell = looks.item * ranks + looks.place
    parts = np.bincount(cell, looks.theta, count * ranks)
    by_rank = parts.reshape(count, ranks)
    share = by_rank / exposure[:, None]
    known = np.nan_to_num(value)
    return known[:, None] * share


def _times_error(variance: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Student's width (J,) for variances of so many units each; NaN of one."""
    width = np.full(len(units), np.nan)
    several = units[units > 1]
    for many in np.unique(several).tolist():
        same = units == many
        freedom = many / (many - 1)
        possible = np.maximum(variance[same], 0.0)
        error = np.sqrt(freedom * possible)
        width[same] = quantile(many - 1) * error
    return width

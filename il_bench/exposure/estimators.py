"""Estimators: the mean of a whole of which a part was seen, each with an interval by its influence function.

Each takes rewards (..., n) of what was seen and the chance with which it was seen, needs no environment, and gives an
`Estimate`. Several rewards of the same samples (does it reach age 1, age 2, ...?) are estimated at once. What belongs
together (all visits of a user, all years of an animal) bears the same `unit`: intervals then count units, not rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.settings import require
from .freedom import Freedom, of_counts, of_rewards, quantile
from .weights import Correction, checked, effective_size, weigh


@dataclass(frozen=True)
class Estimate:
    """A mean and how far it may be off.

    Attributes:
        value: a number, or (...) of rewards (..., n).
        error: standard error, likewise; NaN of a single unit.
        low, high: the 95 % interval.
        effective: how many samples of equal weight would be as certain.
        units: how many independent ones there are.
        degrees: of freedom of Student's interval: few where a few units weigh nearly all (see `freedom`).
    """

    value: Any
    error: Any
    low: Any
    high: Any
    effective: float
    units: int
    degrees: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def naive(reward: Any, unit: Any = None) -> Estimate:
    """The plain mean of what was seen: right where all was seen alike."""
    rewards = _rewards(reward)
    alike = np.ones(rewards.shape[-1])
    return weighted(rewards, alike, unit)


def hajek(reward: Any, exposure: Any, unit: Any = None) -> Estimate:
    """Σ(y/e) / Σ(1/e): the mean over all, of how many nobody knows; the scale of exposure does not matter.

    Args:
        reward: (..., n) of what was seen.
        exposure: (n,) chance, or rate, with which each was seen.
        unit: (n,) labels, alike where samples belong together; by default each stands alone.
    """
    weight = weigh(_exposure(exposure, reward), "ips")
    return weighted(reward, weight, unit)


def pooled(reward: Any, exposures: Any, unit: Any = None) -> Estimate:
    """Hájek's mean with the exposure that loggers give on the average, where any of them could have logged a sample.

    Args:
        reward: (..., n) of what was seen.
        exposures: (J, n) chance with which each of J loggers (years of birth, ranks) sees what each sample shows.
        unit: (n,) labels.
    """
    by_logger = np.atleast_2d(exposures)
    average = by_logger.mean(0)
    return hajek(reward, average, unit)


def power(reward: Any, exposure: Any, kappa: float, unit: Any = None) -> Estimate:
    """The mean with weights e^-κ: naive at 0, bit for bit, Hájek's at 1, in between some bias for less noise."""
    rule = Correction("power", kappa)
    weight = weigh(_exposure(exposure, reward), rule)
    return weighted(reward, weight, unit)


def clip(reward: Any, exposure: Any, most: float, unit: Any = None) -> Estimate:
    """Hájek's mean with no weight above `most` times the median one: the interval does not know of the bias."""
    rule = Correction("clip", most)
    weight = weigh(_exposure(exposure, reward), rule)
    return weighted(reward, weight, unit)


def weighted(reward: Any, weight: Any, unit: Any = None) -> Estimate:
    """Σ(w·y) / Σw of any weights (n,); a reward that is the same everywhere has an interval of width zero."""
    rewards = _rewards(reward)
    weights = np.asarray(weight, dtype=float)
    total = weights.sum()
    # As deviations from the first reward, so that equal rewards give that very number.
    anchor = rewards[..., :1]
    beyond = rewards - anchor
    apart = beyond @ weights / total
    value = anchor[..., 0] + apart
    deviation = rewards - value[..., None]
    influence = weights * deviation / total
    freedom = of_rewards(_by_unit(weights, unit))
    effective = float(effective_size(weights))
    return _estimate(value, _by_unit(influence, unit), freedom, effective)


def ratio(reward: Any, exposure: Any, unit: Any = None) -> Estimate:
    """Σy / Σe: occurrences over exposure, where each row is a chance to occur, taken or not.

    Of clicks, each row a display of one item and e the chance that its rank is examined, this is its relevance by
    pooled weights. A row of exposure zero, a display that nobody could examine, changes nothing.
    """
    rewards = _rewards(reward)
    chance = np.asarray(exposure, dtype=float)
    _require_alike("exposure", chance, rewards)
    is_chance = np.isfinite(chance) & (chance >= 0)
    _require_everywhere(is_chance, "exposure: expected 0 or more", chance)
    total = chance.sum()
    require(total > 0, "exposure: expected a row that could be seen, got 0 everywhere; show it")
    value = rewards.sum(-1) / total
    foretold = value[..., None] * chance
    influence = (rewards - foretold) / total
    freedom = of_counts(_by_unit(chance, unit))
    effective = float(effective_size(chance))
    return _estimate(value, _by_unit(influence, unit), freedom, effective)


def horvitz_thompson(
    reward: Any, exposure: Any, population: int, unit: Any = None, schedule: bool = False
) -> Estimate:
    """Σ(y/e) / N where the number N of all is known: unbiased, and noisier than Hájek's where rewards are alike.

    Args:
        reward: (..., n) of what was seen.
        exposure: (n,) chance with which each was seen, independently of the others, at most 1.
        population: N, seen and unseen.
        unit: (n,) labels of samples that are seen together or not at all.
        schedule: whether the interval is of the schedule by which such populations are drawn, instead of this one.
    """
    rewards = _rewards(reward)
    chance = _exposure(exposure, rewards)
    _require_everywhere(chance <= 1, "exposure: expected chances up to 1", chance)
    count = rewards.shape[-1]
    fewer = f"population: expected at least the {count} seen, got {population}; count all"
    require(population >= count, fewer)
    weight = 1 / chance
    share = rewards * weight / population
    value = share.sum(-1)
    luck = np.sqrt(1 - chance)
    each = _by_unit(share * luck, unit)
    units = each.shape[-1]
    variance = (each**2).sum(-1)
    if schedule:
        squares = (rewards * share).sum(-1)
        variance = variance + (squares - value**2) / population
    error = np.sqrt(variance)
    effective = float(effective_size(weight))
    return _interval(value, error, units - 1.0, effective, units)


def doubly_robust(
    reward: Any, exposure: Any, expected: Any, prediction: Any, unit: Any = None
) -> Estimate:
    """The mean prediction, corrected by what was seen of its errors: mean of m + (y - e·m) / ρ.

    Right when the exposure is, whatever the predictions, and the steadier the better they are (Oosterhuis 2023, "Doubly
    robust estimation for correcting position bias in click feedback"). Rows are all chances, seen or not. Of things
    that are either seen or not, y is zero where unseen, e is 1 or 0, and ρ is the chance to be seen.

    Args:
        reward: (..., n), such as clicks.
        exposure: (n,) what there was in the end, such as θ at the rank shown; 0 where it was not shown.
        expected: (n,) ρ, what it is on the average of the logging policy; above 0.
        prediction: (..., n) or a number, m: what is foretold of each reward under full exposure.
        unit: (n,) labels.
    """
    rewards = _rewards(reward)
    chance = np.asarray(exposure, dtype=float)
    _require_alike("exposure", chance, rewards)
    average = _exposure(expected, rewards)
    foretold = np.asarray(prediction, dtype=float)
    error = rewards - chance * foretold
    corrected = foretold + error / average
    return naive(corrected, unit)


def affine(click: Any, slope: Any, offset: Any, unit: Any = None) -> Estimate:
    """The mean of (click - β) / α, where who trusts a rank clicks there with chance α·relevance + β (trust bias).

    `ratio(click - β, α)` is its steadier twin with pooled weights.

    Args:
        click: (..., n) 0 or 1.
        slope: (n,) α at the rank shown, above 0.
        offset: (n,) β at the rank shown.
        unit: (n,) labels.
    """
    clicks = _rewards(click)
    alpha = _exposure(slope, clicks)
    beta = np.asarray(offset, dtype=float)
    _require_alike("offset", beta, clicks)
    relevance = (clicks - beta) / alpha
    return naive(relevance, unit)


def _rewards(reward: Any) -> np.ndarray:
    """Rewards (..., n), n at least 1."""
    rewards = np.asarray(reward, dtype=float)
    enough = rewards.ndim > 0 and rewards.shape[-1] > 0
    require(enough, "reward: expected (..., n) numbers, got none; give one for each sample")
    usable = np.isfinite(rewards)
    _require_everywhere(usable, "reward: expected finite numbers", rewards)
    return rewards


def _exposure(exposure: Any, reward: Any) -> np.ndarray:
    """Exposure (n,) of rewards (..., n), checked."""
    rewards = np.atleast_1d(reward)
    samples = rewards.shape[-1]
    rows = rewards.reshape(-1, samples)
    return checked(exposure, rows[0])


def _require_alike(name: str, part: np.ndarray, rewards: np.ndarray) -> None:
    """Refuse a part that is not one number for each reward."""
    expected = rewards.shape[-1:]
    got = part.shape
    sentence = (
        f"{name}: expected shape {expected}, as many as rewards, got {got}; give one for each"
    )
    require(got == expected, sentence)


def _require_everywhere(right: np.ndarray, sentence: str, numbers: np.ndarray) -> None:
    """Refuse numbers (..., n) with the first that is not right."""
    wrong = np.argwhere(~right)
    if len(wrong):
        first = wrong[0].tolist()
        place = tuple(first)
        value = numbers[place]
        where = place[0] if len(place) == 1 else place
        raise ValueError(f"{sentence}, got {value:g} at {where}; mend or drop that row")


def _estimate(
    value: np.ndarray, influence: np.ndarray, freedom: Freedom, effective: float
) -> Estimate:
    """An estimate from the influence (..., m) of each unit on it."""
    squares = influence**2 / freedom.left
    variance = squares.sum(-1)
    units = influence.shape[-1]
    return _interval(value, np.sqrt(variance), freedom.degrees, effective, units)


def _by_unit(influence: np.ndarray, unit: Any) -> np.ndarray:
    """Influences (..., n) summed within units (..., m)."""
    if unit is None:
        return influence
    labels = np.asarray(unit)
    _require_alike("unit", labels, influence)
    _, place = np.unique(labels, return_inverse=True)
    order = np.argsort(place, kind="stable")
    edges = np.diff(place[order], prepend=-1)
    starts = np.flatnonzero(edges)
    return np.add.reduceat(influence[..., order], starts, -1)


def _interval(
    value: np.ndarray, error: np.ndarray, degrees: float, effective: float, units: int
) -> Estimate:
    """An estimate with Student's interval around it."""
    width = quantile(degrees) * error
    return Estimate(
        value=_number(value),
        error=_number(error),
        low=_number(value - width),
        high=_number(value + width),
        effective=effective,
        units=units,
        degrees=degrees,
    )


def _number(value: np.ndarray) -> Any:
    """A number where there is one, an array where there are several."""
    return value if np.ndim(value) else float(value)

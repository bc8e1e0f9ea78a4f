"""Life tables: who dies at which age, from lives that were seen with known chances or from a known age on.

The chance to die is a weighted share of those at risk, the share that reaches an age a product of such chances. Where
exposure is known, weights 1/e undo what the collectors preferred; where it is not, but the age at which each life was
first seen is, a life counts as at risk from then on only (delayed entry), and what was never seen biases nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.settings import require
from .estimators import quantile, rest
from .weights import effective_size


@dataclass(frozen=True)
class LifeTable:
    """A life table with intervals.

    Attributes:
        deaths: (ω,) weights of those that died at each age.
        risk: (ω,) weights of those that were at risk.
        q: (ω,) chance to die within a year of each age; NaN where nobody was at risk.
        l: (ω + 1,) share that reaches each age, of those that reach the first age at which any was at risk.
        error: (ω + 1,) its standard error.
        low, high: (ω + 1,) its 95 % interval, cut off at 0 and 1.
        effective: how many lives of equal weight would be as certain.
        units: how many independent ones there are.
    """

    deaths: np.ndarray
    risk: np.ndarray
    q: np.ndarray
    l: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    effective: float
    units: int

    @property
    def mean_age(self) -> float:
        """Mean age at death in completed years: how many birthdays there are in a life."""
        return float(self.l[1:].sum())


@dataclass(frozen=True)
class Lives:
    """Lives as a table counts them.

    Attributes:
        first: (n,) the first age at risk.
        last: (n,) the last one.
        died: (n,) whether it died then, or was lost from sight alive.
        weight: (n,) how many others each stands for, itself included.
    """

    first: np.ndarray
    last: np.ndarray
    died: np.ndarray
    weight: np.ndarray


def life_table(
    age: Any,
    weight: Any = None,
    entry: Any = None,
    died: Any = None,
    unit: Any = None,
    omega: int | None = None,
) -> LifeTable:
    """A life table of ages at death.

    Args:
        age: (n,) completed years at death, or when it was last seen alive.
        weight: (n,) such as 1/exposure; by default one.
        entry: (n,) age when it was first seen: at risk from then on, in that year too, because who is to die in it can
            be met in it. By default from birth.
        died: (n,) whether it died, by default all.
        unit: (n,) labels of lives that belong together, such as a litter; by default each stands alone.
        omega: how many ages the table has; by default up to the oldest.

    Raises:
        ValueError: for negative ages, parts of other lengths, an entry after death, an age beyond ω.
    """
    lives = _lives(age, weight, entry, died)
    oldest = int(lives.last.max())
    count = omega or oldest + 1
    beyond = f"age: expected ages below ω = {count}, got {oldest}; raise omega, or mend that age"
    require(oldest < count, beyond)
    reach = np.arange(count + 1)
    return _table(lives, count, reach, unit)


@dataclass(frozen=True)
class Curve:
    """Shares that live beyond some times.

    Attributes:
        time: (T,) as they were asked for.
        share: (T,) of all that lives longer.
        error: (T,) its standard error.
        low, high: (T,) its 95 % interval, cut off at 0 and 1.
    """

    time: np.ndarray
    share: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray


def product_limit(
    time: Any, at: Any, died: Any = None, entry: Any = None, weight: Any = None, unit: Any = None
) -> Curve:
    """The share that lives beyond some times, where times are exact (Kaplan & Meier 1958).

    Args:
        time: (n,) of death, or of the last sight of one alive.
        at: (T,) times that are asked for.
        died: (n,) whether it died, by default all.
        entry: (n,) time when it was first seen, before `time`: at risk after it.
        weight: (n,) such as 1/exposure; by default one.
        unit: (n,) labels of lives that belong together.
    """
    end = np.asarray(time, dtype=float)
    start = _given("entry", entry, end, -np.inf)
    is_dead = _given("died", died, end, True)
    weights = _given("weight", weight, end, 1.0)
    _require_before(start, end)
    # Times of death are the ages of a life table; one that nobody reaches lets there be none.
    moments = np.unique(np.append(end[is_dead], np.inf))
    first = np.searchsorted(moments, start, side="right")
    last = np.searchsorted(moments, end, side="right") - 1
    # Who was at risk at none of them says nothing, but is a unit as the others.
    informs = first <= last
    never = len(moments) - 1
    lives = Lives(
        first=np.where(informs, first, never),
        last=np.where(informs, last, never),
        died=is_dead & informs,
        weight=weights,
    )
    asked = np.atleast_1d(at)
    reach = np.searchsorted(moments, asked, side="right")
    table = _table(lives, len(moments), reach, unit)
    return Curve(
        time=asked,
        share=table.l,
        error=table.error,
        low=table.low,
        high=table.high,
    )


def _given(name: str, part: Any, lives: np.ndarray, otherwise: float) -> np.ndarray:
    """A part (n,) that describes lives (n,), or the same for all of them; of the kind of what it is otherwise."""
    kind = type(otherwise)
    if part is None:
        return np.full(lives.shape, otherwise, kind)
    numbers = np.asarray(part, kind)
    expected = lives.shape
    got = numbers.shape
    sentence = f"{name}: expected {expected}, one for each life, got {got}; give as many"
    require(got == expected, sentence)
    return numbers


def _lives(age: Any, weight: Any, entry: Any, died: Any) -> Lives:
    """Lives, checked."""
    last = _whole("age", age)
    require(len(last) > 0, "age: expected at least one life, got none; give some")
    first = np.zeros_like(last)
    if entry is not None:
        start = _given("entry", entry, last, 0.0)
        first = _whole("entry", start)
    is_dead = _given("died", died, last, True)
    weights = _given("weight", weight, last, 1.0)
    if entry is not None:
        _require_before(first, last)
    usable = np.isfinite(weights) & (weights >= 0)
    _require_all(usable, "weight: expected finite numbers, 0 or more", weights)
    return Lives(first, last, is_dead, weights)


def _whole(name: str, ages: Any) -> np.ndarray:
    """Completed years (n,) as whole numbers."""
    numbers = np.asarray(ages)
    is_whole = numbers.dtype.kind in "iu"
    if not is_whole:
        numbers = numbers.astype(float)
    least = numbers.min(initial=0)
    usable = is_whole or bool(np.isfinite(numbers).all())
    if least < 0 or not usable:
        right = np.isfinite(numbers) & (numbers >= 0)
        _require_all(right, f"{name}: expected years, 0 or more", numbers)
    return numbers.astype(int)


def _require_before(first: np.ndarray, last: np.ndarray) -> None:
    """Refuse who was first seen after its death."""
    late = np.flatnonzero(first > last)
    if len(late):
        place = late[0]
        when = f"entry at {first[place]:g} after death at {last[place]:g}"
        raise ValueError(f"entry: expected the age when first seen alive, got {when}, life {place}")


def _require_all(right: np.ndarray, sentence: str, numbers: np.ndarray) -> None:
    """Refuse numbers (n,) with the first that is not right."""
    wrong = np.flatnonzero(~right)
    if len(wrong):
        place = wrong[0]
        raise ValueError(f"{sentence}, got {numbers[place]:g}, life {place}; mend or drop it")


def counts(lives: Lives, omega: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (ω,) of those that died at each age, and of those that were at risk."""
    ends = np.bincount(lives.last, lives.weight, omega)
    risk = _from(ends)
    if lives.first.any():
        begins = np.bincount(lives.first, lives.weight, omega)
        later = _from(begins) - begins
        risk = risk - later
    if lives.died.all():
        return ends, risk
    weight = lives.weight * lives.died
    deaths = np.bincount(lives.last, weight, omega)
    return deaths, risk


def _from(numbers: np.ndarray) -> np.ndarray:
    """Sums (ω,) over each age and those above."""
    return np.cumsum(numbers[::-1])[::-1]


def _table(lives: Lives, omega: int, reach: np.ndarray, unit: Any) -> LifeTable:
    """The table of lives; `reach` (X,) are the ages of which it says what share reaches them."""
    deaths, risk = counts(lives, omega)
    known = risk > 0
    at_risk = np.where(known, risk, 1.0)
    q = np.where(known, deaths / at_risk, 0.0)
    whole = np.ones(omega + 1)
    whole[1:] = np.cumprod(1 - q)
    share = whole[reach]
    squares, units = _squares(lives, q, at_risk, reach, unit)
    error = share * np.sqrt((units - 1) / units * squares)
    width = quantile(units) * error
    return LifeTable(
        deaths=deaths,
        risk=risk,
        q=np.where(known, q, np.nan),
        l=share,
        error=error,
        low=np.maximum(share - width, 0.0),
        high=np.minimum(share + width, 1.0),
        effective=float(effective_size(lives.weight)),
        units=units,
    )


def _squares(
    lives: Lives,
    q: np.ndarray,
    at_risk: np.ndarray,
    reach: np.ndarray,
    unit: Any,
) -> tuple[np.ndarray, int]:
    """Sums (X,) over units of the squared influence on the logarithm of a share; and how many units there are."""
    place, kinds = _kinds(lives, len(q))
    influence = _influence(kinds, q, at_risk, reach)
    count = len(influence)
    total = lives.weight.sum()
    if unit is None:
        moves = lives.weight / rest(lives.weight / total)
        weight = np.bincount(place, moves**2, count)
        return weight @ influence**2, len(place)
    _, owner = np.unique(unit, return_inverse=True)
    units = int(owner.max()) + 1
    pair = owner * count + place
    weight = np.bincount(pair, lives.weight, units * count)
    by_unit = weight.reshape(units, count)
    others = rest(by_unit.sum(1) / total)
    each = by_unit @ influence / others[:, None]
    return (each**2).sum(0), units


def _kinds(lives: Lives, omega: int) -> tuple[np.ndarray, Lives]:
    """For each life the number (n,) of its kind, and the kinds (K,): alike are first age, last age and end."""
    code = lives.last
    size = omega
    if lives.first.any():
        code = lives.first * omega + code
        size = size * omega
    some_alive = not lives.died.all()
    if some_alive:
        code = 2 * code + lives.died
        size = 2 * size
    if size <= len(code):
        codes = np.arange(size)
        place = code
    else:
        codes, place = np.unique(code, return_inverse=True)
    ones = np.ones(len(codes))
    died = ones == 1
    if some_alive:
        codes, ends = np.divmod(codes, 2)
        died = ends == 1
    first, last = np.divmod(codes, omega)
    return place, Lives(first, last, died, ones)


def _influence(
    kinds: Lives,
    q: np.ndarray,
    at_risk: np.ndarray,
    reach: np.ndarray,
) -> np.ndarray:
    """How a life of each kind moves the logarithm of the share that reaches an age, (K, X)."""
    # After an age that nobody survived the share is 0, whoever lived.
    through = np.where(q < 1, 1 - q, 1.0)
    pace = 1 / (at_risk * through)
    hazard = np.zeros(len(q) + 1)
    hazard[1:] = np.cumsum(q * pace)
    end = kinds.last[:, None] + 1
    until = np.minimum(end, reach)
    since = np.minimum(kinds.first[:, None], reach)
    expected = hazard[until] - hazard[since]
    own = kinds.died * pace[kinds.last]
    happened = own[:, None] * (end <= reach)
    return happened - expected

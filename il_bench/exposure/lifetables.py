"""Life tables: who dies at which age, from lives that were seen with known chances or from a known age on.

The chance to die is a weighted share of those at risk, the share that reaches an age a product of such chances. Where
exposure is known, weights 1/e undo what the collectors preferred; where it is not, but the age at which each life was
first seen is, a life counts as at risk from then on only (delayed entry), and what was never seen biases nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.settings import require
from .freedom import Freedom, alike, of_rewards


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
        degrees: of freedom of Student's interval: few where a few lives weigh nearly all (see `freedom`).
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
    degrees: float

    @property
    def mean_age(self) -> float:
        """Mean age at death in completed years: how many birthdays there are in a life."""
        return float(self.l[1:].sum())


@dataclass(frozen=True)
class Lives:
    """Lives as a table counts them.

    Attributes:
        last: (n,) the last age at risk.
        first: (n,) the first one; None where all are at risk from birth.
        died: (n,) whether it died then, or was lost from sight alive; None where all died.
        weight: (n,) how many others each stands for, itself included; None where each stands for itself.
    """

    last: np.ndarray
    first: np.ndarray | None = None
    died: np.ndarray | None = None
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Kinds:
    """Kinds of lives: alike are first age, last age and end.

    Attributes:
        code: (n,) a number for each life, alike where lives are of one kind.
        codes: (K,) the numbers that occur.
        last, first, died: (K,) as of `Lives`.
        weight: (K,) of all lives of a kind.
    """

    code: np.ndarray
    codes: np.ndarray
    last: np.ndarray
    first: np.ndarray
    died: np.ndarray
    weight: np.ndarray

    def sums(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers (n,) of lives, summed over each kind (K,)."""
        every = np.bincount(self.code, numbers)
        return every[self.codes]


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
    start = np.full(end.shape, -np.inf)
    if entry is not None:
        start = _given("entry", entry, end, float)
    is_dead = np.ones(end.shape, bool)
    if died is not None:
        is_dead = _given("died", died, end, bool)
    _require_before(start, end)
    # Times of death are the ages of a life table; one that nobody reaches lets there be none.
    moments = np.unique(np.append(end[is_dead], np.inf))
    first = np.searchsorted(moments, start, side="right")
    last = np.searchsorted(moments, end, side="right") - 1
    # Who was at risk at none of them says nothing, but is a unit as the others.
    informs = first <= last
    never = len(moments) - 1
    lives = Lives(
        last=np.where(informs, last, never),
        first=np.where(informs, first, never),
        died=is_dead & informs,
        weight=_weights(weight, end),
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


def _given(name: str, part: Any, lives: np.ndarray, kind: type | None = None) -> np.ndarray:
    """A part (n,) that describes lives (n,)."""
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
    first = None
    if entry is not None:
        first = _whole("entry", _given("entry", entry, last))
        _require_before(first, last)
    is_dead = None if died is None else _given("died", died, last, bool)
    return Lives(last, first, is_dead, _weights(weight, last))


def _weights(weight: Any, lives: np.ndarray) -> np.ndarray | None:
    """Weights (n,) of lives (n,), checked; None where each stands for itself."""
    if weight is None:
        return None
    numbers = _given("weight", weight, lives, float)
    most = numbers.max()
    # NaN is neither.
    usable = numbers.min() >= 0 and most < np.inf
    if not usable:
        right = np.isfinite(numbers) & (numbers >= 0)
        _require_all(right, "weight: expected finite numbers, 0 or more", numbers)
    some = "weight: expected a life that counts, got 0 everywhere; weigh one"
    require(most > 0, some)
    return numbers


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
    return numbers.astype(int, copy=False)


def _require_before(first: np.ndarray, last: np.ndarray) -> None:
    """Refuse who was first seen after its death."""
    late = first > last
    if late.any():
        place = late.argmax()
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
    kinds = _kinds(lives, omega)
    return _counts(kinds, omega)


def _counts(kinds: Kinds, omega: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of kinds."""
    weight = kinds.weight
    deadly = weight * kinds.died
    deaths = np.bincount(kinds.last, deadly, omega)
    ends = np.bincount(kinds.last, weight, omega)
    begins = np.bincount(kinds.first, weight, omega)
    later = _from(begins) - begins
    risk = _from(ends) - later
    return deaths, risk


def _from(numbers: np.ndarray) -> np.ndarray:
    """Sums (ω,) over each age and those above."""
    backwards = numbers[::-1]
    return backwards.cumsum()[::-1]


def _table(lives: Lives, omega: int, reach: np.ndarray, unit: Any) -> LifeTable:
    """The table of lives; `reach` (X,) are the ages of which it says what share reaches them."""
    kinds = _kinds(lives, omega)
    deaths, risk = _counts(kinds, omega)
    known = risk > 0
    at_risk = np.where(known, risk, 1.0)
    q = np.where(known, deaths / at_risk, 0.0)
    whole = np.ones(omega + 1)
    whole[1:] = np.cumprod(1 - q)
    share = whole[reach]
    influence = _influence(kinds, q, at_risk, reach)
    luck = _luck(lives, kinds, influence, unit)
    error = share * np.sqrt(luck.squares)
    width = luck.freedom.width * error
    return LifeTable(
        deaths=deaths,
        risk=risk,
        q=np.where(known, q, np.nan),
        l=share,
        error=error,
        low=np.maximum(share - width, 0.0),
        high=np.minimum(share + width, 1.0),
        effective=luck.effective,
        units=luck.units,
        degrees=luck.freedom.degrees,
    )


def _kinds(lives: Lives, omega: int) -> Kinds:
    """The kinds of lives that occur."""
    code = lives.last
    size = omega
    if lives.first is not None:
        code = lives.first * omega + code
        size = size * omega
    if lives.died is not None:
        code = 2 * code + lives.died
        size = 2 * size
    if size > len(code):
        # Too many that could be: they are numbered as they come.
        known, code = np.unique(code, return_inverse=True)
    else:
        known = np.arange(size)
    weight = np.bincount(code, lives.weight)
    codes = weight.nonzero()[0]
    rest = known[codes]
    died = np.ones(len(codes), bool)
    if lives.died is not None:
        rest, ends = np.divmod(rest, 2)
        died = ends == 1
    first, last = np.divmod(rest, omega)
    return Kinds(code, codes, last, first, died, weight[codes])


def _influence(kinds: Kinds, q: np.ndarray, at_risk: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """How a life of each kind moves the logarithm of the share that reaches an age, (K, X)."""
    omega = len(q)
    # After an age that nobody survived the share is 0, whoever lived.
    through = np.where(q < 1, 1 - q, 1.0)
    pace = 1 / (at_risk * through)
    hazard = np.zeros(omega + 1)
    np.cumsum(q * pace, out=hazard[1:])
    # Risk never falls with age: that at the lesser of two ages is the lesser of both.
    whole = hazard[reach]
    end = kinds.last + 1
    until = np.minimum(hazard[end][:, None], whole)
    since = np.minimum(hazard[kinds.first][:, None], whole)
    own = kinds.died * pace[kinds.last]
    is_over = end[:, None] <= reach
    happened = own[:, None] * is_over
    return happened - until + since


class Luck(NamedTuple):
    """What lives do to a table by chance.

    Attributes:
        squares: (X,) sums over units of squared influences on the logarithm of each share.
        freedom: of the table.
        effective: how many lives of equal weight would be as certain.
        units: how many there are.
    """

    squares: np.ndarray
    freedom: Freedom
    effective: float
    units: int


def _luck(lives: Lives, kinds: Kinds, influence: np.ndarray, unit: Any) -> Luck:
    """The luck of lives, whose influences (K, X) are known by kind."""
    if unit is not None:
        return _luck_by_unit(lives, kinds, influence, unit)
    units = len(lives.last)
    if lives.weight is None:
        freedom = alike(units)
        squares = kinds.weight @ influence**2
        return Luck(squares / freedom.left, freedom, float(units), units)
    weight = lives.weight
    freedom = of_rewards(weight)
    moves = weight**2 / freedom.left
    by_kind = kinds.sums(moves)
    squares = by_kind @ influence**2
    return Luck(squares, freedom, _effective(weight), units)


def _luck_by_unit(lives: Lives, kinds: Kinds, influence: np.ndarray, unit: Any) -> Luck:
    """The same where lives belong together."""
    _, owner = np.unique(unit, return_inverse=True)
    units = int(owner.max()) + 1
    size = int(kinds.code.max()) + 1
    pair = owner * size + kinds.code
    weight = np.bincount(pair, lives.weight, units * size)
    every = weight.reshape(units, size)
    by_unit = every[:, kinds.codes]
    each = by_unit @ influence
    total = by_unit.sum(1)
    freedom = of_rewards(total)
    left = np.broadcast_to(freedom.left, units)
    squares = each**2 / left[:, None]
    effective = float(len(owner))
    if lives.weight is not None:
        effective = _effective(lives.weight)
    return Luck(squares.sum(0), freedom, effective, units)


def _effective(weight: np.ndarray) -> float:
    """How many of equal weight would be as certain as these (n,)."""
    squares = weight @ weight
    return float(weight.sum() ** 2 / squares)

"""Intervals: a median over runs, how sure one can be of it, and whether one learner is better than another.

Arrays are NumPy, as they come out of a Record. Divergences are heavy-tailed (the mean of an exploding error means
nothing), so the statistics are medians, and intervals are over whole runs: rollouts of one run share its weights and
are not independent evidence about a learner. Intervals of a median are exact for every distribution (order statistics);
the bootstrap's are not at few runs (8 runs: 93 %, 4 runs: 89 %, 2 runs: 52 % instead of 95 %), and those interpolated
between order statistics are not where most runs do well and some are lost. Exact ones come in steps, 99.2 % at 8 runs
and 93 % inside it, so each interval tells its own level.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

Verdict = Literal["better", "worse", "same", "cannot tell"]


FEWEST = 6
"""Runs below which no interval of a median reaches 95 %: both extremes of 5 miss it in 2 / 2**5 = 6 % of cases."""

LEVEL = 0.95
"""The level that every interval has at least, those of fewer than six runs apart."""

ALIKE = 1.25
"""Two learners are the same when the ratio of their drifts is surely within this factor."""


@dataclass(frozen=True)
class Interval:
    """A median over runs, or a proportion of them, with its interval.

    Attributes:
        value: the median of the runs that are known.
        low, high: the interval; of fewer than six runs their extremes, which are no 95 % interval.
        known: runs of which the number is known.
        runs: runs in all.
        level: the chance with which such an interval holds what it is of: 0.992 at eight runs, 0.75 at three.
    """

    value: float
    low: float
    high: float
    known: int = 0
    runs: int = 0
    level: float = LEVEL

    def texts(self, digits: int = 2) -> tuple[str, str]:
        """The value and the interval, to read in passing; the latter is empty where there is none.

        Levels below 95 % are named: "[1.0, 2.0; 75%]" of three runs.
        """
        known, runs = self.known, self.runs
        part = f"({known} of {runs})" if known < runs else ""
        if np.isnan(self.value) or 2 * known < runs:
            return "n/a", part
        value = short(self.value, digits)
        if self.low == self.high:
            return value, part
        ends = self._ends(digits)
        return value, f"{ends} {part}".strip()

    def _ends(self, digits: int) -> str:
        low = short(self.low, digits)
        high = short(self.high, digits)
        if self.level < LEVEL:
            return f"[{low}, {high}; {self.level:.0%}]"
        return f"[{low}, {high}]"

    def alone(self) -> Interval:
        """The value without an interval: runs of one and the same policy are no evidence about a learner."""
        return dataclasses.replace(self, low=self.value, high=self.value)

    def changed(self, change: Callable[[float], float]) -> Interval:
        """The interval of a monotonic function of what this is of."""
        value = change(self.value)
        one = change(self.low)
        other = change(self.high)
        low, high = min(one, other), max(one, other)
        return dataclasses.replace(self, value=value, low=low, high=high)

    def scaled(self, factor: float) -> Interval:
        """The interval of so many times what this is of."""
        return self.changed(lambda number: factor * number)

    def __str__(self) -> str:
        return " ".join(self.texts()).strip()


@lru_cache
def order_statistics(count: int) -> tuple[int, int]:
    """Which two of `count` ordered values enclose the median with 95 % chance, whatever the distribution (from 0).

    The median lies below the value number j when at most j values lie below it: j heads or fewer in `count` tosses.
    From six values on these are the ends of `scipy.stats.quantile_test`, whose import would take longer than all else.
    """
    cases = 2**count
    tails = _tails(count)
    rare = itertools.takewhile(lambda tail: 40 * tail <= cases, tails)
    tosses = len(list(rare))
    lower = max(tosses - 1, 0)
    return lower, count - 1 - lower


@lru_cache
def median_level(count: int) -> float:
    """The chance with which the two `order_statistics` of `count` values enclose the median.

    Exactly that of every continuous distribution, at least that of one with ties; 0.984 of seven values, 0.75 of three.
    """
    lower, _ = order_statistics(count)
    tails = itertools.islice(_tails(count), lower, None)
    outside = 2 * next(tails)
    return 1 - outside / 2**count


def _tails(count: int) -> Iterator[int]:
    """How many of the 2**count outcomes of `count` tosses have 0, 1, 2, ... heads or fewer: whole numbers, none rounds."""
    ways = tail = 1
    for heads in range(count):
        yield tail
        ways = ways * (count - heads) // (heads + 1)
        tail += ways


def interval(values: np.ndarray) -> Interval:
    """Median of one number for each run (R,) and its interval; NaN where unknown, infinite values take part."""
    values = np.asarray(values, dtype=float)
    unknown = np.isnan(values)
    ordered = np.sort(values[~unknown])
    known = len(ordered)
    runs = len(values)
    if known == 0:
        return Interval(np.nan, np.nan, np.nan, 0, runs)
    first, last = order_statistics(known)
    low = float(ordered[first])
    high = float(ordered[last])
    middle = _middle(ordered)
    level = median_level(known)
    return Interval(middle, low, high, known, runs, level)


def _middle(ordered: np.ndarray) -> float:
    """The median of ordered values (n,); between two infinities the upper one."""
    with np.errstate(invalid="ignore"):
        middle = float(np.median(ordered))
    upper = float(ordered[len(ordered) // 2])
    return upper if np.isnan(middle) else middle


def chance(shares: np.ndarray) -> Interval:
    """Mean over runs of the share of each (R,) and its interval: a chance, of which no median tells; NaN where unknown.

    The interval is that of a proportion with as many cases as the runs' own spread says (Korn & Graubard 1998): where each
    run is lost whole or not at all, of as many cases as runs; where runs agree, of more. Where all say never, or always,
    they have no spread to tell, and count one each: a chance m leaves n runs without any with a chance of (1 - m)^n at
    most. Of fewer than six runs it is their extremes. A run that became infinite has no share, and makes the mean
    infinite.
    """
    pooled = interval(shares)
    known = np.asarray(shares, dtype=float)
    known = known[~np.isnan(known)]
    if pooled.known == 0:
        return pooled
    mean = float(known.mean())
    if pooled.known < FEWEST or math.isinf(mean):
        return dataclasses.replace(pooled, value=mean)
    low, high = _chances(mean, _cases(known))
    return dataclasses.replace(pooled, value=mean, low=low, high=high, level=LEVEL)


MOST_CASES = 1e9
"""Cases beyond which an interval has no width to show."""


def _cases(shares: np.ndarray) -> float:
    """How many independent cases tell as much of a chance as the shares (n,) of runs; infinite where all agree between."""
    from scipy.special import ndtri, stdtrit

    runs = len(shares)
    mean = float(shares.mean())
    if mean in (0, 1):
        return float(runs)
    variance = float(shares.var(ddof=1)) / runs
    # Rounding makes some variance of none, and none of very little.
    if np.ptp(shares) == 0 or variance == 0:
        return math.inf
    quantile = (1 + LEVEL) / 2
    few = ndtri(quantile) / stdtrit(runs - 1, quantile)
    cases = mean * (1 - mean) / variance * float(few) ** 2
    return min(cases, MOST_CASES)


def _chances(mean: float, cases: float) -> tuple[float, float]:
    """The ends of the interval of a chance (Clopper & Pearson 1934), of a number of cases that need not be whole."""
    from scipy.special import betaincinv

    if math.isinf(cases):
        return mean, mean
    happened = mean * cases
    others = cases - happened
    tail = (1 - LEVEL) / 2
    low = float(betaincinv(happened, others + 1, tail)) if happened > 0 else 0.0
    high = float(betaincinv(happened + 1, others, 1 - tail)) if others > 0 else 1.0
    return min(low, mean), max(high, mean)


def proportion(count: int, of: int) -> Interval:
    """A share of independent cases, such as the runs that are lost, and its interval (Clopper & Pearson 1934).

    It holds the true share in 95 % of cases or more, whatever that is: none of 64 is [0, 0.056]. Rollouts of one run
    are not independent; pool the share of each run by `interval` instead.

    Raises:
        ValueError: when `count` is not from 0 to `of`, or there are no cases.
    """
    if not 0 <= count <= of or of == 0:
        raise ValueError(
            f"proportion: expected a count from 0 to the number of cases, got {count} of {of}; count again"
        )
    low = _least_chance(count, of)
    high = 1 - _least_chance(of - count, of)
    return Interval(count / of, low, high, of, of)


@lru_cache
def _least_chance(count: int, of: int) -> float:
    """The chance of a case at which `count` or more of them happen with a chance of 2.5 %, by halving; 0 of none."""
    if count == 0:
        return 0.0
    low = 0.0
    high = 1.0
    while (middle := (low + high) / 2) not in (low, high):
        if _chance_of_at_least(count, of, middle) < (1 - LEVEL) / 2:
            low = middle
        else:
            high = middle
    return high


def _chance_of_at_least(count: int, of: int, chance: float) -> float:
    """The chance that `count` or more of `of` cases happen that have each this chance, above 0 and below 1."""
    happen = np.arange(count, of + 1)
    others = of - happen
    ways = _log_ways(of)[count:]
    logs = ways + happen * math.log(chance)
    logs += others * math.log1p(-chance)
    chances = np.exp(logs)
    return float(chances.sum())


@lru_cache
def _log_ways(of: int) -> np.ndarray:
    """Logarithms (of + 1,) of the number of ways to choose 0, 1, ... of so many."""
    arguments = range(1, of + 2)
    gammas = [math.lgamma(argument) for argument in arguments]
    factorials = np.array(gammas)
    others = factorials[::-1]
    whole = factorials[-1]
    return whole - factorials - others


@dataclass(frozen=True)
class Contrast:
    """How a learner stands to another, run by run: twins on the same seeds.

    Attributes:
        by: the median over runs of ours / theirs, or of ours - theirs, with its exact interval; where it is 0 although some
            runs differ, their mean and two standard errors about it.
        ratio: which of the two it is.
        verdict: whether ours are smaller.
    """

    by: Interval
    ratio: bool
    verdict: Verdict

    def texts(self, digits: int = 2) -> tuple[str, str]:
        """Such as ("× 0.33", "[0.20, 0.50]"); of a difference ("+0.12", "[0.10, 0.20]")."""
        value, spread = self.by.texts(digits)
        if value == "n/a":
            return value, spread
        if self.ratio:
            return f"× {value}", spread
        sign = "+" if self.by.value > 0 else ""
        return f"{sign}{value}", spread

    def __str__(self) -> str:
        return " ".join(self.texts()).strip()


def contrast(
    ours: np.ndarray, theirs: np.ndarray, ratio: bool | None = None, margin: float | None = None
) -> Contrast:
    """Whether `ours` (R,) are smaller than `theirs` (R,), and by how much, run by run.

    Whether two single intervals overlap does not answer that: where each of 8 runs is three times better, they overlap
    almost always. The verdict is "same" where the interval lies within the margin, else "better" or "worse" where it
    excludes equality, "cannot tell" where it does neither, or of fewer than six pairs.

    Args:
        ours: one number for each run; NaN where unknown, infinite values take part.
        theirs: those of the reference, of the same runs. Equals are alike, two zeros and two infinities too.
        ratio: whether to compare by ours / theirs, or by ours - theirs; by default the former where all are positive.
        margin: up to which factor (at least 1), or difference, two are the same; by default `ALIKE`, or 0.

    Raises:
        ValueError: when the two are not of the same runs.
    """
    ours = np.asarray(ours, dtype=float)
    theirs = np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape:
        raise ValueError(
            f"theirs: expected {ours.shape}, one number for each of our runs, got {theirs.shape}; "
            "compare the same runs"
        )
    by_ratio = _positive(ours, theirs) if ratio is None else ratio
    if by_ratio:
        factor = ALIKE if margin is None else margin
        ratios = _log_ratios(ours, theirs)
        logs = interval(ratios)
        said = _verdict(logs, math.log(factor))
        by = _exponential(logs)
        return Contrast(by, True, said)
    differences = _differences(ours, theirs)
    apart = interval(differences)
    said = _verdict(apart, margin or 0.0)
    if said == "same" and not margin and np.any(differences):
        return _among_ties(differences)
    return Contrast(apart, False, said)


SELDOM = 0.05
"""The share of runs that may differ where two are called the same."""


def _among_ties(differences: np.ndarray) -> Contrast:
    """The contrast where most pairs are equal, so that the median hides those who are not: their mean, and the test of signs."""
    from scipy.stats import binomtest

    below = int((differences < 0).sum())
    above = int((differences > 0).sum())
    by = _mean(differences)
    if below + above <= SELDOM * by.known:
        return Contrast(by, False, "same")
    if binomtest(below, below + above).pvalue >= 1 - LEVEL:
        return Contrast(by, False, "cannot tell")
    return Contrast(by, False, "better" if below > above else "worse")


def _mean(values: np.ndarray) -> Interval:
    """The mean of the values (R,) that are known, and two standard errors about it; the median where some are infinite."""
    known = values[~np.isnan(values)]
    if not np.isfinite(known).all():
        return interval(values)
    center = float(known.mean())
    reach = 2 * float(known.std(ddof=1)) / math.sqrt(len(known))
    return Interval(center, center - reach, center + reach, len(known), len(values))


def _positive(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether all pairs that are known are positive."""
    smaller = np.minimum(ours, theirs)
    known = ~np.isnan(smaller)
    return bool((smaller[known] > 0).all())


def _verdict(apart: Interval, margin: float) -> Verdict:
    """What an interval of paired differences says, where `margin` is the largest that counts as none."""
    if apart.known < max(FEWEST, apart.runs / 2):
        return "cannot tell"
    furthest = max(-apart.low, apart.high)
    if furthest <= margin:
        return "same"
    if apart.high < 0:
        return "better"
    return "worse" if apart.low > 0 else "cannot tell"


def _log_ratios(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """log(ours / theirs) (R,), where equals are alike, two zeros and two infinities too."""
    with np.errstate(divide="ignore", invalid="ignore"):
        our_logs = np.log(ours)
        their_logs = np.log(theirs)
        ratios = our_logs - their_logs
    alike = ours == theirs
    return np.where(alike, 0.0, ratios)


def _differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Ours - theirs (R,), where two equal infinities are alike."""
    with np.errstate(invalid="ignore"):
        differences = ours - theirs
    alike = ours == theirs
    return np.where(alike, 0.0, differences)


def _exponential(logs: Interval) -> Interval:
    """The interval of what these are the logarithms of."""
    logarithms = (logs.value, logs.low, logs.high)
    with np.errstate(over="ignore"):
        numbers = np.exp(logarithms)
    value, low, high = numbers.tolist()
    return dataclasses.replace(logs, value=value, low=low, high=high)


def short(value: float, digits: int = 2) -> str:
    """A number to read in passing: two significant digits, powers of ten outside 0.01 to 100,000."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    further = digits - 1
    scientific = f"{value:.{further}e}"
    size = abs(float(scientific))
    order = np.log10(size)
    power = int(np.floor(order))
    if not -2 <= power < 5:
        return scientific.replace("e-0", "e-").replace("e+0", "e")
    decimals = max(further - power, 0)
    return f"{value:.{decimals}f}"


def typical(divergence: np.ndarray, indicator: bool) -> np.ndarray:
    """A divergence (R, E, ...) for each run (R, ...): the median over episodes.

    Under the 0/1 metric (`indicator`) it is the mean, the chance to be apart: the median of an indicator says nothing.
    """
    if indicator:
        return divergence.mean(1)
    return np.quantile(divergence, 0.5, axis=1, method="inverted_cdf")


def mean_error(error: np.ndarray, broke: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Mean size of the action errors (R, E, T, U) of each run (R,), over the steps that its episodes lived.

    Each episode counts alike, however soon it ended: a crash after three bad steps is not outweighed by those who live
    long. What a crash costs besides is said by the falls and by D. An episode that became NaN or infinite (`broke`
    (R, E) >= 0) errs infinitely; one that lived no step (`length` (R, E) is 0) has no error, nor has a run of such.
    """
    known = np.nan_to_num(error, nan=np.inf)
    with np.errstate(over="ignore"):
        sizes = np.linalg.norm(known, axis=-1)
    horizon = sizes.shape[-1]
    time = np.arange(horizon)
    alive = time < length[..., None]
    lived = np.where(alive, sizes, 0.0)
    with np.errstate(over="ignore"):
        total = lived.sum(-1)
    means = total / np.maximum(length, 1)
    broken = broke >= 0
    each = np.where(broken, np.inf, means)
    lives = (length > 0) | broken
    counted = np.where(lives, each, 0.0)
    count = lives.sum(1)
    mean = counted.sum(1) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Above / below, with 0/0 = 1: no error on either side is no gap."""
    nothing = (above == 0) & (below == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = above / below
    return np.where(nothing, 1.0, quotient)

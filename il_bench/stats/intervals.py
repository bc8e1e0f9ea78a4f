"""Intervals: a median over runs, how sure one can be of it, and whether one learner is better than another.

Arrays are NumPy, as they come out of a Record. Divergences are heavy-tailed (the mean of an exploding error means
nothing), so the statistics are medians, and intervals are over whole runs: rollouts of one run share its weights and
are not independent evidence about a learner. Intervals of a median are exact for every distribution (order statistics);
the bootstrap's are not at few runs (8 runs: 93 %, 4 runs: 89 %, 2 runs: 52 % instead of 95 %).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

Verdict = Literal["better", "worse", "same", "underpowered"]


FEWEST = 6
"""Runs below which no interval of a median reaches 95 %: both extremes of 5 miss it in 2 / 2**5 = 6 % of cases."""


ALIKE = 1.25
"""Two learners are the same when the ratio of their drifts is surely within this factor."""


@dataclass(frozen=True)
class Interval:
    """A median over runs with its 95 % interval.

    Attributes:
        value: the median of the runs that are known.
        low, high: the interval; of fewer than six runs their extremes, which are no 95 % interval.
        known: runs of which the number is known.
        runs: runs in all.
    """

    value: float
    low: float
    high: float
    known: int = 0
    runs: int = 0

    def texts(self, digits: int = 2) -> tuple[str, str]:
        """The value and the interval, to read in passing; the latter is empty where there is none."""
        part = f"({self.known} of {self.runs})" if self.known < self.runs else ""
        if np.isnan(self.value) or 2 * self.known < self.runs:
            return "n/a", part
        value = short(self.value, digits)
        if self.low == self.high:
            return value, part
        ends = f"[{short(self.low, digits)}, {short(self.high, digits)}]"
        return value, f"{ends} {part}".strip()

    def alone(self) -> Interval:
        """The value without an interval: runs of one and the same policy are no evidence about a learner."""
        return dataclasses.replace(self, low=self.value, high=self.value)

    def __str__(self) -> str:
        return " ".join(self.texts()).strip()


@lru_cache
def order_statistics(count: int) -> tuple[int, int]:
    """Which two of `count` ordered values enclose the median with 95 % chance, whatever the distribution (from 0).

    The median lies below the value number j when at most j values lie below it: j heads or fewer in `count` tosses.
    From six values on these are the ends of `scipy.stats.quantile_test`, whose import would take longer than all else.
    """
    # Whole numbers, so that nothing rounds: `tail` is how many of the 2**count cases have `heads` heads or fewer.
    heads, ways, tail = 0, 1, 1
    while 40 * tail <= 2**count:
        ways = ways * (count - heads) // (heads + 1)
        heads += 1
        tail += ways
    lower = max(heads - 1, 0)
    return lower, count - 1 - lower


def interval(values: np.ndarray) -> Interval:
    """Median of one number for each run (R,) and its 95 % interval; NaN where unknown, infinite values take part."""
    values = np.asarray(values, dtype=float)
    known = np.sort(values[~np.isnan(values)])
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan, 0, len(values))
    first, last = order_statistics(len(known))
    low, high = float(known[first]), float(known[last])
    return Interval(_middle(known), low, high, len(known), len(values))


def _middle(ordered: np.ndarray) -> float:
    """The median of ordered values (n,); between two infinities the upper one."""
    with np.errstate(invalid="ignore"):
        middle = float(np.median(ordered))
    return float(ordered[len(ordered) // 2]) if np.isnan(middle) else middle


def verdict(ours: np.ndarray, theirs: np.ndarray) -> Verdict:
    """Whether `ours` (R,) are smaller than `theirs` (R,), run by run: twins on the same seeds.

    "better" or "worse" where the exact interval of the median log ratio excludes zero, "same" where it lies within a
    factor `ALIKE`, "underpowered" where it does neither or there are fewer than six pairs.
    """
    ratios = _log_ratios(np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float))
    pooled = interval(ratios)
    if pooled.known < max(FEWEST, len(ratios) / 2):
        return "underpowered"
    if pooled.high < 0:
        return "better"
    if pooled.low > 0:
        return "worse"
    furthest = max(-pooled.low, pooled.high)
    return "same" if furthest <= np.log(ALIKE) else "underpowered"


def _log_ratios(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """log(ours / theirs) (R,), where equals are alike, two zeros and two infinities too."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(ours) - np.log(theirs)
    return np.where(ours == theirs, 0.0, ratios)


def paired_gain(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Interquartile mean of the factor by which ours (R, E) are smaller than theirs, and its 95 % bootstrap interval.

    Paired, and stratified: runs are resampled, and rollouts within each run. The factor is a ratio of geometric means.
    """
    from scipy.stats import trim_mean

    logs = _log_of_positive(theirs) - _log_of_positive(ours)
    middle = trim_mean(logs.mean(1), 0.25)
    samples = _resampled(logs, np.random.default_rng(seed))
    middles = trim_mean(samples, 0.25, axis=1)
    low, high = np.quantile(middles, (0.025, 0.975))
    return float(np.exp(middle)), float(np.exp(low)), float(np.exp(high))


def _log_of_positive(values: np.ndarray) -> np.ndarray:
    """Logarithms, of zero that of the smallest number there is."""
    return np.log(np.maximum(values, np.finfo(float).tiny))


def _resampled(values: np.ndarray, rng: np.random.Generator, samples: int = 2000) -> np.ndarray:
    """Bootstrap samples (samples, R) of the runs' means of values (R, E): of runs, and of the rollouts of each."""
    runs, episodes = values.shape
    chosen = rng.integers(runs, size=(samples, runs))
    means = []
    for run in range(runs):
        rollouts = rng.integers(episodes, size=(samples, episodes))
        means.append(values[run][rollouts].mean(1))
    return np.take_along_axis(np.stack(means, 1), chosen, 1)


def short(value: float, digits: int = 2) -> str:
    """A number to read in passing: two significant digits, powers of ten outside 0.01 to 100,000."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    scientific = f"{value:.{digits - 1}e}"
    power = int(np.floor(np.log10(abs(float(scientific)))))
    if not -2 <= power < 5:
        return scientific.replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.{max(digits - 1 - power, 0)}f}"


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
    sizes = np.linalg.norm(np.nan_to_num(error, nan=np.inf), axis=-1)
    alive = np.arange(sizes.shape[-1]) < length[..., None]
    total = np.where(alive, sizes, 0.0).sum(-1)
    each = total / np.maximum(length, 1)
    each = np.where(broke >= 0, np.inf, each)
    lives = (length > 0) | (broke >= 0)
    count = lives.sum(1)
    mean = np.where(lives, each, 0.0).sum(1) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Above / below, with 0/0 = 1: no error on either side is no gap."""
    nothing = (above == 0) & (below == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(nothing, 1.0, above / below)

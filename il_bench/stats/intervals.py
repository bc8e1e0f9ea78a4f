"""Intervals: a median over runs, how sure one can be of it, and whether one learner is better than another.

Arrays are NumPy, as they come out of a Record. Divergences are heavy-tailed (the mean of an exploding error means
nothing), so the statistics are medians, and intervals are over whole runs: rollouts of one run share its weights and
are not independent evidence about a learner. Intervals of a median are exact for every distribution (order statistics);
the bootstrap's are not at few runs (8 runs: 93 %, 4 runs: 89 %, 2 runs: 52 % instead of 95 %).
"""

from __future__ import annotations

from dataclasses import dataclass
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
        if self.low == self.high:
            return short(self.value, digits), part
        return short(
            self.value, digits
        ), f"[{short(self.low, digits)}, {short(self.high, digits)}] {part}".strip()

    def __str__(self) -> str:
        return " ".join(self.texts()).strip()


def order_statistics(count: int) -> tuple[int, int]:
    """Which two of `count` ordered values enclose the median with 95 % chance, whatever the distribution (from 0).

    The median lies below the value number j when at most j values lie below it: j heads or fewer in `count` tosses.
    """
    from scipy.stats import binom

    j = int(np.flatnonzero(binom.cdf(np.arange(count), count, 0.5) <= 0.025).max(initial=0))
    return j, count - 1 - j


def interval(values: np.ndarray) -> Interval:
    """Median of one number for each run (R,) and its 95 % interval; NaN where unknown, infinite values take part."""
    values = np.asarray(values, dtype=float)
    known = np.sort(values[~np.isnan(values)])
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan, 0, len(values))
    low, high = order_statistics(len(known))
    with np.errstate(invalid="ignore"):  # the middle of two infinities
        middle = float(np.median(known))
    middle = float(known[len(known) // 2]) if np.isnan(middle) else middle
    return Interval(middle, float(known[low]), float(known[high]), len(known), len(values))


def verdict(ours: np.ndarray, theirs: np.ndarray) -> Verdict:
    """Whether `ours` (R,) are smaller than `theirs` (R,), run by run: twins on the same seeds.

    "better" or "worse" where the exact interval of the median log ratio excludes zero, "same" where it lies within a
    factor `ALIKE`, "underpowered" where it does neither or there are fewer than six pairs.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(np.asarray(ours, dtype=float)) - np.log(np.asarray(theirs, dtype=float))
    ratios = np.where(np.asarray(ours) == np.asarray(theirs), 0.0, ratios)
    found = interval(ratios)
    if found.known < max(FEWEST, len(ratios) / 2):
        return "underpowered"
    if found.high < 0 or found.low > 0:
        return "better" if found.high < 0 else "worse"
    return "same" if max(-found.low, found.high) <= np.log(ALIKE) else "underpowered"


def paired_gain(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Interquartile mean of the factor by which ours (R, E) are smaller than theirs, and its 95 % bootstrap interval.

    Paired, and stratified: runs are resampled, and rollouts within each run. The factor is a ratio of geometric means.
    """
    from scipy.stats import trim_mean

    tiny = np.finfo(float).tiny
    logs = np.log(np.maximum(theirs, tiny)) - np.log(np.maximum(ours, tiny))
    rng, (runs, episodes) = np.random.default_rng(seed), logs.shape
    pick = rng.integers(runs, size=(2000, runs))
    within = np.stack(
        [logs[r][rng.integers(episodes, size=(2000, episodes))].mean(1) for r in range(runs)], 1
    )
    drawn = np.take_along_axis(within, pick, 1)
    low, high = np.quantile(trim_mean(drawn, 0.25, axis=1), (0.025, 0.975))
    return tuple(float(np.exp(v)) for v in (trim_mean(logs.mean(1), 0.25), low, high))  # type: ignore[return-value]


def short(value: float, digits: int = 2) -> str:
    """A number to read in passing: two significant digits, powers of ten outside 0.01 to 100,000."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    power = int(np.floor(np.log10(abs(float(f"{value:.{digits - 1}e}")))))
    if not -2 <= power < 5:
        return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.{max(digits - 1 - power, 0)}f}"


def typical(divergence: np.ndarray, indicator: bool) -> np.ndarray:
    """A divergence (R, E, ...) for each run (R, ...): the median over episodes.

    Under the 0/1 metric (`indicator`) it is the mean, the chance to be apart: the median of an indicator says nothing.
    """
    return (
        divergence.mean(1)
        if indicator
        else np.quantile(divergence, 0.5, axis=1, method="inverted_cdf")
    )


def mean_error(error: np.ndarray, broke: np.ndarray) -> np.ndarray:
    """Mean length of the action errors (R, E, T, U) of each run (R,), over all its steps.

    A finished episode goes on erring in the state in which it was frozen: leaving it out would flatter whoever crashes.
    One that left the finite numbers (`broke` (R, E) >= 0) errs infinitely.
    """
    length = np.linalg.norm(np.nan_to_num(error, nan=np.inf), axis=-1).mean(-1)
    return np.where(broke >= 0, np.inf, length).mean(1)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Above / below, with 0/0 = 1: no error on either side is no gap."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((above == 0) & (below == 0), 1.0, above / below)

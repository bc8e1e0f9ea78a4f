"""Claims: what a benchmark says of its data, each with the condition under which it is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from il_bench.stats.intervals import proportion


@dataclass(frozen=True)
class Claim:
    """A sentence that the data must bear out.

    Attributes:
        words: with the numbers in it, true where `holds`.
        holds: the condition, computed from the data.
        instead: what is so where it does not hold; empty repeats the words as not borne out.
    """

    words: str
    holds: bool = True
    instead: str = ""

    def __str__(self) -> str:
        if self.holds:
            return self.words
        return f"**{self.instead}**" if self.instead else f"**Not borne out:** {self.words}"

    def entry(self) -> dict[str, Any]:
        """Its entry in a result file."""
        return {"holds": bool(self.holds), "sentence": str(self)}


def goal(words: str, reached: bool) -> Claim:
    """What was measured, with its goal; `words` are true either way and end without a full stop."""
    return Claim(f"{words}.", reached, f"{words}; the goal is missed.")


@dataclass(frozen=True)
class Share:
    """How many of so many, with the exact 95 % interval (Clopper & Pearson 1934)."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.count / self.of

    @property
    def ends(self) -> tuple[float, float]:
        """The interval's."""
        limits = proportion(self.count, self.of)
        return limits.low, limits.high

    def __str__(self) -> str:
        low, high = self.ends
        return f"{self.value:.0%} [{100 * low:.0f}, {100 * high:.0f}]"


def share(these: np.ndarray) -> Share:
    """Of booleans (R,)."""
    return Share(int(np.sum(these)), int(np.size(these)))


@dataclass(frozen=True)
class Pairs:
    """The same runs twice: in how many something happens the first way and not the second, and the other way round."""

    first: int
    second: int
    of: int

    @property
    def more(self) -> bool:
        """Whether it happens more often the first way, for sure: by the test of signs (McNemar 1947), at 5 %.

        Whether two single intervals overlap does not answer that: they do where every change goes one way.
        """
        changed = self.first + self.second
        return self.first > self.second and binomtest(self.first, changed).pvalue < 0.05


def pairs(first: np.ndarray, second: np.ndarray) -> Pairs:
    """Of booleans (R,) each, of the same runs."""
    alone = int(np.sum(first & ~second))
    other = int(np.sum(second & ~first))
    return Pairs(alone, other, len(first))


@dataclass(frozen=True)
class Mean:
    """A mean over independent cases, and its standard error."""

    value: float
    error: float

    def apart(self, number: float) -> float:
        """How many standard errors lie between the mean and a number."""
        gap = abs(self.value - number)
        if self.error > 0:
            return gap / self.error
        return np.inf if gap > 0 else 0.0

    def text(self, digits: int = 2) -> str:
        """Both, with so many decimals."""
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"


def mean(values: np.ndarray) -> Mean:
    """Of numbers (n,), two or more."""
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return Mean(float(np.mean(values)), float(error))

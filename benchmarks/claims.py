"""Claims: what a benchmark says of its data, each with the condition under which it is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

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

    def overlaps(self, other: Share) -> bool:
        """Whether the two intervals have a part in common."""
        low, high = self.ends
        least, most = other.ends
        return low <= most and least <= high

    def __str__(self) -> str:
        low, high = self.ends
        return f"{self.value:.0%} [{100 * low:.0f}, {100 * high:.0f}]"


def share(these: np.ndarray) -> Share:
    """Of booleans (R,)."""
    return Share(int(np.sum(these)), int(np.size(these)))


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

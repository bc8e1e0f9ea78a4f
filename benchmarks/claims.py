"""Claims: what a benchmark says of its data, each with the condition under which it is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest


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

    def kept(self) -> dict[str, Any]:
        """What a result file keeps of it."""
        return {"holds": bool(self.holds), "sentence": str(self)}


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
        limits = binomtest(self.count, self.of).proportion_ci(0.95, "exact")
        return float(limits.low), float(limits.high)

    def __str__(self) -> str:
        low, high = self.ends
        return f"{self.value:.0%} [{100 * low:.0f}, {100 * high:.0f}]"


def share(these: np.ndarray) -> Share:
    """Of booleans (R,)."""
    return Share(int(np.sum(these)), int(np.size(these)))

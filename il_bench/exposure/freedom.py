"""Freedom: what a sample of unequal weights knows of its own variance, and Student's width that follows.

A heavy sample draws the mean towards itself, so that its deviation looks smaller than it is; and where a few weigh nearly
all, their few deviations are all that is known of the variance, however many light ones lie beside them. Both are undone
after Bell & McCaffrey (2002), "Bias reduction in standard errors for linear regression with multi-stage samples": each
squared deviation is divided by what is left of it on the average, and Student's degrees of freedom are those of the chi
squared distribution with the same mean and variance (Satterthwaite 1946). Equal weights give s²/n and n - 1, exactly.
Below some five degrees of freedom intervals are wider than they need be: 97 % cover at four, 99 % at two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""The chance with which an interval holds what it is of."""
LEAST = 1e-12
"""What must be left of a deviation if anything is to be known of it."""


@dataclass(frozen=True)
class Freedom:
    """Of a weighted mean.

    Attributes:
        factor: (m,), or a number for all: how much larger squared deviations are than they look; NaN of one alone.
        degrees: Student's degrees of freedom, at least 1; NaN of one alone.
    """

    factor: np.ndarray | float
    degrees: float

    @property
    def width(self) -> float:
        """How many standard errors an interval reaches to either side; NaN of one alone."""
        return quantile(self.degrees)


def alike(units: int) -> Freedom:
    """Of units of equal weight."""
    if units < 2:
        return Freedom(np.nan, np.nan)
    return Freedom(units / (units - 1), units - 1.0)


def of_rewards(share: np.ndarray) -> Freedom:
    """Of Σ(w·y)/Σw, where rewards vary alike, whatever they weigh.

    Args:
        share: (m,) of all weight that each unit has; they sum to 1.
    """
    squares = share**2
    total = squares.sum()
    return _freedom(share, squares / total, total)


def of_counts(share: np.ndarray) -> Freedom:
    """Of Σy/Σe, where y varies in proportion to e, as counts do.

    Args:
        share: (m,) of all exposure that each unit has; they sum to 1.
    """
    return _freedom(share, share, share)


def _freedom(share: np.ndarray, variance: np.ndarray, own: np.ndarray | float) -> Freedom:
    """From shares h and the shares s of the variance (m,) that units cause; `own` is h²/s.

    Deviations covary as K = (I - h1') diag(s) (I - 1h'). Of the diagonal s (1 - 2h + h²/s) is there, s should be; the
    degrees of freedom are 1 over the sum of the squares of all K_ij / sqrt(left_i left_j), which falls into plain sums.
    """
    left = 1 + own - 2 * share
    left[left < LEAST] = np.nan
    factor = 1 / left
    whole = factor * variance
    pull = float(factor @ share**2)
    mixed = float(whole @ share)
    double = float(whole @ variance)
    single = float(whole @ whole)
    among = pull**2 + 2 * pull * double - 4 * pull * mixed + 2 * mixed**2
    return Freedom(factor, 1 / (among + 2 * double - single))


def quantile(degrees: float) -> float:
    """How many standard errors an interval reaches to either side, by Student; NaN without a degree of freedom."""
    from scipy.special import stdtrit

    upper = (1 + LEVEL) / 2
    return float(stdtrit(degrees, upper)) if degrees > 0 else np.nan

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
ALONE = 1e-6
"""Share of all weight below which the others know nothing of the variance beside one."""


@dataclass(frozen=True)
class Freedom:
    """Of a weighted mean.

    Attributes:
        left: (m,), or a number for all: the part of squared deviations that is there on the average; NaN of one alone.
        degrees: Student's degrees of freedom, at least 1; NaN of one alone.
    """

    left: np.ndarray | float
    degrees: float

    @property
    def width(self) -> float:
        """How many standard errors an interval reaches to either side; NaN of one alone."""
        return quantile(self.degrees)


NONE = Freedom(np.nan, np.nan)
"""Of one alone."""


def alike(units: int) -> Freedom:
    """Of units of equal weight."""
    if units < 2:
        return NONE
    return Freedom(1 - 1 / units, units - 1.0)


def of_rewards(weight: np.ndarray) -> Freedom:
    """Of Σ(w·y)/Σw, where rewards vary alike, whatever they weigh; from the weights (m,) of units.

    With shares h of all weight, deviations covary as (I - 1h')(I - h1'), of which 1 - 2h + Σh² is on the diagonal. The
    degrees of freedom are the squared trace over the trace of the square, which falls into sums over units.
    """
    total = weight.sum()
    if _is_alone(weight, total):
        return NONE
    square = total**2
    unit = weight @ weight
    left = weight * (-2 / total)
    left += 1 + unit / square
    squares = weight**2
    moves = squares / left
    pull = moves.sum() / square
    mixed = moves @ weight / (unit * total)
    double = moves @ squares / unit**2
    single = moves @ moves / unit**2
    crossed = double - 2 * mixed
    among = pull**2 + 2 * pull * crossed + 2 * mixed**2
    trace = among + 2 * double - single
    return Freedom(left, float(1 / trace))


def of_counts(exposure: np.ndarray) -> Freedom:
    """Of Σy/Σe, where y varies in proportion to e, as counts do; from the exposures (m,) of units.

    With shares h of all exposure, deviations covary as diag(h) - hh'.
    """
    total = exposure.sum()
    if _is_alone(exposure, total):
        return NONE
    share = exposure / total
    left = 1 - share
    odds = share / left
    pull = odds @ share
    trace = pull**2 + 2 * pull - odds @ odds
    return Freedom(left, float(1 / trace))


def _is_alone(weight: np.ndarray, total: float) -> bool:
    """Whether one unit has all weight."""
    most = (1 - ALONE) * total
    return bool(weight.max() >= most)


def quantile(degrees: float) -> float:
    """How many standard errors an interval reaches to either side, by Student; NaN without a degree of freedom."""
    from scipy.special import stdtrit

    upper = (1 + LEVEL) / 2
    return float(stdtrit(degrees, upper)) if degrees > 0 else np.nan

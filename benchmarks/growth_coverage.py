"""How often the interval of a fitted growth holds the true one, over recursions whose growth is known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from claims import Claim
from publish import publish, table

from il_bench.stats import growth

REPETITIONS, HORIZON, SIZE, GOAL = 200, 60, 1e-3, 0.9
FEW, USUAL, MANY = 8, 16, 64
SELDOM = 0.05
"""Share of repetitions below which an interval is seldom given: its few cases tell no coverage."""


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Errors of zero mean."""
    return rng.standard_normal(shape)


def aligned(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Errors that point one way."""
    return 1 + 0.3 * rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Errors without a variance, Student's with two degrees of freedom."""
    return rng.standard_t(2, shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Lognormal errors."""
    return rng.lognormal(size=shape)


Step = Callable[[np.ndarray, int], np.ndarray]


def linear(*rows: Any) -> Step:
    """The recursion of one matrix."""
    matrix = np.atleast_2d(np.array(rows))
    return lambda delta, t: delta @ matrix.T


def periodic(*gains: float) -> Step:
    """A gain for each step of a period."""
    return lambda delta, t: gains[t % len(gains)] * delta


def bent(gain: float) -> Step:
    """A map that saturates by itself at 1, and no ceiling is declared."""
    return lambda delta, t: np.tanh(gain * delta)


@dataclass(frozen=True)
class Recursion:
    """A recursion and what is known of it.

    Attributes:
        name: in the table.
        step: deviations (E, D) and time to deviations, before the errors.
        truth: its growth a step; of a bent map that of small deviations.
        dims: D.
        errors: of SIZE, unknown to the fit.
        ceiling: beyond a fifth of which nothing is fitted.
        rollouts: E of its rows.
    """

    name: str
    step: Step
    truth: float
    dims: int = 1
    errors: Callable[..., np.ndarray] = normal
    ceiling: float = math.inf
    rollouts: tuple[int, ...] = (FEW, MANY)

    def deviations(self, rollouts: int, seed: int) -> np.ndarray:
        """Simulated deviations (E, T+1, D)."""
        rng = np.random.default_rng(seed)
        errors = SIZE * self.errors(rng, (rollouts, HORIZON, self.dims))
        delta = np.zeros((rollouts, HORIZON + 1, self.dims))
        for t in range(HORIZON):
            delta[:, t + 1] = self.step(delta[:, t], t) + errors[:, t]
        return delta


def block(pole: float, size: int) -> np.ndarray:
    """A defective block: one pole, one direction."""
    return pole * np.eye(size) + np.eye(size, k=1)


TURN = 0.95 * np.array([[math.cos(0.5), -math.sin(0.5)], [math.sin(0.5), math.cos(0.5)]])

RECURSIONS = (
    Recursion("scalar, 0.9", linear(0.9), 0.9, rollouts=(3, FEW, USUAL, MANY)),
    Recursion("scalar, 1", linear(1.0), 1.0),
    Recursion("scalar, 1.1", linear(1.1), 1.1),
    Recursion("scalar, 1.3, aligned errors", linear(1.3), 1.3, errors=aligned),
    Recursion("non-normal, 0.9 and 0.7", linear([0.9, 2], [0, 0.7]), 0.9, 2),
    Recursion("turning, 0.95", linear(*TURN), 0.95, 2),
    Recursion("four poles of 0.9", linear(*(0.9 * np.eye(4))), 0.9, 4),
    Recursion("four poles of 1.1", linear(*(1.1 * np.eye(4))), 1.1, 4),
    Recursion("four poles, 0.9, -0.9, 0.88, 0.5", linear(*np.diag([0.9, -0.9, 0.88, 0.5])), 0.9, 4),
    Recursion("defective, three of 0.9", linear(*block(0.9, 3)), 0.9, 3),
    Recursion("defective, two of 1.05", linear(*block(1.05, 2)), 1.05, 2),
    Recursion("periodic, 1.5 and 0.6", periodic(1.5, 0.6), math.sqrt(0.9)),
    Recursion("periodic, 1.6 and 0.8", periodic(1.6, 0.8), math.sqrt(1.28)),
    Recursion("saturates by itself, 1.5", bent(1.5), 1.5),
    Recursion("saturates by itself, slowly, 1.2", bent(1.2), 1.2),
    Recursion("heavy-tailed errors, 0.8", linear(0.8), 0.8, errors=heavy),
    Recursion("heavy-tailed errors, 1.1", linear(1.1), 1.1, errors=heavy),
    Recursion("skewed errors, 0.9", linear(0.9), 0.9, errors=skewed),
    Recursion("near the cut, 0.9", linear(0.9), 0.9, ceiling=11.5 * SIZE),
    Recursion("near the cut, 0.7", linear(0.7), 0.7, ceiling=7 * SIZE),
)


def measure(recursion: Recursion, rollouts: int) -> dict[str, Any]:
    """A row: how often the interval holds the growth, or is not given."""
    fits = [_fit(recursion, rollouts, seed) for seed in range(REPETITIONS)]
    given = [fit for fit in fits if not math.isnan(fit.low)]
    holds = [fit.low <= recursion.truth <= fit.high for fit in given]
    kinds = Counter(fit.kind for fit in fits)
    return {
        "recursion": recursion.name,
        "rollouts": rollouts,
        "truth": recursion.truth,
        "alpha": float(np.median([fit.alpha for fit in fits])),
        "holds": sum(holds) / REPETITIONS,
        "none": 1 - len(given) / REPETITIONS,
        "width": float(np.median([fit.high - fit.low for fit in given])) if given else math.nan,
        "kinds": dict(kinds.most_common()),
    }


def _fit(recursion: Recursion, rollouts: int, seed: int) -> growth.Growth:
    delta = recursion.deviations(rollouts, seed)
    unknown = np.zeros((rollouts, HORIZON, 1))
    alive = np.ones((rollouts, HORIZON), dtype=bool)
    return growth.fit(delta, unknown, alive, recursion.ceiling, resamples=300)


def cells(row: dict[str, Any]) -> list[str]:
    """A line of the table."""
    kinds = [f"{kind} {count / REPETITIONS:.0%}" for kind, count in row["kinds"].items()]
    shown = [f"{row['truth']:.3f}", f"{row['alpha']:.3f}", _covers(row), f"{row['none']:.0%}"]
    return [row["recursion"], str(row["rollouts"]), *shown, ", ".join(kinds[:3])]


def given(row: dict[str, Any]) -> int:
    """In how many repetitions an interval is given."""
    return round((1 - row["none"]) * REPETITIONS)


def covers(row: dict[str, Any]) -> float:
    """How often those that are given hold the growth; NaN where none is."""
    times = given(row)
    return row["holds"] * REPETITIONS / times if times else math.nan


def _covers(row: dict[str, Any]) -> str:
    """The same in a cell, with the number of intervals where fewer than half of the repetitions have one."""
    times = given(row)
    if not times:
        return "n/a"
    few = f" of {times}" if 2 * times < REPETITIONS else ""
    return f"{covers(row):.0%}{few}"


def wrong(row: dict[str, Any]) -> float:
    """How often an interval is given that does not hold the growth."""
    return float(1 - row["holds"] - row["none"])


def claims(rows: list[dict[str, Any]]) -> list[Claim]:
    """What the table says, or which rows it fails."""
    failed = [row for row in rows if wrong(row) > 1 - GOAL]
    most = max(map(wrong, rows))
    words = (
        f"Over {REPETITIONS} repetitions of {HORIZON} steps an interval is given and does not hold "
        f"the growth in {most:.1%} of them at most (goal: {1 - GOAL:.0%}; 5 % is what it says)"
    )
    each = [f"{named(row)} {wrong(row):.0%}" for row in failed]
    names = "; ".join(each)
    return [
        Claim(f"{words}.", not failed, f"{words}; beyond the goal: {names}."),
        where_given(rows),
    ]


def where_given(rows: list[dict[str, Any]]) -> Claim:
    """How often intervals hold the growth of those that are given: a fit that is refused does not excuse the others."""
    often = [row for row in rows if given(row) >= SELDOM * REPETITIONS]
    least = min(map(covers, often), default=math.nan)
    words = f"Of the intervals that are given at least {least:.0%} hold it in every row (goal: {GOAL:.0%})"
    seldom = [row for row in rows if 0 < given(row) < SELDOM * REPETITIONS and covers(row) < GOAL]
    if seldom:
        each = [f"{named(row)} {_covers(row)}" for row in seldom]
        words += f", but where one is seldom given: {'; '.join(each)}"
    return Claim(f"{words}.", least >= GOAL, f"{words}: the goal is missed.")


def named(row: dict[str, Any]) -> str:
    """A row in words."""
    return f"{row['recursion']} at {row['rollouts']} rollouts"


def main() -> None:
    """Every recursion at its numbers of rollouts."""
    rows = [measure(one, rollouts) for one in RECURSIONS for rollouts in one.rollouts]
    header = ["recursion", "rollouts", "growth", "fitted", "interval holds it", "n/a", "classes"]
    for row in rows:
        if math.isnan(row["width"]):
            row["width"] = None
    lines = table(header, [cells(row) for row in rows])
    publish("growth_coverage", claims(rows), lines, rows=rows)


if __name__ == "__main__":
    main()

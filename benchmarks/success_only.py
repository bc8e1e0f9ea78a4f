"""Only what succeeded was saved: the success rate that one believes in, the true one, and the weighted one.

Demonstrators of mixed skill drive the lane; failures are kept with a known chance. Who counts what was kept believes in
demonstrators that nobody has; dividing by the chance mends it, unless the chance is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from claims import Claim
from publish import publish, table

import il_bench as il
from il_bench.core.streams import Streams
from il_bench.exposure.weights import effective_size
from il_bench.stats.intervals import Interval, interval

KEPT, SEEDS, EPISODES, HORIZON = (0.05, 0.2, 0.5, 1.0), 64, 100, 100
"""Chances that a failure is kept; sets of demonstrations of each, how many were made, and their steps."""


@dataclass(frozen=True)
class Row:
    """Sets of demonstrations under one chance.

    Attributes:
        kept: the chance.
        true: success rate of all demonstrations, (R,).
        believed: of those that were kept, (R,).
        weighted: the same divided by the chance, (R,).
        effective: effective share of the demonstrations that were kept, (R,).
    """

    kept: float
    true: np.ndarray
    believed: np.ndarray
    weighted: np.ndarray
    effective: np.ndarray

    def gap(self, rate: np.ndarray) -> Interval:
        """By how much a rate is too high, run by run."""
        return interval(rate - self.true)


def results(first: int = 0, seeds: int = SEEDS) -> list[Row]:
    """Each chance; the first seed is `first`."""
    return [row(kept, range(first, first + seeds)) for kept in KEPT]


def row(kept: float, seeds: range) -> Row:
    """Sets of demonstrations of which failures are kept with one chance."""
    env = il.make("exposed", kept=kept, horizon=HORIZON, seeds=tuple(seeds))
    expert = il.expert(env)
    streams = Streams(env.seeds).fork("demonstrations")
    every = env.demonstrations(expert, streams, EPISODES)
    archive = env.log(expert, streams, EPISODES)
    success = env.succeeded(every).double()
    there = (archive.visits.length > 0).double()
    weight = there / archive.exposure
    size = effective_size(weight) / there.sum(1)
    return Row(
        kept,
        success.mean(1).numpy(),
        mean(success, there),
        mean(success, weight),
        np.asarray(size),
    )


def mean(values: torch.Tensor, weight: torch.Tensor) -> np.ndarray:
    """Weighted means (R,) of values (R, E)."""
    total = (weight * values).sum(1)
    return (total / weight.sum(1)).numpy()


def lines(rows: list[Row]) -> list[list[str]]:
    """Of the table."""
    shown = []
    for one in rows:
        rates = [f"{100 * rate.mean():.1f}%" for rate in (one.true, one.believed, one.weighted)]
        gaps = [str(one.gap(rate)) for rate in (one.believed, one.weighted)]
        shown.append([f"{one.kept:g}", *rates, *gaps, f"{one.effective.mean():.2f}"])
    return shown


def claims(rows: list[Row]) -> list[Claim]:
    """What is said, with its conditions."""
    first, *_, last = rows
    believed = first.gap(first.believed)
    errors = np.concatenate([one.weighted - one.true for one in rows])
    off = abs(errors.mean())
    return [
        Claim(
            f"Where failures are kept with a chance of {first.kept:g}, {first.believed.mean():.1%} of what was kept are "
            f"successes, and of what was done {first.true.mean():.1%}: too high by {believed}.",
            believed.low > 0.05,
        ),
        Claim(
            f"Divided by the chance the rate is right at every chance, on average within {off:.1%}; the price is an "
            f"effective size of {first.effective.mean():.0%} of what was kept.",
            off < 0.01,
        ),
        Claim(
            "Where everything is kept, all three are the same.",
            bool((last.believed == last.true).all()) and np.allclose(last.weighted, last.true),
        ),
    ]


def main() -> None:
    """64 sets of 100 demonstrations for each chance."""
    torch.set_num_threads(1)
    rows = results()
    header = ["kept of failures", "true", "believed", "weighted"]
    header += ["believed - true", "weighted - true", "effective share"]
    caption = (
        f"Success rates of {EPISODES} demonstrations on the lane, mean over {SEEDS} sets, and medians of what they are off by "
        "[95 % interval]."
    )
    publish(
        "success_only",
        claims(rows),
        table(header, lines(rows)),
        caption,
        rates=[
            [one.kept, *(r.mean() for r in (one.true, one.believed, one.weighted))] for one in rows
        ],
    )


if __name__ == "__main__":
    main()

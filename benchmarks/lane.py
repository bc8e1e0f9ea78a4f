"""The front-door demonstration in numbers: BC and DAgger on the lane, by dial and by wind in the demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim, pairs, share
from publish import device, publish, table

import il_bench as il
from il_bench.stats.intervals import interval

DIALS, WINDS, SEEDS, AT = (1.1, 1.2), (0.0, 0.005), 64, (10, 50, 200)
OFF = 0.05
"""A run is off the road when more than this share of its rollouts ended in the ditch."""


@dataclass(frozen=True)
class Results:
    """The table, and what is paired by run at the larger L.

    Attributes:
        rows: of the table.
        safe: the last step at which nobody there has fallen without wind.
        ratio: at that step a clone's D over DAgger's, (R,).
        quiet: share of rollouts that fell without wind, (learner, R).
        windy: that with wind.
        leaves: step at which the first rollout of each clone falls without wind, (R,); infinite where none does.
    """

    rows: list[list[str]]
    safe: int
    ratio: np.ndarray
    quiet: np.ndarray
    windy: np.ndarray
    leaves: np.ndarray


def results(first: int = 0, seeds: int = SEEDS) -> Results:
    """BC and DAgger at every setting; the first seed is `first`."""
    record = compared(range(first, first + seeds))
    runs_of = record.groups()
    terminated = record.arrays["terminated"]
    fallen = terminated.mean(-1)
    rows = []
    for row in record.rows(at=AT):
        runs = runs_of[tuple(row["settings"].items())]
        learner = record.number_of(row["learner"])
        rows.append(cells(row, fallen[learner, runs]))
    quiet, windy = (runs_of[("lipschitz", DIALS[-1]), ("wind", wind)] for wind in WINDS)
    length = record.arrays["length"][:, quiet]
    safe = int(length.min()) - 1
    cloned, dagger = (record.drift(learner, safe)[quiet] for learner in (1, 2))
    falls = np.where(terminated[1, quiet], length[1], np.inf)
    leaves = falls.min(-1)
    return Results(rows, safe, cloned / dagger, fallen[:, quiet], fallen[:, windy], leaves)


def compared(seeds: range) -> il.Record:
    """BC and DAgger beside the expert, on no more labels and as many updates."""
    env = il.make("lane", lipschitz=DIALS, wind=WINDS, seeds=seeds, device=device())
    expert = il.expert(env)
    bc = il.BC(episodes=8).learn(env, expert)
    dagger = il.DAgger(rounds=8, episodes=1).learn(env, expert)
    return il.compare(env, expert, bc=bc, dagger=dagger)


def cells(row: dict[str, Any], fallen: np.ndarray) -> list[str]:
    """A line of the table; `fallen` is the share of rollouts that fell in each run (R,)."""
    settings = row["settings"]
    off = share(fallen > OFF)
    return [
        row["learner"],
        f"{settings['lipschitz']:g}",
        f"{settings['wind']:g}",
        *map(str, row["drift"].values()),
        " ".join(row["growth"].texts(3)),
        str(off),
        f"{row['labels']:,}",
    ]


def claims(results: Results) -> list[Claim]:
    """What is said of L = 1.2, with its conditions."""
    off = results.quiet > OFF
    cloned, dagger = (share(off[learner]) for learner in (1, 2))
    apart = pairs(off[1], off[2])
    windy = share(results.windy[1] > OFF)
    ratio = interval(results.ratio)
    leaves = results.leaves[np.isfinite(results.leaves)]
    soonest = interval(leaves)
    return [
        Claim(
            f"At L = {DIALS[-1]:g} and without wind {cloned} of the clones are off the road (more "
            f"than {OFF:.0%} of their rollouts end in the ditch), the first rollout of a run after "
            f"{soonest} steps; of DAgger's, on no more labels and as many updates, {dagger} (by seed "
            f"{apart.first} clones alone against {apart.second}).",
            apart.more,
        ),
        Claim(
            f"At t = {results.safe}, before anyone falls, a clone is {ratio} times further from the "
            "expert than DAgger on the same seed (median of the paired ratios and its interval).",
            ratio.low > 1,
        ),
        Claim(
            f"With a wind of {WINDS[1]:g} in the same number of demonstrations {windy} of the "
            "clones are off the road: coverage decides, not L alone.",
            windy.ends[1] < 0.06,
        ),
    ]


def main() -> None:
    """64 seeds x 2 dials x 2 winds, 64 twin rollouts each; matched labels and updates."""
    torch.set_num_threads(1)
    outcome = results()
    drifts = [f"D at t={time}" for time in AT]
    header = ["learner", "L", "wind", *drifts, "growth", "runs off the road", "labels"]
    numbers = {name: getattr(outcome, name) for name in ("ratio", "quiet", "windy", "leaves")}
    publish(
        "lane",
        claims(outcome),
        table(header, outcome.rows),
        cells=outcome.rows,
        safe=outcome.safe,
        **{name: values.tolist() for name, values in numbers.items()},
    )


if __name__ == "__main__":
    main()

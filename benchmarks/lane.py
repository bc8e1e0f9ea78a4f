"""The front-door demonstration in numbers: BC and DAgger on the lane, by dial and by wind in the demonstrations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from claims import Claim, share
from publish import publish, table

import il_bench as il
from il_bench.stats.intervals import Interval, interval

DIALS, WINDS, SEEDS, AT = (1.1, 1.2), (0.0, 0.005), 64, (10, 50, 200)
OFF = 0.05
"""A run is off the road when more than this share of its rollouts ended in the ditch."""


def results(first: int = 0, seeds: int = SEEDS) -> dict[str, Any]:
    """Rows of the table, and for each setting what is paired by run; the first seed is `first`."""
    chosen = range(first, first + seeds)
    env = il.make("lane", lipschitz=DIALS, wind=WINDS, seeds=chosen)
    expert = il.expert(env)
    bc = il.BC(episodes=8).learn(env, expert)
    dagger = il.DAgger(rounds=8, episodes=1).learn(env, expert)
    record = il.compare(env, expert, bc=bc, dagger=dagger)
    runs_of = record.groups()
    fallen = record.arrays["terminated"].mean(-1)
    rows = []
    for row in record.rows(at=AT):
        runs = runs_of[tuple(row["settings"].items())]
        learner = record.number_of(row["learner"])
        rows.append(_row(row, fallen[learner, runs]))
    quiet, windy = (runs_of[("lipschitz", DIALS[-1]), ("wind", wind)] for wind in WINDS)
    length = record.arrays["length"][:, quiet]
    safe = int(length.min()) - 1
    leaves = np.where(record.arrays["terminated"][1, quiet], length[1], np.inf)
    return {
        "rows": rows,
        "safe": safe,
        "ratio": record.drift(1, safe)[quiet] / record.drift(2, safe)[quiet],
        "quiet": fallen[:, quiet],
        "windy": fallen[:, windy],
        "leaves": leaves.min(-1),
    }


def _row(row: dict[str, Any], fallen: np.ndarray) -> list[str]:
    """A line of the table; `fallen` is the share of rollouts that fell in each run (R,)."""
    settings = row["settings"]
    return [
        row["learner"],
        f"{settings['lipschitz']:g}",
        f"{settings['wind']:g}",
        *map(str, row["drift"].values()),
        " ".join(row["growth"].texts(3)),
        str(share(fallen > OFF)),
        f"{row['labels']:,}",
    ]


def claims(found: dict[str, Any]) -> list[Claim]:
    """What is said of L = 1.2, with its conditions."""
    cloned, dagger = (share(found["quiet"][learner] > OFF) for learner in (1, 2))
    windy = share(found["windy"][1] > OFF)
    ratio: Interval = interval(found["ratio"])
    first = interval(found["leaves"][np.isfinite(found["leaves"])])
    return [
        Claim(
            f"At L = {DIALS[-1]:g} and without wind {cloned} of the clones are off the road (more than {OFF:.0%} of their "
            f"rollouts end in the ditch), the first rollout of a run after {first} steps; of DAgger's, at equal labels "
            f"and updates, {dagger}.",
            cloned.ends[0] > dagger.ends[1],
        ),
        Claim(
            f"At t = {found['safe']}, before anyone falls, a clone is {ratio} times further from the expert than DAgger "
            "on the same seed (median of the paired ratios and its interval).",
            ratio.low > 1,
        ),
        Claim(
            f"With a wind of {WINDS[1]:g} in the same number of demonstrations {windy} of the clones are off the road: "
            "coverage decides, not L alone.",
            windy.ends[1] < 0.06,
        ),
    ]


def main() -> None:
    """64 seeds x 2 dials x 2 winds, 64 twin rollouts each; matched labels and updates."""
    torch.set_num_threads(1)
    found = results()
    header = [
        "learner",
        "L",
        "wind",
        *(f"D at t={t}" for t in AT),
        "growth",
        "runs off the road",
        "labels",
    ]
    numbers = {
        name: values.tolist() for name, values in found.items() if isinstance(values, np.ndarray)
    }
    publish(
        "lane",
        claims(found),
        table(header, found["rows"]),
        cells=found["rows"],
        safe=found["safe"],
        **numbers,
    )


if __name__ == "__main__":
    main()

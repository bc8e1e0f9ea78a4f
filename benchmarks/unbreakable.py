"""Unbreakable: commands killed at random moments, a thousand batches without growth, damaged inputs by the ten thousand.

`--brief` tries a few of each and publishes nothing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from claims import Claim, goal
from publish import publish, table
from unbreakable_inputs import TINY, flag_sets, fuzz
from unbreakable_kills import children_of, kills

import il_bench as il
from il_bench.jobs import plan, workers

Outcomes: TypeAlias = "dict[str, dict[str, int]]"
"""Counts of what came of it, by class."""

EARLY = 100
"""Batches after which the process is looked at for the first time, or a tenth of all where those are fewer."""
FINE = ("read", "refused in a sentence", "carried out")
"""What may come of a damaged input."""


@dataclass(frozen=True)
class Amount:
    """How much is tried."""

    inputs: int = 30_000
    """Damaged files."""
    flags: int = 1_000
    """Sets of flags."""
    kills: int = 10
    """Of each command."""
    batches: int = 1_000
    """In one process."""


BRIEF = Amount(inputs=60, flags=10, kills=0, batches=10)


def resident() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def state() -> dict[str, float]:
    """What this process has taken of the machine."""
    files = list(Path("/proc/self/fd").iterdir())
    processes = children_of(os.getpid())
    return {"memory": resident(), "files": len(files), "processes": len(processes)}


def soak(folder: Path, batches: int) -> dict[str, Any]:
    """A sweep of many batches in one process: memory, open files and processes early and at the end."""
    out = folder / "soak"
    args = ["--env", "tube", "--algo", "dagger", "--rounds", "2", "--seeds", str(batches), *TINY]
    args += ["--batch", "1", "--jobs", "1", "--out", str(out)]
    options, settings = plan.asked(args)
    work, _ = plan.planned(options, settings, [("tube", "dagger")])
    every = list(plan.batched(work, set(), 1, 1))
    first = min(EARLY, max(1, batches // 10))
    states = {}
    for done, _ in enumerate(workers.outcomes(options, every), 1):
        if done == first:
            states["early"] = state()
    rows = int(il.open(out).sizes["run"])
    return {**states, "late": state(), "first": first, "rows": rows}


def survived(outcomes: Outcomes) -> dict[str, dict[str, int]]:
    """Tried and survived, by class, of damaged inputs."""
    counts = {}
    for kind, by_outcome in outcomes.items():
        fine = sum(by_outcome.get(word, 0) for word in FINE)
        counts[kind] = {"tried": sum(by_outcome.values()), "survived": fine}
    return counts


def claims(classes: dict[str, dict[str, int]], steady: dict[str, Any]) -> list[Claim]:
    """What was withstood."""
    total: Counter[str] = Counter()
    for counts in classes.values():
        total.update(counts)
    tried, fine = total["tried"], total["survived"]
    words = f"Of {tried:,} attacks {fine:,} were survived (goal: all)"
    early, late = steady["early"], steady["late"]
    growth = late["memory"] / early["memory"] - 1
    batches = steady["rows"] - steady["first"]
    memory = f"Memory grew by {growth:.1%} over {batches:,} batches (goal: below 5 %)"
    same = all(late[name] == early[name] for name in ("files", "processes"))
    quiet = "Open files and processes did not become more or fewer."
    return [
        goal(words, fine == tried),
        goal(memory, growth < 0.05),
        Claim(quiet, same, "The number of open files or processes changed."),
    ]


def attacks(folder: Path, amount: Amount) -> tuple[dict[str, dict[str, int]], Outcomes]:
    """Tried and survived by class; and what came of the damaged inputs."""
    rng = np.random.default_rng(0)
    inputs = fuzz(folder, rng, amount.inputs)
    inputs["flags"] = flag_sets(folder, rng, amount.flags)
    classes = {f"damaged inputs: {kind}": counts for kind, counts in survived(inputs).items()}
    if amount.kills:
        for name, counts in kills(folder, rng, amount.kills).items():
            classes[f"killed: {name}"] = counts
    return classes, inputs


def main(args: list[str]) -> None:
    """All of it; about an hour, or a minute with --brief."""
    torch.set_num_threads(1)
    brief = "--brief" in args
    amount = BRIEF if brief else Amount()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        classes, inputs = attacks(folder, amount)
        steady = soak(folder, amount.batches)
        os.chdir("/")
    said = claims(classes, steady)
    rows = [[kind, f"{n['tried']:,}", f"{n['survived']:,}"] for kind, n in classes.items()]
    lines = table(["what was tried", "how often", "survived"], rows)
    if brief:
        print(lines, *said, sep="\n")
        sys.exit(any(n["tried"] != n["survived"] for n in classes.values()))
    publish("unbreakable", said, lines, classes=classes, inputs=inputs, soak=steady)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Cells: what each of 10,000 cells of a sweep costs beside its computation, against what it costs among fewer.

Planning, keeping, resuming and tabulating, and the figure of a Record of many runs: processor time a cell, and its ratio
within one run. A ratio of 1 is linear growth; the numbers of the cells are made up, nothing is trained.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from claims import Claim, goal
from publish import publish, table

import il_bench as il
from il_bench.jobs import plan, store
from il_bench.records.record import Record
from il_bench.records.rows import VARIABLES
from il_bench.show import sweep_table
from il_bench.show.plots import plot

SEEDS = 16
"""Of each setting."""
SETTINGS = (156, 625)
"""Few and many: 2,496 and 10,000 cells."""
RUNS = (100, 200, 400)
"""Of a Record whose figure is drawn."""
TIMES = 60
"""Steps of each made-up rollout."""
LINEAR = 1.5
"""How many times as much a cell may cost among all as among the fewest: more is no linear growth."""
PAIR = ("tube", "bc")


@dataclass(frozen=True)
class Cost:
    """What something costs.

    Attributes:
        what: it is.
        each: processor time of one cell or run, s, by how many there are.
    """

    what: str
    each: dict[int, float]

    @property
    def ratio(self) -> float:
        """What one costs among the most, in units of what it costs among the fewest."""
        fewest, *_, most = self.each.values()
        return most / fewest

    @property
    def row(self) -> list[str]:
        """Its line of the table."""
        amounts = [f"{count:,}: {1e3 * each:.3g} ms" for count, each in self.each.items()]
        return [self.what, ", ".join(amounts), f"{self.ratio:.2f}"]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of a piece of work, s, and what came of it."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def planned(settings: int) -> tuple[plan.SweepOptions, list[plan.Group]]:
    """The plan of a sweep over so many settings."""
    last = 0.5 + 0.001 * (settings - 1)
    dial = f"0.5:{last:.3f}:0.001"
    words = ["--env", PAIR[0], "--algo", PAIR[1], "--lipschitz", dial, "--seeds", str(SEEDS)]
    options, flags = plan.asked(words)
    groups, _ = plan.planned(options, flags, [PAIR])
    return options, groups


def keep(folder: Path, groups: list[plan.Group]) -> None:
    """Write a file of made-up rows for each cell, as a sweep with --batch 1 leaves them."""
    rng = np.random.default_rng(0)
    for group in groups:
        for identity in group.identities():
            store.write(folder, [identity], made_up(rng))


def made_up(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The rows of one run."""
    rows = {}
    for name, variable in VARIABLES.items():
        shape = (1, TIMES + 1)[: len(variable.dims)]
        rows[name] = rng.lognormal(size=shape)
    return rows


def resume(folder: Path, options: plan.SweepOptions, groups: list[plan.Group]) -> None:
    """Find out that nothing is left to do."""
    done = store.keys(folder)
    left = list(plan.batched(groups, done, options.batch, 1))
    assert not left, "all cells were kept"


def tabulate(folder: Path) -> None:
    """Read all cells and put those of one setting into a line each."""
    sweep_table.lines(store.open(folder), ("lipschitz", "algo"), ())


def of_sweeps() -> Iterator[Cost]:
    """What a cell of a sweep costs."""
    each: dict[str, dict[int, float]] = {}

    def note(what: str, cells: int, spent: float) -> None:
        each.setdefault(what, {})[cells] = spent / cells

    planned(1)  # what is imported on the way is no part of it
    for settings in SETTINGS:
        cells = settings * SEEDS
        spent, (options, groups) = seconds(lambda: planned(settings))  # noqa: B023
        note("planning a sweep", cells, spent)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            spent, _ = seconds(lambda: keep(folder, groups))  # noqa: B023
            note("keeping the rows", cells, spent)
            spent, _ = seconds(lambda: resume(folder, options, groups))  # noqa: B023
            note("resuming where nothing is left", cells, spent)
            spent, _ = seconds(lambda: tabulate(folder))  # noqa: B023
            note("`table`, a line a setting", cells, spent)
    for what, costs in each.items():
        yield Cost(what, costs)


def of_figures() -> Cost:
    """What a run of a Record costs in its figure, in which each run's growth is fitted."""
    each = {}
    with tempfile.TemporaryDirectory() as name:
        plot(compared(2), Path(name) / "warm.png")
        for runs in RUNS:
            record = compared(runs)
            path = Path(name) / f"{runs}.png"
            spent, _ = seconds(lambda: plot(record, path))  # noqa: B023
            each[runs] = spent / runs
    return Cost("the figure of a Record, a run", each)


def compared(runs: int) -> Record:
    """A Record of so many runs, half of them of another dial, whose copies were trained for a moment."""
    env = il.make("tube", horizon=TIMES, lipschitz=(1.0, 1.1), seeds=runs // 2)
    expert = il.expert(env)
    policy = il.BC(1, il.Training(hidden=(4,), updates=5)).learn(env, expert)
    return il.compare(env, expert, episodes=8, bc=policy)


def claims(costs: list[Cost]) -> list[Claim]:
    """Whether what a cell costs depends on how many there are."""
    ratios = {cost.what: cost.ratio for cost in costs}
    steepest = max(ratios, key=lambda what: ratios[what])
    worst = ratios[steepest]
    words = f"The steepest growth is that of {steepest}: {worst:.2f} times as much a cell (goal: below {LINEAR:g})"
    return [goal(words, worst < LINEAR)]


def main() -> None:
    """All of it: about two minutes of processor time."""
    torch.set_num_threads(1)
    costs = [*of_sweeps(), of_figures()]
    lines = table(["", "processor time of one, by how many", "ratio"], [cost.row for cost in costs])
    each = {cost.what: {str(count): one for count, one in cost.each.items()} for cost in costs}
    publish("cells", claims(costs), lines, seconds_each=each)


if __name__ == "__main__":
    main()

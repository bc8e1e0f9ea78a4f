"""The leaderboard: what to do about drift, at equal labels and updates, on eight tasks.

Every learner stands beside behaviour cloning on the same seeds, and beside whoever is best: those that are not surely
worse than the best are tied with it. `signs.py` holds what theory foretells of them. Half an hour on two cores for 64 runs, for
most learners are trained twice, the second time within the labels of the least.
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim, goal
from joblib import Parallel, delayed
from publish import figure, insert, publish, table
from tasks import MEASURES, OFTEN, SELDOM, TASKS, Task

import il_bench as il
from il_bench.stats.intervals import Contrast, interval

SEEDS = 64
DENSITIES = "mdn", "flow"
"""For tasks where several ways are right."""
CHANGING = ("tasil",)
"""For actions that change by a little."""
LEARNERS = "bc", "noise", "dart", "dagger", "smile", "gated", "chunk", *CHANGING, *DENSITIES
FORK = "bc", "noise", "dart", "dagger", "chunk", *DENSITIES
"""Who learns the fork. An island that nobody expects is no error that a gate could wait for, and the few labels that it
takes would be all that anybody gets."""
PLAN = {
    name: TASKS[name]
    for name in (
        "tube, L = 1.2",
        "lane, L = 1.2",
        "pair, system 1",
        "arm, by position",
        "arm, by torque",
        "quad",
        "fork",
    )
} | {"recover, k = 8": Task("recover", measure="cost_gap")}
"""What is imitated; networks count nothing, so that `recover` is here without tables."""
DECADES = 3.0
"""Of the ratio to cloning's, at which colours end; a difference of shares of 1 counts as much."""


@dataclass(frozen=True)
class Cell:
    """A learner in a task.

    Attributes:
        numbers: by what it is judged, in each run (R,).
        against: beside cloning's, run by run; None of cloning itself.
        tied: whether it is the best, or not surely worse than that.
        fell: share of the rollouts that the environment ended.
        labels: what each run took, the median.
        left: share of the boats past the island that passed it on the left, in each run (R,); of the fork alone.
    """

    numbers: np.ndarray
    against: Contrast | None
    tied: bool
    fell: float
    labels: int
    left: np.ndarray | None = None

    @property
    def verdict(self) -> str:
        """Beside cloning: better, worse, same or cannot tell; "" for cloning itself."""
        return self.against.verdict if self.against else ""

    @property
    def decades(self) -> float:
        """How far it is from cloning, for a picture."""
        if self.against is None:
            return 0.0
        value = self.against.by.value
        if not self.against.ratio:
            return DECADES * value
        return math.log10(value) if value > 0 else -math.inf

    def __str__(self) -> str:
        own = str(interval(self.numbers))
        value = f"**{own}**" if self.tied else own
        beside = f" ({self.against} {self.verdict})" if self.against else ""
        return f"{value}{beside}"

    def entry(self) -> dict[str, Any]:
        """Its entry in the result file."""
        facts = {"verdict": self.verdict, "tied": self.tied, "fell": self.fell}
        beside = str(self.against) if self.against else ""
        entry = {"runs": self.numbers.tolist(), "against": beside, "labels": self.labels, **facts}
        if self.left is not None:
            entry["left"] = [None if math.isnan(one) else one for one in self.left.tolist()]
        return entry


Board = dict[str, dict[str, Cell]]
"""A cell for each task and learner."""


def results(first: int = 0, seeds: int = SEEDS) -> Board:
    """Each task's cells by learner, a process for each task; the first seed is `first`."""
    rows = Parallel(-1)(delayed(cells)(name, first, seeds) for name in PLAN)
    return dict(zip(PLAN, rows, strict=True))


def learners_of(name: str) -> tuple[str, ...]:
    """Who learns a task."""
    if name == "fork":
        return FORK
    without = (*DENSITIES, *CHANGING) if PLAN[name].env == "recover" else DENSITIES
    return tuple(who for who in LEARNERS if who not in without)


def cells(name: str, first: int, seeds: int) -> dict[str, Cell]:
    """A cell for each learner of a task."""
    torch.set_num_threads(1)
    begin = time.process_time()
    task = dataclasses.replace(PLAN[name], runs=seeds)
    learners = learners_of(name)
    record = task.record(learners, first)
    numbers = {who: task.numbers(record, who) for who in learners}
    best = min(learners, key=lambda who: float(np.median(numbers[who])))
    out = {}
    for who in learners:
        own = numbers[who]
        against = None if who == "bc" else task.beside(own, numbers["bc"])
        tied = who == best or task.beside(own, numbers[best]).verdict != "worse"
        left = _left(record, who) if name == "fork" else None
        out[who] = Cell(own, against, tied, _fell(record, who), _labels(record, who), left)
    print(f"{name}: {time.process_time() - begin:.0f} s of processor time", flush=True)
    return out


def _fell(record: il.Record, who: str) -> float:
    """Share of a learner's rollouts that the environment ended."""
    return float(record.arrays["terminated"][record.number_of(who)].mean())


def _labels(record: il.Record, who: str) -> int:
    """What each run took, the median."""
    return int(np.median(record.index.budgets[who].labels))


def _left(record: il.Record, who: str) -> np.ndarray:
    """Of a learner's boats that got past the island the share that passed it on the left (R,); NaN where none did."""
    number = record.number_of(who)
    states = record.arrays["state"]
    place = states[0, 0, 0, :, 1]  # the expert's, which is everybody's until they hit it
    abeam = np.abs(place).argmin()
    offset = states[number][..., 0]
    passed = ~record.arrays["terminated"][number]
    left = passed & (offset[..., abeam] > 0)
    with np.errstate(invalid="ignore"):
        return left.sum(-1) / passed.sum(-1)


def claims(results: Board) -> list[Claim]:
    """Who helps and who does not, and who is best."""
    beside = [_helps(results, who) for who in LEARNERS[1:]]
    ways = [both_ways(row) for task, row in results.items() if task == "fork"]
    return [*beside, *ways, Claim(headline(results))]


def both_ways(row: dict[str, Cell]) -> Claim:
    """Whether cloning by squared error runs into the island, and densities pass it by both ways."""
    cloned = row["bc"].fell
    words = []
    for who in DENSITIES:
        cell = row[who]
        assert cell.left is not None
        words.append(
            f"{who} in {cell.fell:.1%}, and passes it on the left in {interval(cell.left)} of the rest"
        )
    reached = all(row[who].fell <= SELDOM and _uses_both(row[who]) for who in DENSITIES)
    said = f"fork: bc runs into the island in {cloned:.0%} of the rollouts (goal: at least {OFTEN:.0%}), {'; '.join(words)}"
    return goal(
        f"{said} (goals: at most {SELDOM:.0%}, by both ways in every run)",
        cloned >= OFTEN and reached,
    )


def _uses_both(cell: Cell) -> bool:
    """Whether every run passes the island on either side in a tenth of its boats or more."""
    assert cell.left is not None
    return bool(np.all((cell.left >= SELDOM) & (cell.left <= 1 - SELDOM)))


def _helps(results: Board, who: str) -> Claim:
    """In how many tasks a learner is better than cloning; that it is worse in none has to be so."""
    verdicts = {task: row[who].verdict for task, row in results.items() if who in row}
    better = sum(verdict == "better" for verdict in verdicts.values())
    worse = [task for task, verdict in verdicts.items() if verdict == "worse"]
    said = f"{who}: surely better than bc in {better} of {len(verdicts)} tasks"
    instead = f"{said}, surely worse on {', '.join(worse)}."
    return Claim(f"{said}, surely worse in none.", not worse, instead)


def headline(results: Board) -> str:
    """Who is best or tied with the best, in how many tasks."""
    counts = []
    for who in LEARNERS:
        rows = [row[who].tied for row in results.values() if who in row]
        counts.append((sum(rows), f"{who} {sum(rows)} of {len(rows)}"))
    ordered = sorted(counts, key=lambda pair: -pair[0])
    words = ", ".join(text for _, text in ordered)
    return f"Best, or not surely worse than the best: {words}."


def _draw(board: Board) -> None:
    """A heat map: how far each learner is from cloning in each task."""
    tasks = list(board)
    grid = np.full((len(tasks), len(LEARNERS)), np.nan)
    with figure("leaderboard", size=(9.0, 5.0)) as (panel,):
        for i, task in enumerate(tasks):
            for j, who in enumerate(LEARNERS):
                cell = board[task].get(who)
                if cell is not None:
                    grid[i, j] = cell.decades
                    ink = "white" if abs(cell.decades) > DECADES / 2 else "black"
                    panel.text(j, i, _mark(cell), color=ink, ha="center", va="center", fontsize=8)
        image = panel.imshow(grid, cmap="RdBu_r", vmin=-DECADES, vmax=DECADES, aspect="auto")
        panel.set_xticks(range(len(LEARNERS)), LEARNERS)
        names = [f"{task}\n{MEASURES[PLAN[task].measure]}" for task in tasks]
        panel.set_yticks(range(len(tasks)), names, fontsize=8)
        panel.set_title(
            "beside bc, run by run; frames: the best and who is tied with it", fontsize=9
        )
        bar = panel.figure.colorbar(image, ax=panel)
        bar.set_label("powers of ten of bc's (of shares: three times the difference)")


def _mark(cell: Cell) -> str:
    """What stands in a field of the picture: the effect, framed where nobody is surely better."""
    value, _ = (
        cell.against.texts() if cell.against else (str(interval(cell.numbers).texts()[0]), "")
    )
    return f"[ {value} ]" if cell.tied else value


def _line(name: str, row: dict[str, Cell]) -> list[str]:
    """A task's line of the table."""
    labels = np.median([cell.labels for cell in row.values()])
    title = f"{name}: {MEASURES[PLAN[name].measure]} ({labels:,.0f} labels)"
    return [title, *(str(row[who]) if who in row else "–" for who in LEARNERS)]


def main() -> None:
    """All tasks, default settings."""
    board = results()
    _draw(board)
    caption = (
        f"Medians over {SEEDS} runs [exact intervals]; in brackets beside bc, run by run; bold: the best, and who is not "
        "surely worse than it. Labels are equal run by run, so that all have what the gate takes where there is one; "
        "updates are 4,000 (fork: 8,000)."
    )
    lines = [_line(name, row) for name, row in board.items()]
    entries = {
        task: {who: cell.entry() for who, cell in row.items()} for task, row in board.items()
    }
    publish("leaderboard", claims(board), table(["task", *LEARNERS], lines), caption, cells=entries)
    insert("leaderboard in short", headline(board))


if __name__ == "__main__":
    main()

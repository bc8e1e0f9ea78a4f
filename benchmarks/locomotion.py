"""BC and DAgger on MuJoCo's Hopper, Walker2d and HalfCheetah: when is cloning lost where DAgger holds?

    git clone --depth 1 https://github.com/DLR-RM/rl-trained-agents runs/rl-trained-agents
    pip install -e ".[mujoco]" sb3-contrib && python benchmarks/locomotion.py

Three things vary: how the expert was trained (on-policy within a trust region, or off-policy for reward and entropy), how
much its starts vary (Gymnasium's reset_noise_scale, 5e-3 by default), and how long the learner drives at a time. BC has as
many labels in each run as DAgger took there, and as many updates. Experts are published ones of the RL Zoo (Raffin 2020),
trained in the older tasks of the same names, v3, whose authors are trusted: opening a zip runs what is serialised in it.
Seventy minutes of processor time, shared among as many processes as there are cores. The file is not called mujoco.py, which
would hide the package of that name.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from claims import Claim, goal
from joblib import Parallel, delayed
from publish import publish, table

import il_bench as il
from il_bench.stats.intervals import Interval, interval

ZOO = Path("runs") / "rl-trained-agents"
EXPERTS = (
    ("Hopper", "TRPO"),
    ("Hopper", "TQC"),
    ("Walker2d", "SAC"),
    ("Walker2d", "TQC"),
    ("HalfCheetah", "SAC"),
)
"""Tasks, and how their experts were trained: on-policy (TRPO), or off-policy for reward and entropy."""
VARIED, FIXED = 5e-3, 0.0
"""How much starts vary: as Gymnasium has it, or not at all."""
WHOLE, SHORT = 1000, 100
"""Steps after which an episode of the learner's ends while it learns; all are judged over whole ones."""
ROUNDS = 10, 60
SEEDS, ROLLOUTS = 8, 10
TRAINING = il.Training(hidden=(64, 64), updates=20_000, batch=256, normalise="zscore")
LOST, HELD = 0.40, 0.85
"""Parts of the expert's return: BC below the first, DAgger above the second."""


@dataclass(frozen=True)
class Condition:
    """Under which both are taught.

    Attributes:
        env: the task, version 5 of Gymnasium's.
        by: how its expert was trained.
        spread: of the starts.
        horizon: of the learner's episodes while it learns.
        rounds: of DAgger, an episode each.
    """

    env: str
    by: str
    spread: float
    horizon: int
    rounds: int

    def __str__(self) -> str:
        starts = f"starts within {self.spread:g}" if self.spread else "one start"
        ends = f", rounds of {self.horizon} steps" if self.horizon < WHOLE else ""
        return f"{self.env} by {self.by}, {starts}{ends}"


@dataclass(frozen=True)
class Cell:
    """What came of it.

    Attributes:
        under: the condition.
        best: the expert's return, the median over runs.
        labels: that a run took, the median.
        bc, dagger: what each reaches of the expert's return.
        more: DAgger's part less BC's, by run.
    """

    under: Condition
    best: float
    labels: float
    bc: Interval
    dagger: Interval
    more: Interval

    @property
    def gap(self) -> bool:
        """Whether BC is lost where DAgger holds, by their medians."""
        return self.bc.value < LOST and self.dagger.value > HELD

    @property
    def sure(self) -> bool:
        """Whether it is so beyond both intervals."""
        return self.bc.high < LOST and self.dagger.low > HELD

    def __str__(self) -> str:
        return f"{self.under} ({self.labels:,.0f} labels)"

    def row(self) -> list[str]:
        """Its line of the table."""
        under = self.under
        best, labels = f"{self.best:,.0f}", f"{self.labels:,.0f}"
        cells = [under.env, under.by, f"{under.spread:g}", str(under.horizon), best, labels]
        return [*cells, *map(str, (self.bc, self.dagger, self.more))]


def conditions() -> list[Condition]:
    """All that are compared, the longest first."""
    ways = (*itertools.product((VARIED, FIXED), (WHOLE,)), (VARIED, SHORT))
    every = itertools.product(EXPERTS, ways, ROUNDS)
    listed = [Condition(*expert, *way, rounds) for expert, way, rounds in every]
    return sorted(listed, key=lambda one: -one.rounds * one.horizon)


def measured(under: Condition) -> Cell:
    """Teach both, and drive both, and the expert, through whole episodes from the same starts."""
    torch.set_num_threads(1)
    env, expert = _task(under, WHOLE)
    stage, teacher = _task(under, under.horizon)
    dagger = il.DAgger(rounds=under.rounds, episodes=1, training=TRAINING).learn(stage, teacher)
    labels = np.asarray(dagger.log.labels, dtype=float)
    bc = il.BC(labels=tuple(labels), training=TRAINING).learn(stage, teacher)
    record = il.compare(env, expert, episodes=ROLLOUTS, bc=bc, dagger=dagger)
    best = record.returns(0)
    parts = [record.returns(who) / best for who in (1, 2)]
    reached = [interval(values) for values in (*parts, parts[1] - parts[0])]
    cell = Cell(under, float(np.median(best)), float(np.median(labels)), *reached)
    print(*cell.row(), flush=True)
    return cell


def _task(under: Condition, horizon: int) -> tuple[il.Env, il.Expert]:
    """The environment with episodes of so many steps, and its expert."""
    name = f"{under.env}-v5"
    env = il.make(name, seeds=SEEDS, reset_noise_scale=under.spread, horizon=horizon)
    algorithm = under.by.lower()
    file = ZOO / algorithm / f"{under.env}-v3_1" / f"{under.env}-v3.zip"
    return env, il.expert(env, f"sb3:{algorithm}:{file}", trust=True)


def claims(cells: list[Cell]) -> list[Claim]:
    """Where the gap is, and what it takes."""
    names = dict.fromkeys(cell.under.env for cell in cells)
    gaps = [_gap(name, [cell for cell in cells if cell.under.env == name]) for name in names]
    lessons = [_lesson(*expert, spread, cells) for expert in EXPERTS for spread in (VARIED, FIXED)]
    return [*gaps, *lessons, *(_coverage(*expert, cells) for expert in EXPERTS)]


def _gap(name: str, own: list[Cell]) -> Claim:
    """Whether one environment shows it, and under which conditions."""
    shown = [cell for cell in own if cell.gap]
    sure = [cell for cell in shown if cell.sure]
    words = (
        f"{name}: BC is below {LOST:.0%} of the expert's return where DAgger is above {HELD:.0%} under "
        f"{len(shown)} of {len(own)} conditions by the medians ({_listed(shown)}), and beyond the intervals under "
        f"{len(sure)} ({_listed(sure)})"
    )
    return goal(words, bool(sure))


def _listed(cells: list[Cell]) -> str:
    """Their names."""
    return "; ".join(map(str, cells)) or "none"


def _lesson(env: str, by: str, spread: float, cells: list[Cell]) -> Claim:
    """What more labels teach a clone, and DAgger: from one start the expert's path is the same every time."""
    wanted = (env, by, spread, WHOLE)
    own = [cell for cell in cells if _way(cell.under) == wanted]
    few, many = sorted(own, key=lambda cell: cell.under.rounds)
    bc, dagger = (
        f"{one.value:.2g} to {other.value:.2g}"
        for one, other in ((few.bc, many.bc), (few.dagger, many.dagger))
    )
    counts = f"{few.labels:,.0f} to {many.labels:,.0f}"
    words = f"{few.under}: from {counts} labels BC goes from {bc}, DAgger from {dagger}"
    if spread == VARIED:
        return Claim(f"{words}.")
    stays = f"{words}; BC stays below {LOST:.0%}, whatever it is shown."
    return Claim(
        stays, max(few.bc.high, many.bc.high) < LOST, f"{words}; BC is not sure to be lost."
    )


def _coverage(env: str, by: str, cells: list[Cell]) -> Claim:
    """Whether varied starts alone keep cloning from being lost, at the most labels."""
    varied, fixed = (_most(cells, env, by, spread) for spread in (VARIED, FIXED))
    reaches = (
        f"BC reaches {fixed.bc} of the return from one start, and {varied.bc} from varied ones"
    )
    words = f"{env} by {by}: at the most labels {reaches}"
    if fixed.bc.low > LOST:
        return Claim(f"{words}: it needs no spread of the starts.")
    return Claim(
        f"{words}: their spread is coverage.",
        fixed.bc.high < varied.bc.low,
        f"{words}, which tells nothing.",
    )


def _most(cells: list[Cell], env: str, by: str, spread: float) -> Cell:
    """With the most labels, in whole episodes."""
    own = [cell for cell in cells if _way(cell.under) == (env, by, spread, WHOLE)]
    return max(own, key=lambda cell: cell.labels)


def _way(under: Condition) -> tuple[str, str, float, int]:
    """A condition, whatever its rounds."""
    return under.env, under.by, under.spread, under.horizon


def main() -> None:
    """All conditions, on as many processes as there are cores."""
    if not ZOO.is_dir():
        raise SystemExit(
            f"locomotion: expected experts in {ZOO}, and it is not there; this file's head says whence they come"
        )
    every = Parallel(-1)(delayed(measured)(under) for under in conditions())
    cells = sorted(every, key=lambda cell: _place(cell.under))
    header = [
        "environment",
        "expert by",
        "starts vary by",
        "steps of an episode in class",
        "expert's return",
        "labels",
        "BC, part of it",
        "DAgger, part of it",
        "DAgger less BC, by run",
    ]
    caption = f"Medians over {SEEDS} seeds of {ROLLOUTS} rollouts of {WHOLE} steps, with 95 % intervals; equal labels by run."
    lines = table(header, [cell.row() for cell in cells])
    publish("locomotion", claims(cells), lines, caption, cells=[cell.row() for cell in cells])


def _place(under: Condition) -> tuple[int, float, int, int]:
    """Where in the table a condition stands."""
    who = EXPERTS.index((under.env, under.by))
    return who, -under.spread, -under.horizon, under.rounds


if __name__ == "__main__":
    main()

"""BC and DAgger on MuJoCo's Hopper and Walker2d, beside an expert that stable-baselines3 trained, by label budget.

Needs the extra: pip install -e ".[mujoco]". The experts are read from runs/experts/ENV.zip, whose author is trusted, and
trained there where they are absent, a quarter of an hour each. It is not called mujoco.py, which would hide the package of
that name.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from claims import Claim
from joblib import Parallel, delayed
from publish import publish, table

import il_bench as il
from il_bench.borders.sb3_training import Recipe, train
from il_bench.stats.intervals import interval

ENVS, EXPERTS = ("Hopper-v5", "Walker2d-v5"), Path("runs") / "experts"
ROUNDS, SEEDS, ROLLOUTS = (2, 5, 10, 20), 6, 10
TRAINING = il.Training(hidden=(64, 64), updates=20_000, batch=256, normalise="zscore")
STEPS = 1_000_000
"""Of PPO, for an expert."""
GOALS = 0.40, 0.85
"""Parts of the expert's return: BC below the first, DAgger above the second."""


def main() -> None:
    """The environments named on the command line, or both; the result is published only where both are measured."""
    names = tuple(sys.argv[1:]) or ENVS
    tasks = [delayed(rows_of)(name) for name in names]
    outcome = dict(zip(names, Parallel(len(names))(tasks), strict=True))
    header = ["environment", "expert's return", "labels", "BC, part of it", "DAgger, part of it"]
    cells = [[name, *row["cells"]] for name, rows in outcome.items() for row in rows]
    lines = table(header, cells)
    sentences = claims(outcome)
    if set(names) != set(ENVS):
        print(lines, *sentences, sep="\n\n")
        return
    caption = f"Medians over {SEEDS} seeds of {ROLLOUTS} rollouts."
    publish("locomotion", sentences, lines, caption, cells=cells, seeds=SEEDS, rollouts=ROLLOUTS)


def rows_of(name: str) -> list[dict[str, Any]]:
    """One environment's rows, a label budget each; its own process, one thread."""
    torch.set_num_threads(1)
    return [measured(name, rounds) for rounds in ROUNDS]


def expert_zip(name: str) -> Path:
    """The zip of an environment's expert, trained where there is none."""
    path = EXPERTS / f"{name}.zip"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        train(Recipe(env=name, out=path, algo="ppo", steps=STEPS, evaluations=40))
    return path


def measured(name: str, rounds: int) -> dict[str, Any]:
    """DAgger with so many rounds of one episode, and BC on as many of the expert's labels and the same updates."""
    env = il.make(name, seeds=SEEDS)
    expert = il.expert(env, f"sb3:{expert_zip(name)}", trust=True)
    dagger = il.DAgger(rounds=rounds, episodes=1, training=TRAINING).learn(env, expert)
    labels = tuple(float(count) for count in dagger.log.labels)
    bc = il.BC(labels=labels, training=TRAINING).learn(env, expert)
    record = il.compare(env, expert, episodes=ROLLOUTS, bc=bc, dagger=dagger)
    experts = record.returns(0)
    parts = {
        who: interval(record.returns(k) / experts) for k, who in enumerate(("bc", "dagger"), 1)
    }
    each = record.arrays["reward"][0].sum(-1)
    best = f"{each.mean():,.0f} ± {each.std():,.0f}"
    cells = [best, f"{np.median(labels):,.0f}", *map(str, parts.values())]
    print(name, rounds, *cells, flush=True)
    return {**parts, "cells": cells}


def claims(results: dict[str, list[dict[str, Any]]]) -> list[Claim]:
    """Where the goals are met, and where they are not."""
    return [claim(name, rows) for name, rows in results.items()]


def claim(name: str, rows: list[dict[str, Any]]) -> Claim:
    """That some budget loses BC and not DAgger, beyond both intervals."""
    low, high = GOALS
    met = [row["cells"][1] for row in rows if row["bc"].high < low and row["dagger"].low > high]
    parts = [rows[k][who].value for who in ("bc", "dagger") for k in (0, -1)]
    fewest, most, least, largest = (f"{part:.0%}" for part in parts)
    words = (
        f"{name}: BC reaches {fewest} of the expert's return with the fewest labels and {most} with "
        f"the most, DAgger {least} and {largest} (goals: BC below {low:.0%} where DAgger is above "
        f"{high:.0%}, intervals too)"
    )
    where = f"{words}; both are reached at {' and '.join(met)} labels."
    return Claim(where, bool(met), f"{words}; no budget here reaches both.")


if __name__ == "__main__":
    main()

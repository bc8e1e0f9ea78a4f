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
from joblib import Parallel, delayed
from publish import publish, table

import il_bench as il
from il_bench.borders.sb3_training import Recipe, train
from il_bench.stats.intervals import interval

ENVS, EXPERTS = ("Hopper-v5", "Walker2d-v5"), Path("runs") / "experts"
ROUNDS, SEEDS, ROLLOUTS = (2, 5, 10, 20), 6, 10
TRAINING = il.Training(hidden=(64, 64), updates=20_000, batch=256, normalise="zscore")
STEPS = 1_000_000  # of PPO, for an expert
GOALS = 0.40, 0.85  # of the expert's return: BC below, DAgger above


def main() -> None:
    """The environments named on the command line, or both; the result is published only where both are measured."""
    names = tuple(sys.argv[1:]) or ENVS
    found = dict(
        zip(names, Parallel(len(names))(delayed(rows_of)(name) for name in names), strict=True)
    )
    header = ["environment", "expert's return", "labels", "BC, part of it", "DAgger, part of it"]
    cells = [[name, *row["cells"]] for name, rows in found.items() for row in rows]
    claims = " ".join(claim(name, rows) for name, rows in found.items())
    if set(names) != set(ENVS):
        print(f"{table(header, cells)}\n\n{claims}")
        return
    publish("locomotion", claims, table(header, cells), cells=cells, seeds=SEEDS, rollouts=ROLLOUTS)


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
    labels = tuple(float(n) for n in dagger.log.labels)
    bc = il.BC(labels=labels, training=TRAINING).learn(env, expert)
    record = il.compare(env, expert, episodes=ROLLOUTS, bc=bc, dagger=dagger)
    returns = record.arrays["reward"].sum(-1)  # (learner, run, episode)
    parts = [interval(returns[k].mean(-1) / returns[0].mean(-1)) for k in (1, 2)]
    shown = [" ".join(part.texts()).strip() for part in parts]
    best = f"{returns[0].mean():,.0f} ± {returns[0].std():,.0f}"
    print(name, rounds, best, np.median(labels), *shown, flush=True)
    return {
        "bc": parts[0].value,
        "dagger": parts[1].value,
        "cells": [best, f"{np.median(labels):,.0f}", *shown],
    }


def claim(name: str, rows: list[dict[str, Any]]) -> str:
    """Where the goals are met, and where they are not."""
    low, high = GOALS
    met = [row["cells"][1] for row in rows if row["bc"] < low and row["dagger"] > high]
    where = f"both are met at {' and '.join(met)} labels" if met else "no budget here meets both"
    return (
        f"{name}: BC reaches {rows[0]['bc']:.0%} of the expert's return with the fewest labels and {rows[-1]['bc']:.0%} "
        f"with the most, DAgger {rows[0]['dagger']:.0%} and {rows[-1]['dagger']:.0%} (goals: BC below {low:.0%} where "
        f"DAgger is above {high:.0%}); {where}."
    )


if __name__ == "__main__":
    main()

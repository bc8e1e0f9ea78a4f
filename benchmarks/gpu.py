"""What a GPU buys: trainings and twin rollouts of R runs side by side there, against one thread of the CPU in the same run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from claims import Claim
from publish import publish, table

import il_bench as il

RUNS = 16, 128, 1024
UPDATES, SEQUENCES = 150, 20
ENOUGH = 5.0
"""Seconds of training after which more runs are not measured: they would only take longer."""
TASKS: dict[str, tuple[str, il.Training]] = {
    "tube, mlp": ("tube", il.Training(updates=UPDATES)),
    "lane, mlp": ("lane", il.Training(updates=UPDATES)),
    "keyed, gru": ("keyed", il.Training(net="gru", updates=SEQUENCES, sequences=16)),
}
"""Environment, and how a clone of 8 demonstrations is trained."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one task at R runs on one device."""

    task: str
    device: str
    runs: int
    training: float
    rollouts: float


def results() -> list[Cost]:
    """Every task at every number of runs, on each device that is there."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    costs = []
    for task, device in itertools.product(TASKS, devices):
        measure(task, device, RUNS[0])  # the first one also compiles and warms up
        for runs in RUNS:
            cost = measure(task, device, runs)
            print(cost, flush=True)
            costs.append(cost)
            if cost.training > ENOUGH:
                break
    return costs


def measure(task: str, device: str, runs: int) -> Cost:
    """A training and the twins of its policy."""
    name, training = TASKS[task]
    env = il.make(name, seeds=runs, device=device)
    expert = il.expert(env)
    learner = il.BC(episodes=8, training=training)
    policy, taught = timed(lambda: learner.learn(env, expert))
    _, driven = timed(lambda: il.compare(env, expert, episodes=16, bc=policy))
    return Cost(task, device, runs, taught, driven)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and wall seconds, everything that the device was asked for included."""
    finish()
    began = time.perf_counter()
    answer = work()
    finish()
    return answer, time.perf_counter() - began


def finish() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def rows(costs: list[Cost]) -> list[list[str]]:
    """A line for each task and number of runs."""
    known = {(cost.task, cost.device, cost.runs): cost for cost in costs}
    every = []
    for task, runs in itertools.product(TASKS, RUNS):
        here, there = (known.get((task, device, runs)) for device in ("cpu", "cuda"))
        cells = [*seconds(here), *seconds(there), *ratios(here, there)]
        every.append([task, f"{runs:,}", *cells])
    return every


def seconds(cost: Cost | None) -> list[str]:
    """Training and rollouts."""
    return ["", ""] if cost is None else [f"{cost.training:.2f}", f"{cost.rollouts:.2f}"]


def ratios(here: Cost | None, there: Cost | None) -> list[str]:
    """How many times as fast the GPU is."""
    if here is None or there is None:
        return ["", ""]
    taught, driven = here.training / there.training, here.rollouts / there.rollouts
    return [f"{taught:.1f}", f"{driven:.1f}"]


def claims(costs: list[Cost]) -> list[Claim]:
    """From how many runs on a GPU is worth its way."""
    known = {(cost.task, cost.device, cost.runs): cost for cost in costs}
    said = []
    for task in TASKS:
        gains = {}
        for runs in RUNS:
            here, there = (known.get((task, device, runs)) for device in ("cpu", "cuda"))
            if here is not None and there is not None:
                gains[runs] = here.training / there.training
        worth = [runs for runs, gain in gains.items() if gain > 1]
        words = ", ".join(f"{gain:.1f} at {runs:,}" for runs, gain in gains.items())
        gain = f"{task}: a GPU trains so many times as fast as one thread: {words} runs"
        least = f"; it is faster from {min(worth):,} runs on" if worth else "; it is never faster"
        said.append(Claim(f"{gain}{least}.", bool(gains)))
    return said


def main() -> None:
    """Three tasks, up to 1,024 runs; without a GPU there is nothing to compare."""
    torch.set_num_threads(1)
    if not torch.cuda.is_available():
        print("no GPU here: nothing was measured, and the page keeps what it has")
        return
    costs = results()
    header = ["task", "runs", "CPU, train s", "twins s", "GPU, train s", "twins s"]
    header += ["train ratio", "twins ratio"]
    card = torch.cuda.get_device_name()
    caption = (
        f"{UPDATES} updates of batch 64 ({SEQUENCES} of 16 texts for gru), 16 twins a run; {card}."
    )
    publish(
        "gpu",
        claims(costs),
        table(header, rows(costs)),
        caption,
        costs=[vars(cost) for cost in costs],
        card=card,
    )


if __name__ == "__main__":
    main()

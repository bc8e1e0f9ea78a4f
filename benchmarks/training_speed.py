"""What an update costs: R small networks trained side by side, against what this machine's own libraries can do."""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = (
    "1"  # for the ceilings below; training keeps to one thread by itself
)

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from publish import publish, table

from il_bench.core.policy import Log
from il_bench.core.streams import Streams
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import fit
from il_bench.fit.training import Training
from il_bench.nets import _mlp_engine

clock = time.thread_time  # of the one thread that computes: other processes' work is not counted
RUNS, WIDTHS, BATCH = (1, 16, 64, 256), (32, 64, 256), 64
SEEN, ACTIONS, SAMPLES = (
    4,
    1,
    1200,
)  # observations, actions and labels: those of the lane, six episodes


def seconds(work: Callable[[], object], least: float = 0.1, repeats: int = 5) -> float:
    """Seconds that `work` takes at best, over repeats that are each long enough to be told from nothing."""
    work()
    began, count = clock(), 0
    while clock() - began < least / 2:
        work()
        count += 1
    best = (clock() - began) / count
    for _ in range(repeats):
        began = clock()
        for _ in range(count):
            work()
        best = min(best, (clock() - began) / count)
    return best


def ceilings() -> dict[str, float]:
    """What this machine can do in float32 on one core: large products and copies."""
    a, b = (np.random.default_rng(0).standard_normal((1024, 1024), np.float32) for _ in range(2))
    out = np.empty_like(a)
    x, y, z = (torch.from_numpy(part) for part in (a, b, out))
    fastest = min(seconds(lambda: np.matmul(a, b, out)), seconds(lambda: torch.mm(x, y, out=z)))
    source = np.zeros(1 << 25, np.float32)
    copy = np.empty_like(source)
    moved = 2 * source.nbytes / seconds(lambda: np.copyto(copy, source))
    return {"gflops": 2 * 1024**3 / fastest / 1e9, "gigabytes_per_second": moved / 1e9}


def products(
    runs: int, width: int, batch: int
) -> list[tuple[tuple[int, ...], tuple[int, ...], bool, bool]]:
    """Shapes of all products of forward and backward; whether each factor comes transposed."""
    found, sizes = [], [SEEN, width, width, ACTIONS]
    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        found.append(((runs, batch, a), (runs, a, b), False, False))
        found.append(((runs, batch, a), (runs, batch, b), True, False))
        if k:  # OpenBLAS and MKL are both slow at an inner size of one; zeros beside it are the faster way
            found.append(((runs, batch, max(b, 2)), (runs, a, max(b, 2)), False, True))
    return found


def floor(runs: int, width: int, batch: int) -> float:
    """Seconds for the products alone of one update of one run: each by the faster of torch.bmm and numpy.matmul."""
    runs, total = min(runs, _mlp_engine.runs_at_once([SEEN, width, width, ACTIONS], batch)), 0.0
    for first, second, *flips in products(runs, width, batch):
        pair = [
            np.random.default_rng(0).standard_normal(shape, np.float32) for shape in (first, second)
        ]
        a, b = (
            part.swapaxes(1, 2) if flip else part for part, flip in zip(pair, flips, strict=True)
        )
        out = np.empty((runs, a.shape[1], b.shape[2]), np.float32)
        x, y, z = (torch.from_numpy(part) for part in (a, b, out))
        ways = (
            lambda a=a, b=b, out=out: np.matmul(a, b, out),
            lambda x=x, y=y, z=z: torch.bmm(x, y, out=z),
        )
        total += min(seconds(way, 0.02) for way in ways)
    return total / runs


class Plain:
    """What `fit` needs of an environment."""

    action_space, horizon = spaces.Box(-10.0, 10.0, (ACTIONS,)), 200


def samples(runs: int) -> Dataset:
    """Labels of a smooth function."""
    obs = torch.randn(runs, SAMPLES, SEEN, generator=torch.Generator().manual_seed(0))
    return Dataset(
        obs, torch.tanh(obs[..., :1] + obs[..., 1:2]), torch.ones(runs, SAMPLES), (SAMPLES,)
    )


class Enough(Exception):
    """A training has been watched for long enough."""


def trained(runs: int, width: int, batch: int, spend: float = 2.0, fast: bool = True) -> float:
    """Seconds for one update of one run: minibatches, gradient and optimiser.

    The median over the times from one report to the next; what comes before a block's first update is left out.
    """
    training, suits, stamps = (
        Training(hidden=(width, width), batch=batch),
        _mlp_engine.suits,
        [(0.0, clock())],
    )

    def report(share: float, words: str) -> None:
        stamps.append((share, clock()))
        if stamps[-1][1] - stamps[0][1] > spend:
            raise Enough

    _mlp_engine.suits = suits if fast else lambda obs: False
    try:
        fit(samples(runs), training, Plain(), Streams(range(runs)), Log(report=report))
    except Enough:
        pass
    finally:
        _mlp_engine.suits = suits
    shares, times = np.diff(np.array(stamps[1:]), axis=0).T
    return float(np.median(times / shares)) / training.updates / runs


def plain(width: int, batch: int) -> float:
    """Seconds for an update of one network in a plain torch loop: nn.Sequential, autograd, torch.optim.Adam."""
    sizes = (SEEN, width), (width, width)
    layers = [m for a, b in sizes for m in (torch.nn.Linear(a, b), torch.nn.Tanh())]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(width, ACTIONS))
    adam, data = torch.optim.Adam(network.parameters()), samples(1)
    order = torch.randperm(SAMPLES - batch)

    def update() -> None:
        at = order[:batch]
        adam.zero_grad()
        (network(data.obs[0, at]) - data.action[0, at]).square().mean().backward()
        adam.step()

    return seconds(update, 0.3)


def row(runs: int, width: int, batch: int = BATCH) -> dict[str, Any]:
    """All times of one size, in microseconds for one update of one run."""
    us = 1e6
    return {
        "runs": runs,
        "hidden": width,
        "batch": batch,
        "ours": us * trained(runs, width, batch),
        "floor": us * floor(runs, width, batch),
        "autograd": us * trained(runs, width, batch, fast=False),
    }


def main() -> None:
    """Every width with every number of runs."""
    torch.set_num_threads(1)
    found = []
    for width in WIDTHS:
        loop = 1e6 * plain(width, BATCH)
        rows = [row(runs, width) for runs in RUNS]
        found += [r | {"torch": loop, "separate": rows[0]["ours"]} for r in rows]
    small, machine = row(1, 32, 32), ceilings()
    names = ("floor", "separate", "autograd", "torch")
    cells = [
        [
            f"2 x {r['hidden']}",
            f"{r['runs']}",
            f"{r['ours']:.3g}",
            f"{1e6 / r['ours'] / r['runs']:,.0f}",
        ]
        + [f"{r[name]:.3g} ({r[name] / r['ours']:.2g})" for name in names]
        for r in found
    ]
    goal = next(r for r in found if (r["hidden"], r["runs"]) == (64, 64))
    worst = min(r["separate"] / r["ours"] for r in found)
    claim = (
        f"One thread, batch {BATCH}; processor time, in brackets as a multiple of the third column. With 64 runs of "
        f"2 x 64 an update of a run takes {goal['ours']:.3g} µs, {goal['ours'] / goal['floor']:.2f} times what the "
        f"machine's libraries need for its products alone (goal: at most 2); one run of 2 x 32 with batch 32 takes "
        f"{small['ours']:.3g} µs (goal: at most 100). Side by side is at worst {worst:.2f} times as fast as one run "
        f"after the other (goal: 1). The core multiplies large matrices at {machine['gflops']:.0f} GFLOP/s and copies "
        f"{machine['gigabytes_per_second']:.0f} GB/s."
    )
    header = [
        "network",
        "runs",
        "µs for an update of a run",
        "updates a second of each",
        "its products alone",
    ]
    header += ["one run after the other", "autograd, same runs", "torch.nn loop, one run"]
    publish(
        "training_speed",
        claim,
        table(header, cells),
        microseconds=found,
        one_small_run=small,
        machine_can=machine,
    )


if __name__ == "__main__":
    main()

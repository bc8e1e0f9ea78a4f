"""What an update costs: R small networks trained side by side, against what this machine's own libraries can do."""

from __future__ import annotations

import os

# For the ceilings below; training keeps to one thread by itself.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim, goal
from gymnasium import spaces
from publish import publish, table

from il_bench.core.policy import Log
from il_bench.core.streams import Streams
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import fit
from il_bench.fit.training import Training
from il_bench.nets import _mlp_engine
from il_bench.stats.intervals import interval

clock = time.thread_time
"""Of the one thread that computes: other processes' work is not counted."""
RUNS, WIDTHS, BATCH = (1, 16, 64, 256), (32, 64, 256), 64
TURNS = 8
"""Times that runs side by side and one run are timed in turn: a machine that others share is not as fast at any time."""
NETS, MANY = ("mlp", "chunk", "mdn", "flow", "relu"), 64
"""Nets that train alike, of two layers of so many units, and how many runs train side by side beside one."""
INPUTS, ACTIONS, SAMPLES = 4, 1, 1200
"""Observations, actions and labels: those of the lane, six episodes."""


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
    """What this machine can do in float32 on one core: large products and copies, and NumPy's tanh."""
    size = 1024
    square = size, size
    a = numbers(square)
    b = numbers(square)
    out = np.empty_like(a)
    x, y, z = (torch.from_numpy(part) for part in (a, b, out))
    by_numpy = seconds(lambda: np.matmul(a, b, out))
    by_torch = seconds(lambda: torch.mm(x, y, out=z))
    operations = 2 * size**3 / min(by_numpy, by_torch)
    source = np.zeros(1 << 25, np.float32)
    copy = np.empty_like(source)
    bytes_moved = 2 * source.nbytes / seconds(lambda: np.copyto(copy, source))
    few = numbers((1 << 15,))
    squashed = np.empty_like(few)
    tanh = seconds(lambda: np.tanh(few, squashed)) / few.size
    return {
        "gflops": operations / 1e9,
        "gigabytes_per_second": bytes_moved / 1e9,
        "tanh_nanoseconds": 1e9 * tanh,
    }


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Normal ones in float32."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@dataclass(frozen=True)
class Product:
    """A batch of matrix products: the shapes of both factors, and whether each comes transposed."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    flips: tuple[bool, bool] = (False, False)

    def seconds(self) -> float:
        """By the faster of torch.bmm and numpy.matmul."""
        a = numbers(self.first)
        b = numbers(self.second)
        flip, flip_second = self.flips
        a = a.swapaxes(1, 2) if flip else a
        b = b.swapaxes(1, 2) if flip_second else b
        shape = len(a), a.shape[1], b.shape[2]
        out = np.empty(shape, np.float32)
        x, y, z = (torch.from_numpy(part) for part in (a, b, out))
        by_numpy = seconds(lambda: np.matmul(a, b, out), 0.02)
        by_torch = seconds(lambda: torch.bmm(x, y, out=z), 0.02)
        return min(by_numpy, by_torch)


def products(runs: int, width: int, batch: int) -> list[Product]:
    """All products of forward and backward."""
    sizes = [INPUTS, width, width, ACTIONS]
    every = []
    for layer, (a, b) in enumerate(itertools.pairwise(sizes)):
        data, weight, back = (runs, batch, a), (runs, a, b), (runs, batch, b)
        every += [Product(data, weight), Product(data, back, (True, False))]
        if layer:
            # OpenBLAS and MKL are both slow at an inner size of one; zeros beside it are the faster way.
            inner = max(b, 2)
            every.append(Product((runs, batch, inner), (runs, a, inner), (False, True)))
    return every


def floor(runs: int, width: int, batch: int) -> float:
    """Seconds for the products alone of one update of one run."""
    at_once = _mlp_engine.runs_at_once([INPUTS, width, width, ACTIONS], batch)
    together = min(runs, at_once)
    total = sum(product.seconds() for product in products(together, width, batch))
    return total / together


class Plain:
    """What `fit` needs of an environment."""

    action_space, horizon = spaces.Box(-10.0, 10.0, (ACTIONS,)), 200


def samples(runs: int) -> Dataset:
    """Labels of a smooth function."""
    chance = torch.Generator().manual_seed(0)
    obs = torch.randn(runs, SAMPLES, INPUTS, generator=chance)
    total = obs[..., :1] + obs[..., 1:2]
    action = torch.tanh(total)
    weight = torch.ones(runs, SAMPLES)
    return Dataset(obs, action, weight, (SAMPLES,))


class Enough(Exception):
    """A training has been watched for long enough."""


def trained(
    runs: int, width: int, batch: int, spend: float = 1.0, fast: bool = True, net: str = "mlp"
) -> float:
    """Seconds for one update of one run: minibatches, gradient and optimiser.

    The median over the times from one report to the next; what comes before a block's first update is left out.
    """
    training = Training(net=net, hidden=(width, width), batch=batch)
    suits = _mlp_engine.suits
    stamps = [(0.0, clock())]

    def report(share: float, words: str) -> None:
        stamps.append((share, clock()))
        if len(stamps) > 2 and stamps[-1][1] - stamps[0][1] > spend:
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


def in_turn(runs: int, width: int, net: str = "mlp") -> dict[str, Any]:
    """One run and `runs` of them, timed in turn: microseconds for an update of a run, and how many times as fast."""
    pairs = [
        [1e6 * trained(count, width, BATCH, net=net) for count in (1, runs)] for _ in range(TURNS)
    ]
    one, many = np.array(pairs).T
    faster = interval(one / many)
    return {
        "one": float(np.median(one)),
        "many": float(np.median(many)),
        "faster": [faster.low, faster.value, faster.high],
    }


def plain(width: int, batch: int) -> float:
    """Seconds for an update of one network in a plain torch loop: nn.Sequential, autograd, torch.optim.Adam."""
    network = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, width),
        torch.nn.Tanh(),
        torch.nn.Linear(width, width),
        torch.nn.Tanh(),
        torch.nn.Linear(width, ACTIONS),
    )
    adam = torch.optim.Adam(network.parameters())
    data = samples(1)
    order = torch.randperm(SAMPLES - batch)

    def update() -> None:
        at = order[:batch]
        adam.zero_grad()
        gap = network(data.obs[0, at]) - data.action[0, at]
        gap.square().mean().backward()
        adam.step()

    return seconds(update, 0.3)


def row(runs: int, width: int, batch: int = BATCH) -> dict[str, Any]:
    """All times of one size, in microseconds for one update of one run."""
    us = 1e6
    times = in_turn(runs, width)
    return {
        "runs": runs,
        "hidden": width,
        "batch": batch,
        "ours": times["many"],
        "separate": times["one"],
        "faster": times["faster"],
        "floor": us * floor(runs, width, batch),
        "autograd": us * trained(runs, width, batch, fast=False),
    }


def results() -> list[dict[str, Any]]:
    """Every width with every number of runs."""
    every = []
    for width in WIDTHS:
        loop = 1e6 * plain(width, BATCH)
        every += [row(runs, width) | {"torch": loop} for runs in RUNS]
    return every


def nets() -> list[dict[str, Any]]:
    """Every net's time for an update of a run, alone and among others, and how many parameters it multiplies by."""
    return [{"net": net, "parameters": parameters(net), **in_turn(MANY, MANY, net)} for net in NETS]


def parameters(net: str) -> int:
    """Of one run's layers: what a sample costs is in proportion to them."""
    brief = Training(net=net, hidden=(MANY, MANY), batch=BATCH, updates=1)
    policy = fit(samples(1), brief, Plain(), Streams(range(1)), Log())
    return sum(array.numel() for name, array in policy.arrays().items() if "layer" in name)


def of_nets(each: list[dict[str, Any]]) -> list[Claim]:
    """Whether other nets keep up with the fast engine."""
    engine, *others = [one["many"] / one["parameters"] for one in each]
    slowest = max(others) / engine
    beside = f"Among {MANY} runs a net's update takes at most {slowest:.2g} times the engine's for each parameter (goal: 3)"
    together = f"{MANY} of them side by side"
    return [goal(beside, slowest <= 3), no_slower(together, [one["faster"] for one in each])]


def no_slower(who: str, faster: list[list[float]]) -> Claim:
    """That nothing is surely slower side by side than one run after the other; the least of all ratios is told."""
    least = min(faster, key=lambda ends: ends[1])
    behind = min(faster, key=lambda ends: ends[2])
    words = f"{who} are nowhere surely slower than one run after the other: {times_as_fast(least)} times as fast at worst"
    missed = f"{who} are {times_as_fast(behind)} times as fast as one run after the other"
    return Claim(f"{words} (goal: 1).", behind[2] >= 1, f"{missed} (goal: 1); the goal is missed.")


def times_as_fast(faster: list[float]) -> str:
    """A cell: the median over the turns, and its interval."""
    low, middle, high = faster
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def net_cells(one: dict[str, Any], engine: dict[str, Any]) -> list[str]:
    """A net's line."""
    times = one["many"] / engine["many"] * engine["parameters"] / one["parameters"]
    return [
        one["net"],
        f"{one['parameters']:,}",
        f"{one['one']:.3g}",
        f"{one['many']:.3g}",
        times_as_fast(one["faster"]),
        f"{times:.2g}",
    ]


def claims(
    rows: list[dict[str, Any]], small: dict[str, Any], machine: dict[str, float]
) -> list[Claim]:
    """Which goals are met; `small` is the row of one small run."""
    usual = next(one for one in rows if (one["hidden"], one["runs"]) == (64, 64))
    times = usual["ours"] / usual["floor"]
    many = (
        f"With 64 runs of 2 x 64 an update of a run takes {usual['ours']:.3g} µs, {times:.2f} times "
        "what the machine's libraries need for its products alone (goal: at most 2)"
    )
    single = f"One run of 2 x 32 with batch 32 takes {small['ours']:.3g} µs an update (goal: at most 100)"
    squashing = 2 * usual["hidden"] * usual["batch"] * machine["tanh_nanoseconds"] / 1e3
    return [
        goal(many, times <= 2),
        goal(single, small["ours"] <= 100),
        no_slower("Runs side by side", [one["faster"] for one in rows]),
        Claim(
            f"The core multiplies large matrices at {machine['gflops']:.0f} GFLOP/s and copies "
            f"{machine['gigabytes_per_second']:.0f} GB/s. NumPy's tanh takes {machine['tanh_nanoseconds']:.2g} ns, "
            f"which is {squashing:.3g} µs of an update of 2 x 64."
        ),
    ]


def cells(one: dict[str, Any]) -> list[str]:
    """A line of the table."""
    ours, runs = one["ours"], one["runs"]
    beside = []
    for name in ("floor", "autograd", "torch"):
        other = one[name]
        times = other / ours
        beside.append(f"{other:.3g} ({times:.2g})")
    a_second = 1e6 / ours / runs
    network = f"2 x {one['hidden']}"
    faster = times_as_fast(one["faster"])
    return [network, str(runs), f"{ours:.3g}", f"{a_second:,.0f}", faster, *beside]


def main() -> None:
    """Every width with every number of runs, one small run, and the ceilings."""
    torch.set_num_threads(1)
    rows = results()
    small = row(1, 32, 32)
    machine = ceilings()
    header = [
        "network",
        "runs",
        "µs for an update of a run",
        "updates a second of each",
        "times as fast as one after the other",
        "its products alone",
        "autograd, same runs",
        "torch.nn loop, one run",
    ]
    each = nets()
    net_header = [
        "net",
        "parameters",
        "µs, one run",
        f"µs, a run among {MANY}",
        "times as fast as one after the other",
        "for each parameter, of the mlp's",
    ]
    tables = [
        table(header, [cells(one) for one in rows]),
        table(net_header, [net_cells(one, each[0]) for one in each]),
    ]
    publish(
        "training_speed",
        [*claims(rows, small, machine), *of_nets(each)],
        "\n\n".join(tables),
        f"One thread, batch {BATCH}; processor time, in round brackets as a multiple of the third column. How many times as "
        f"fast runs side by side are: {TURNS} turns, medians with 95 % intervals; with one run beside one run it says how "
        "well the clock can tell.",
        microseconds=rows,
        nets=each,
        one_small_run=small,
        machine_can=machine,
    )


if __name__ == "__main__":
    main()

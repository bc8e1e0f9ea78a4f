"""What a symbol costs: gated recurrent networks side by side, against torch.nn.GRU for one run after the other.

The plain loop is what a good engineer writes: the fused nn.GRU, batch first, an embedding, a linear layer, Adam in its
fused form. Both learn the same minibatches' shapes on one thread, in turn, and ratios are of one sitting.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import torch
from claims import Claim, goal
from publish import publish, table

import il_bench as il
from il_bench.core.chance import bound
from il_bench.core.policy import Log
from il_bench.core.rollout import by_expert, rollout
from il_bench.fit.collect import demonstrate
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import fit

clock = time.thread_time
"""Of the one thread that computes: other processes' work is not counted."""
UNITS, EMBEDDING, BATCH, STEPS = 64, 32, 64, 48
RUNS = 1, 64
UPDATES = {1: 20, 64: 2}
"""Gradient updates that are timed at once, by how many runs."""
REPEATS = 3
WRITERS = 1024
"""Texts that are written and labelled side by side."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one run and symbol, microseconds.

    Attributes:
        runs: how many train side by side.
        ours, plain: by the library, and by the plain loop, one run after the other.
    """

    runs: int
    ours: float
    plain: float

    @property
    def times(self) -> float:
        """How many times as fast ours is."""
        return self.plain / self.ours


def seconds(work: Callable[[], object]) -> float:
    """What a piece of work takes, once."""
    began = clock()
    work()
    return clock() - began


def demonstrations(env: il.Env) -> Dataset:
    """A minibatch's worth of texts and more."""
    return demonstrate(env, il.expert(env), il.Streams(env.seeds), 2 * BATCH, Log())


def ours(runs: int) -> Callable[[int], object]:
    """The library's training of so many runs for so many updates."""
    env = il.make("clock", horizon=STEPS, seeds=runs)
    data = demonstrations(env)
    training = il.Training("gru", units=UNITS, embedding=EMBEDDING, sequences=BATCH, lr=3e-3)
    streams = il.Streams(env.seeds)
    return lambda updates: fit(data, training, env, streams, Log(), updates)


class Plain(torch.nn.Module):
    """Embedding, nn.GRU and a linear layer."""

    def __init__(self, symbols: int):
        torch.nn.Module.__init__(self)
        self.embedding = torch.nn.Embedding(symbols + 1, EMBEDDING)
        self.memory = torch.nn.GRU(EMBEDDING, UNITS, batch_first=True)
        self.answer = torch.nn.Linear(UNITS, symbols)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V) of symbols (B, T)."""
        states, _ = self.memory(self.embedding(obs))
        return self.answer(states)


def plain() -> Callable[[int], object]:
    """The plain loop of one run for so many updates."""
    env = il.make("clock", horizon=STEPS)
    data = demonstrations(env)
    obs = data.obs[0, :, 0].long().view(-1, STEPS)
    label = data.action[0, :, 0].view(-1, STEPS)
    net = Plain(env.action_space.n)
    adam = torch.optim.Adam(net.parameters(), 3e-3, fused=True)

    def train(updates: int) -> None:
        for _ in range(updates):
            rows = torch.randperm(len(obs))[:BATCH]
            logits = net(obs[rows])
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), label[rows].flatten())
            adam.zero_grad()
            loss.backward()
            adam.step()

    return train


def cost(runs: int) -> Cost:
    """Both, in turn, and the best of each."""
    updates = UPDATES[runs]
    own, other = ours(runs), plain()
    own(1)
    other(1)
    pairs = [
        (seconds(lambda: own(updates)), seconds(lambda: other(UPDATES[1]))) for _ in range(REPEATS)
    ]
    best, plainest = (min(column) for column in zip(*pairs, strict=True))
    symbols = BATCH * STEPS
    return Cost(
        runs,
        1e6 * best / (updates * runs * symbols),
        1e6 * plainest / (UPDATES[1] * symbols),
    )


def written() -> float:
    """Symbols a second that the oracle writes and labels, in a large batch."""
    env = il.make("clock", horizon=STEPS)
    streams = il.Streams(env.seeds)
    expert = bound(env, il.expert(env), streams, WRITERS)
    work = lambda: rollout(env, by_expert(env, expert), streams, WRITERS)  # noqa: E731
    work()
    return WRITERS * STEPS / min(seconds(work) for _ in range(REPEATS))


def results() -> tuple[list[Cost], float]:
    """Costs of training, and symbols a second."""
    return [cost(runs) for runs in RUNS], written()


def claims(costs: list[Cost], speed: float) -> list[Claim]:
    """What is aimed at, and what is reached."""
    one, many = costs
    return [
        goal(
            f"One run is {one.times:.2f} times as fast as nn.GRU (goal: 1)",
            one.times >= 1,
        ),
        goal(
            f"Among {many.runs} a run is {many.times:.2f} times as fast as nn.GRU alone (goal: 2)",
            many.times >= 2,
        ),
        goal(
            f"{speed / 1e6:.2f} million symbols a second are written and labelled, {WRITERS} texts side by side (goal: 1)",
            speed >= 1e6,
        ),
    ]


def main() -> None:
    """One run, and 64 side by side."""
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    costs, speed = results()
    rows = [
        [str(one.runs), f"{one.ours:.2f}", f"{one.plain:.2f}", f"{one.times:.2f}"] for one in costs
    ]
    publish(
        "sequence_speed",
        claims(costs, speed),
        table(["runs", "ours, µs", "nn.GRU, µs", "times as fast"], rows),
        f"Microseconds for each symbol and run; GRU {UNITS}, batch {BATCH}, T = {STEPS}, one thread.",
        costs=[dataclasses.asdict(one) for one in costs],
        symbols_per_second=speed,
    )


if __name__ == "__main__":
    main()

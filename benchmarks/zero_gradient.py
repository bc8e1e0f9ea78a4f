"""Zero gradient: what clean texts teach about the symbols that lead back to the path, which they never hold.

"A copy cannot learn to recover, for the gradient of what it would need is zero" is exact for a table with a row for each
state: nobody visits the row. Networks share their weights: what is never the answer is pushed down at every step, so that
cloning does not leave recovery unlearned but unlearns it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from claims import Claim, Share, share
from publish import publish, table

import il_bench as il
from il_bench.core.rollout import Rollout
from il_bench.fit.collect import expert_rollouts
from il_bench.nets.gru import GRUPolicy

SEEDS, TEXTS, SYMBOLS, SLIP = 64, 64, 16, 0.1
UPDATES = 1, 10, 100, 300
RATE = 5e-3
"""Of descent on the table's logits."""


@dataclass(frozen=True)
class Pushed:
    """What clean texts do to the keys.

    Attributes:
        visited: largest slope in a table's rows that the texts visit, (R,).
        unvisited: the same in the rows of confusions, (R,).
        uniform: how far those rows are from a uniform distribution after training, (R,).
        bias: slopes of the keys' biases, which all rows share, at uniform weights (R, keys).
        right: chance of the right key after a wrong symbol, (updates, R), of networks trained by so many updates.
        fair: the chance that it has at uniform weights, 1/V.
    """

    visited: np.ndarray
    unvisited: np.ndarray
    uniform: np.ndarray
    bias: np.ndarray
    right: np.ndarray
    fair: float


def results(first: int = 0, seeds: int = SEEDS) -> Pushed:
    """Of so many seeds; the first is `first`."""
    chosen = range(first, first + seeds)
    env = il.make("keyed", horizon=SYMBOLS, seeds=chosen)
    clean = texts(env)
    visited, unvisited, uniform = by_table(env, clean)
    bias = shared_slope(env, clean)
    slipped = replace(env, slip=SLIP)
    judged = texts(slipped)
    right = [right_key(slipped, judged, updates) for updates in UPDATES]
    return Pushed(visited, unvisited, uniform, bias, np.stack(right), 1 / env.vocabulary)


def texts(env: il.Env) -> Rollout:
    """Of the expert."""
    streams = il.Streams(env.seeds).fork("texts")
    return expert_rollouts(env, il.expert(env), streams, TEXTS, il.Log())


def by_table(env: il.Env, clean: Rollout) -> tuple[np.ndarray, ...]:
    """A row of logits for each state, by descent: slopes (R,) at the start, and where the unvisited rows end."""
    states = env.automaton.nodes
    logits = torch.zeros(env.runs, states, env.vocabulary, dtype=torch.float64)
    first = slopes(logits, clean)
    for _ in range(100):
        logits = logits - RATE * slopes(logits, clean)
    at_home, away = first[:, : env.places], first[:, env.places :]
    chances = logits[:, env.places :].softmax(-1)
    apart = (chances - 1 / env.vocabulary).abs()
    largest = [part.abs().amax((1, 2)).numpy() for part in (at_home, away)]
    return *largest, apart.amax((1, 2)).numpy()


def slopes(logits: torch.Tensor, clean: Rollout) -> torch.Tensor:
    """Of the mean cross-entropy of the texts, by logits (R, N, V)."""
    rows = logits.clone().requires_grad_()
    likelihood = chosen(rows, clean).log_softmax(-1)
    own = likelihood.gather(-1, symbols(clean))
    loss = -own.mean((1, 2, 3)).sum()
    return torch.autograd.grad(loss, rows)[0]


def chosen(rows: torch.Tensor, visits: Rollout) -> torch.Tensor:
    """The rows (R, E, T, V) of the states that were visited."""
    run = torch.arange(len(rows))[:, None, None]
    node = visits.lived[..., 0].long()
    return rows[run, node]


def symbols(visits: Rollout) -> torch.Tensor:
    """Those chosen, (R, E, T, 1)."""
    return visits.action.long()


def shared_slope(env: il.Env, clean: Rollout) -> np.ndarray:
    """Slopes (R, keys) of the keys' biases where every state has the same logits, at uniform weights."""
    bias = torch.zeros(env.runs, env.vocabulary, dtype=torch.float64, requires_grad=True)
    likelihood = bias.log_softmax(-1)
    taken = symbols(clean).flatten(1)
    loss = -likelihood.gather(-1, taken).mean(1).sum()
    slope = torch.autograd.grad(loss, bias)[0]
    return slope[:, env.keys].numpy()


def right_key(slipped: il.Env, judged: Rollout, updates: int) -> np.ndarray:
    """Mean chance (R,) that a network of so many updates gives to the right key after a wrong symbol."""
    clean = replace(slipped, slip=0.0)
    sizes = {"units": 16, "embedding": 8, "sequences": 16}
    training = il.Training(net="gru", updates=updates, lr=5e-3, **sizes)
    policy = il.BC(TEXTS, training).learn(clean, il.expert(clean))
    chances = conditionals(slipped, policy, judged)
    node = judged.lived[..., 0].long()
    confusion = (node - slipped.places).clamp_min(0)
    key = slipped.keys[confusion]
    own = chances.gather(-1, key[..., None])[..., 0]
    away = node >= slipped.places
    print(f"{updates} updates", flush=True)
    return ((own * away).sum((1, 2)) / away.sum((1, 2))).numpy()


def conditionals(env: il.Env, policy: GRUPolicy, visits: Rollout) -> torch.Tensor:
    """The policy's chances (R, E, T, V) along texts that others wrote."""
    memory, steps = None, []
    for state in visits.lived.unbind(2):
        logits, memory = policy.go_on(env.observation(state), memory)
        steps.append(logits.softmax(-1))
    return torch.stack(steps, 2)


def claims(pushed: Pushed) -> list[Claim]:
    """What is exact, and what a network makes of it."""
    zero = float(pushed.unvisited.max())
    least = float(pushed.visited.min())
    still = float(pushed.uniform.max())
    apart = float(np.abs(pushed.bias - pushed.fair).max())
    below = share(pushed.right[-1] < pushed.fair)
    return [
        Claim(
            f"In a table the rows of confusions have a slope of {zero:g} in all {SEEDS} runs (those that the "
            f"texts visit: {least:.1e} and more), and stay uniform: off by {still:g}.",
            zero == 0 and still < 1e-15 and least > 0,
        ),
        Claim(
            f"Where rows share a bias, that of a key has a slope of +1/V, to {apart:.0e}: descent pushes the way "
            "back down, from the first step on.",
            apart < 1e-12,
        ),
        unlearning(pushed, below),
    ]


def unlearning(pushed: Pushed, below: Share) -> Claim:
    """What trained networks think of the right key."""
    start, end = (float(np.median(pushed.right[place])) for place in (0, -1))
    words = (
        f"A network that never saw an error gives the right key a chance of {start:.3f} after the first update "
        f"and {end:.1e} after {UPDATES[-1]} (median; uniform: {pushed.fair:g})"
    )
    sure = below.ends[0] > 0.9
    return Claim(f"{words}: below uniform in {below} of the runs.", sure)


def main() -> None:
    """64 seeds, 64 clean texts each, four lengths of training."""
    torch.set_num_threads(1)
    pushed = results()
    rows = [
        [
            f"{updates}",
            f"{np.median(right):.2e}",
            f"{right.min():.1e} to {right.max():.1e}",
            f"{share(right < pushed.fair)}",
        ]
        for updates, right in zip(UPDATES, pushed.right, strict=True)
    ]
    header = ["updates", "chance of the right key, median", "range over runs", "below uniform"]
    publish(
        "zero_gradient",
        claims(pushed),
        table(header, rows),
        f"`keyed`, gru of 16 units taught by {TEXTS} clean texts, after a wrong symbol; {SEEDS} seeds.",
        right=pushed.right.tolist(),
        bias=pushed.bias.tolist(),
    )


if __name__ == "__main__":
    main()

"""The hidden state: what a certificate above one foretells of it, and whether it should come back after a wrong symbol.

"The hidden states drift by the recursion D' = alpha D + epsilon, alpha = L_h + L_x L_fb, so that alpha > 1 explodes." Below
one that is a theorem, which a cell with set constants obeys on every run. Above one it foretells nothing: a trained network has a
certificate in the hundreds, and forgets a swapped symbol within a few steps. Nor is forgetting good: who knows what a wrong
symbol means must remember it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from claims import Claim
from publish import figure, publish, table

import il_bench as il
from il_bench.core.chance import bound
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.measures import continuations, memories
from il_bench.stats.theory import envelope

SEEDS, EPISODES, TEXTS, TAUGHT, WRITTEN = 3, 256, 16, 48, 64
UPDATES, SLIP = 600, 0.02
SWAPPED = 16
"""The step whose symbol is swapped."""
LAGS = 1, 2, 4, 8, 16, 32
SOON = 3
"""Place of the lag at which most is left to be told apart."""
CELLS, UNITS, STEPS, ERROR = 64, 16, 60, 0.01
"""Cells with set constants, of so many units, that go on so many steps with an error each."""
HOLDS = 0.3, 0.6, 0.8, 1.0
"""L_h of the cells; L_x is 1/2 and L_fb 1/2, so that alpha is a quarter more."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """Cells h' = tanh(A h + B x), x = E softmax(W h) + error, with set constants.

    Attributes:
        alpha: L_h + L_x L_fb.
        drift: the largest deviation from the same cells without errors at each step, of each run (R, T+1).
        limit: what the recursion allows (T+1,).
    """

    alpha: float
    drift: np.ndarray
    limit: np.ndarray

    @property
    def exceeds(self) -> int:
        """Runs that are above the limit somewhere, but for rounding."""
        above = self.drift > self.limit * (1 + 1e-9)
        return int(above.any(1).sum())

    def cells(self) -> list[str]:
        """A row of the table."""
        end = self.drift[:, -1]
        limit = f"{self.limit[-1]:.2g}"
        return [f"{self.alpha:g}", f"{np.median(end):.2g}", f"{end.max():.2g}", limit]


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a trained network remembers; numbers of each run, (R,), or (R, lags).

    Attributes:
        name: how it learned.
        certificate: L_h + L_x L_fb from its weights.
        met: the median slope of the same loop, on its own texts.
        growth: a step, of an infinitesimal deviation along its own texts.
        kept: distance over that of unrelated texts, at each lag after a swapped symbol.
    """

    name: str
    certificate: np.ndarray
    met: np.ndarray
    growth: np.ndarray
    kept: np.ndarray

    def row(self) -> list[str]:
        """A row of the table: medians."""
        numbers = [self.certificate, self.met, self.growth, *self.kept.T]
        return [self.name, *(f"{np.median(each):.2g}" for each in numbers)]


def normalised(random: np.random.Generator, rows: int, columns: int, norm: float) -> torch.Tensor:
    """Matrices (R, rows, columns) of a spectral norm."""
    drawn = torch.from_numpy(random.normal(size=(CELLS, rows, columns)))
    norms = torch.linalg.matrix_norm(drawn, ord=2)
    return norm * drawn / norms[:, None, None]


def cell(hold: float, first: int) -> Cell:
    """Cells with a certain L_h, and what errors of a given length do to them."""
    random = np.random.default_rng(first)
    read, fed = 0.5, 0.5
    keeps = normalised(random, UNITS, UNITS, hold)
    reads = normalised(random, UNITS, UNITS, read)
    embedding = normalised(random, UNITS, UNITS, 1.0)
    answer = normalised(random, UNITS, UNITS, 2 * fed)
    errors = torch.from_numpy(random.normal(size=(STEPS, CELLS, 1, UNITS)))
    errors = ERROR / read * errors / errors.norm(dim=-1, keepdim=True)

    def step(state: torch.Tensor, error: Any) -> torch.Tensor:
        entering = (state @ answer).softmax(-1) @ embedding + error
        return (state @ keeps + entering @ reads).tanh()

    calm = torch.zeros(CELLS, 1, UNITS, dtype=torch.float64)
    pushed = calm
    drift = [torch.zeros(CELLS)]
    for error in errors:
        calm, pushed = step(calm, 0.0), step(pushed, error)
        drift.append((pushed - calm).norm(dim=-1)[:, 0])
    alpha = hold + read * fed
    return Cell(alpha, torch.stack(drift, 1).numpy(), envelope(ERROR, alpha, STEPS))


def remembered(name: str, env: Any, policy: Any) -> Memory:
    """What a network remembers of its own texts, and of its expert's with a swapped symbol."""
    streams = Streams(env.seeds).fork("evaluation")
    expert = bound(env, il.expert(env), streams, TEXTS)
    lead = rollout(env, by_expert(env, expert), streams, TEXTS)
    own = rollout(env, by_policy(env, policy, streams, TEXTS), streams, TEXTS)
    swapped = continuations.rewritten(env, lead, streams, SWAPPED)
    kept = memories.kept(env, policy, lead, swapped)
    places = memories.some(memories.reading(env, policy, own))
    met = memories.stretches(policy.soft_step, places)
    return Memory(
        name=name,
        certificate=policy.gains().loop.numpy(),
        met=met.median(1).values.numpy(),
        growth=memories.lyapunov(env, policy, own).numpy(),
        kept=kept[:, [SWAPPED + lag for lag in LAGS]].numpy(),
    )


def results(first: int = 0, seeds: int = SEEDS) -> tuple[list[Cell], list[Memory]]:
    """Cells with set constants, and networks that learned `keyed`; the first seed is `first`."""
    cells = [cell(hold, first) for hold in HOLDS]
    env = il.make("keyed", horizon=TAUGHT, slip=SLIP, seeds=range(first, first + seeds))
    clean = dataclasses.replace(env, slip=0.0)
    training = il.Training(
        net="gru", updates=UPDATES, lr=5e-3, units=32, embedding=16, sequences=16
    )
    rounds = EPISODES // 32
    dagger = il.DAgger(rounds, 32, beta="constant", p=0.5, training=training)
    policies = {
        "teacher forcing": il.BC(EPISODES, training).learn(clean, il.expert(clean)),
        "DAgger": dagger.learn(env, il.expert(env)),
    }
    judged = dataclasses.replace(clean, horizon=WRITTEN)
    return cells, [remembered(name, judged, policy) for name, policy in policies.items()]


def claims(results: tuple[list[Cell], list[Memory]]) -> list[Claim]:
    """What is said of hidden states, and what is so."""
    cells, (forced, dagger) = results
    stable = [one for one in cells if one.alpha < 1]
    exceeds = sum(one.exceeds for one in stable)
    explosive = [one for one in cells if one.alpha >= 1]
    least = min(forced.certificate.min(), dagger.certificate.min())
    growth = max(forced.growth.max(), dagger.growth.max())
    left, stays = (np.median(one.kept / one.kept[:, :1], axis=0) for one in (forced, dagger))
    kept = (
        f"Of a swapped symbol {left[SOON]:.2g} are left in the memory of teacher forcing after {LAGS[SOON]} steps and "
        f"{left[-1]:.2g} after {LAGS[-1]}; {stays[SOON]:.2g} and {stays[-1]:.2g} in that of DAgger, which was asked what to "
        "write after one"
    )
    limit = max(one.limit[-1] for one in explosive)
    largest = max(float(one.drift.max()) for one in explosive)
    return [
        Claim(
            f"Below alpha = 1 the recursion bounds all of {CELLS * len(stable)} cells at every step "
            f"({exceeds} exceed it).",
            exceeds == 0,
        ),
        Claim(
            f"Above it nothing explodes: errors of {ERROR:g} become {largest:.2g} at most in {STEPS} steps, "
            f"where the recursion allows {limit:.2g}.",
            largest < limit / 10,
        ),
        Claim(
            f"Trained networks have a certificate of {least:.0f} and more, and a small deviation "
            f"of their memory shrinks: by {growth:.2f} a step at most, along their own texts.",
            least > 1 > growth,
            f"Trained networks have a certificate of {least:.0f} and more, and a small deviation "
            f"of their memory grows by up to {growth:.2f} a step.",
        ),
        Claim(
            f"{kept}: to forget is not to recover.",
            bool(left[-1] < 0.5 * stays[-1]),
            f"{kept}.",
        ),
        Claim(
            f"DAgger's memory keeps it for good, {stays[-1]:.2g} after {LAGS[-1]} steps (published: 0.89).",
            bool(stays[-1] > 0.5),
            f"DAgger's memory loses it too, only later: {stays[-1]:.2g} are left after {LAGS[-1]} steps (published: 0.89, of "
            "a network of 64 units and 2,000 texts).",
        ),
    ]


def numbers(one: Memory) -> dict[str, Any]:
    """What a result file keeps of a network."""
    arrays = dataclasses.asdict(one)
    del arrays["name"]
    return {name: array.tolist() for name, array in arrays.items()}


def draw(results: tuple[list[Cell], list[Memory]]) -> None:
    """How far errors bring cells, and what networks keep of a swapped symbol."""
    cells, networks = results
    with figure("hidden_state", 2) as (left, right):
        for number, one in enumerate(cells):
            colour = f"C{number}"
            left.semilogy(one.drift.max(0)[1:], color=colour, label=f"alpha = {one.alpha:g}")
            left.semilogy(one.limit[1:], "--", color=colour, lw=1)
        for number, memory in enumerate(networks):
            right.plot(LAGS, memory.kept.T, color=f"C{number}", label=memory.name)
        left.set_xlabel("steps")
        left.set_ylabel("deviation; dashed: what the recursion allows")
        right.set_xlabel("steps after a swapped symbol")
        right.set_ylabel("distance of memories over that of unrelated texts")
        for panel in (left, right):
            panel.legend(frameon=False, fontsize=7)


def main() -> None:
    """64 cells of each kind; 3 seeds of each network, 256 texts to learn from."""
    torch.set_num_threads(1)
    told = results()
    draw(told)
    cells, networks = told
    first = table(
        ["alpha by construction", "D after 60 steps, median", "largest of 64", "recursion"],
        [one.cells() for one in cells],
    )
    second = table(
        ["network", "certificate", "slope met", "growth a step", *(f"kept, lag {n}" for n in LAGS)],
        [one.row() for one in networks],
    )
    publish(
        "hidden_state",
        claims(told),
        f"{first}\n\n{second}",
        f"`keyed`, medians of {SEEDS} seeds; the slope is that of the loop that the certificate bounds.",
        networks={one.name: numbers(one) for one in networks},
    )


if __name__ == "__main__":
    main()

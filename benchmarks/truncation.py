"""Truncation: how far back one learns to look when the gradient is cut off after so many steps.

"Truncated backpropagation cannot learn what lies further back than its window" takes the gradient for the whole of
learning. With respect to a mark that was read D symbols ago it is exactly 0 for a window of L <= D steps, always. Where
each window begins with an empty state, the mark is out of reach indeed. Where the state is carried, weights that learned
to hold anything over a few steps hold a mark over many: they are the same weights at every step. The control is a network
whose recurrent part stays as it was drawn, which holds only what chance lets it hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from claims import Claim, share
from publish import publish, table

import il_bench as il
from il_bench.core.rollout import observe
from il_bench.fit.collect import expert_rollouts
from il_bench.fit.optimiser import Layers, Optimiser
from il_bench.fit.training import Lesson
from il_bench.fit.unrolling import Recurrence, descend_along, scaling_of
from il_bench.nets.gru import GRU, GRUPolicy, answers, first_layers

SEEDS, TEXTS = 8, 256
DELAYS = 3, 8, 20
"""From mark to answer, where slopes are asked for; training takes `DELAY`."""
DELAY = 8
RESET = DELAY, DELAY + 1
"""Windows with an empty state, steps: the longest that does not reach the mark, and the shortest that does."""
CARRY = 3, 5, DELAY
"""Windows whose state is carried, none of which reaches the mark."""
BATCHES = 1500
"""Minibatches of 32 texts in a training, of as many updates as windows each."""
CHANCE, SOLVED = 0.35, 0.9
"""Below the one an answer is guessed, among four marks; above the other it is known."""
LANGUAGE: dict[str, Any] = {"vocabulary": 8, "marks": 4}


@dataclass(frozen=True)
class Reservoir:
    """A gru of which only the read-out learns; all else stays as it was drawn (Jaeger 2001)."""

    gru: GRU

    descends = True
    along_sequences = True

    def fit(self, lesson: Lesson) -> GRUPolicy:
        """See `Net.fit`."""
        space = lesson.env.action_space
        sizes = tuple(lesson.env.observation_space.nvec.tolist())
        scaling = scaling_of(lesson)
        first = fresh(lesson.streams, sizes, self.gru, int(space.n))

        def policy(optimiser: Optimiser) -> GRUPolicy:
            return GRUPolicy(optimiser.average(), scaling, space, sizes)

        still = partial(held, scaling, sizes)
        return descend_along(lesson, Recurrence(first, still, policy), self.gru, scaling)


def held(scaling: Any, sizes: Any, layers: Layers, obs: Any, memory: Any) -> Any:
    """What a network answers whose layers but for the last have a gradient of zero."""
    *inner, weight, bias = layers
    still = [layer.detach() + 0 * layer for layer in inner]
    return answers(scaling, sizes, [*still, weight, bias], obs, memory)


def fresh(streams: il.Streams, sizes: tuple[int, ...], net: GRU, outputs: int) -> Layers:
    """Layers as they are drawn before any training."""
    drawn = streams.normal("embedding", 1, sum(sizes), net.embedding)
    embedding = drawn[:, 0]
    layers = first_layers(streams, net.embedding, net.units, outputs)
    return [embedding.float(), *layers]


@dataclass(frozen=True)
class Slope:
    """What a mark weighs in the loss of its answer, at first weights.

    Attributes:
        delay: symbols between the two, D.
        length: of a window, L.
        value: the largest slope in what was read of the mark.
    """

    delay: int
    length: int
    value: float

    @property
    def reaches(self) -> bool:
        """Whether the window holds the mark beside its answer."""
        return self.length > self.delay


@dataclass(frozen=True)
class Answer:
    """How often the mark was recalled.

    Attributes:
        between: what becomes of the state from window to window, or "frozen".
        length: of a window, L.
        right: share of texts whose likeliest answer is the mark, (R,).
    """

    between: str
    length: int
    right: np.ndarray

    def cells(self) -> list[str]:
        """A row of the table."""
        least, most = self.right.min(), self.right.max()
        sight = "inside" if self.length > DELAY else "outside"
        return [
            self.between,
            str(self.length),
            sight,
            f"{self.right.mean():.3f}",
            f"{least:.3f} to {most:.3f}",
        ]


def language(delay: int, seeds: Any) -> Any:
    """One round of `recall`: the text ends with its answer."""
    return il.make("recall", delay=delay, horizon=delay + 1, seeds=seeds, **LANGUAGE)


def texts(env: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Observations (R, E, T, 1) of the expert's texts, and their symbols (R, E, T)."""
    streams = il.Streams(env.seeds).fork("judged")
    seen = expert_rollouts(env, il.expert(env), streams, TEXTS, il.Log())
    before = seen.state[:, :, :-1]
    flat = before.flatten(1, 2)
    obs = observe(env, flat)
    symbols = seen.state[:, :, 1:, -1]
    return obs.unflatten(1, (TEXTS, env.horizon)), symbols.long()


def slope(delay: int, length: int) -> Slope:
    """Of the answer's loss in what was read of the mark, in windows of a length whose state is carried.

    The mark is the only symbol of its kind that is read in a text, so that its row of the embedding is what it gives.
    """
    env = language(delay, 1)
    obs, symbols = texts(env)
    sizes = tuple(env.observation_space.nvec.tolist())
    net = GRU(units=16, embedding=8)
    drawn = fresh(il.Streams((0,)), sizes, net, env.vocabulary)
    layers = [layer.requires_grad_() for layer in drawn]
    memory = None
    for part in obs.split(length, 2):
        before = None if memory is None else memory.detach()
        out, memory = answers({}, sizes, layers, part, before)
    likelihood = out[:, :, -1].log_softmax(-1)
    its = likelihood.gather(-1, symbols[:, :, -1:])
    embedding, *_ = torch.autograd.grad(-its.mean(), layers[:1])
    marks = embedding[:, : env.marks]
    return Slope(delay, length, float(marks.abs().max()))


def recalled(env: Any, policy: GRUPolicy, cut: GRU) -> np.ndarray:
    """Share (R,) of the expert's texts whose likeliest answer is the mark, read in windows as in training."""
    obs, symbols = texts(env)
    steps = obs.unbind(2)
    whole = cut.truncate or len(steps)
    memory = None
    for step, now in enumerate(steps):
        if cut.between == "reset" and step % whole == 0:
            memory = None
        out, memory = policy.go_on(now, memory)
    right = out.argmax(-1) == symbols[:, :, -1]
    return right.double().mean(1).numpy()


def trained(env: Any, net: Any, cut: GRU) -> GRUPolicy:
    """A clone of the expert's texts, whose chances are its labels, by so many minibatches."""
    whole = cut.truncate or env.horizon
    windows = math.ceil(env.horizon / whole)
    updates = BATCHES * windows
    training = il.Training(net=net, updates=updates, lr=1e-2, soft=True)
    return il.BC(1024, training).learn(env, il.expert(env))


def results(first: int = 0, seeds: int = SEEDS) -> tuple[list[Slope], list[Answer]]:
    """Slopes of all windows, and how often each training's network recalls; the first seed is `first`."""
    steep = [slope(delay, length) for delay in DELAYS for length in range(1, delay + 2)]
    env = language(DELAY, range(first, first + seeds))
    net = GRU(units=24, embedding=8, sequences=32)
    cuts = [replace(net, truncate=length, between="reset") for length in RESET]
    cuts += [replace(net, truncate=length) for length in CARRY]
    recall = []
    for cut in cuts:
        right = recalled(env, trained(env, cut, cut), cut)
        recall.append(Answer(cut.between, cut.truncate, right))
    still = recalled(env, trained(env, Reservoir(net), net), net)
    recall.append(Answer("frozen, carry", DELAY + 1, still))
    return steep, recall


def claims(steep: list[Slope], recall: list[Answer]) -> list[Claim]:
    """What is said, and what is so."""
    blind = [one.value for one in steep if not one.reaches]
    sighted = [one.value for one in steep if one.reaches]
    only = max(blind) == 0 and min(sighted) > 0
    windows = f"{len(steep)} windows of up to D + 1 steps, D = {', '.join(map(str, DELAYS))}"
    guessed, solved, *carried, still = [one.right for one in recall]
    lengths = ", ".join(map(str, CARRY))
    solving = [share(right > SOLVED) for right in carried]
    shares = ", ".join(map(str, solving))
    return [
        Claim(
            f"Of {windows}, the slope in the mark is exactly 0 in all {len(blind)} with L <= D, and at least "
            f"{min(sighted):.0e} in those with L = D + 1.",
            only,
        ),
        Claim(
            f"Where each window begins with an empty state, L = D guesses ({guessed.max():.3f} right at most, a quarter "
            f"is chance) and L = D + 1 recalls ({solved.min():.3f} at least).",
            guessed.max() < CHANCE and solved.min() > SOLVED,
        ),
        Claim(
            f"Where the state is carried, L = {lengths} recall a mark of {DELAY} steps ago in {shares} of the runs, "
            "with a gradient that never reached it.",
            max(one.value for one in solving) == 1,
        ),
        Claim(
            f"With all but the read-out as it was drawn, and whole texts to learn from, it is recalled in "
            f"{still.max():.3f} at most: what holds it is learned.",
            still.max() < SOLVED,
        ),
    ]


def main() -> None:
    """8 seeds, 1,024 texts to learn from, 256 to be judged by."""
    torch.set_num_threads(1)
    steep, recall = results()
    header = ["state between windows", "L", "mark", "recalled, mean", "range over runs"]
    publish(
        "truncation",
        claims(steep, recall),
        table(header, [one.cells() for one in recall]),
        f"`recall` with a mark {DELAY} symbols ago among 4, gru of 24 units, {BATCHES:,} minibatches of 32 texts, "
        f"{SEEDS} seeds.",
        slopes=[[one.delay, one.length, one.value] for one in steep],
        recalled={f"{one.between} {one.length}": one.right.tolist() for one in recall},
    )


if __name__ == "__main__":
    main()

"""Truncation: how far back one learns to look when the gradient is cut off after so many steps.

"Truncated backpropagation cannot learn what lies further back than its window" takes the gradient for the whole of
learning. With respect to a mark that was read D symbols ago it is exactly 0 for a window of L <= D steps, always. Where
each window begins with an empty state, the mark is out of reach indeed. Where the state is carried, weights that learned
to hold anything over a few steps hold a mark over many: they are the same weights at every step. That takes two things. The
window that holds the answer must hold a few steps before it, in which holding can be learned: of L = D the last window is
the answer alone. And the labels must be symbols: the expert's own chances, which say everywhere but at the answer that
nothing is known, are learned from less often. The control is a network whose recurrent part stays as it was drawn, which
holds only what chance lets it hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from claims import Claim, Share, pairs, share
from joblib import Parallel, delayed
from publish import publish, table

import il_bench as il
from il_bench.core.rollout import observe
from il_bench.fit.collect import expert_rollouts
from il_bench.fit.optimiser import Layers, Optimiser
from il_bench.fit.training import Lesson
from il_bench.fit.unrolling import Recurrence, descend_along, scaling_of
from il_bench.nets.gru import GRU, GRUPolicy, answers, first_layers

SEEDS, TEXTS = 64, 256
DELAYS = 3, 8, 20
"""From mark to answer, where slopes are asked for; training takes `DELAY`."""
DELAY = 8
RESET = DELAY, DELAY + 1
"""Windows with an empty state, steps: the longest that does not reach the mark, and the shortest that does."""
CARRY = 3, 5
"""Windows whose state is carried, which do not reach the mark, and of which the last holds steps before the answer."""
BATCHES = 3000
"""Minibatches of 32 texts in a training, of as many updates as windows each."""
SOLVED = 0.9
"""Above it an answer is known, among four marks."""
MOST = 0.9
"""Share of the runs that counts as nearly all of them."""
LANGUAGE: dict[str, Any] = {"vocabulary": 8, "marks": 4}


@dataclass(frozen=True)
class Way:
    """A way of cutting texts into windows, and of learning from them.

    Attributes:
        between: what becomes of the state from window to window, "carry" or "reset".
        length: of a window, L, steps.
        soft: whether labels are the expert's chances, not its symbols.
        frozen: whether only the read-out learns.
    """

    between: str
    length: int
    soft: bool = False
    frozen: bool = False

    def __str__(self) -> str:
        still = "frozen, " if self.frozen else ""
        labels = "chances" if self.soft else "symbols"
        return f"{still}{self.between}, L = {self.length}, {labels}"


ALONE = Way("carry", DELAY)
"""Its last window is the answer alone."""
SOFT = Way("carry", CARRY[-1], soft=True)
FROZEN = Way("carry", DELAY + 1, frozen=True)
CARRIED = tuple(Way("carry", length) for length in CARRY)
BLIND, SIGHTED = (Way("reset", length) for length in RESET)
WAYS = (BLIND, SIGHTED, *CARRIED, ALONE, SOFT, FROZEN)


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

        still = partial(held, sizes)
        return descend_along(lesson, Recurrence(first, still, policy), self.gru, scaling)


def held(sizes: Any, scaling: Any, layers: Layers, obs: Any, memory: Any) -> Any:
    """What a network answers whose layers but for the last have a gradient of zero."""
    *inner, weight, bias = layers
    still = [layer.detach() + 0 * layer for layer in inner]
    return answers(sizes, scaling, [*still, weight, bias], obs, memory)


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


def cells(way: Way, right: np.ndarray) -> list[str]:
    """A row of the table: how often the mark was recalled, (R,)."""
    sight = "inside" if way.length > DELAY else "outside"
    middle = f"{right.mean():.3f} ({right.min():.3f} to {right.max():.3f})"
    return [str(way), sight, middle, str(share(right > SOLVED))]


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
        out, memory = answers(sizes, {}, layers, part, before)
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


def trained(env: Any, net: Any, way: Way) -> GRUPolicy:
    """A clone of the expert's texts by so many minibatches."""
    windows = math.ceil(env.horizon / way.length)
    training = il.Training(net=net, updates=BATCHES * windows, lr=5e-3, soft=way.soft)
    return il.BC(1024, training).learn(env, il.expert(env))


def answered(way: Way, first: int, seeds: int) -> np.ndarray:
    """How often the mark is recalled by what was learned so, (R,)."""
    torch.set_num_threads(1)
    env = language(DELAY, range(first, first + seeds))
    cut = GRU(units=32, embedding=8, sequences=32, truncate=way.length, between=way.between)
    net = Reservoir(cut) if way.frozen else cut
    right = recalled(env, trained(env, net, way), cut)
    print(way, f"{right.mean():.3f}", share(right > SOLVED), flush=True)
    return right


Answers = dict[Way, np.ndarray]


def results(first: int = 0, seeds: int = SEEDS) -> tuple[list[Slope], Answers]:
    """Slopes of all windows, and how often each way's networks recall, a process each; the first seed is `first`."""
    steep = [slope(delay, length) for delay in DELAYS for length in range(1, delay + 2)]
    tasks = [delayed(answered)(way, first, seeds) for way in WAYS]
    recall = Parallel(n_jobs=-1)(tasks)
    return steep, dict(zip(WAYS, recall, strict=True))


def claims(steep: list[Slope], recall: Answers) -> list[Claim]:
    """What is said, and what is so."""
    shares = {way: share(right > SOLVED) for way, right in recall.items()}
    still = recall[FROZEN].max()
    frozen = Claim(
        f"With all but the read-out as it was drawn, and whole texts to learn from, it is recalled in "
        f"{still:.3f} at most: what holds it is learned.",
        still < SOLVED,
    )
    return [unreached(steep), anew(shares[BLIND], shares[SIGHTED]), *carried(recall), frozen]


def unreached(steep: list[Slope]) -> Claim:
    """Whether the slope is zero where the window does not hold the mark, and nowhere else."""
    blind = [one.value for one in steep if not one.reaches]
    sighted = [one.value for one in steep if one.reaches]
    windows = f"{len(steep)} windows of up to D + 1 steps, D = {', '.join(map(str, DELAYS))}"
    words = (
        f"Of {windows}, the slope in the mark is exactly 0 in all {len(blind)} with L <= D, and at least "
        f"{min(sighted):.0e} in those with L = D + 1."
    )
    return Claim(words, max(blind) == 0 and min(sighted) > 0)


def anew(guessed: Share, solved: Share) -> Claim:
    """Whether windows that begin with an empty state are as good as they are long."""
    words = f"Where each window begins with an empty state, L = D recalls in {guessed} of the runs, L = D + 1 in {solved}."
    return Claim(words, guessed.count == 0 and solved.value >= MOST)


def carried(recall: Answers) -> list[Claim]:
    """Whether a carried state is learned to be held, and what that takes."""
    solved = {way: right > SOLVED for way, right in recall.items()}
    shares = {way: share(runs) for way, runs in solved.items()}
    lengths = ", ".join(map(str, CARRY))
    solving = [shares[way] for way in CARRIED]
    alone, soft = shares[ALONE], shares[SOFT]
    missing = all(pairs(solved[way], solved[ALONE]).more for way in CARRIED)
    harder = pairs(solved[CARRIED[-1]], solved[SOFT])
    return [
        Claim(
            f"Where the state is carried, L = {lengths} recall a mark of {DELAY} steps ago in "
            f"{', '.join(map(str, solving))} of the runs, with a gradient that never reached it.",
            min(one.value for one in solving) >= MOST,
        ),
        Claim(
            f"Of L = D the last window is the answer alone, with no step in which to learn to hold: {alone} of the runs.",
            missing,
            f"Of L = D, whose last window is the answer alone, {alone} of the runs recall: not surely fewer.",
        ),
        Claim(
            f"Learned from the expert's chances instead of its symbols, L = {SOFT.length} recalls in {soft} of the runs.",
            harder.more,
            f"Learned from the expert's chances, L = {SOFT.length} recalls in {soft} of the runs: not surely fewer.",
        ),
    ]


def main() -> None:
    """64 seeds, 1,024 texts to learn from, 256 to be judged by."""
    steep, recall = results()
    header = ["state between windows, window, labels", "mark", "recalled, mean (range)"]
    header.append(f"runs above {SOLVED:g}")
    publish(
        "truncation",
        claims(steep, recall),
        table(header, [cells(way, right) for way, right in recall.items()]),
        f"`recall` with a mark {DELAY} symbols ago among 4, gru of 32 units, {BATCHES:,} minibatches of 32 texts, "
        f"{SEEDS} seeds.",
        slopes=[[one.delay, one.length, one.value] for one in steep],
        recalled={str(way): right.tolist() for way, right in recall.items()},
    )


if __name__ == "__main__":
    main()

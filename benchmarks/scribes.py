"""Scribes: ways to learn a language of symbols, and what comes of them, in one place for the benchmarks of texts.

All ways have the same network, gradient updates and texts to begin with. Texts to be judged are more than twice as long as
those that were learned from, so that what is true of the one length and not beyond it can be told apart.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import il_bench as il
from il_bench.core.policy import Log, Policy
from il_bench.fit.training import Lesson
from il_bench.nets.gru import GRU
from il_bench.records.twins import compare

SEEDS, EPISODES, TEXTS = 5, 2_000, 32
"""Runs; texts to learn from, and to be judged by."""
TAUGHT, WRITTEN = 48, 129
"""Symbols of a text that is learned from, and of one that is judged: 128 of them follow something."""
UPDATES, ROUNDS = 600, 16
"""Gradient updates of each way to learn, and rounds of DAgger among which they are divided."""
SLIP = 0.02
"""Chance of another symbol in the texts that DAgger collects, without which it seldom sees an error mended."""
SCHEDULES = "linear", "exponential", "sigmoid"
FORCED, DAGGER, DISTILLED = "teacher forcing", "DAgger, beta 0.5", "distillation"

Look = Callable[[int, Policy], None]
"""(updates made, the policy of that moment) -> nothing."""


@dataclass(frozen=True)
class Watched:
    """A gru at which somebody looks while it is trained, whichever learner trains it.

    Attributes:
        gru: the settings.
        look: called after every so many updates, counted over all fits of a learner.
        every: how many.
    """

    gru: GRU
    look: Look
    every: int

    descends = True
    along_sequences = True

    def fit(self, lesson: Lesson) -> Policy:
        """See `Net.fit`."""
        before = lesson.log.updates

        def watch(made: int, policy: Callable[[], Policy]) -> None:
            updates = before + made
            if updates % self.every == 0:
                self.look(updates, policy())

        watched = dataclasses.replace(lesson, watch=watch)
        return self.gru.fit(watched)


def training(look: Look | None = None, every: int = 1) -> il.Training:
    """How all of them learn; `look` is called after every so many updates.

    With 32 units, 512 texts and a rate of 5e-3 linear scheduled sampling ended at 1.03 nats a symbol of own texts on
    `clock`, where it ends at .65 here (two seeds); which of the three decides was not taken apart.
    """
    net = GRU(units=64, embedding=32, sequences=16)
    watched = net if look is None else Watched(net, look, every)
    return il.Training(watched, updates=UPDATES, lr=3e-3)


def ways(lessons: il.Training) -> dict[str, Any]:
    """Ways to learn, by name."""
    common = {"episodes": EPISODES, "training": lessons}
    schedules = {f"scheduled, {one}": il.Scheduled(schedule=one, **common) for one in SCHEDULES}
    each = EPISODES // ROUNDS
    dagger = il.DAgger(ROUNDS, each, beta="constant", p=0.5, training=lessons)
    return {
        FORCED: il.BC(**common),
        **schedules,
        DAGGER: dagger,
        DISTILLED: il.Distil(**common),
    }


def learned(language: str, learner: Any, seeds: range) -> tuple[Policy, float]:
    """What comes of a learner, and how many thousands of questions each run asked. DAgger's texts slip."""
    slip = SLIP if isinstance(learner, il.DAgger) else 0.0
    env = il.make(language, horizon=TAUGHT, slip=slip, seeds=seeds)
    log = Log()
    policy = learner.learn(env, il.expert(env), None, log)
    # A Record writes down how a policy was learned, and a net that is watched has no name there.
    policy.log = None
    asked = np.asarray(log.asked, dtype=float)
    return policy, float(asked.mean()) / 1000


@dataclass(frozen=True)
class Writer:
    """What networks of R runs write: numbers of each symbol that follows something, means over texts (R, T).

    Attributes:
        language: in which.
        name: by which way they learned, or at which temperature they write.
        off, on: KL from the oracle's chances, nats, on the oracle's prefixes and on their own.
        outside: their chance of what the oracle never writes there.
        nll: what the oracle's text costs under them, nats.
        own: what their own text costs under the oracle, smoothed, nats.
    """

    language: str
    name: str
    off: np.ndarray
    on: np.ndarray
    outside: np.ndarray
    nll: np.ndarray
    own: np.ndarray


KINDS = "kl_off", "kl_on", "outside_on", "nll_off", "nll_on"
"""The Record's arrays of a writer's numbers, in their order."""


def written(language: str, policies: dict[str, Any], seeds: range, texts: int) -> list[Writer]:
    """Writers of a language, all on the same starts and by the same draws; nothing slips."""
    env = il.make(language, horizon=WRITTEN, seeds=seeds)
    record = compare(env, il.expert(env), policies, episodes=texts)
    return [_writer(language, record, k) for k in range(1, len(record.learners))]


def _writer(language: str, record: Any, learner: int) -> Writer:
    """A learner of a Record."""
    arrays = [record.arrays[kind][learner] for kind in KINDS]
    means = [array[..., 1:].mean(1) for array in arrays]
    return Writer(language, record.learners[learner], *means)


def taught(each: np.ndarray) -> np.ndarray:
    """The mean (R,) over symbols up to the length that was learned from, of numbers (R, T)."""
    return each[:, : TAUGHT - 1].mean(1)


def beyond(each: np.ndarray) -> np.ndarray:
    """The same over those beyond it."""
    return each[:, TAUGHT - 1 :].mean(1)


def minutes() -> str:
    """How long this process has computed, in words."""
    return f"It took {time.process_time() / 60:.0f} minutes of one core."

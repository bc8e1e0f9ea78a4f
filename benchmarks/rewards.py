"""Imitation by rewards: what GAIL, AIRL, SQIL and IQ-Learn reach of their expert, from ten of its episodes, beside cloning.

CartPole-v1 with the pole's own controller as the expert, eight seeds, all learners with their usual settings: three of them
practise (by stable-baselines3's PPO or DQN), IQ-Learn and cloning see nothing but the demonstrations. How GAIL and SQIL
of the library `imitation` do at equal environment steps stands in `vs_imitation_practice.py`. A seed of all learners takes
two minutes of a core.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim, goal
from joblib import Parallel, delayed
from publish import publish, table

import il_bench as il
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.stats.intervals import interval

TASK = "CartPole-v1"
SEEDS, EPISODES, JUDGED = 8, 10, 20
ENOUGH = 0.9
"""Of the expert's return."""
FIRST = {"airl": 100, "sqil": 100}
"""First seeds of learners whose settings were chosen after a look at others; all others begin at 0."""
NAMES = "bc", "iqlearn", "gail", "airl", "sqil"


@dataclass(frozen=True)
class Reached:
    """What one learner reached.

    Attributes:
        share: its return as a part of the expert's, (R,).
        steps: environment steps that it took, demonstrations included, (R,).
        seconds: of training, of the processor, (R,).
    """

    share: np.ndarray
    steps: np.ndarray
    seconds: np.ndarray

    @property
    def enough(self) -> int:
        """How many runs reach their expert, nearly."""
        return int((self.share >= ENOUGH).sum())

    def cells(self, name: str) -> list[str]:
        """A line of the table."""
        numbers = (self.share, self.steps, self.seconds)
        least = f"{self.share.min():.2f}"
        return [name, *(str(interval(each)) for each in numbers), least, str(self.enough)]


Results = dict[str, Reached]
"""By learner."""


def one(name: str, seed: int) -> tuple[float, float, float]:
    """Share of the expert's return, environment steps and seconds of one run."""
    torch.set_num_threads(1)
    env = il.make(TASK, seeds=(seed,))
    expert = il.expert(env)
    learner = il.learner(name, env, episodes=EPISODES)
    began = time.process_time()
    policy = learner.learn(env, expert)
    spent = time.process_time() - began
    assert policy.log is not None
    streams = il.Streams(env.seeds).fork("judged")
    drivers: dict[str, Any] = {
        "own": by_policy(env, policy),
        "its expert's": by_expert(env, expert),
    }
    own, experts = (rollout(env, drive, streams, JUDGED) for drive in drivers.values())
    share = float(own.returns.mean() / experts.returns.mean())
    print(f"{name}, seed {seed}: {share:.2f}", flush=True)
    return share, float(torch.as_tensor(policy.log.steps).sum()), spent


def results(first: int = 0, seeds: int = SEEDS) -> Results:
    """Every learner, a process for each run; the first seed is `first`."""
    runs = []
    for name in NAMES:
        begin = first + FIRST.get(name, 0)
        runs += [(name, seed) for seed in range(begin, begin + seeds)]
    answers = Parallel(-1)(delayed(one)(*run) for run in runs)
    return reached(dict(zip(runs, answers, strict=True)))


def reached(answers: dict[tuple[str, int], tuple[float, float, float]]) -> Results:
    """What each learner reached, of the answers by learner and seed."""
    out = {}
    for name in NAMES:
        own = [answer for (who, _), answer in answers.items() if who == name]
        out[name] = Reached(*np.transpose(own))
    return out


def claims(results: Results) -> list[Claim]:
    """Who reaches the expert, in how many runs."""
    said = []
    for name in NAMES[1:]:
        own = results[name]
        count = len(own.share)
        words = (
            f"{name} reaches {ENOUGH:.0%} of the expert's return in {own.enough} of {count} runs, from {EPISODES} "
            f"demonstrations (its worst run {own.share.min():.2f})"
        )
        said.append(goal(words, own.enough == count))
    return said


def main() -> None:
    """All learners, on as many processes as there are cores."""
    outcome = results()
    header = [
        "learner",
        "of the expert's return",
        "environment steps",
        "processor seconds",
        "worst run",
        f"runs at {ENOUGH:.0%}",
    ]
    lines = table(header, [own.cells(name) for name, own in outcome.items()])
    caption = (
        f"{TASK}, {EPISODES} demonstrations, {SEEDS} seeds (of airl and sqil, which were changed after a look at others, from 100 "
        f"on): medians [exact intervals]; a policy is judged in {JUDGED} episodes, "
        "and acts deterministically in them."
    )
    numbers = {
        name: {key: value.tolist() for key, value in vars(own).items()}
        for name, own in outcome.items()
    }
    publish("rewards", claims(outcome), lines, caption, runs=numbers)


if __name__ == "__main__":
    main()

"""Imitation by rewards: what GAIL, AIRL, DAC, SQIL and IQ-Learn reach of their expert, from ten of its episodes, beside cloning.

CartPole-v1, whose actions are Discrete, with the pole's own controller as the expert, and Pendulum-v1, whose action is a torque,
with the one that pumps energy; eight seeds each. Four learners practise (by stable-baselines3's PPO, DQN or SAC); IQ-Learn,
for Discrete actions alone, and cloning see nothing but the demonstrations. All have their usual settings on CartPole; on Pendulum
PPO has twice the steps, and the rate and discount with which it learns the task's own reward (`finetuning.py`). How GAIL and
SQIL of the library `imitation` do at equal environment steps stands in `vs_imitation_practice.py`. A seed of all takes five
minutes of a core.
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
from il_bench.borders.contest import Contest
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.stats.intervals import interval

SEEDS, EPISODES, JUDGED = 8, 10, 20
ENOUGH = 0.9
"""The part of the way that counts as reached."""
CART, SWING = "CartPole-v1", "Pendulum-v1"
LONG = {"contest": Contest(practice=il.Practice(81_920, minibatch=64, rate=1e-3, gamma=0.9))}
"""Settings of those who practise by PPO on the pendulum."""
PLAN: dict[tuple[str, str], dict[str, Any]] = {
    (CART, "bc"): {},
    (CART, "iqlearn"): {},
    (CART, "gail"): {},
    (CART, "airl"): {},
    (CART, "dac"): {},
    (CART, "sqil"): {},
    (SWING, "bc"): {},
    (SWING, "gail"): LONG,
    (SWING, "airl"): LONG,
    (SWING, "dac"): {},
    (SWING, "sqil"): {},
}
"""Who imitates what, with which settings."""
FIRST = {"airl": 400, "dac": 100, "sqil": 100}
"""First seeds of learners whose settings were chosen after a look at others; all others begin at 0."""


@dataclass(frozen=True)
class Reached:
    """What one learner reached.

    Attributes:
        share: its return as a part of the way from doing nothing to the expert, (R,).
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

    def cells(self, task: str, name: str) -> list[str]:
        """A line of the table."""
        numbers = (self.share, self.steps, self.seconds)
        least = f"{self.share.min():.2f}"
        return [task, name, *(str(interval(each)) for each in numbers), least, str(self.enough)]


Results = dict[tuple[str, str], Reached]
"""By task and learner."""


def one(task: str, name: str, seed: int) -> tuple[float, float, float]:
    """Share of the way to the expert, environment steps and seconds of one run."""
    torch.set_num_threads(1)
    env = il.make(task, seeds=(seed,))
    expert = il.expert(env)
    learner = il.learner(name, env, episodes=EPISODES, **PLAN[task, name])
    began = time.process_time()
    policy = learner.learn(env, expert)
    spent = time.process_time() - began
    assert policy.log is not None
    nobody = il.learner("zero", env).learn(env, expert)
    streams = il.Streams(env.seeds).fork("judged")
    drivers: dict[str, Any] = {
        "own": by_policy(env, policy),
        "its expert's": by_expert(env, expert),
        "doing nothing": by_policy(env, nobody),
    }
    judged = [rollout(env, drive, streams, JUDGED).returns.mean() for drive in drivers.values()]
    own, experts, nothing = map(float, judged)
    share = (own - nothing) / (experts - nothing)
    print(f"{name} on {task}, seed {seed}: {share:.2f}", flush=True)
    return share, float(torch.as_tensor(policy.log.steps).sum()), spent


def results(first: int = 0, seeds: int = SEEDS) -> Results:
    """Every learner, a process for each run; the first seed is `first`."""
    runs = []
    for task, name in PLAN:
        begin = first + FIRST.get(name, 0)
        runs += [(task, name, seed) for seed in range(begin, begin + seeds)]
    answers = Parallel(-1)(delayed(one)(*run) for run in runs)
    return reached(dict(zip(runs, answers, strict=True)))


def reached(answers: dict[tuple[str, str, int], tuple[float, float, float]]) -> Results:
    """What each learner reached, of the answers by task, learner and seed."""
    out = {}
    for place in PLAN:
        own = [answer for (*where, _), answer in answers.items() if tuple(where) == place]
        out[place] = Reached(*np.transpose(own))
    return out


def claims(results: Results) -> list[Claim]:
    """Who reaches the expert, in how many runs; what is asked of cloning is nothing."""
    said = []
    for (task, name), own in results.items():
        count = len(own.share)
        words = (
            f"{name} on {task} goes {ENOUGH:.0%} of the way to the expert in {own.enough} of {count} runs, from {EPISODES} "
            f"demonstrations (its worst run {own.share.min():.2f})"
        )
        whole = own.enough == count
        said.append(Claim(f"{words}.", True, "") if name == "bc" else goal(words, whole))
    return said


def main() -> None:
    """All learners, on as many processes as there are cores."""
    outcome = results()
    header = [
        "task",
        "learner",
        "of the way to the expert",
        "environment steps",
        "processor seconds",
        "worst run",
        f"runs at {ENOUGH:.0%}",
    ]
    lines = table(header, [own.cells(*place) for place, own in outcome.items()])
    others = ", ".join(f"{first} ({name})" for name, first in FIRST.items())
    caption = (
        f"{EPISODES} demonstrations, {SEEDS} seeds (of those that were changed after a look at others, from {others} on): "
        "medians [exact intervals], as parts of the way from doing nothing to the expert; a policy is judged in "
        f"{JUDGED} episodes, and acts deterministically in them. On {SWING} gail and airl practise twice as long as on {CART}."
    )
    numbers = {
        f"{name} on {task}": {key: value.tolist() for key, value in vars(own).items()}
        for (task, name), own in outcome.items()
    }
    publish("rewards", claims(outcome), lines, caption, runs=numbers)


if __name__ == "__main__":
    main()

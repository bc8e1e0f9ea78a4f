"""Practice: reinforcement learning by stable-baselines3 within a learner, its steps counted in the learner's budget.

Its models know one run only, so that runs are not side by side but one after the other. Each has generators of its own,
keyed by its seed: what a run learns does not depend on its neighbours, and the process's generators stay as they were.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from ..core.env import Env
from ..core.ids import vocabulary
from ..core.policy import Log, Policy
from ..core.settings import require
from ..core.streams import Streams
from ..core.threads import few_threads
from ..fit.course import Course
from ..fit.fitting import joined
from ..fit.transitions import Transitions
from .gymnasium_out import GymEnv
from .sb3_chance import Chance
from .sb3_policies import from_sb3

Pay: TypeAlias = "Callable[[Transitions, np.ndarray], np.ndarray]"
"""(one step of each of n copies, the environment's own rewards (n,)) -> what they are worth to the model (n,)."""

Make: TypeAlias = "Callable[[Any, int], Any]"
"""(stable-baselines3's VecEnv, seed) -> a model of its."""


class Stage(gymnasium.Wrapper[Any, Any, Any, Any]):
    """One copy of an environment at practice, whose steps are counted.

    Attributes:
        steps: taken.
        episodes: that have ended.
        collected: their returns in the environment's own reward, summed.
        falls: how many of them the environment ended early.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]):
        gymnasium.Wrapper.__init__(self, env)
        self._return = 0.0
        self.steps = self.episodes = self.falls = 0
        self.collected = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """See Gymnasium."""
        self._return = 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """See Gymnasium."""
        following, reward, over, cut, info = self.env.step(action)
        self.steps += 1
        self._return += float(reward)
        if over or cut:
            self.episodes += 1
            self.falls += int(over)
            self.collected += self._return
        return following, float(reward), over, cut, info


class Student:
    """One run at practice.

    Args:
        env: of one run.
        seed: of everything that the model draws.
        make: who makes the model.
        pay: what steps are worth to it.
        copies: of the environment, which it steps side by side; one where no second can exist.

    Attributes:
        stages: the copies.
        model: what practises, of stable-baselines3.
    """

    @few_threads
    def __init__(self, env: Env, seed: int, make: Make, pay: Pay, copies: int = 1):
        from stable_baselines3.common.logger import Logger

        from .sb3_world import World

        count = 1 if env.in_turn else copies
        self._tasks = [dataclasses.replace(env, device="cpu") for _ in range(count)]
        self.stages = [Stage(GymEnv(task)) for task in self._tasks]
        world = World(self.stages, pay)
        self._chance = Chance(seed)
        with self._chance.lent():
            self.model = make(world, seed)
        self.model.set_logger(Logger(None, []))

    @few_threads
    def practise(self, steps: int) -> None:
        """Go on for so many steps, and as many more as a rollout that has begun takes."""
        with self._chance.lent():
            self.model.learn(steps, reset_num_timesteps=False)

    def spent(self, name: str) -> float:
        """Steps, episodes, returns or falls of all copies together."""
        return sum(getattr(stage, name) for stage in self.stages)

    def close(self) -> None:
        """Close what the environments keep open."""
        for task in self._tasks:
            close = getattr(task, "close", None)
            if close is not None:
                close()


def require_practice(env: Env) -> None:
    """Refuse environments in which stable-baselines3 cannot practise for us.

    Raises:
        ValueError: for observations that are numbers of a vocabulary, which no network of ours reads as theirs does; for
            actions without bounds, in which nobody can try things out.
    """
    is_box = not vocabulary(env.observation_space)
    wanted = "expected observations in a Box, got numbers of a vocabulary"
    require(is_box, f"practice: {wanted}; use reinforce, or another who does not practise")
    space = env.action_space
    bounded = not isinstance(space, spaces.Box) or space.is_bounded()
    wanted = f"expected Box actions with bounds, got {space}"
    require(bounded, f"practice: {wanted}; use bc, or give the space bounds")


def begun(env: Env, expert: Any, streams: Streams | None, log: Log | None) -> Course:
    """The course of a learner that practises; see `Course.begun` and `require_practice`."""
    require_practice(env)
    return Course.begun(env, expert, streams, log)


def enrolled(course: Course, enrol: Callable[[int, int], Student]) -> list[Student]:
    """One student for each run, made of the run's number and a seed of its own, as stable-baselines3 takes it."""
    streams = course.streams.fork("practice")
    seeds = streams.integers("stable-baselines3", 2**31).tolist()
    return [enrol(run, seed) for run, seed in enumerate(seeds)]


def practised(
    course: Course, students: Sequence[Student], rounds: int, one: Callable[[Student, int], None]
) -> Policy:
    """What the students have learned after so many rounds, as one policy of R runs on the environment's device.

    Args:
        course: its log is told of each round, and counts what all of it came to.
        students: one for each run; closed in any case.
        rounds: how many.
        one: what one student does in one round.
    """
    log = course.log
    try:
        for i in range(rounds):
            for student in students:
                one(student, i)
            now = [from_sb3(student.model) for student in students]
            policy = joined(now, course.env.device)
            log.iterate(i, policy)
            log.report((i + 1) / rounds, f"round {i + 1} of {rounds}")
    finally:
        for student in students:
            student.close()
    _count(log, students)
    return policy


def _count(log: Log, students: Sequence[Student]) -> None:
    """Count in the log what practice came to, run by run."""
    for name in ("steps", "episodes", "collected", "falls"):
        spent = [student.spent(name) for student in students]
        before = torch.as_tensor(getattr(log, name)).cpu()
        setattr(log, name, before + torch.tensor(spent))

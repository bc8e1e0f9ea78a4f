"""SQIL: reinforcement learning on a reward of 1 for what the expert did, and 0 for what the learner does.

Reddy, Dragan & Levine (2020), "SQIL: imitation learning via reinforcement learning with sparse rewards". The engine is
stable-baselines3's: DQN where actions are Discrete, SAC where they are continuous. Half of every batch is the expert's.
Not to be confused with fine-tuning, which learns from the environment's own reward: here that is never seen, and nobody
is cloned; nor with DAgger, since the expert is not asked again.

Runs practise one after the other, not side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..borders import resolve
from ..borders.sb3_off_policy import Replay
from ..borders.sb3_practice import Student, begun, enrolled, practised, require_practice
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require, require_counts
from ..core.streams import Streams
from ..fit.transitions import Transitions, demonstrated


@dataclass(frozen=True)
class SQIL:
    """Soft Q imitation learning: reward 1 for demonstrated steps, 0 for its own."""

    episodes: int = 10
    """Expert episodes to learn from."""
    replay: Replay = field(default_factory=Replay)
    """How it practises; half of every minibatch is the expert's."""

    one_by_one: ClassVar[bool] = True
    """Runs practise one after the other."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")
        size = self.replay.minibatch
        require(size >= 2, f"minibatch: expected two halves, at least 2, got {size}")

    @property
    def own_updates(self) -> int:
        """Gradient updates of practice."""
        return self.replay.rounds * self.replay.updates

    def require_possible(self, env: Env) -> None:
        """Refuse environments in which nobody can practise, or not with this engine."""
        require_practice(env)
        self.replay.require_possible("sqil", env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the learner does, by chance, paid for what the expert did."""
        self.require_possible(env)
        course = begun(env, resolve.expert(env, expert), streams, log)
        shown = demonstrated(course, self.episodes)

        def enrol(run: int, seed: int) -> Student:
            make = partial(self._model, shown[run])
            return Student(env[run], seed, make, _nothing)

        students = enrolled(course, enrol)
        policy = practised(course, students, self.replay.rounds, self._practise)
        course.log.updates += self.own_updates
        return course.log.close(self, policy)

    def _model(self, shown: Transitions, world: Any, seed: int) -> Any:
        """Who practises."""
        from ..borders.sb3_replay import HalfExpert

        return self.replay.model(world, seed, HalfExpert, shown=shown)

    def _practise(self, student: Student, i: int) -> None:
        """One round of one run."""
        student.practise(self.replay.rollout)


def _nothing(steps: Transitions, rewards: np.ndarray) -> np.ndarray:
    """What the learner's own steps pay (n,)."""
    return np.zeros_like(rewards)

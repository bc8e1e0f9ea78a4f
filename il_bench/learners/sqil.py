"""SQIL: reinforcement learning on a reward of 1 for what the expert did, and 0 for what the learner does.

Reddy, Dragan & Levine (2020), "SQIL: imitation learning via reinforcement learning with sparse rewards". The engine is
stable-baselines3's: DQN where actions are Discrete, SAC where they are continuous. Half of every batch is the expert's.
Not to be confused with fine-tuning, which learns from the environment's own reward: here that is never seen, and nobody
is cloned; nor with DAgger, since the expert is not asked again.

Runs practise one after the other, not side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from gymnasium import spaces

from ..borders import resolve
from ..borders.sb3_practice import Student, begun, enrolled, practised, require_practice
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.training import require_positive
from ..fit.transitions import Transitions, demonstrated


@dataclass(frozen=True)
class SQIL:
    """Soft Q imitation learning: reward 1 for demonstrated steps, 0 for its own."""

    episodes: int = 10
    """Expert episodes to learn from."""
    engine: Literal["auto", "dqn", "sac"] = "auto"
    """What learns from the rewards; auto is dqn where actions are Discrete, and sac where they are a Box."""
    steps: int = 20_000
    """Environment steps of practice, rounded up to whole rounds."""
    rollout: int = 200
    """Environment steps in a round, after which the learner learns."""
    ratio: float = 0.5
    """Gradient updates for each environment step."""
    minibatch: int = 128
    """Steps in a minibatch, half of them the expert's."""
    rate: float = 3e-4
    """Learning rate; at 1e-3 the last policy of dqn is one that falls in half of the runs on CartPole-v1."""
    gamma: float = 0.99
    """Discount of later rewards."""
    explore: float = 0.1
    """Chance of an action at random while dqn practises; sac has a chance of its own."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""

    one_by_one: ClassVar[bool] = True
    """Runs practise one after the other."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        counts = ("episodes", "steps", "rollout", "minibatch", "hidden")
        require_counts(self, *counts)
        require_positive(self, "rate", "ratio")
        require(0 <= self.gamma < 1, f"gamma: expected from 0 to below 1, got {self.gamma}")
        require(0 <= self.explore <= 1, f"explore: expected from 0 to 1, got {self.explore}")
        halves = self.minibatch >= 2
        require(halves, f"minibatch: expected two halves, at least 2, got {self.minibatch}")

    @property
    def rounds(self) -> int:
        """Rounds of practice."""
        return math.ceil(self.steps / self.rollout)

    @property
    def own_updates(self) -> int:
        """Gradient updates of practice."""
        return self.rounds * self._updates

    @property
    def _updates(self) -> int:
        """Gradient updates after each round."""
        return math.ceil(self.ratio * self.rollout)

    def require_possible(self, env: Env) -> None:
        """Refuse environments in which nobody can practise, or not with this engine."""
        require_practice(env)
        self._engine(env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the learner does, by chance, paid for what the expert did."""
        engine = self._engine(env)
        course = begun(env, resolve.expert(env, expert), streams, log)
        shown = demonstrated(course, self.episodes)

        def enrol(run: int, seed: int) -> Student:
            make = partial(self._model, engine, shown[run])
            return Student(env[run], seed, make, _nothing)

        students = enrolled(course, enrol)
        policy = practised(course, students, self.rounds, self._practise)
        course.log.updates += self.own_updates
        return course.log.close(self, policy)

    def _engine(self, env: Env) -> str:
        """What learns from the rewards."""
        discrete = isinstance(env.action_space, spaces.Discrete)
        fitting = "dqn" if discrete else "sac"
        wanted, got = ("Box", "Discrete") if discrete else ("Discrete", "Box")
        reason = f"expected {wanted} actions, got {got} ones, which {self.engine} cannot choose"
        fits = self.engine in ("auto", fitting)
        require(fits, f"sqil: {reason}; use --engine {fitting}")
        return fitting

    def _model(self, engine: str, shown: Transitions, world: Any, seed: int) -> Any:
        """Who practises."""
        from stable_baselines3 import DQN, SAC

        from ..borders.sb3_replay import HalfExpert

        settings: dict[str, Any] = {
            "learning_rate": self.rate,
            "learning_starts": 0,
            "buffer_size": self.rounds * self.rollout,
            "batch_size": self.minibatch,
            "gamma": self.gamma,
            "train_freq": self.rollout,
            "gradient_steps": self._updates,
            "replay_buffer_class": HalfExpert,
            "replay_buffer_kwargs": {"shown": shown},
            "policy_kwargs": {"net_arch": list(self.hidden)},
            "seed": seed,
            "device": "cpu",
        }
        if engine == "sac":
            return SAC("MlpPolicy", world, **settings)
        chance: dict[str, Any] = {
            "exploration_initial_eps": self.explore,
            "exploration_final_eps": self.explore,
        }
        return DQN("MlpPolicy", world, target_update_interval=self.rollout, **chance, **settings)

    def _practise(self, student: Student, i: int) -> None:
        """One round of one run."""
        student.practise(self.rollout)


def _nothing(steps: Transitions, rewards: np.ndarray) -> np.ndarray:
    """What the learner's own steps pay (n,)."""
    return np.zeros_like(rewards)

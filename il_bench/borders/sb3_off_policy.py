"""DQN and SAC as engines of learners that practise: their settings, and the model of one run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from gymnasium import spaces

from ..core.env import Env
from ..core.settings import require, require_choice, require_counts
from ..fit.training import require_positive


@dataclass(frozen=True)
class Replay:
    """How stable-baselines3's DQN (Mnih et al. 2015) or SAC (Haarnoja et al. 2018) practises, from all that it has done."""

    engine: Literal["auto", "dqn", "sac"] = "auto"
    """What learns from the rewards; auto is dqn where actions are Discrete, and sac where they are a Box."""
    steps: int = 20_000
    """Environment steps of practice, rounded up to whole rounds."""
    rollout: int = 200
    """Environment steps in a round, after which the learner learns."""
    ratio: float = 0.5
    """Gradient updates for each environment step."""
    minibatch: int = 128
    """Steps in a minibatch of practice."""
    rate: float = 3e-4
    """Learning rate; at 1e-3 the last policy of sqil by dqn is one that falls in half of the runs on CartPole-v1."""
    gamma: float = 0.99
    """Discount of later rewards."""
    explore: float = 0.1
    """Chance of an action at random while dqn practises; sac has a chance of its own."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""

    def __post_init__(self) -> None:
        """Refuse settings that no practice can have."""
        require_choice(self)
        require_counts(self, "steps", "rollout", "minibatch", "hidden")
        require_positive(self, "rate", "ratio")
        require(0 <= self.gamma < 1, f"gamma: expected from 0 to below 1, got {self.gamma}")
        require(0 <= self.explore <= 1, f"explore: expected from 0 to 1, got {self.explore}")

    @property
    def rounds(self) -> int:
        """Rounds of practice."""
        return math.ceil(self.steps / self.rollout)

    @property
    def updates(self) -> int:
        """Gradient updates in a round."""
        return math.ceil(self.ratio * self.rollout)

    def require_possible(self, learner: str, env: Env) -> None:
        """Refuse a learner's environment whose actions the engine cannot choose."""
        discrete = isinstance(env.action_space, spaces.Discrete)
        wanted, got = ("Box", "Discrete") if discrete else ("Discrete", "Box")
        fitting = _fitting(env.action_space)
        reason = f"expected {wanted} actions, got {got} ones, which {self.engine} cannot choose"
        fits = self.engine in ("auto", fitting)
        require(fits, f"{learner}: {reason}; use --engine {fitting}")

    def model(self, world: Any, seed: int, buffer: type, **settings: Any) -> Any:
        """The model of one run.

        Args:
            world: the environment, stable-baselines3's VecEnv.
            seed: of everything that it draws.
            buffer: the class of its replay buffer.
            **settings: of that.
        """
        from stable_baselines3 import DQN, SAC

        common: dict[str, Any] = {
            "learning_rate": self.rate,
            "learning_starts": 0,
            "buffer_size": self.rounds * self.rollout,
            "batch_size": self.minibatch,
            "gamma": self.gamma,
            "train_freq": self.rollout,
            "gradient_steps": self.updates,
            "replay_buffer_class": buffer,
            "replay_buffer_kwargs": settings,
            "policy_kwargs": {"net_arch": list(self.hidden)},
            "seed": seed,
            "device": "cpu",
        }
        if _fitting(world.action_space) == "sac":
            return SAC("MlpPolicy", world, **common)
        chance: dict[str, Any] = {
            "exploration_initial_eps": self.explore,
            "exploration_final_eps": self.explore,
        }
        return DQN("MlpPolicy", world, target_update_interval=self.rollout, **chance, **common)


def _fitting(space: Any) -> str:
    """What can choose actions of a space."""
    return "dqn" if isinstance(space, spaces.Discrete) else "sac"

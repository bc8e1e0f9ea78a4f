"""PPO as an engine of learners that practise: its settings, and the model of one run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from ..core.settings import require, require_counts
from ..fit.training import require_positive


@dataclass(frozen=True)
class Practice:
    """How stable-baselines3's PPO practises (Schulman et al. 2017)."""

    steps: int = 40_960
    """Environment steps of practice, rounded up to whole rounds."""
    rollout: int = 1024
    """Environment steps in each round."""
    copies: int = 8
    """Copies of the environment that share a round's steps."""
    epochs: int = 10
    """How often each round's steps are learned from."""
    minibatch: int = 256
    """Steps in a minibatch of practice."""
    rate: float = 3e-4
    """Learning rate of practice."""
    gamma: float = 0.99
    """Discount of later rewards."""
    deviation: float = 0.5
    """Standard deviation of the actions that are tried at first, in half widths of their Box."""

    def __post_init__(self) -> None:
        """Refuse settings that no practice can have."""
        require_counts(self, "steps", "rollout", "copies", "epochs", "minibatch")
        require_positive(self, "rate", "deviation")
        require(0 <= self.gamma < 1, f"gamma: expected from 0 to below 1, got {self.gamma}")
        least = f"expected at least 2 and at most the {self.rollout} steps of a round"
        fits = 2 <= self.minibatch <= self.rollout
        require(fits, f"minibatch: {least}, got {self.minibatch}; raise rollout")
        whole = self.rollout % self.copies == 0
        wanted = f"a number that the {self.rollout} steps of a round are shared among evenly"
        require(whole, f"copies: expected {wanted}, got {self.copies}; try 8")

    @property
    def rounds(self) -> int:
        """Rounds of practice."""
        return math.ceil(self.steps / self.rollout)

    @property
    def updates(self) -> int:
        """Gradient updates in a round."""
        return self.epochs * math.ceil(self.rollout / self.minibatch)

    def model(self, policy: Any, world: Any, seed: int, **settings: Any) -> Any:
        """The model of one run.

        Args:
            policy: the class of its policy.
            world: copies of the environment, stable-baselines3's VecEnv.
            seed: of everything that it draws.
            **settings: of the policy.
        """
        from stable_baselines3 import PPO

        settings["log_std_init"] = self._log_deviation(world.action_space)
        return PPO(
            policy,
            world,
            learning_rate=self.rate,
            n_steps=self.rollout // world.num_envs,
            batch_size=self.minibatch,
            n_epochs=self.epochs,
            gamma=self.gamma,
            policy_kwargs=settings,
            seed=seed,
            device="cpu",
        )

    def _log_deviation(self, space: Any) -> float:
        """Of the actions that are tried at first; the narrowest component tells, or 1 where nothing bounds them."""
        half = np.ones(1)
        if isinstance(space, spaces.Box):
            half = (space.high.astype(float) - space.low) / 2
        narrowest = half[np.isfinite(half)].min(initial=np.inf)
        width = narrowest if math.isfinite(narrowest) else 1.0
        return math.log(self.deviation * width)

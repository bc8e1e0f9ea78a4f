"""Copies of an environment as stable-baselines3 steps them side by side, where a step pays what the learner says."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from ..fit.transitions import Transitions

if TYPE_CHECKING:
    from .sb3_practice import Pay


class World(DummyVecEnv):
    """All copies in one process; the learner is asked once for what all of them did.

    Args:
        stages: the copies.
        pay: what their steps are worth.
    """

    def __init__(self, stages: Sequence[gymnasium.Env[Any, Any]], pay: Pay):
        waiting = iter(stages)
        super().__init__([lambda: next(waiting)] * len(stages))
        # Models explore by the generator of the space, which runs of one environment may share.
        self.action_space = copy.deepcopy(self.action_space)
        self._pay = pay
        self._seen = np.empty(0)

    def reset(self) -> Any:
        """See stable-baselines3."""
        self._seen = np.asarray(super().reset())
        return self._seen

    def step_wait(self) -> Any:
        """See stable-baselines3."""
        before = self._seen
        seen, rewards, dones, infos = super().step_wait()
        self._seen = np.asarray(seen)
        following = self._seen.copy()
        for i in np.flatnonzero(dones):
            following[i] = infos[i]["terminal_observation"]
        cut = [info["TimeLimit.truncated"] for info in infos]
        action = np.asarray(self.actions).reshape(len(infos), -1)
        steps = Transitions(before, action, following, dones & ~np.array(cut))
        return seen, self._pay(steps, rewards), dones, infos

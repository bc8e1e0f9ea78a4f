"""Pay on a scale that a critic can follow, however it grows while a judge learns."""

from __future__ import annotations

import numpy as np


class Even:
    """Divides pay by the standard deviation of its discounted sums so far, after stable-baselines3's VecNormalize.

    That itself stands around the environments and would not see what a learner pays. Here nothing is clipped, and a sum goes on
    where an episode is cut off by a clock, as PPO's own does.

    Args:
        gamma: discount of later pay.
    """

    def __init__(self, gamma: float):
        from stable_baselines3.common.running_mean_std import RunningMeanStd

        self._gamma = gamma
        self._sums = np.zeros(1)
        self._seen = RunningMeanStd(shape=())

    def __call__(self, paid: np.ndarray, over: np.ndarray) -> np.ndarray:
        """What was paid (n,) for one step of each of n copies, of which some episodes are over (n,), float32."""
        self._sums = self._sums * self._gamma + paid
        self._seen.update(self._sums)
        self._sums[over] = 0
        return (paid / np.sqrt(self._seen.var + 1e-8)).astype(np.float32)

"""A replay buffer that is half the expert's: every batch holds as many of its steps as of the model's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from ..fit.transitions import Transitions


class HalfExpert(ReplayBuffer):
    """A model's own steps, of which a batch takes one half; the other half is an expert's, each of which pays 1.

    Args:
        *args: of the base class.
        shown: the expert's steps.
        **more: of the base class.
    """

    def __init__(self, *args: Any, shown: Transitions, **more: Any):
        ReplayBuffer.__init__(self, *args, **more)
        spaces = (self.observation_space, self.action_space)
        self._shown = ReplayBuffer(len(shown), *spaces, device=self.device)
        _fill(self._shown, shown)

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Half a batch of each."""
        half = batch_size // 2
        own = ReplayBuffer.sample(self, batch_size - half, env)
        its = self._shown.sample(half, env)
        # The last part, discounts of several steps, is None in both.
        pairs: Any = zip(own, its, strict=True)
        parts: Any = [None if one is None else torch.cat((one, two)) for one, two in pairs]
        return ReplayBufferSamples(*parts)


def _fill(buffer: ReplayBuffer, shown: Transitions) -> None:
    """Put an expert's steps into a buffer; a Box's actions as its models have them, from -1 to 1."""
    action = shown.action
    space = buffer.action_space
    if action.dtype.kind == "f":
        width = space.high - space.low  # type: ignore[attr-defined]
        action = 2 * (action - space.low) / width - 1  # type: ignore[attr-defined]
    buffer.observations[:, 0] = shown.obs
    buffer.next_observations[:, 0] = shown.following
    buffer.actions[:, 0] = action
    buffer.rewards[:] = 1
    buffer.dones[:, 0] = shown.over.astype(np.float32)
    buffer.full = True

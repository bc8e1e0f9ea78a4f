"""Replay buffers of those who imitate: one half the expert's, one whose steps are paid when they are learned from."""

from __future__ import annotations

from collections.abc import Callable
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


class Paid(ReplayBuffer):
    """A model's own steps, each worth what somebody who learns as well thinks of it now.

    Args:
        *args: of the base class.
        pay: what steps are worth, (n,).
        **more: of the base class.
    """

    def __init__(self, *args: Any, pay: Callable[[Transitions], np.ndarray], **more: Any):
        ReplayBuffer.__init__(self, *args, **more)
        self._pay = pay

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """A batch, paid anew."""
        own = ReplayBuffer.sample(self, batch_size, env)
        action = _as_done(own.actions.numpy(), self.action_space)
        over = own.dones[:, 0].numpy() > 0
        steps = Transitions(own.observations.numpy(), action, own.next_observations.numpy(), over)
        paid = torch.from_numpy(self._pay(steps)).to(own.rewards)
        return own._replace(rewards=paid[:, None])


def _fill(buffer: ReplayBuffer, shown: Transitions) -> None:
    """Put an expert's steps into a buffer; a Box's actions as its models have them, from -1 to 1."""
    action = _as_kept(shown.action, buffer.action_space)
    buffer.observations[:, 0] = shown.obs
    buffer.next_observations[:, 0] = shown.following
    buffer.actions[:, 0] = action
    buffer.rewards[:] = 1
    buffer.dones[:, 0] = shown.over.astype(np.float32)
    buffer.full = True


def _as_kept(action: np.ndarray, space: Any) -> np.ndarray:
    """Actions (n, U) as buffers keep them: a Box's from -1 to 1."""
    if action.dtype.kind != "f":
        return action
    width = space.high - space.low
    return 2 * (action - space.low) / width - 1


def _as_done(action: np.ndarray, space: Any) -> np.ndarray:
    """The way back from `_as_kept`."""
    if action.dtype.kind != "f":
        return action
    width = space.high - space.low
    return space.low + (action + 1) * width / 2

"""a = (-K q + g(z)) / b with K = 0.7 L: cancels the pull and leaves a closed loop of 0.3 L."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.tube import FEEDBACK, Tube


@dataclass(frozen=True)
class TubeExpert(Expert):
    """Cancels the pull and 70 % of the position."""

    env: Tube

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        gain = FEEDBACK * self.env.per_run(self.env.lipschitz)
        feedback = -gain * state[..., 0]
        push = feedback + self.env.pull(state)
        action = push / self.env.per_run(self.env.gain)
        return action[..., None].clamp(-1, 1)

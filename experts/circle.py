"""a = wrap(phi + omega - L theta) / pi: the shorter turn that puts the angle on the hand, wherever it is now.

On the hand, where demonstrations are, it cancels (L - 1) theta and adds the hand's own turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.circle import GAIN, TURN, Circle, wrapped


@dataclass(frozen=True)
class CircleExpert(Expert):
    """Undoes the stretching and meets the hand in one step."""

    env: Circle

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        turn = state[..., 1] + TURN - self.env.per_run(self.env.lipschitz) * state[..., 0]
        return (wrapped(turn) / GAIN)[..., None].clamp(-1, 1)

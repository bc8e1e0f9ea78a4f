"""a = (-L s_n + g(z)) / b: takes away what comes back, so that a kick is forgotten once it has passed every place."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.shift import GAIN, Shift


@dataclass(frozen=True)
class ShiftExpert(Expert):
    """Cancels the pull and what leaves the last place."""

    env: Shift

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        back = self.env.per_run(self.env.lipschitz) * state[..., -2]
        return ((self.env.drag(state) - back) / GAIN)[..., None].clamp(-1, 1)

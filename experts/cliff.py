"""a = clip(-L s + g(z), -1, 1): brings s to zero where one step can, and pushes with all its strength elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.cliff import Cliff


@dataclass(frozen=True)
class CliffExpert(Expert):
    """Cancels position and pull as far as the push goes; brings back every state that can be brought back."""

    env: Cliff

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        want = self.env.wind(state) - self.env.per_run(self.env.lipschitz) * state[..., 0]
        return want[..., None].clamp(-1, 1)

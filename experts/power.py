"""u = -h(x): cancels the pull exactly, and leaves the basin to bring x to rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.power import GAIN, Power


@dataclass(frozen=True)
class PowerExpert(Expert):
    """Cancels h; with nothing left to push it, x comes to rest, the more slowly the larger p."""

    env: Power

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return -self.env.pull(state) / GAIN

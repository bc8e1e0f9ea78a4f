"""a = turn on the path, BACK off it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.recover import BACK, Recover


@dataclass(frozen=True)
class RecoverExpert(Expert):
    """Takes every turn of the path, also in fog; walks back when it is off it."""

    env: Recover

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        turn = state[..., 1]
        return torch.where(self.env.on_path(state), turn, torch.full_like(turn, BACK))[..., None]

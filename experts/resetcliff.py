"""a = 0: the first action is right in every state."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.resetcliff import EXPERT, ResetCliff


@dataclass(frozen=True)
class ResetCliffExpert(Expert):
    """Always the first action."""

    env: ResetCliff

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return torch.full_like(state, EXPERT)

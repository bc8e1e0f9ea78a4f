"""Scores are relevance: the order that nobody who only sees clicks can be sure of."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.ranked import Ranked


@dataclass(frozen=True)
class RankedExpert(Expert):
    """Knows each item's relevance."""

    env: Ranked

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        _, _, relevance, _ = self.env.parts(state)
        return self.env.action_of(relevance)

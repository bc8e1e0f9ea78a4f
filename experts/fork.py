"""a = (y* - L y) / c: straight ahead to the fork, round the island on its side, and back to the middle.

Past the fork its side is that of its coin, or, if it yields, the one on which it finds itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert, coordinates

from ..envs.fork import BERTH, FORK, PUSH, REUNION, Fork


@dataclass(frozen=True)
class ForkExpert(Expert):
    """Steers to where it wants to be in one step, as far as the push suffices; it alone knows its side."""

    env: Fork

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        offset, place, side = coordinates(state)
        passing = (place >= FORK) & (place < REUNION)
        if self.env.yields:
            aside = (place > FORK) & (offset != 0)
            side = torch.where(aside, offset.sign(), side)
        goal = BERTH * side * passing
        missing = goal - self.env.per_run(self.env.lipschitz) * offset
        action = missing / PUSH
        return action[..., None].clamp(-1, 1)

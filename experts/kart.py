"""a = (h / c) 2 sin(alpha) / l: pure pursuit, along the circle through a point of the centre line ahead."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench.core.env import Expert

from ..envs.kart import STEER, STEP, Kart, centre, heading

AHEAD = 6.0  # metres of track to the point that is pursued


@dataclass(frozen=True)
class KartExpert(Expert):
    """Pure pursuit of the point 6 m ahead (Coulter 1992): alpha is its bearing, l how far it is."""

    env: Kart

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        metres, facing = state[..., 0], heading(state[..., 0]) + state[..., 2]
        way = centre(metres + AHEAD) - self.env.place(state)
        length = way.norm(dim=-1)
        # The sine of the bearing, from the target's distance to the left.
        left = (way[..., 1] * torch.cos(facing) - way[..., 0] * torch.sin(facing)) / length
        return (STEP / STEER * 2 * left / length)[..., None].clamp(-1, 1)

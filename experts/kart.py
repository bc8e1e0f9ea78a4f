"""a = (h / c) 2 sin(alpha) / l: pure pursuit, along the circle through a point of the centre line ahead."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.kart import STEER, STEP, Kart, centre, heading

AHEAD = 6.0  # metres of track to the point that is pursued


@dataclass(frozen=True)
class KartExpert(Expert):
    """Pure pursuit of the point 6 m ahead (Coulter 1992): alpha is its bearing, l how far it is."""

    env: Kart

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        metres = state[..., 0]
        facing = heading(metres) + state[..., 2]
        way = centre(metres + AHEAD) - self.env.place(state)
        east, north = way.unbind(-1)
        length = way.norm(dim=-1)
        # The sine of the bearing, from the target's distance to the left.
        left = (north * torch.cos(facing) - east * torch.sin(facing)) / length
        steer = STEP / STEER * 2 * left / length
        return steer[..., None].clamp(-1, 1)

"""a = (h / c) 2 sin(alpha) / l: pure pursuit, along the circle through a point of the centre line ahead."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert, coordinates

from ..envs.kart import STEER, STEP, Kart, centre, heading

AHEAD = 6.0  # metres of track to the point that is pursued


@dataclass(frozen=True)
class KartExpert(Expert):
    """Pure pursuit of the point 6 m ahead (Coulter 1992): alpha is its bearing, l how far it is."""

    env: Kart

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        metres, _, psi, *_ = coordinates(state)
        facing = heading(metres) + psi
        goal = centre(metres + AHEAD)
        way = goal - self.env.place(state)
        length = way.norm(dim=-1)
        east, north = coordinates(way)
        # The sine of the bearing, from the target's distance to the left.
        across = north * torch.cos(facing) - east * torch.sin(facing)
        left = across / length
        steer = STEP / STEER * 2 * left / length
        return steer[..., None].clamp(-1, 1)

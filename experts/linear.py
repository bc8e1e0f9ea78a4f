"""a = (-(L - alpha) Q s + g(xi)) / b: leaves the closed loop alpha Q, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench.core.env import Expert

from ..envs.linear import Linear


@dataclass(frozen=True)
class LinearExpert(Expert):
    """Cancels the pull and all of the rotation but alpha Q."""

    env: Linear

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        keep = self.env.per_run(self.env.lipschitz, 3) - self.env.per_run(self.env.alpha, 3)
        return (
            (self.env.pull(state) - keep * self.env.rotated(state[..., :-1]))
            / self.env.per_run(self.env.gain, 3)
        ).clamp(-1, 1)

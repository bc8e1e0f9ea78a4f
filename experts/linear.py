"""a = (-(L - alpha) Q s + g(xi)) / b: leaves the closed loop alpha Q, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.linear import Linear


@dataclass(frozen=True)
class LinearExpert(Expert):
    """Cancels the pull and all of the rotation but alpha Q."""

    env: Linear

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        env = self.env
        keep = env.per_run(env.lipschitz, 3) - env.per_run(env.alpha, 3)
        back = keep * env.rotated(state[..., :-1])
        push = env.pull(state) - back
        action = push / env.per_run(env.gain, 3)
        return action.clamp(-1, 1)

"""a = a_ref - K (s - s_ref): the linear-quadratic regulator about the eight, plus the thrusts that fly it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from il_bench import Expert

from ..envs.quad import Quad


@dataclass(frozen=True)
class QuadExpert(Expert):
    """LQR about hovering (Q = I, R = 1) on the error of the flight, exact feed-forward, the rotors' lag inverted."""

    env: Quad

    @cached_property
    def gain(self) -> torch.Tensor:
        """K (R, 1, 2, 6)."""
        runs = range(self.env.runs)
        gains = [self.env.regulator(run)[0] for run in runs]
        stacked = torch.from_numpy(np.stack(gains))
        return stacked[:, None].to(self.env.device)

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        flight, thrusts = self.env.reference(state[..., 10])
        error = state[..., :6] - flight
        answer = (self.gain * error[..., None, :]).sum(-1)
        wish = thrusts - answer
        lag = self.env.per_run(self.env.lag, 3)
        kept = lag * state[..., 6:8]
        action = (wish - kept) / (1 - lag)
        return action.clamp(-1, 1)

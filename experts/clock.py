"""The symbol of the pattern and phase, or its synonym."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.clock import Clock


@dataclass(frozen=True)
class ClockExpert(StochasticExpert):
    """The oracle: it is right on every prefix."""

    env: Clock

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

"""What the hidden states say, weighted by how likely each of them is after all that was written."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.noisy import Noisy


@dataclass(frozen=True)
class NoisyExpert(StochasticExpert):
    """The oracle: the exact filter, on every prefix."""

    env: Noisy

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

"""A bracket that fits; after an error the mark, or any symbol where nothing leads back."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.dyck import Dyck


@dataclass(frozen=True)
class DyckExpert(StochasticExpert):
    """The oracle: it is right on every prefix."""

    env: Dyck

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

"""An allowed symbol; off the path the key of the confusion."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.keyed import Keyed


@dataclass(frozen=True)
class KeyedExpert(StochasticExpert):
    """The oracle: it is right on every prefix."""

    env: Keyed

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

"""The one symbol that leads to the next target from wherever one is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.expanding import Expanding


@dataclass(frozen=True)
class ExpandingExpert(StochasticExpert):
    """The oracle: it is right on every prefix."""

    env: Expanding

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

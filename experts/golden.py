"""The path's right symbol; off the path REC with its chance, or any symbol where nothing leads back."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.golden import Golden


@dataclass(frozen=True)
class GoldenExpert(StochasticExpert):
    """The oracle: it is right on every prefix, off the path as well."""

    env: Golden

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

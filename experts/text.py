"""What follows the last characters, as often as in the text."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.text import Text


@dataclass(frozen=True)
class TextExpert(StochasticExpert):
    """The oracle: it is right on every prefix, and none is impossible."""

    env: Text

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

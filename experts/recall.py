"""A mark, distractors, the question, and the mark that was to be recalled."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import StochasticExpert

from ..envs.recall import Recall


@dataclass(frozen=True)
class RecallExpert(StochasticExpert):
    """The oracle: it is right on every prefix."""

    env: Recall

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        return self.env.oracle(state)

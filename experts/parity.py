"""a = truth xor bit: what the true sequence says next, whatever was said before."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.parity import Parity


@dataclass(frozen=True)
class ParityExpert(Expert):
    """Says the true sequence's next symbol, in fog too, and after a symbol that was wrong."""

    env: Parity

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return self.env.answer(state)[..., None]

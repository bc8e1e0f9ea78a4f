"""q_x of the law: the share that dies at each age."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.museum import Museum


@dataclass(frozen=True)
class MuseumExpert(Expert):
    """Knows the true chances to die."""

    env: Museum

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        q = self.env.q_at(state[..., 0])
        return (2 * q - 1)[..., None]

"""The expert of the environment whose demonstrations are kept in part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from il_bench import Expert, expert

from ..envs.exposed import Exposed


@dataclass(frozen=True)
class ExposedExpert(Expert):
    """Acts as the environment's own expert does."""

    env: Exposed

    @cached_property
    def own(self) -> Expert:
        """That one."""
        return expert(self.env.world)

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return self.own.act(state)

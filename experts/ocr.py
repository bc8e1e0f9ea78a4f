"""a = the label: whoever wrote the word knows what it says."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.ocr import Ocr


@dataclass(frozen=True)
class OcrExpert(Expert):
    """The letter that is due, whatever was written before it."""

    env: Ocr

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return self.env.right(state)[..., None]

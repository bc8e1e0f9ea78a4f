"""pattern = prompt mod P, phase' = phase + 1 mod 8: a language that goes on by the clock, whatever was written.

The first symbol picks a pattern; each pattern names, for each phase, a symbol and its synonym. The phase advances by
itself, so that a wrong symbol has no consequence but itself: who counts the steps is never lost. Who reads the phase off
the last symbol instead, which is as good while the text before is the expert's, is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from il_bench import Automaton, Language, require

USUAL = 0.7
"""Chance of a cell's symbol; the rest is its synonym's."""


@dataclass(frozen=True, kw_only=True)
class Clock(Language):
    """A pattern that the first symbol picks, gone through by the clock: nothing that is written changes what follows."""

    vocabulary: int = 16
    """Symbols, V."""
    patterns: int = 4
    """Patterns, P; the expert's first symbol is one of the first P, each alike."""
    period: int = 8
    """Steps after which a pattern begins again."""

    def require_language(self) -> None:
        """Patterns of two symbols at least, which the first symbol can pick."""
        size, patterns = self.vocabulary, self.patterns
        require(size >= 2, f"vocabulary: expected at least 2 symbols, got {size}; try 16")
        few = f"patterns: expected from 1 to {size}, one for each first symbol, got {patterns}"
        require(1 <= patterns <= size, f"{few}; try 4")
        require(self.period >= 1, f"period: expected at least 1 step, got {self.period}; try 8")

    @cached_property
    def cells(self) -> torch.Tensor:
        """The symbol and its synonym of each pattern and phase, (P, period, 2), the same for every seed."""
        random = np.random.default_rng(0)
        shape = self.patterns * self.period
        pairs = [random.choice(self.vocabulary, 2, replace=False) for _ in range(shape)]
        return torch.from_numpy(np.stack(pairs)).reshape(self.patterns, self.period, 2)

    @cached_property
    def automaton(self) -> Automaton:
        """The prompt, and a node for each pattern and phase."""
        inner = self.patterns * self.period
        chances = torch.zeros(1, 1 + inner, self.vocabulary, dtype=torch.float64)
        chances[0, 0, : self.patterns] = 1 / self.patterns
        rows = torch.arange(1, 1 + inner)
        symbol, synonym = self.cells.reshape(inner, 2).T
        chances[0, rows, symbol] = USUAL
        chances[0, rows, synonym] = 1 - USUAL
        following = torch.zeros(1 + inner, self.vocabulary, dtype=torch.long)
        symbols = torch.arange(self.vocabulary)
        picked = symbols % self.patterns
        following[0] = 1 + picked * self.period
        place = torch.arange(inner)
        pattern = place // self.period
        phase = (place + 1) % self.period
        later = 1 + pattern * self.period + phase
        following[1:] = later[:, None]
        start = torch.zeros(1 + inner, dtype=torch.float64)
        start[0] = 1
        return Automaton(chances, following, start)

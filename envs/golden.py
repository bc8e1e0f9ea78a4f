"""on_t --gold_t--> on_t+1, any other --> off_t+1; off_t --REC--> on_t+1 unless absorbing: the cascade.

One right symbol at each step of a path. Who writes another is off the path: for ever where that is absorbing, else until
it writes REC, which the oracle does with the chance `recovery`. With an error rate e on the path and a rate r of coming
back, the chance to be off it at step t is e/(e+r) (1 - (1-e-r)^t), to the last digit: `slip` sets e for any writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from il_bench import Automaton, Language, Values, require

REC = 0
"""The symbol that leads back."""


@dataclass(frozen=True, kw_only=True)
class Golden(Language):
    """A path with one right symbol a step: a wrong one leaves it, and REC leads back unless that is absorbing."""

    vocabulary: int = 16
    """Symbols, V; one of them is REC."""
    absorbing: bool = True
    """Nothing leads back: off the path the oracle writes any symbol, each alike."""
    recovery: Values = 1.0
    """Chance that the oracle writes REC off the path, where that leads back."""

    def require_language(self) -> None:
        """At least REC and two others, and a chance."""
        size = self.vocabulary
        require(size >= 3, f"vocabulary: expected at least 3 symbols, got {size}; try 16")
        for chance in self.values("recovery"):
            wanted = "recovery: expected a chance from 0 to 1"
            require(0 <= chance <= 1, f"{wanted}, got {chance}; try 1")

    @cached_property
    def gold(self) -> torch.Tensor:
        """The right symbol at each step (T,), the same for every seed; never REC."""
        random = np.random.default_rng(0)
        numbers = random.integers(1, self.vocabulary, self.horizon)
        return torch.from_numpy(numbers)

    @cached_property
    def automaton(self) -> Automaton:
        """Nodes 0 to T on the path, and T + 1 more off it."""
        steps, symbols = self.horizon, self.vocabulary
        off = steps + 1
        following = torch.full((2 * off, symbols), 2 * off - 1)
        later = torch.arange(1, off)
        following[:steps] = (off + later)[:, None]
        following[torch.arange(steps), self.gold] = later
        following[off : off + steps] = (off + later)[:, None]
        if not self.absorbing:
            following[off : off + steps, REC] = later
            following[-1, REC] = steps
        following[steps] = steps
        start = torch.zeros(2 * off, dtype=torch.float64)
        start[0] = 1
        return Automaton(self._chances(), following, start)

    def _chances(self) -> torch.Tensor:
        """The oracle's, (A, N, V): one table, or one for each run."""
        recovery = 1 / self.vocabulary if self.absorbing else self.recovery
        chance = torch.as_tensor(recovery, dtype=torch.float64).reshape(-1, 1)
        steps, symbols = self.horizon, self.vocabulary
        off = steps + 1
        chances = torch.zeros(len(chance), 2 * off, symbols, dtype=torch.float64)
        chances[:, torch.arange(steps), self.gold] = 1
        chances[:, steps] = 1 / symbols
        rest = 1 - chance
        others = rest / (symbols - 1)
        chances[:, off:] = others[..., None]
        chances[:, off:, REC] = chance
        return chances

    @property
    def signs(self) -> tuple[str, ...]:
        """REC by its first letter, the others by their numbers."""
        others = range(1, self.vocabulary)
        return ("R", *map(str, others))

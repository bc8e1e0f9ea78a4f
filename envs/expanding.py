"""z' = (L z + a) mod M,  phase' = phase + 1 mod P: a language in which a wrong symbol grows, L-fold at every step.

The control tasks' dial in symbols. A place among M goes from target to target by the one symbol that leads there, a =
target' - L z. Whoever copies that symbol without knowing the place that it was meant for multiplies every deviation by
L: L = 0 forgets an error in a step, L = 1 keeps it, a larger one blows it up to half a round. The oracle knows the place
and is back on the target after a single symbol, wherever it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from il_bench import Automaton, Certificate, TextEnv, Values, require


@dataclass(frozen=True, kw_only=True)
class Expanding(TextEnv):
    """A place that each symbol multiplies by L and moves on: unit errors grow to L^t, by an exact certificate."""

    lipschitz: Values = 2.0
    """L of the step, a whole number from 0 to M/2."""
    vocabulary: int = 61
    """Places, M, and as many symbols; a prime number keeps all differences alive."""
    period: int = 8
    """Targets, P, one after the other and then again; a text begins at any of them."""

    def require_language(self) -> None:
        """L a whole number from 0 to M/2, and no more targets than places."""
        size = self.vocabulary
        require(size >= 2, f"vocabulary: expected at least 2 places, got {size}; try 61")
        wanted = f"lipschitz: expanding needs a whole number from 0 to M/2 = {size // 2}"
        for big in self.values("lipschitz"):
            fits = 0 <= big <= size / 2 and big == int(big)
            require(fits, f"{wanted}, got {big:g}; try 2, or raise --vocabulary")
        some = 1 <= self.period <= size
        require(some, f"period: expected from 1 to {size} targets, got {self.period}; try 8")

    @cached_property
    def targets(self) -> torch.Tensor:
        """The place to be at in each phase (P,), the same for every seed."""
        random = np.random.default_rng(0)
        chosen = random.choice(self.vocabulary, self.period, replace=False)
        return torch.from_numpy(chosen)

    @cached_property
    def automaton(self) -> Automaton:
        """A node for each phase and place, those of a phase together; where runs differ in L each has a table of its own."""
        dials = self.values("lipschitz")
        is_one = len(set(dials)) == 1
        tables = dials[:1] if is_one else dials
        big = torch.tensor(tables, dtype=torch.long)
        thrown = big[:, None] * torch.arange(self.vocabulary)
        nodes = self.period * self.vocabulary
        start = torch.zeros(nodes, dtype=torch.float64)
        phases = torch.arange(self.period)
        first = self.vocabulary * phases
        on_target = first + self.targets
        start[on_target] = 1 / self.period
        return Automaton(self._chances(thrown), self._following(thrown), start)

    def _chances(self, thrown: torch.Tensor) -> torch.Tensor:
        """The oracle's (A, N, V): the one symbol that leads to the next target from where L throws each place (A, M)."""
        ahead = self.targets.roll(-1)
        way = ahead[:, None] - thrown[:, None]
        right = way % self.vocabulary
        symbols = torch.arange(self.vocabulary)
        hot = right[..., None] == symbols
        return hot.flatten(1, 2).to(torch.float64)

    def _following(self, thrown: torch.Tensor) -> torch.Tensor:
        """The node (A, N, V) that follows each symbol, for where L alone throws each place (A, M)."""
        symbols = torch.arange(self.vocabulary)
        moved = thrown[..., None] + symbols
        place = moved % self.vocabulary
        phases = torch.arange(self.period)
        phase = phases.roll(-1)
        first = self.vocabulary * phase
        following = first[:, None, None] + place[:, None]
        return following.flatten(1, 2)

    def place(self, state: Any) -> Any:
        """The place z (R, E) in states (R, E, X), float64."""
        last = self.automaton.nodes - 1
        node = state[..., 0].long().clamp(0, last)
        place = node % self.vocabulary
        return place.to(state.dtype)

    def difference(self, state: Any, other: Any) -> Any:
        """The shorter way round between the places; the phase is the same for both."""
        apart = self.place(state) - self.place(other)
        half = self.vocabulary / 2
        way = (apart + half) % self.vocabulary - half
        return way[..., None]

    def certificate(self) -> Certificate:
        """L, attained by any two neighbours."""
        one = torch.zeros(self.runs, 1, len(self.states), dtype=torch.float64)
        other = one.clone()
        other[..., 0] = 1
        return Certificate(
            value=self.values("lipschitz"),
            metric="places, by the shorter way round",
            kind="exact",
            pair=(one, other),
            radius=self.values("lipschitz"),
            diameter=(self.vocabulary / 2,) * self.runs,
            note="under the expert two places of one phase are one after a step; unrelated ones are M/4 apart",
        )

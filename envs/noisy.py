"""b' = (b * p(a | h)) A / sum: a hidden chain that is followed by its symbols, any of which may be a substitute.

The oracle is the exact filter: after every prefix it knows how likely each state of the chain is, and with that the
chances of the next symbol. It reckons with a substitute at every symbol, with chance eta, though no text of its own holds
one. That is how much it forgives: at a small eta a single wrong symbol convinces it of a wrong state, at eta = 1 it goes
on by the clock alone. A text that is on the way for the one is lost for the other, and what slips do is its to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from il_bench import Certificate, Filter, TextEnv, Values, require

ONWARD = 0.8
"""Chance that the chain goes to a state's successor; else to any state."""
USUAL = 0.7
"""Chance of a state's first symbol; the rest is its second's."""


@dataclass(frozen=True, kw_only=True)
class Noisy(TextEnv):
    """A hidden chain, filtered exactly by who reckons with substitutes: eta is how much that forgives."""

    vocabulary: int = 16
    """Symbols, V; each hidden state says two of them, which others may say too."""
    hidden_states: int = 12
    """Hidden states, S."""
    eta: Values = 0.1
    """Chance of a substitute with which the oracle reckons at each symbol, above 0: how much it forgives."""

    def require_language(self) -> None:
        """States with two symbols each, and a chance that makes no prefix impossible."""
        size, hidden = self.vocabulary, self.hidden_states
        require(size >= 2, f"vocabulary: expected at least 2 symbols, got {size}; try 16")
        require(hidden >= 2, f"hidden_states: expected at least 2 states, got {hidden}; try 12")
        for eta in self.values("eta"):
            wanted = "eta: expected a chance above 0, so that no text is impossible, up to 1"
            require(0 < eta <= 1, f"{wanted}, got {eta}; try 0.1")

    @cached_property
    def automaton(self) -> Filter:
        """The filter; its chain is the same for every seed."""
        random = np.random.default_rng(0)
        count = self.hidden_states
        states = np.arange(count)
        said = [random.choice(self.vocabulary, 2, replace=False) for _ in states]
        usual, other = np.stack(said).T
        emission = np.zeros((count, self.vocabulary))
        emission[states, usual] = USUAL
        emission[states, other] = 1 - USUAL
        anywhere = (1 - ONWARD) / count
        motion = np.full((count, count), anywhere)
        successor = (states + 1) % count
        motion[states, successor] += ONWARD
        start = torch.full((count,), 1 / count, dtype=torch.float64)
        return Filter(torch.from_numpy(motion), torch.from_numpy(emission), start, self.eta)

    def difference(self, state: Any, other: Any) -> Any:
        """The total variation between the beliefs, from 0 to 1."""
        beliefs = slice(self.hidden_states)
        one = self.automaton.belief(state[..., beliefs])
        two = self.automaton.belief(other[..., beliefs])
        apart = one - two
        return 0.5 * apart.abs().sum(-1, keepdim=True)

    def certificate(self) -> Certificate:
        """What Bayes' rule and the chain's mixing allow at most; it falls as eta rises."""
        bound = [self.automaton.stretch(eta) for eta in self.values("eta")]
        return Certificate(
            value=tuple(bound),
            metric="total variation between beliefs",
            kind="upper",
            diameter=(1.0,) * self.runs,
            note="the ratio of likelihoods times the mixing of the chain; at eta = 1 the mixing alone, 0.8",
        )

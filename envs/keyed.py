"""s --right symbol--> s', any other a --> confusion a mod 3; confusion j --REC_j--> anchor_j: a way back with a key.

A text goes from state to state by symbols that its state allows. A wrong one leads into one of a few confusions, out of
which only that confusion's own key leads, REC_j; no text without an error holds a key. So cloning clean texts never
learns the keys, however many there are, and stays off the path for ever; who sees errors and what the expert does about
them, in a text with slips or by asking, learns them from a few.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from il_bench import Automaton, Language, require

ALLOWED = 2
"""Right symbols of each state."""
USUAL = 0.6
"""Chance of the first of them."""


@dataclass(frozen=True, kw_only=True)
class Keyed(Language):
    """States that allow two symbols each; a wrong one needs the key of its confusion to be made good."""

    vocabulary: int = 16
    """Symbols, V; the last ones are the keys."""
    places: int = 10
    """States of a text that is on the path."""
    confusions: int = 3
    """Ways to be off it, each with a key of its own."""

    def require_language(self) -> None:
        """States, confusions, and at least two symbols that are no keys."""
        size, keys = self.vocabulary, self.confusions
        require(self.places >= 1, f"places: expected at least 1 state, got {self.places}; try 10")
        require(keys >= 1, f"confusions: expected at least 1, got {keys}; try 3")
        fits = size >= keys + ALLOWED
        least = f"at least {keys + ALLOWED} symbols, {ALLOWED} besides the {keys} keys"
        require(fits, f"vocabulary: expected {least}, got {size}; try {keys + 13}")

    @property
    def keys(self) -> torch.Tensor:
        """The key of each confusion."""
        return torch.arange(self.vocabulary - self.confusions, self.vocabulary)

    @cached_property
    def automaton(self) -> Automaton:
        """The states of the path, then the confusions; the same language for every seed."""
        random = np.random.default_rng(0)
        places, ways = self.places, self.confusions
        nodes = places + ways
        chances = torch.zeros(1, nodes, self.vocabulary, dtype=torch.float64)
        # Whatever is not allowed leads into a confusion, from the path and from another one alike.
        symbols = torch.arange(self.vocabulary)
        following = (places + symbols % ways).expand(nodes, -1).clone()
        plain = self.vocabulary - ways
        for place in range(places):
            allowed = random.choice(plain, ALLOWED, replace=False)
            chances[0, place, allowed] = torch.tensor([USUAL, 1 - USUAL], dtype=torch.float64)
            following[place, allowed] = torch.from_numpy(random.integers(0, places, ALLOWED))
        confused = places + torch.arange(ways)
        chances[0, confused, self.keys] = 1
        following[confused, self.keys] = torch.from_numpy(random.integers(0, places, ways))
        start = torch.zeros(nodes, dtype=torch.float64)
        start[0] = 1
        return Automaton(chances, following, start)

    @property
    def signs(self) -> tuple[str, ...]:
        """Keys by their names, the others by their numbers."""
        first = self.vocabulary - self.confusions
        keys = [f"R{way}" for way in range(self.confusions)]
        return (*map(str, range(first)), *keys)

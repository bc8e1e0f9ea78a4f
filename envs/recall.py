"""mark, D - 2 distractors, ?, the mark again: what was read D symbols ago is asked for, and then a new mark is drawn.

The language goes on by the clock: a wrong symbol has no consequence but itself, and whoever wants to answer has nothing
but memory. So it measures how far back one learns to look. Backpropagation through windows of L symbols leaves the
gradient with respect to the mark exactly 0 for L <= D, which says nothing yet about who carries the state from one
window to the next.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import cached_property

import torch

from il_bench import Automaton, Language, require

LETTERS = string.ascii_uppercase
"""How marks are shown."""


@dataclass(frozen=True, kw_only=True)
class Recall(Language):
    """A mark that is asked for D symbols later, with any distractors between."""

    vocabulary: int = 16
    """Symbols, V: the marks, the distractors, and the last one, which asks."""
    marks: int = 4
    """Marks, K; a text begins with one of them, each alike."""
    delay: int = 8
    """Symbols from the mark to the answer, D; the one before the answer asks for it."""

    def require_language(self) -> None:
        """Marks, a distractor, the question, and a symbol between the mark and the answer."""
        marks, size = self.marks, self.vocabulary
        most = len(LETTERS)
        require(2 <= marks <= most, f"marks: expected from 2 to {most}, got {marks}; try 4")
        least = f"at least {marks + 2} symbols, a distractor and the question besides {marks} marks"
        fits = size >= marks + 2
        require(fits, f"vocabulary: expected {least}, got {size}; try {marks + 12}")
        words = f"delay: expected at least 2 symbols, got {self.delay}"
        require(self.delay >= 2, f"{words}, of which the one before the answer asks; try 8")

    @cached_property
    def automaton(self) -> Automaton:
        """Where a mark is drawn, and for each mark a node for each of the D symbols after it."""
        chances = self._chances()
        nodes, size = chances.shape
        later = torch.arange(1, nodes + 1)
        later[self.delay :: self.delay] = 0
        following = later[:, None].repeat(1, size)
        # Whatever is written in the mark's stead counts as one of the marks.
        symbols = torch.arange(size)
        picked = symbols % self.marks
        following[0] = 1 + picked * self.delay
        start = torch.zeros(nodes, dtype=torch.float64)
        start[0] = 1
        return Automaton(chances[None], following, start)

    def _chances(self) -> torch.Tensor:
        """The oracle's, (N, V)."""
        marks, delay, size = self.marks, self.delay, self.vocabulary
        chances = torch.zeros(1 + marks * delay, size, dtype=torch.float64)
        first, texts = chances[0], chances[1:]
        first[:marks] = 1 / marks
        distractors, question, answer = texts.view(marks, delay, size).split((delay - 2, 1, 1), 1)
        others = size - marks - 1
        distractors[..., marks:-1] = 1 / others
        question[..., -1] = 1
        answer[:, 0, :marks] = torch.eye(marks, dtype=torch.float64)
        return chances

    @property
    def signs(self) -> tuple[str, ...]:
        """Marks by letters, distractors by their numbers."""
        marks = LETTERS[: self.marks]
        others = range(self.marks, self.vocabulary - 1)
        return (*marks, *map(str, others), "?")

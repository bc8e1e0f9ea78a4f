"""stack --(--> stack (, stack ( --)--> stack: nested brackets, of which each must be closed by its own kind.

What has to be written depends on a bracket any number of symbols back: a context-free language, bounded in depth so that
an automaton, a node for each stack, knows it exactly. A bracket that does not fit, one too many, or the mark where
nothing is to be made good, is an error, and `mismatch` says what becomes of it: it is ignored and has no consequence but
itself; it must be recovered from, by a mark that no text without an error holds; or nothing leads back.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

from il_bench import Automaton, Language, Values, require

OPENING, CLOSING, MARK = "([{<", ")]}>", "!"
"""How symbols are shown: a bracket of each kind, and what makes an error good."""
MOST = 2000
"""Stacks of a language."""


@dataclass(frozen=True, kw_only=True)
class Dyck(Language):
    """Nested brackets up to a depth; an error is ignored, made good by a mark, or never."""

    kinds: int = 2
    """Kinds of brackets, k, from 1 to 4; symbols are an opening and a closing one of each, and the mark."""
    depth: int = 4
    """Brackets that are open at once, at most."""
    opening: Values = 0.5
    """Chance that the oracle opens a bracket, each kind alike, where it could also close one."""
    mismatch: Literal["ignored", "recovered", "absorbing"] = "recovered"
    """What becomes of an error: nothing, a mark is due, or there is no way back."""

    def require_language(self) -> None:
        """A few kinds, not too many stacks, and a chance."""
        kinds, depth = self.kinds, self.depth
        most = len(OPENING)
        require(1 <= kinds <= most, f"kinds: expected from 1 to {most}, got {kinds}; try 2")
        require(depth >= 1, f"depth: expected at least 1 bracket, got {depth}; try 4")
        stacks = sum(kinds**open_ones for open_ones in range(min(depth, MOST) + 1))
        many = f"depth: expected at most {MOST} stacks of {kinds} kinds, got {stacks}"
        require(stacks <= MOST, f"{many}; try 4")
        for chance in self.values("opening"):
            wanted = "opening: expected a chance above 0 and below 1"
            require(0 < chance < 1, f"{wanted}, got {chance}; try 0.5")

    @cached_property
    def stacks(self) -> list[tuple[int, ...]]:
        """Which kinds are open, the outermost first: the empty stack, then all of one bracket, of two, ..."""
        kinds = range(self.kinds)
        stacks: list[tuple[int, ...]] = []
        for open_ones in range(self.depth + 1):
            stacks += itertools.product(kinds, repeat=open_ones)
        return stacks

    @cached_property
    def automaton(self) -> Automaton:
        """The stacks; after them, where errors count, those with an error, or a single node without a way back."""
        following = self._following()
        nodes = len(following)
        start = torch.zeros(nodes, dtype=torch.float64)
        start[0] = 1
        return Automaton(self._chances(nodes), following, start)

    def _following(self) -> torch.Tensor:
        """The node that follows each symbol at each node (N, V)."""
        stacks = self.stacks
        count = len(stacks)
        number = {stack: place for place, stack in enumerate(stacks)}
        error = self._error(count)
        nodes = max(count, int(error.max()) + 1)
        # Beyond the stacks whatever is written changes nothing, but for the mark that leads back.
        everywhere = torch.arange(nodes)
        everywhere[:count] = error
        following = everywhere[:, None].repeat(1, 2 * self.kinds + 1)
        for place, stack in enumerate(stacks):
            for symbol, after in self._right(stack).items():
                following[place, symbol] = number[after]
        if self.mismatch == "recovered":
            following[count:, -1] = torch.arange(count)
        return following

    def _error(self, count: int) -> torch.Tensor:
        """The node (S,) to which an error leads from each of so many stacks."""
        stacks = torch.arange(count)
        ways = {
            "ignored": stacks,
            "recovered": count + stacks,
            "absorbing": torch.full_like(stacks, count),
        }
        return ways[self.mismatch]

    def _right(self, stack: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
        """The symbols that are right, and the stacks to which they lead."""
        leads = {}
        if len(stack) < self.depth:
            leads = {kind: (*stack, kind) for kind in range(self.kinds)}
        if stack:
            own = self.kinds + stack[-1]
            leads[own] = stack[:-1]
        return leads

    def _chances(self, nodes: int) -> torch.Tensor:
        """The oracle's, (A, N, V): one table, or one for each run."""
        opening = torch.as_tensor(self.opening, dtype=torch.float64).reshape(-1)
        symbols = 2 * self.kinds + 1
        chances = torch.zeros(len(opening), nodes, symbols, dtype=torch.float64)
        for place, stack in enumerate(self.stacks):
            opens = self._opens(len(stack), opening)
            each = opens / self.kinds
            chances[:, place, : self.kinds] = each[:, None]
            if stack:
                own = self.kinds + stack[-1]
                chances[:, place, own] = 1 - opens
        beyond = chances[:, len(self.stacks) :]
        if self.mismatch == "recovered":
            beyond[..., -1] = 1
        else:
            beyond[:] = 1 / symbols
        return chances

    def _opens(self, depth: int, opening: torch.Tensor) -> torch.Tensor:
        """The chance (A,) to open a bracket where so many are open: it is sure at none, and nil at the most."""
        if depth == 0:
            return torch.ones_like(opening)
        return torch.zeros_like(opening) if depth == self.depth else opening

    @property
    def signs(self) -> tuple[str, ...]:
        """The brackets and the mark."""
        opening = OPENING[: self.kinds]
        closing = CLOSING[: self.kinds]
        return (*opening, *closing, MARK)

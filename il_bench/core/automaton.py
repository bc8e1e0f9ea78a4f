"""Automata: which symbols follow at a node, and which node follows a symbol; every language here compiles to one.

A probabilistic automaton is an oracle: it knows the exact conditional of the next symbol on every prefix, those that no
demonstration holds included. How often each node is visited, and what it is worth, follow by dynamic programming.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import torch

from .oracle import Oracle
from .settings import require

ROUNDING = 1e-9
"""By how much a row of chances may miss one."""


@dataclass(frozen=True)
class Automaton(Oracle):
    """Tables of N nodes and V symbols, float64; a place is the number of a node.

    Attributes:
        chances: (A, N, V) of each symbol at each node; A is one table for all runs, or one for each.
        following: (N, V) int64, the node that follows each symbol at each node: every one, so that the oracle has an
            answer on every prefix; or (A, N, V), where each run has its own.
        start: (N,) chances of the first node.
    """

    chances: torch.Tensor
    following: torch.Tensor
    start: torch.Tensor
    _copies: dict[torch.device, Automaton] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    coordinates: ClassVar = {"node": "of the automaton"}

    def __post_init__(self) -> None:
        """Refuse tables that are no automaton."""
        _, nodes, symbols = self.chances.shape
        shape = tuple(self.following.shape[-2:])
        wanted = f"following: expected (N, V) = ({nodes}, {symbols}) as in chances, got {shape}"
        require(shape == (nodes, symbols), wanted)
        inside = (self.following >= 0) & (self.following < nodes)
        require(
            bool(inside.all()), f"following: expected nodes from 0 to {nodes - 1}; number them so"
        )
        _require_distribution("chances", self.chances)
        _require_distribution("start", self.start)

    @property
    def nodes(self) -> int:
        """How many, N."""
        return self.chances.shape[1]

    @property
    def symbols(self) -> int:
        """How many, V."""
        return self.chances.shape[2]

    def on(self, device: torch.device) -> Automaton:
        """The same tables there; copied once."""
        if device == self.chances.device:
            return self
        if device not in self._copies:
            chances, following = self.chances.to(device), self.following.to(device)
            self._copies[device] = Automaton(chances, following, self.start.to(device))
        return self._copies[device]

    def first(self, draw: torch.Tensor) -> torch.Tensor:
        """See `Oracle.first`."""
        start = self.on(draw.device).start
        through = start.cumsum(-1)
        below = (through < draw).sum(-1, keepdim=True)
        node = below.clamp_max(self.nodes - 1)
        return node.to(torch.float64)

    def at(self, place: torch.Tensor) -> torch.Tensor:
        """See `Oracle.at`."""
        node = self._node(place)
        chances = self.on(place.device).chances
        if len(chances) == 1:
            return chances[0][node]
        run = torch.arange(len(node), device=node.device)
        return chances[run[:, None], node]

    def chance(self, place: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
        """See `Oracle.chance`."""
        return self._cells(self.on(place.device).chances, place, symbol)

    def after(self, place: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
        """See `Oracle.after`."""
        following = self.on(place.device).following
        node = self._cells(following, place, symbol)
        return node[..., None].to(torch.float64)

    def _cells(
        self, table: torch.Tensor, place: torch.Tensor, symbol: torch.Tensor
    ) -> torch.Tensor:
        """What a table (N, V), or (A, N, V) of A = 1 or R, has at places (R, E, 1) for symbols (R, E)."""
        node = self._node(place)
        column = symbol.long()
        if table.dim() == 2:
            return table[node, column]
        if len(table) == 1:
            return table[0][node, column]
        run = torch.arange(len(table), device=table.device)
        return table[run[:, None], node, column]

    def off_path(self, place: torch.Tensor) -> torch.Tensor:
        """See `Oracle.off_path`."""
        node = self._node(place)
        reached = self._reached.to(node.device)
        its = reached.expand(len(node), -1)
        return ~its.gather(1, node)

    @cached_property
    def _reached(self) -> torch.Tensor:
        """See `reached`."""
        return self.reached()

    def _node(self, place: torch.Tensor) -> torch.Tensor:
        """Rows of the tables; what is no node, as a certificate's search tries, counts as the nearest one below."""
        node = place[..., 0].long()
        return node.clamp(0, self.nodes - 1)

    def steps(self, chosen: torch.Tensor, slip: float = 0.0) -> torch.Tensor:
        """The chain (A, N, N) from node to node of a writer who chooses by chances (A, N, V) alone.

        Args:
            chosen: the writer's.
            slip: chance that a uniform symbol is written instead.
        """
        meant = (1 - slip) * chosen
        written = meant + slip / self.symbols
        written, places = torch.broadcast_tensors(written, self.following)
        square = written.new_zeros(*written.shape[:2], self.nodes)
        return square.scatter_add(2, places, written)

    def reached(self) -> torch.Tensor:
        """Whether the oracle's own texts ever come to each node, (A, N) bool, if none of their symbols slips."""
        goes, following = torch.broadcast_tensors(self.chances > 0, self.following)
        places = following.flatten(1)
        here = (self.start > 0).expand(len(goes), -1)
        while True:
            leads = goes & here[..., None]
            ways = here.long().scatter_add(1, places, leads.long().flatten(1))
            there = ways > 0
            if bool((there == here).all()):
                return here
            here = there

    def occupancy(self, chosen: torch.Tensor, horizon: int, slip: float = 0.0) -> torch.Tensor:
        """Exact chances (A, T+1, N) to stand at each node at each step; arguments as of `steps`."""
        steps = self.steps(chosen, slip)
        tables = len(steps)
        now = self.start.expand(tables, 1, -1)
        path = [now]
        for _ in range(horizon):
            now = now @ steps
            path.append(now)
        return torch.cat(path, 1)

    def worth(
        self,
        chosen: torch.Tensor,
        reward: torch.Tensor,
        horizon: int,
        slip: float | torch.Tensor = 0.0,
    ) -> torch.Tensor:
        """Exact value Q (A, T, N, V) of each symbol at each node and step, when the writer goes on by `chosen`.

        Args:
            chosen: the writer's chances (A, N, V), or (A, T, N, V) where they change with the step.
            reward: (A, N, V) of writing a symbol at a node.
            horizon: steps, T.
            slip: chance that a uniform symbol is written instead, one or (A, 1, 1).
        """
        each_step = chosen if chosen.dim() == 4 else chosen[:, None].expand(-1, horizon, -1, -1)
        value = reward.new_zeros(len(chosen), self.nodes)
        worth = []
        for chances in reversed(each_step.unbind(1)):
            later = self._ahead(value)
            written = reward + later
            average = written.mean(-1, keepdim=True)
            own = (1 - slip) * written + slip * average
            worth.append(own)
            value = (chances * own).sum(-1)
        worth.reverse()
        return torch.stack(worth, 1)

    def _ahead(self, value: torch.Tensor) -> torch.Tensor:
        """Values (A, N) of nodes as those (A, N, V) of the symbols that lead to them."""
        following = self.following
        if following.dim() == 2:
            return value[:, following]
        table = torch.arange(len(following), device=following.device)
        return value.expand(len(following), -1)[table[:, None, None], following]


def _require_distribution(name: str, chances: torch.Tensor) -> None:
    """Refuse rows that are not chances that sum to one."""
    sums = chances.sum(-1)
    apart = (sums - 1).abs()
    worst = int(apart.argmax())
    total = sums.flatten()[worst].item()
    least = chances.min().item()
    is_whole = float(apart.max()) <= ROUNDING
    fits = least >= 0 and is_whole
    wanted = f"{name}: expected rows of chances that sum to 1"
    problem = f"a sum of {total:.6g} and a smallest one of {least:.3g}"
    require(fits, f"{wanted}, got {problem}; divide by the sum")

"""table: counts of the labels seen in each state, in one table for all steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.ids import place, places, vocabulary
from ..core.policy import Policy, choose
from ..core.settings import one_of
from ..fit.training import Lesson


class TablePolicy(Policy):
    """Tables of counted labels: chances are relative counts, uniform where nothing was counted.

    Args:
        counts: (R, T, S, A) weights of the labels seen at step t in state s; T = 1 for one table shared over time.
        fill: (R, T, S) the action that stands for an unseen cell when a deterministic action is asked for, drawn once.
        action_space: Gymnasium's Discrete space of actions.
        sizes: of the vocabulary (O,), where observations are numbers of one; else they are one-hot.

    Observations are one-hot (R, E, S), or numbers (R, E, O) whose place among all is the state. Memory counts the
    steps, so that each step finds its table.
    """

    action_space: spaces.Discrete

    def __init__(
        self,
        counts: torch.Tensor,
        fill: torch.Tensor,
        action_space: spaces.Discrete,
        sizes: tuple[int, ...] = (),
    ):
        self.counts = counts
        self.fill = fill
        self.action_space = action_space
        self.sizes = sizes
        self.runs = len(counts)
        self.device = str(counts.device)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        _, steps, states, actions = self.counts.shape
        return f"TablePolicy({steps} tables of {states} states x {actions} actions; R={self.runs})"

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` asks for a random action of the counted chances."""
        step = self._step(obs, memory)
        cell = self._cell(obs, step)
        if draw is not None:
            weights = self._weights(cell)
            return choose(weights, draw), step + 1
        counts = self.counts[cell]
        unseen = counts.sum(-1, keepdim=True) == 0
        most = counts.argmax(-1, keepdim=True)
        fill = self.fill[cell]
        return torch.where(unseen, fill[..., None], most), step + 1

    def distribution(self, obs: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Any]:
        """See `StochasticPolicy`."""
        step = self._step(obs, memory)
        cell = self._cell(obs, step)
        weights = self._weights(cell).double()
        total = weights.sum(-1, keepdim=True)
        return weights / total, step + 1

    def _step(self, obs: torch.Tensor, memory: Any) -> torch.Tensor:
        """The step (R, E) of each episode."""
        if memory is None:
            return torch.zeros(obs.shape[:2], dtype=torch.long, device=obs.device)
        step: torch.Tensor = memory
        return step

    def _weights(self, cell: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """How often each action (R, E, A) was seen in some cells; where none was, all alike."""
        counts = self.counts[cell]
        unseen = counts.sum(-1, keepdim=True) == 0
        alike = torch.ones_like(counts)
        return torch.where(unseen, alike, counts)

    def _cell(self, obs: torch.Tensor, step: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run, table and state of each observation, with which counts are indexed."""
        run = torch.arange(self.runs, device=obs.device)
        last = self.counts.shape[1] - 1
        table = step.clamp_max(last)
        state = _state(obs, self.sizes)
        return run[:, None], table, state

    def __getitem__(self, run: int) -> TablePolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        return TablePolicy(self.counts[pick], self.fill[pick], self.action_space, self.sizes)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name."""
        arrays = {"counts": self.counts, "fill": self.fill}
        if self.sizes:
            arrays["sizes"] = torch.tensor([self.sizes] * self.runs)
        return arrays


@dataclass(frozen=True)
class Table:
    """Counts of the labels seen in each state of a one-hot observation, shared over time."""

    descends: ClassVar[bool] = False

    def fit(self, lesson: Lesson) -> TablePolicy:
        """See `Net.fit`."""
        return count(lesson, 1)

    def restore(self, arrays: Arrays, action_space: Any) -> TablePolicy:
        """See `Net.restore`."""
        return restored(arrays, action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return observation * outputs


def restored(arrays: Arrays, action_space: Any) -> TablePolicy:
    """The tables that `TablePolicy.arrays` described."""
    sizes = arrays["sizes"][0].tolist() if "sizes" in arrays else []
    return TablePolicy(arrays["counts"], arrays["fill"], action_space, tuple(sizes))


def count(lesson: Lesson, steps: int) -> TablePolicy:
    """Tables of the labels seen in each state of a one-hot observation: one for each of `steps`, or one for all.

    Raises:
        ValueError: for other observations, or for Box actions.
    """
    data, space = lesson.data, lesson.env.action_space
    sizes = vocabulary(lesson.env.observation_space)
    if not (isinstance(space, spaces.Discrete) and (sizes or _one_hot(data.obs))):
        raise ValueError(
            "net table: expected one-hot observations and Discrete actions, got others; use net mlp"
        )
    actions = int(space.n)
    runs, samples, width = data.obs.shape
    states = places(sizes) if sizes else width
    time = data.time.clamp_max(steps - 1).expand(runs, samples)
    row = time * states + _state(data.obs, sizes)
    cell = row * actions + data.action[..., 0]
    empty = torch.zeros(runs, steps * states * actions, device=data.obs.device)
    counts = empty.scatter_add(1, cell, data.weight)
    fill = lesson.streams.integers("fill", actions, steps, states)
    return TablePolicy(counts.reshape(runs, steps, states, actions), fill, space, sizes)


def _state(obs: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
    """The states (R, E) that observations (R, E, O) tell."""
    return place(obs, sizes) if sizes else obs.argmax(-1)


def _one_hot(obs: torch.Tensor) -> bool:
    """Whether every observation is a single one among zeros."""
    zero_or_one = (obs == 0) | (obs == 1)
    single = obs.sum(-1) == 1
    return bool(zero_or_one.all() and single.all())

"""Sequences: whole episodes as they are learned from by nets that remember, in minibatches and windows of time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch

from ..core.streams import Streams
from .dataset import Dataset
from .minibatches import orders

Answer: TypeAlias = "Callable[[torch.Tensor, Any], tuple[torch.Tensor, Any]]"
"""(obs (R, B, L, O), memory) -> (logits or scaled actions (R, B, L, A), memory); None begins."""
Errors: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
"""(logits (R, n, A), the expert's chances (R, n, A)) -> loss of each sample (R, n)."""


@dataclass(frozen=True)
class Sequences:
    """Samples in the order of time.

    Attributes:
        obs: (R, E, T, O) float32.
        action: (R, E, T, U).
        weight: (R, E, T) float32; zero hides a sample.
        target: (R, E, T, A) chances of the expert's actions, or None.
        gain: (R, E, T) by how much each action was better than expected, which its likelihood is multiplied by; None is 1.
        number: (R, E) of each sequence in the data that it was picked from, or None.
    """

    obs: torch.Tensor
    action: torch.Tensor
    weight: torch.Tensor
    target: torch.Tensor | None = None
    gain: torch.Tensor | None = None
    number: torch.Tensor | None = None

    @classmethod
    def of(cls, data: Dataset) -> Sequences:
        """The sequences of a dataset, the shorter ones filled up with samples that weigh nothing."""
        lengths = np.array(data.lengths)
        first = np.cumsum(lengths) - lengths
        longest = lengths.max()
        steps = np.arange(longest)
        last = len(data) - 1
        place = np.minimum(first[:, None] + steps, last)
        is_inside = steps < lengths[:, None]
        inside = torch.from_numpy(is_inside).to(data.weight)
        where = torch.from_numpy(place).to(data.obs.device)
        target = None if data.target is None else data.target[:, where]
        obs = data.obs[:, where]
        action = data.action[:, where]
        weight = data.weight[:, where] * inside
        return cls(obs, action, weight, target)

    @property
    def live(self) -> tuple[np.ndarray, ...]:
        """For each run the sequences that weigh something."""
        heavy = (self.weight > 0).any(-1).cpu().numpy()
        return tuple(np.flatnonzero(row) for row in heavy)

    def pick(self, order: np.ndarray) -> Sequences:
        """Of each run the sequences (R, B) of an order."""
        device = self.obs.device
        run = torch.arange(len(order), device=device)[:, None]
        rows = torch.from_numpy(order).to(device)
        picked = self._each(lambda part: part[run, rows])
        return dataclasses.replace(picked, number=rows)

    def window(self, first: int, end: int) -> Sequences:
        """The steps from `first` to before `end`."""
        whole = dataclasses.replace(self, number=None)
        return whole._each(lambda part: part[:, :, first:end])

    def of_runs(self, rows: slice) -> Sequences:
        """The same of some runs."""
        return self._each(lambda part: part[rows])

    def rest(self, first: int) -> Sequences:
        """The sequences from `first` on."""
        return self._each(lambda part: part[:, first:])

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Sequences:
        """Every part of it, changed."""
        parts = {name: part for name, part in vars(self).items() if part is not None}
        changed = {name: change(part) for name, part in parts.items()}
        return dataclasses.replace(self, **changed)


def joined(one: Sequences, two: Sequences) -> Sequences:
    """The sequences of both; what not both know is left out."""
    parts: dict[str, Any] = {}
    for name, part in vars(one).items():
        other = getattr(two, name)
        known = part is not None and other is not None
        parts[name] = torch.cat((part, other), 1) if known else None
    return Sequences(**parts)


class Source(Protocol):
    """Whence an update's sequences come, where they are not the data as they are, and what is lost on them."""

    @property
    def errors(self) -> Errors | None:
        """The loss of a sample; None is the training's own."""

    def batch(self, given: Sequences, update: int, answer: Answer) -> Sequences:
        """What an update learns from.

        Args:
            given: the data's minibatch (R, B, T, ...).
            update: how many updates have been made.
            answer: what the net answers with its weights of this moment; nothing is differentiated.
        """


@dataclass(frozen=True)
class Window:
    """What one update learns from.

    Attributes:
        part: sequences (R, B, L, ...).
        begins: whether these are the first steps of their sequences.
    """

    part: Sequences
    begins: bool


Renew: TypeAlias = "Callable[[Sequences, int], Sequences]"
"""(a minibatch of the data, updates made) -> what is learned from instead."""


def windows(
    data: Sequences,
    size: int,
    length: int,
    updates: int,
    streams: Streams,
    renew: Renew | None = None,
) -> Iterator[Window]:
    """Window after window of minibatch after minibatch, as many as there are updates.

    Args:
        data: sequences of R runs.
        size: sequences in a minibatch, B.
        length: steps in a window; 0 takes whole sequences.
        updates: how many in all.
        streams: the order.
        renew: what becomes of a minibatch; it is asked when the first of its windows is.
    """
    steps = data.obs.shape[2]
    length = length or steps
    starts = range(0, steps, length)
    batches = -(-updates // len(starts))
    done = 0
    for order in orders(data.live, min(size, data.obs.shape[1]), batches, 1, streams):
        batch = data.pick(order[:, 0])
        if renew:
            batch = renew(batch, done)
        for first in starts[: updates - done]:
            yield Window(batch.window(first, first + length), first == 0)
        done += len(starts)

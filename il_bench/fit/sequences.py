"""Sequences: whole episodes as they are learned from by nets that remember, in minibatches and windows of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..core.streams import Streams
from .dataset import Dataset
from .minibatches import orders


@dataclass(frozen=True)
class Sequences:
    """Samples in the order of time.

    Attributes:
        obs: (R, E, T, O) float32.
        action: (R, E, T, U).
        weight: (R, E, T) float32; zero hides a sample.
        target: (R, E, T, A) chances of the expert's actions, or None.
    """

    obs: torch.Tensor
    action: torch.Tensor
    weight: torch.Tensor
    target: torch.Tensor | None = None

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
        target = None if self.target is None else self.target[run, rows]
        return Sequences(
            self.obs[run, rows], self.action[run, rows], self.weight[run, rows], target
        )

    def window(self, first: int, end: int) -> Sequences:
        """The steps from `first` to before `end`."""
        part = slice(first, end)
        target = None if self.target is None else self.target[:, :, part]
        obs = self.obs[:, :, part]
        action = self.action[:, :, part]
        weight = self.weight[:, :, part]
        return Sequences(obs, action, weight, target)


@dataclass(frozen=True)
class Window:
    """What one update learns from.

    Attributes:
        part: sequences (R, B, L, ...).
        begins: whether these are the first steps of their sequences.
    """

    part: Sequences
    begins: bool


def windows(
    data: Sequences, size: int, length: int, updates: int, streams: Streams
) -> Iterator[Window]:
    """Window after window of minibatch after minibatch, as many as there are updates.

    Args:
        data: sequences of R runs.
        size: sequences in a minibatch, B.
        length: steps in a window; 0 takes whole sequences.
        updates: how many in all.
        streams: the order.
    """
    steps = data.obs.shape[2]
    length = length or steps
    starts = range(0, steps, length)
    batches = -(-updates // len(starts))
    left = updates
    for order in orders(data.live, min(size, data.obs.shape[1]), batches, 1, streams):
        batch = data.pick(order[:, 0])
        for first in starts[:left]:
            yield Window(batch.window(first, first + length), first == 0)
        left -= len(starts)

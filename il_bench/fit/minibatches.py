"""Minibatches: which samples each run learns from at each update, gathered and scaled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch

from ..core.arrays import Arrays
from ..core.streams import Streams
from .dataset import Dataset

Samples: TypeAlias = "tuple[torch.Tensor, torch.Tensor, torch.Tensor]"
"""Observations, actions, and shares in the weight of a minibatch."""


CACHE = 1 << 18
"""Bytes of minibatches that are gathered at a time on the CPU: few enough to be in its cache when they are used."""


def minibatches(
    data: Dataset,
    size: int,
    updates: int,
    streams: Streams,
    scaling: Arrays,
    mean_one: bool = False,
) -> Iterator[Samples]:
    """All minibatches of a training, several updates at a time.

    Each run sees its own samples in an order of its own, epoch after epoch. A sample of weight zero is not there:
    neither its presence nor its number changes a run's minibatches. What is gathered at a time changes no number.

    Args:
        data: samples of R runs.
        size: samples in a minibatch, B.
        updates: how many minibatches in all.
        streams: the order.
        scaling: "mean", "std" (R, 1, O) of observations, "shift", "scale" (R, 1, U) of actions; see `scaling.scales`.
        mean_one: whether the weights have mean one over all samples: a share is then a weight over B, and a minibatch of
            heavy samples counts for more. Otherwise the shares of a minibatch add up to one.

    Yields:
        Of S updates: scaled observations (R, S, B, O), actions (R, S, B, U), scaled unless they are integers, and each
        sample's share (R, S, B) in the weight of its minibatch.
    """
    by_step = {name: scale[:, None] for name, scale in scaling.items()}
    mean, std = by_step["mean"], by_step["std"]
    raw = bool((mean == 0).all() and (std == 1).all())
    ahead = _ahead(data, size)
    for order in orders(data.live, size, updates, ahead, streams):
        x = _gather(data.obs, order)
        y = _gather(data.action, order)
        weight = _gather(data.weight, order)
        if not raw:
            x = x - mean
            x /= std
        if y.is_floating_point():
            y = y - by_step["shift"]
            y /= by_step["scale"]
        total = size if mean_one else weight.sum(-1, keepdim=True).clamp_min_(1e-12)
        weight /= total
        yield x, y, weight


def _ahead(data: Dataset, size: int) -> int:
    """How many updates' minibatches are gathered at a time."""
    runs, _, observation = data.obs.shape
    of_a_sample = observation + data.action.shape[2] + 3
    numbers = runs * size * of_a_sample
    room = CACHE if data.obs.device.type == "cpu" else 64 * CACHE
    return max(1, min(room // (4 * numbers), 64))


def _gather(part: torch.Tensor, order: np.ndarray) -> torch.Tensor:
    """The rows (R, S, B, ...) of a part (R, N, ...) of the data; by NumPy on the CPU, in a fifth of torch's time."""
    device = part.device
    if device.type != "cpu":
        run = torch.arange(len(part), device=device)
        sample = torch.from_numpy(order).to(device)
        return part[run[:, None, None], sample]
    rows = torch.empty(*order.shape, *part.shape[2:], dtype=part.dtype)
    each_run = zip(part.numpy(), order, rows.numpy(), strict=True)
    for source, pick, out in each_run:
        # Unlike "raise", "clip" writes straight into `out`; no index is outside.
        source.take(pick, 0, out, mode="clip")
    return rows


def orders(
    live: Sequence[np.ndarray], size: int, updates: int, ahead: int, streams: Streams
) -> Iterator[np.ndarray]:
    """Which samples the minibatches take, (R, S, size) with S = `ahead`, and less at the end.

    Args:
        live: for each run the samples to choose from.
        size: samples in a minibatch.
        updates: how many minibatches.
        ahead: of how many at a time.
        streams: the order.
    """
    draws = updates * size
    flows = []
    for run, samples in enumerate(live):
        epochs = _epochs(samples, draws, streams, run)
        flows.append(_Flow(epochs))
    for done in range(0, updates, ahead):
        steps = min(ahead, updates - done)
        order = np.stack([flow.take(steps * size) for flow in flows])
        yield order.reshape(-1, steps, size)


class _Flow:
    """One run's samples, taken from its epochs as many at a time as are asked for."""

    def __init__(self, epochs: Iterator[np.ndarray]) -> None:
        self._epochs = epochs
        self._rest = np.empty(0, np.int64)

    def take(self, count: int) -> np.ndarray:
        """The next ones, so many."""
        parts = [self._rest]
        have = len(self._rest)
        while have < count:
            part = next(self._epochs)
            parts.append(part)
            have += len(part)
        samples = np.concatenate(parts) if len(parts) > 1 else self._rest
        self._rest = samples[count:]
        return samples[:count]


def _epochs(samples: np.ndarray, draws: int, streams: Streams, run: int) -> Iterator[np.ndarray]:
    """The samples of one run in a new order each epoch, `draws` in all: the last epoch draws no more than it needs.

    Sample 0 for ever where there are none: it weighs nothing.
    """
    count = len(samples)
    if count == 0:
        yield np.zeros(draws, np.int64)
        return
    for epoch in range(math.ceil(draws / count)):
        random = streams.generator(run, "shuffle", epoch)
        left = draws - epoch * count
        if left >= count:
            yield random.permutation(samples)
        else:
            yield random.choice(samples, left, replace=False)

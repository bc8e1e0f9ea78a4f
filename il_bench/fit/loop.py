"""The one supervised loop, for R runs at once, and the gradient by autograd that any net can use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np
import torch

from ..core.arrays import Arrays
from ..core.policy import Log
from ..core.streams import Streams
from .dataset import Dataset
from .minibatches import minibatches
from .optimiser import Layers, Optimiser
from .training import Lesson, Training

SHOWN = 100
"""Updates over which the loss that is shown is averaged."""

Loss: TypeAlias = "Callable[[Layers, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]"
"""(layers, x (R, B, O), y (R, B, U), share (R, B)) -> loss of each run (R,)."""


class Gradient(Protocol):
    """Who computes the gradient of one minibatch after the other."""

    def steps(
        self, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor, losses: torch.Tensor
    ) -> Iterator[None]:
        """Leave the gradient of one minibatch after the other in `optimiser.grad`; the weights may move in between.

        Args:
            x: observations (R, S, B, O), float32.
            y: actions (R, S, B, U), float32, infinite where one is missing; or int64 where they are Discrete.
            share: (R, S, B), each sample's part in the mean loss of its minibatch.
            losses: (R, S), where that loss is written; complete when the last step has been made.
        """


@dataclass(frozen=True)
class Descent:
    """What the loop descends on.

    Attributes:
        layers: first parameters, each (R, ...), float32.
        scaling: "mean", "std", "shift", "scale"; see `scaling.scales`.
        gradient: who computes the gradient for an optimiser's parameters.
    """

    layers: Layers
    scaling: Arrays
    gradient: Callable[[Optimiser], Gradient]


@dataclass(frozen=True)
class Block:
    """Runs that train side by side.

    Attributes:
        data, training, streams: theirs.
        runs: which they are.
        report: called with the share of their updates that is done, and a few words.
    """

    data: Dataset
    training: Training
    streams: Streams
    runs: slice
    report: Callable[[float, str], None]


def descend(block: Block, start: Descent, updates: int) -> tuple[Optimiser, torch.Tensor]:
    """Descend for so many updates: the optimiser with the parameters, and the losses (R, updates)."""
    training, data = block.training, block.data
    rule = (training.lr, training.clip, training.ema, training.optimiser, training.epsilon)
    optimiser = Optimiser(start.layers, *rule)
    gradient = start.gradient(optimiser)
    losses = torch.empty(len(data.obs), updates, device=data.obs.device)
    weighs = training.weights != "none"
    order = training.batch, updates, block.streams
    batches = minibatches(data, *order, start.scaling, weighs)
    done = 0
    # A run that becomes NaN or infinite is named, and no warning.
    with np.errstate(all="ignore"):
        for x, y, share in batches:
            end = done + share.shape[1]
            own = losses[:, done:end]
            for _ in gradient.steps(x, y, share, own):
                optimiser.step()
            done = end
            block.report(done / updates, f"loss {own[:, -1].median():.2e}")
    return optimiser, losses


def in_blocks(size: int, lesson: Lesson) -> Iterator[Block]:
    """The runs, `size` at a time one block after the other, which changes no number of any run."""
    for first in range(0, lesson.runs, size):
        end = min(first + size, lesson.runs)
        runs = slice(first, end)
        streams = lesson.streams.of(range(first, end))
        data = lesson.data.of(runs)
        training = lesson.training.of(runs)
        report = partial(_report, lesson, runs)
        yield Block(data, training, streams, runs, report)


def _report(lesson: Lesson, runs: slice, share: float, words: str) -> None:
    """Say that some runs have made a share of their updates."""
    log = lesson.log
    count = runs.stop - runs.start
    done = runs.start + share * count
    passed = lesson.updates * done / lesson.runs
    updates = log.updates + passed
    log.report(updates / lesson.training.updates, words)


def sign(lesson: Lesson, losses: list[torch.Tensor]) -> None:
    """Note in the log what the descent of all blocks, with losses (R, updates) each, came to."""
    log = lesson.log
    first = 0
    for part in losses:
        _name_broken(part, log, first)
        first += len(part)
    log.updates += lesson.updates
    last = [part[:, -SHOWN:].mean(1) for part in losses]
    log.loss = torch.cat(last).cpu()


class Autograd:
    """Gradients of R networks by torch's autograd: the reference, on every device.

    Args:
        optimiser: whose layers make the network, and whose `grad` is to hold their gradient.
        loss: of each run.
    """

    def __init__(self, optimiser: Optimiser, loss: Loss):
        self.optimiser = optimiser
        self.loss = loss

    def steps(
        self, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor, losses: torch.Tensor
    ) -> Iterator[None]:
        """See `Gradient.steps`."""
        layers = self.optimiser.layers
        for step in range(x.shape[1]):
            loss = self.loss(layers, x[:, step], y[:, step], share[:, step])
            slopes = torch.autograd.grad(loss.sum(), layers)
            for place, slope in zip(self.optimiser.slopes, slopes, strict=True):
                place.copy_(slope)
            losses[:, step] = loss.detach()
            yield


def squared_error(out: torch.Tensor, target: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Weighted mean squared error of each run (R,); out and target (R, B, U), share (R, B)."""
    each = (out - target).square().sum(-1)
    return (share * each).sum(1)


def squared_error_where_known(
    out: torch.Tensor, target: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """The same where targets are missing, infinite, which count nothing."""
    known = torch.where(target.isposinf(), out.detach(), target)
    return squared_error(out, known, share)


def cross_entropy(out: torch.Tensor, target: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Weighted mean cross-entropy of each run (R,); logits (R, B, A), target (R, B, 1), share (R, B)."""
    flat = torch.nn.functional.cross_entropy(out.flatten(0, 1), target.flatten(), reduction="none")
    return (share * flat.view_as(share)).sum(1)


def _name_broken(losses: torch.Tensor, log: Log, first: int) -> None:
    """Note the update (of losses (R, updates)) at which a run became NaN or infinite; `first` is the first run."""
    bad = ~losses.isfinite()
    broken = bad.any(1).nonzero()[:, 0]
    for run in broken.tolist():
        update = int(bad[run].int().argmax())
        log.broke.setdefault(first + run, log.updates + update)

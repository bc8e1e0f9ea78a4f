"""Training: the settings of supervised learning, and the one loop that does it for R runs at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from gymnasium import spaces

from . import engine
from .adam import Adam
from .core import Env, Log, Policy
from .data import Dataset
from .minibatches import minibatches
from .policies import MLPPolicy, initial_layers, mlp, side_by_side
from .settings import Values, as_tuple, per_run_fields, require, require_choice, require_counts
from .solve import SOLVERS, scales
from .streams import Streams

SHOWN = 100
"""Updates over which the loss that is shown is averaged."""


@dataclass(frozen=True)
class Training:
    """How a dataset becomes a policy."""

    net: Literal["mlp", "table", "table-per-step", "ridge", "svm"] = "mlp"
    """mlp: tanh network; table: counts, shared over time or one table a step; ridge: linear; svm: linear, all pairs."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    updates: int = 4000
    """Gradient updates in all; DAgger divides them among its rounds."""
    batch: int = 64
    """Samples in a minibatch."""
    lr: Values = 1e-3
    """Learning rate of Adam."""
    normalise: Literal["none", "zscore"] = "none"
    """Observations as they are, or with the data's mean and deviation removed."""
    std_floor: Values = 1e-3
    """Smallest deviation that zscore divides by: an almost constant observation is not blown up beyond 1/std_floor."""
    targets: Literal["zscore", "none"] = "zscore"
    """Box actions are learned with the data's mean and deviation removed, or as they are."""
    ema: Values = 0.0
    """Decay of a moving average of the weights, which then is the policy; 0 takes the last weights."""
    penalty: Values = 1e-3
    """Ridge: the weight of the squared coefficients, the intercept apart."""
    cost: Values = 0.1
    """Svm: what a sample within the margin costs, C, against half the squared coefficients."""
    clip: Values = 0.0
    """Longest gradient of a run; 0 does not clip."""

    def __post_init__(self) -> None:
        """Refuse settings that no training can have."""
        require_choice(self)
        require_counts(self, "updates", "batch", "hidden")
        for name in ("ema", "penalty", "clip"):
            for v in as_tuple(getattr(self, name)):
                require(0 <= v < math.inf, f"{name}: expected a number of at least 0, got {v}")
        for name in ("lr", "std_floor", "cost"):
            for v in as_tuple(getattr(self, name)):
                require(0 < v < math.inf, f"{name}: expected a number above 0, got {v}")
        require(
            max(as_tuple(self.ema)) < 1, f"ema: expected a decay below 1, got {self.ema}; try 0.999"
        )

    def require_runs(self, runs: int) -> None:
        """Refuse settings of another number of runs."""
        for name in per_run_fields(self):
            count = len(as_tuple(getattr(self, name)))
            require(
                count in (1, runs),
                f"{name}: expected one value or one for each of {runs} runs, got {count}",
            )

    def of(self, runs: slice) -> Training:
        """The settings of some of the runs."""
        held = {name: as_tuple(getattr(self, name)) for name in per_run_fields(self)}
        part: dict[str, Any] = {
            name: values[runs] for name, values in held.items() if len(values) > 1
        }
        return replace(self, **part) if part else self


def fit(
    data: Dataset,
    training: Training,
    env: Env,
    streams: Streams,
    log: Log,
    updates: int | None = None,
    start: Policy | None = None,
) -> Policy:
    """R policies fitted to a dataset by the net that `training` names.

    Args:
        data: samples of R runs.
        training: the settings.
        env: for its spaces and its horizon.
        streams: first weights and shuffling; fork it for each fit.
        log: updates are counted here.
        updates: gradient updates of this fit; `training.updates` unless given.
        start: a policy whose weights to begin with; new ones otherwise. They are kept as they are while the scales of
            observations and actions follow the data (benchmarks/NOTES.md says what keeping the function costs).

    Returns:
        An MLPPolicy, a TablePolicy or a VotePolicy. A net that is solved for, not descended to, counts as one update.
    """
    training.require_runs(len(data.obs))
    if training.net == "mlp":
        first = start.trained if isinstance(start, MLPPolicy) else None
        return _in_blocks(
            data, training, env.action_space, streams, log, updates or training.updates, first
        )
    solved = SOLVERS[training.net](data, training, env, streams)
    log.updates += 1
    log.report(1.0, "solved")
    return solved


def _in_blocks(
    data: Dataset,
    training: Training,
    space: spaces.Box | spaces.Discrete,
    streams: Streams,
    log: Log,
    updates: int,
    first: list[torch.Tensor] | None,
) -> MLPPolicy:
    """Train some runs after others, as many at once as are fastest; that changes no number of any run."""
    runs, policies, last = len(data.obs), [], []
    count = (
        engine.runs_at_once(widths(data, training, space), training.batch)
        if engine.suits(data.obs)
        else runs
    )
    for at in range(0, runs, count):
        block = slice(at, min(at + count, runs))

        def report(share: float, words: str, block: slice = block) -> None:
            passed = updates * (block.start + share * (block.stop - block.start)) / runs
            log.report((log.updates + passed) / training.updates, words)

        layers = None if first is None else [p[block] for p in first]
        own = streams.of(range(block.start, block.stop))
        policy, losses = _descend(
            data.of(block), training.of(block), space, own, updates, layers, report
        )
        _name_broken(losses, log, at)
        policies.append(policy)
        last.append(losses[:, -SHOWN:].mean(1))
    log.updates, log.loss = log.updates + updates, torch.cat(last).cpu()
    return side_by_side(policies)


def widths(data: Dataset, training: Training, space: spaces.Box | spaces.Discrete) -> list[int]:
    """Numbers in each layer of a network, from observations to actions or logits."""
    outputs = int(space.n) if isinstance(space, spaces.Discrete) else data.action.shape[2]
    return [data.obs.shape[2], *training.hidden, outputs]


def _descend(
    data: Dataset,
    training: Training,
    space: spaces.Box | spaces.Discrete,
    streams: Streams,
    updates: int,
    first: list[torch.Tensor] | None,
    report: Callable[[float, str], None],
) -> tuple[MLPPolicy, torch.Tensor]:
    """The one supervised loop: R policies, and their losses (R, updates)."""
    sizes, discrete = widths(data, training, space), isinstance(space, spaces.Discrete)
    scaling = scales(
        data,
        as_tuple(training.std_floor),
        training.normalise == "zscore",
        sizes[-1] if discrete else None,
    )
    if training.targets == "none":
        scaling |= {
            "shift": torch.zeros_like(scaling["shift"]),
            "scale": torch.ones_like(scaling["scale"]),
        }
    layers = [p.to(data.obs.device) for p in first or initial_layers(sizes, streams)]
    adam = Adam(layers, training.lr, training.clip, training.ema)
    fast = engine.suits(data.obs)
    gradient = (
        engine.Tape(adam.flat, adam.grad, sizes, training.batch, discrete)
        if fast
        else Autograd(adam, discrete)
    )
    losses, done = torch.empty(len(data.obs), updates, device=data.obs.device), 0
    with np.errstate(
        all="ignore"
    ):  # a run that leaves the finite numbers is named, and not a warning
        for x, y, share in minibatches(data, training.batch, updates, streams, scaling):
            steps = slice(done, done := done + share.shape[1])
            for _ in gradient.steps(x, y, share, losses[:, steps]):
                adam.step()
            report(done / updates, f"loss {losses[:, done - 1].median():.2e}")
    return MLPPolicy(adam.average(), scaling, space, adam.last()), losses


class Autograd:
    """Gradients of R networks by torch's autograd: the reference, on every device.

    Args:
        adam: whose layers make the network, and whose `grad` is to hold their gradient.
        discrete: cross-entropy; squared error otherwise.
    """

    def __init__(self, adam: Adam, discrete: bool):
        self.adam, self.discrete = adam, discrete

    def steps(
        self, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor, losses: torch.Tensor
    ) -> Iterator[None]:
        """Leave the gradient of one minibatch after the other in `adam.grad`; the weights may move in between.

        Args:
            x: observations (R, S, B, O), float32.
            y: actions (R, S, B, U), float32, or int64 where they are Discrete.
            share: (R, S, B), each sample's part in the mean loss of its minibatch.
            losses: (R, S), where that loss is written; complete when the last step has been made.
        """
        for at in range(x.shape[1]):
            loss = _losses(mlp(self.adam.layers, x[:, at]), y[:, at], share[:, at], self.discrete)
            for slope, found in zip(
                self.adam.slopes, torch.autograd.grad(loss.sum(), self.adam.layers), strict=True
            ):
                slope.copy_(found)
            losses[:, at] = loss.detach()
            yield


def _losses(
    out: torch.Tensor, target: torch.Tensor, share: torch.Tensor, discrete: bool
) -> torch.Tensor:
    """Weighted mean loss of each run (R,): cross-entropy or squared error."""
    if discrete:
        each = torch.nn.functional.cross_entropy(
            out.flatten(0, 1), target.flatten(), reduction="none"
        ).view_as(share)
    else:
        each = (out - target).square().sum(-1)
    return (share * each).sum(1)


def _name_broken(losses: torch.Tensor, log: Log, first: int) -> None:
    """Note the update (of losses (R, updates)) at which a run left the finite numbers; `first` is the first run."""
    bad = ~losses.isfinite()
    for run in bad.any(1).nonzero()[:, 0].tolist():
        log.broke.setdefault(first + run, log.updates + int(bad[run].int().argmax()))

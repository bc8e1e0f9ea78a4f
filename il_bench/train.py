"""Training: the settings of supervised learning, and the one loop that does it for R runs at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from gymnasium import spaces

from .core import Env, Log, Policy
from .data import Dataset
from .policies import MLPPolicy, initial_layers, mlp
from .settings import Values, as_tuple, per_run_fields, require, require_choice, require_counts
from .solve import SOLVERS, scales
from .streams import Streams


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
        require(max(as_tuple(self.ema)) < 1, f"ema: expected a decay below 1, got {self.ema}; try 0.999")

    def require_runs(self, runs: int) -> None:
        """Refuse settings of another number of runs."""
        for name in per_run_fields(self):
            count = len(as_tuple(getattr(self, name)))
            require(count in (1, runs), f"{name}: expected one value or one for each of {runs} runs, got {count}")


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
        return _descend(data, training, env, streams, log, updates or training.updates, start)
    solved = SOLVERS[training.net](data, training, env, streams)
    log.updates += 1
    log.report(1.0, "solved")
    return solved


def _descend(
    data: Dataset, training: Training, env: Env, streams: Streams, log: Log, updates: int, start: Policy | None
) -> MLPPolicy:
    space = env.action_space
    actions = int(space.n) if isinstance(space, spaces.Discrete) else None
    scaling = scales(data, as_tuple(training.std_floor), training.normalise == "zscore", actions)
    sizes = [data.obs.shape[2], *training.hidden, actions or data.action.shape[2]]
    layers = start.trained if isinstance(start, MLPPolicy) else initial_layers(sizes, streams)
    adam = Adam([p.to(data.obs.device) for p in layers], training)
    obs = (data.obs - scaling["mean"]) / scaling["std"]
    target = data.action if actions else (data.action - scaling["shift"]) / scaling["scale"]
    losses = []
    for step, (x, y, w) in zip(
        range(updates), batches(obs, target, data.weight, training.batch, streams), strict=False
    ):
        loss = _losses(mlp(adam.layers, x), y, w, actions is not None)
        loss.sum().backward()
        adam.step()
        losses.append(loss.detach())
        if step % 50 == 49:
            log.report((log.updates + step + 1) / training.updates, f"loss {loss.detach().median():.2e}")
    _name_broken(torch.stack(losses), log)
    log.updates += updates
    return MLPPolicy(adam.average(), scaling, space, adam.last())


def _losses(out: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, discrete: bool) -> torch.Tensor:
    """Weighted mean loss of each run (R,): cross-entropy or squared error."""
    if discrete:
        each = torch.nn.functional.cross_entropy(out.flatten(0, 1), target.flatten(), reduction="none").view_as(weight)
    else:
        each = (out - target).square().sum(-1)
    return (weight * each).sum(1) / weight.sum(1).clamp_min(1e-12)


def _name_broken(losses: torch.Tensor, log: Log) -> None:
    """Note the first update (of losses (updates, R)) at which a run left the finite numbers."""
    bad = ~losses.isfinite()
    for run in bad.any(0).nonzero()[:, 0].tolist():
        log.broke.setdefault(run, log.updates + int(bad[:, run].int().argmax()))


def batches(
    obs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, size: int, streams: Streams
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Minibatches (R, size, ...) without end, each run's own samples in an order of its own, epoch after epoch.

    A sample of weight zero is not there: neither its presence nor its number changes a run's minibatches.
    """
    orders = [_endless(weight[run].nonzero()[:, 0].cpu().numpy(), streams, run) for run in range(len(obs))]
    row = torch.arange(len(obs), device=obs.device)[:, None]
    while True:
        ahead = np.stack([np.fromiter(itertools.islice(order, 32 * size), int, 32 * size) for order in orders])
        pick = torch.from_numpy(ahead).to(obs.device)
        chunk = [part[row, pick] for part in (obs, target, weight)]
        for at in range(0, 32 * size, size):
            yield tuple(part[:, at : at + size] for part in chunk)


def _endless(samples: np.ndarray, streams: Streams, run: int) -> Iterator[int]:
    """The samples of one run, in a new order each epoch; sample 0 for ever where there are none (it weighs nothing)."""
    if len(samples) == 0:
        yield from itertools.repeat(0)
    for epoch in itertools.count():
        yield from samples[streams.generator(run, "shuffle", epoch).permutation(len(samples))]


class Adam:
    """Adam (Kingma & Ba 2015) on one flat buffer that holds every run's weights; one optimiser is R optimisers.

    torch.optim.Adam is the same to rounding (tested), but its first call imports a compiler for a second, its fused
    form rounds the tail of an array differently (run 2 of 4 would not equal run 2 alone), and it has one learning rate.

    Args:
        layers: parameters, each (R, ...), float32.
        training: lr, clip and ema, each one number or one for each run.
    """

    def __init__(self, layers: list[torch.Tensor], training: Training):
        runs, device = len(layers[0]), layers[0].device
        total = sum(p.numel() for p in layers)
        buffers = [torch.zeros(total, device=device) for _ in range(6)]  # separate: autograd watches each for writes
        self.flat, self.grad, self.first, self.second, self.lr, decay = buffers
        self.layers: list[torch.Tensor] = []
        self.steps, self.clip, self.keep, at = 0, training.clip, any(v > 0 for v in as_tuple(training.ema)), 0
        for p in layers:
            part = slice(at, at + p.numel())
            for buffer, value in ((self.lr, training.lr), (decay, training.ema)):
                rates = torch.tensor(as_tuple(value), device=device).expand(runs)
                buffer[part].view(runs, -1).copy_(rates[:, None].expand(-1, p.numel() // runs))
            self.flat[part] = p.flatten()
            leaf = self.flat[part].view_as(p).detach().requires_grad_()
            leaf.grad = self.grad[part].view_as(p)
            self.layers.append(leaf)
            at += p.numel()
        self.mean, self.decay = self.flat.clone(), decay

    def step(self, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        """One update from the gradients that backward() left, which are then cleared."""
        with torch.no_grad():
            self._clip()
            self.steps += 1
            self.first.lerp_(self.grad, 1 - beta1)
            self.second.mul_(beta2).addcmul_(self.grad, self.grad, value=1 - beta2)
            deviation = self.second.sqrt().mul_(1 / math.sqrt(1 - beta2**self.steps)).add_(eps)
            self.flat.addcmul_(self.first / deviation, self.lr, value=-1 / (1 - beta1**self.steps))
            if self.keep:
                # The average begins with few weights and forgets the first, random ones sooner than the last.
                ramp = (1 + self.steps) / (10 + self.steps)
                self.mean.lerp_(self.flat, 1 - self.decay.clamp_max(ramp))
            self.grad.zero_()

    def _clip(self) -> None:
        if all(v <= 0 for v in as_tuple(self.clip)):
            return
        parts = [p.grad.flatten(1) for p in self.layers if p.grad is not None]
        norm = torch.zeros_like(parts[0][:, 0])
        for g in parts:  # one after the other: a sum over a stack rounds differently for one run than for several
            norm += g.square().sum(1)
        norm = norm.sqrt()
        longest = torch.tensor(as_tuple(self.clip), device=norm.device)
        factor = torch.where(longest > 0, longest / torch.maximum(norm, longest), torch.ones_like(norm))
        for g in parts:
            g.mul_(factor[:, None])

    def average(self) -> list[torch.Tensor]:
        """The moving average of the parameters, or the last ones when none is kept."""
        return self._parts(self.mean if self.keep else self.flat)

    def last(self) -> list[torch.Tensor]:
        """The parameters as the last step left them, with which a warm start goes on."""
        return self._parts(self.flat)

    def _parts(self, source: torch.Tensor) -> list[torch.Tensor]:
        """A flat buffer cut into the layers' shapes."""
        parts = source.detach().clone().split([p.numel() for p in self.layers])
        return [part.view_as(p) for part, p in zip(parts, self.layers, strict=True)]

"""mlp: tanh networks on normalised observations, R of them side by side."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays, affine
from ..core.env import Env
from ..core.policy import Log, Policy, choose
from ..core.settings import as_tuple, one_of, require, require_counts
from ..core.streams import Streams
from ..fit.adam import Adam
from ..fit.dataset import Dataset
from ..fit.loop import (
    Autograd,
    Block,
    Descent,
    Gradient,
    cross_entropy,
    descend,
    in_blocks,
    sign,
    squared_error,
)
from ..fit.scaling import scales
from ..fit.training import Training
from . import _mlp_engine


def mlp(layers: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Tanh network: layers are W, b, W, b, ...; x (R, B, in) to (R, B, out)."""
    for w, b in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = affine(b, x, w).tanh()
    return affine(layers[-1], x, layers[-2])


def initial_layers(sizes: list[int], streams: Streams) -> list[torch.Tensor]:
    """Weights and biases uniform in +-1/sqrt(fan in), as torch.nn.Linear draws them, keyed by each run's seed."""
    layers = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        bound = 1 / math.sqrt(fan_in)
        for name, rows in (("weight", fan_in), ("bias", 1)):
            draw = streams.uniform(f"{name} {i}", 1, rows, fan_out)[:, 0]
            layers.append(((2 * draw - 1) * bound).to(torch.float32))
    return layers


class MLPPolicy(Policy):
    """Tanh networks on normalised observations.

    Weights are trained in float32 and evaluated in float64: one observation alone then gives the same action as in a
    batch, to 1e-16, and an unforgiving environment cannot tell the two apart.

    Args:
        layers: W (R, in, out), b (R, 1, out), alternating, float32.
        scaling: "mean", "std" (R, 1, O) of observations, "shift", "scale" (R, 1, U) of actions; float32.
        action_space: Gymnasium's space of one action; actions are clipped to a Box, logits cover a Discrete.
        trained: the layers as training left them, where `layers` are their average; a warm start goes on with these.
    """

    def __init__(
        self,
        layers: list[torch.Tensor],
        scaling: Arrays,
        action_space: spaces.Box | spaces.Discrete,
        trained: list[torch.Tensor] | None = None,
    ):
        self.trained = layers if trained is None else trained
        self.layers = [p.detach() for p in layers]
        self.scaling, self.action_space = scaling, action_space
        self.runs, self.device = len(layers[0]), str(layers[0].device)
        self._layers = [p.double() for p in self.layers]
        self._scaling = {k: v.double() for k, v in scaling.items()}
        if isinstance(action_space, spaces.Box):
            self._low = torch.as_tensor(action_space.low.ravel(), device=self.device).double()
            self._high = torch.as_tensor(action_space.high.ravel(), device=self.device).double()

    def __repr__(self) -> str:
        """What it is, not all of it."""
        sizes = [self.layers[0].shape[1], *(b.shape[-1] for b in self.layers[1::2])]
        return f"MLPPolicy({' -> '.join(map(str, sizes))}; R={self.runs})"

    def output(self, obs: torch.Tensor) -> torch.Tensor:
        """Unclipped actions, or logits, (R, E, U or A), float64, for obs (R, E, O); differentiable in obs."""
        s = self._scaling
        expected = s["mean"].shape[-1]
        require(
            obs.dim() == 3 and obs.shape[0] == self.runs and obs.shape[2] == expected,
            f"observations: expected (R={self.runs}, E, O={expected}), got {tuple(obs.shape)}; pass one row an episode",
        )
        return mlp(self._layers, (obs.double() - s["mean"]) / s["std"]) * s["scale"] + s["shift"]

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; a Box action is deterministic."""
        out = self.output(obs)
        if isinstance(self.action_space, spaces.Box):
            return out.clamp(self._low, self._high), memory
        if draw is None:
            return out.argmax(-1, keepdim=True), memory
        return choose(out.softmax(-1), draw), memory

    def __getitem__(self, run: int) -> MLPPolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        scaling = {name: value[pick] for name, value in self.scaling.items()}
        return MLPPolicy([p[pick] for p in self.layers], scaling, self.action_space)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name; with `resume` also what a warm start goes on with."""
        layers = {f"layer.{i:02d}": p for i, p in enumerate(self.layers)}
        if resume:
            layers |= {f"trained.{i:02d}": p for i, p in enumerate(self.trained)}
        return layers | {f"scaling.{name}": value for name, value in self.scaling.items()}


def side_by_side(policies: list[MLPPolicy]) -> MLPPolicy:
    """One policy of all the runs of several, in order."""

    def joined(each: list[list[torch.Tensor]]) -> list[torch.Tensor]:
        return [torch.cat(parts) for parts in zip(*each, strict=True)]

    scaling = {name: torch.cat([p.scaling[name] for p in policies]) for name in policies[0].scaling}
    layers, trained = joined([p.layers for p in policies]), joined([p.trained for p in policies])
    return MLPPolicy(layers, scaling, policies[0].action_space, trained)


@dataclass(frozen=True)
class MLP:
    """Tanh networks, trained by Adam on squared error or cross-entropy."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""

    descends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse widths that no network has."""
        require_counts(self, "hidden")

    def fit(
        self,
        data: Dataset,
        training: Training,
        env: Env,
        streams: Streams,
        log: Log,
        updates: int,
        start: Policy | None,
    ) -> MLPPolicy:
        """See `Net.fit`; as many runs train side by side as are fastest."""
        first = start.trained if isinstance(start, MLPPolicy) else None
        sizes, space = self.widths(data, env), env.action_space
        fast = _mlp_engine.suits(data.obs)
        size = _mlp_engine.runs_at_once(sizes, training.batch) if fast else len(data.obs)
        policies, losses = [], []
        for block in in_blocks(size, data, training, streams, log, updates):
            layers = None if first is None else [p[block.runs] for p in first]
            descent = _descent(block, sizes, space, layers)
            adam, loss = descend(block, descent, updates)
            policies.append(MLPPolicy(adam.average(), descent.scaling, space, adam.last()))
            losses.append(loss)
        sign(log, losses, updates)
        return side_by_side(policies)

    def widths(self, data: Dataset, env: Env) -> list[int]:
        """Numbers in each layer of the network, from observations to actions or logits."""
        space = env.action_space
        outputs = int(space.n) if isinstance(space, spaces.Discrete) else data.action.shape[2]
        return [data.obs.shape[2], *self.hidden, outputs]

    def restore(self, arrays: Arrays, action_space: Any) -> MLPPolicy:
        """See `Net.restore`."""
        layers = [arrays[name] for name in sorted(arrays) if name.startswith("layer.")]
        trained = [arrays[name] for name in sorted(arrays) if name.startswith("trained.")]
        scaling = {name: arrays[f"scaling.{name}"] for name in ("mean", "std", "shift", "scale")}
        require(len(layers) >= 2, "policy: expected layers, got none")
        return MLPPolicy(layers, scaling, action_space, trained or None)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        sizes = [observation, *self.hidden, outputs]
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))


def _descent(
    block: Block, sizes: list[int], space: Any, first: list[torch.Tensor] | None
) -> Descent:
    """Where the training of some runs begins, and who computes its gradient."""
    data, training = block.data, block.training
    discrete = isinstance(space, spaces.Discrete)
    logits = sizes[-1] if discrete else None
    floor, zscore = as_tuple(training.std_floor), training.normalise == "zscore"
    scaling = scales(data, floor, zscore, logits)
    if training.targets == "none":
        unscaled = {
            "shift": torch.zeros_like(scaling["shift"]),
            "scale": torch.ones_like(scaling["scale"]),
        }
        scaling |= unscaled
    layers = [p.to(data.obs.device) for p in first or initial_layers(sizes, block.streams)]
    make = _tape if _mlp_engine.suits(data.obs) else _autograd
    return Descent(layers, scaling, partial(make, sizes, training.batch, discrete))


def _tape(sizes: list[int], batch: int, discrete: bool, adam: Adam) -> Gradient:
    """The gradient by the fast engine."""
    return _mlp_engine.Tape(adam.flat, adam.grad, sizes, batch, discrete)


def _autograd(sizes: list[int], batch: int, discrete: bool, adam: Adam) -> Gradient:
    """The gradient by autograd."""
    criterion = cross_entropy if discrete else squared_error

    def loss(
        layers: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor, share: torch.Tensor
    ) -> torch.Tensor:
        return criterion(mlp(layers, x), y, share)

    return Autograd(adam, loss)

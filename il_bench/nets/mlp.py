"""mlp: tanh networks on normalised observations, R of them side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays, affine
from ..core.env import Env
from ..core.policy import Policy, choose
from ..core.settings import as_tuple, one_of, require, require_counts
from ..core.streams import Streams
from ..fit.chunks import anything
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
    squared_error_where_known,
)
from ..fit.optimiser import Layers, Optimiser
from ..fit.scaling import scales
from ..fit.training import Lesson
from . import _mlp_engine


def mlp(layers: Layers, x: torch.Tensor) -> torch.Tensor:
    """Tanh network: layers are W, b, W, b, ...; x (R, B, in) to (R, B, out)."""
    for w, b in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = affine(b, x, w).tanh()
    return affine(layers[-1], x, layers[-2])


def initial_layers(sizes: list[int], streams: Streams) -> Layers:
    """Weights and biases uniform in +-1/sqrt(fan in), as torch.nn.Linear draws them, keyed by each run's seed."""
    layers = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        bound = 1 / math.sqrt(fan_in)
        for name, rows in (("weight", fan_in), ("bias", 1)):
            draw = streams.uniform(f"{name} {i}", 1, rows, fan_out)
            values = (2 * draw[:, 0] - 1) * bound
            layer = values.to(torch.float32)
            layers.append(layer)
    return layers


def require_shape(obs: torch.Tensor, runs: int, size: int) -> None:
    """Refuse observations that are not (R, E, O) of `runs` and `size`."""
    shape = tuple(obs.shape)
    fits = len(shape) == 3 and shape[0] == runs and shape[2] == size
    wanted = f"expected (R={runs}, E, O={size})"
    require(fits, f"observations: {wanted}, got {shape}; pass one row an episode")


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
        layers: Layers,
        scaling: Arrays,
        action_space: spaces.Box | spaces.Discrete,
        trained: Layers | None = None,
    ):
        self.trained = layers if trained is None else trained
        self.layers = [layer.detach() for layer in layers]
        self.scaling = scaling
        self.action_space = action_space
        self.runs = len(layers[0])
        self.device = str(layers[0].device)
        self._layers = [layer.double() for layer in self.layers]
        self._scaling = {name: value.double() for name, value in scaling.items()}
        if isinstance(action_space, spaces.Box):
            self._low = _flat(action_space.low, self.device)
            self._high = _flat(action_space.high, self.device)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        first, *_ = self.layers
        sizes = [first.shape[1], *(bias.shape[-1] for bias in self.layers[1::2])]
        widths = " -> ".join(map(str, sizes))
        return f"MLPPolicy({widths}; R={self.runs})"

    def output(self, obs: torch.Tensor) -> torch.Tensor:
        """Unclipped actions, or logits, (R, E, U or A), float64, for obs (R, E, O); differentiable in obs."""
        scaling = self._scaling
        require_shape(obs, self.runs, scaling["mean"].shape[-1])
        x = (obs.double() - scaling["mean"]) / scaling["std"]
        out = mlp(self._layers, x)
        return out * scaling["scale"] + scaling["shift"]

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

    def distribution(self, obs: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Any]:
        """See `StochasticPolicy`."""
        return self.output(obs).softmax(-1), memory

    def __getitem__(self, run: int) -> MLPPolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        layers = [layer[pick] for layer in self.layers]
        scaling = {name: value[pick] for name, value in self.scaling.items()}
        return MLPPolicy(layers, scaling, self.action_space)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name; with `resume` also what a warm start goes on with."""
        arrays = {f"scaling.{name}": value for name, value in self.scaling.items()}
        arrays |= _numbered("layer", self.layers)
        if resume:
            arrays |= _numbered("trained", self.trained)
        return arrays


def _flat(bound: np.ndarray, device: str) -> torch.Tensor:
    """The bounds (U,) of a Box's actions."""
    return torch.as_tensor(bound.ravel(), device=device).double()


def _numbered(name: str, layers: Layers) -> Arrays:
    """Layers under names whose order is theirs."""
    return {f"{name}.{i:02d}": layer for i, layer in enumerate(layers)}


def _in_order(name: str, arrays: Arrays) -> Layers:
    """The way back from `_numbered`."""
    names = sorted(key for key in arrays if key.startswith(f"{name}."))
    return [arrays[key] for key in names]


@dataclass(frozen=True)
class Networks:
    """R tanh networks as training leaves them.

    Attributes:
        layers: the weights that act, each (R, ...); their average where one is kept.
        trained: as the last update left them.
        scaling: of what they were trained on, see `fit.scaling.scales`.
    """

    layers: Layers
    trained: Layers
    scaling: Arrays


def side_by_side(parts: list[Networks]) -> Networks:
    """The networks of all the runs of several blocks, in order."""
    layers = _joined([part.layers for part in parts])
    trained = _joined([part.trained for part in parts])
    first, *_ = parts
    scaling = {}
    for name in first.scaling:
        pieces = [part.scaling[name] for part in parts]
        scaling[name] = torch.cat(pieces)
    return Networks(layers, trained, scaling)


def unscaled(networks: Networks) -> MLPPolicy:
    """Networks whose outputs are no actions, but what somebody makes them from: as they are."""
    last = networks.layers[-1]
    zero = torch.zeros_like(last)
    scaling = networks.scaling | {"shift": zero, "scale": torch.ones_like(zero)}
    return MLPPolicy(networks.layers, scaling, anything(last.shape[-1]), networks.trained)


def _joined(parts: list[Layers]) -> Layers:
    """Tensors (R, ...) of all runs, from those of several blocks."""
    return [torch.cat(each) for each in zip(*parts, strict=True)]


Scaling: TypeAlias = "Callable[[Block], Arrays]"
"""The scales of observations and labels of some runs, see `fit.scaling.scales`."""
Criterion: TypeAlias = "Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]"
"""(outputs (R, B, V), targets (R, B, U), share (R, B)) -> loss of each run (R,)."""
Steepness: TypeAlias = "Callable[[Block], Callable[[Optimiser], Gradient]]"
"""Who computes the gradient of some runs."""


def train(
    lesson: Lesson,
    sizes: list[int],
    scaling: Scaling,
    steepness: Steepness,
    start: Policy | None = None,
) -> Networks:
    """Tanh networks trained on a lesson, as many runs side by side as are fastest.

    Args:
        lesson: what they are fitted to.
        sizes: widths from inputs to outputs.
        scaling: of what the minibatches hold.
        steepness: who computes the gradient.
        start: an MLPPolicy whose weights to begin with; new ones otherwise.
    """
    side = _runs_at_once(lesson, sizes)
    parts: list[Networks] = []
    losses: Layers = []
    for block in in_blocks(side, lesson):
        layers = first_layers(start, block, sizes)
        descent = Descent(layers, scaling(block), steepness(block))
        optimiser, loss = descend(block, descent, lesson.updates)
        part = Networks(optimiser.average(), optimiser.last(), descent.scaling)
        parts.append(part)
        losses.append(loss)
    sign(lesson, losses)
    return side_by_side(parts)


@dataclass(frozen=True)
class MLP:
    """Tanh networks, trained on squared error or cross-entropy."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""

    descends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse widths that no network has."""
        require_counts(self, "hidden")

    def fit(self, lesson: Lesson) -> MLPPolicy:
        """See `Net.fit`; as many runs train side by side as are fastest."""
        space = lesson.env.action_space
        sizes = self.widths(lesson.data, lesson.env)
        logits = sizes[-1] if isinstance(space, spaces.Discrete) else None
        scaling = partial(scaling_of, logits=logits)
        steepness = partial(steepness_of, sizes=sizes, discrete=logits is not None)
        networks = train(lesson, sizes, scaling, steepness, lesson.start)
        return MLPPolicy(networks.layers, networks.scaling, space, networks.trained)

    def widths(self, data: Dataset, env: Env) -> list[int]:
        """Numbers in each layer of the network, from observations to actions or logits."""
        space = env.action_space
        outputs = int(space.n) if isinstance(space, spaces.Discrete) else data.action.shape[2]
        return [data.obs.shape[2], *self.hidden, outputs]

    def restore(self, arrays: Arrays, action_space: Any) -> MLPPolicy:
        """See `Net.restore`."""
        layers = _in_order("layer", arrays)
        trained = _in_order("trained", arrays)
        require(len(layers) >= 2, "policy: expected layers, got none")
        names = ("mean", "std", "shift", "scale")
        scaling = {name: arrays[f"scaling.{name}"] for name in names}
        return MLPPolicy(layers, scaling, action_space, trained or None)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        sizes = [observation, *self.hidden, outputs]
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))


def _runs_at_once(lesson: Lesson, sizes: list[int]) -> int:
    """How many runs train side by side: all of them where the fast engine does not."""
    if _mlp_engine.suits(lesson.data.obs):
        return _mlp_engine.runs_at_once(sizes, lesson.training.batch)
    return lesson.runs


def first_layers(start: Policy | None, block: Block, sizes: list[int]) -> Layers:
    """The weights with which the training of some runs begins, on the device of its data."""
    if isinstance(start, MLPPolicy):
        layers = [layer[block.runs] for layer in start.trained]
    else:
        layers = initial_layers(sizes, block.streams)
    device = block.data.obs.device
    return [layer.to(device) for layer in layers]


def steepness_of(
    block: Block, sizes: list[int], discrete: bool = False, gaps: bool = False
) -> Callable[[Optimiser], Gradient]:
    """Who computes the gradient of the cross-entropy, or of the squared error, for some runs.

    Args:
        block: the runs.
        sizes: widths from inputs to outputs.
        discrete: cross-entropy of A outputs; squared error otherwise.
        gaps: whether targets of the squared error may be missing, infinite.
    """
    if _mlp_engine.suits(block.data.obs):
        return partial(_tape, sizes, block.training.batch, discrete, gaps)
    error = squared_error_where_known if gaps else squared_error
    return partial(_autograd, cross_entropy if discrete else error)


def scaling_of(block: Block, logits: int | None = None) -> Arrays:
    """The scales of some runs, those of actions where they are asked for."""
    training = block.training
    floor = as_tuple(training.std_floor)
    zscore = training.normalise == "zscore"
    scaling = scales(block.data, floor, zscore, logits)
    if training.targets == "none":
        scaling["shift"] = torch.zeros_like(scaling["shift"])
        scaling["scale"] = torch.ones_like(scaling["scale"])
    return scaling


def _tape(
    sizes: list[int], batch: int, discrete: bool, gaps: bool, optimiser: Optimiser
) -> Gradient:
    """The gradient by the fast engine."""
    return _mlp_engine.Tape(optimiser.flat, optimiser.grad, sizes, batch, discrete, gaps)


def _autograd(criterion: Criterion, optimiser: Optimiser) -> Gradient:
    """The gradient by autograd."""

    def loss(layers: Layers, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        return criterion(mlp(layers, x), y, share)

    return Autograd(optimiser, loss)

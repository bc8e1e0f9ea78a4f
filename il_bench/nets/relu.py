"""relu: ReLU networks whose actions tanh squeezes into their Box, as stable-baselines3's SAC, TD3 and DQN have them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays, affine
from ..core.policy import Policy, choose
from ..core.settings import as_tuple, one_of, require, require_counts
from ..fit.loop import (
    Autograd,
    Block,
    Descent,
    cross_entropy,
    descend,
    in_blocks,
    sign,
    squared_error,
)
from ..fit.optimiser import Layers, Optimiser
from ..fit.scaling import scales
from ..fit.training import Lesson
from .mlp import initial_layers, require_shape

EDGE = 0.999
"""How near the ends of its Box an action is learned, in half widths: tanh reaches the ends only at infinity."""


def relu(layers: Layers, x: torch.Tensor) -> torch.Tensor:
    """ReLU network: layers are W, b, W, b, ...; x (R, B, in) to (R, B, out)."""
    for w, b in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = affine(b, x, w).relu()
    return affine(layers[-1], x, layers[-2])


class ReLUPolicy(Policy):
    """ReLU networks on normalised observations, evaluated in float64.

    Args:
        layers: W (R, in, out), b (R, 1, out), alternating, float32.
        scaling: "mean", "std" (R, 1, O) of observations, float32.
        action_space: Gymnasium's space of one action: a bounded Box, into which tanh leads, or Discrete.
    """

    def __init__(self, layers: Layers, scaling: Arrays, action_space: spaces.Box | spaces.Discrete):
        self.layers = [layer.detach() for layer in layers]
        self.scaling = scaling
        self.action_space = action_space
        self.runs = len(layers[0])
        self.device = str(layers[0].device)
        self._layers = [layer.double() for layer in self.layers]
        self._scaling = {name: value.double() for name, value in scaling.items()}
        if isinstance(action_space, spaces.Box):
            self._middle, self._half = middle_and_half(action_space, self.device)

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; a Box action is deterministic."""
        mean = self._scaling["mean"]
        require_shape(obs, self.runs, mean.shape[-1])
        x = (obs.double() - mean) / self._scaling["std"]
        out = relu(self._layers, x)
        if isinstance(self.action_space, spaces.Box):
            aside = self._half * out.tanh()
            return self._middle + aside, memory
        if draw is None:
            return out.argmax(-1, keepdim=True), memory
        return choose(out.softmax(-1), draw), memory

    def __getitem__(self, run: int) -> ReLUPolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        layers = [layer[pick] for layer in self.layers]
        scaling = {name: value[pick] for name, value in self.scaling.items()}
        return ReLUPolicy(layers, scaling, self.action_space)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name."""
        arrays = {f"scaling.{name}": value for name, value in self.scaling.items()}
        return arrays | {f"layer.{i:02d}": layer for i, layer in enumerate(self.layers)}


def middle_and_half(space: spaces.Box, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Middle and half width (U,) of a bounded Box.

    Raises:
        ValueError: where it is not bounded.
    """
    wanted = f"net relu: expected bounded actions, got {space}"
    require(space.is_bounded(), f"{wanted}; tanh leads to no infinity, choose --net mlp")
    low = torch.as_tensor(space.low.ravel(), device=device).double()
    high = torch.as_tensor(space.high.ravel(), device=device).double()
    middle = (low + high) / 2
    half = (high - low) / 2
    return middle, half


@dataclass(frozen=True)
class ReLU:
    """ReLU networks with actions squeezed into their Box, trained on squared error in half widths, or cross-entropy."""

    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers."""

    descends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse widths that no network has."""
        require_counts(self, "hidden")

    def fit(self, lesson: Lesson) -> ReLUPolicy:
        """See `Net.fit`."""
        (block,) = in_blocks(lesson.runs, lesson)
        space = lesson.env.action_space
        training = block.training
        floor = as_tuple(training.std_floor)
        zscore = training.normalise == "zscore"
        scaling = scales(block.data, floor, zscore, None)
        scaling |= _widths(block, space)
        discrete = isinstance(space, spaces.Discrete)
        gradient = partial(_autograd, discrete)
        layers = self._first_layers(lesson, block)
        descent = Descent(layers, scaling, gradient)
        optimiser, losses = descend(block, descent, lesson.updates)
        sign(lesson, [losses])
        own = {name: scaling[name] for name in ("mean", "std")}
        return ReLUPolicy(optimiser.average(), own, space)

    def _first_layers(self, lesson: Lesson, block: Block) -> Layers:
        """The weights with which training begins: those of a policy of this kind, or new ones."""
        if isinstance(lesson.start, ReLUPolicy):
            return lesson.start.layers
        space = lesson.env.action_space
        obs = block.data.obs
        width = block.data.action.shape[2]
        outputs = int(space.n) if isinstance(space, spaces.Discrete) else width
        sizes = [obs.shape[2], *self.hidden, outputs]
        layers = initial_layers(sizes, block.streams)
        return [layer.to(obs.device) for layer in layers]

    def restore(self, arrays: Arrays, action_space: Any) -> ReLUPolicy:
        """See `Net.restore`."""
        names = sorted(name for name in arrays if name.startswith("layer."))
        layers = [arrays[name] for name in names]
        require(len(layers) >= 2, "policy: expected layers, got none")
        scaling = {name: arrays[f"scaling.{name}"] for name in ("mean", "std")}
        return ReLUPolicy(layers, scaling, action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        sizes = [observation, *self.hidden, outputs]
        pairs = itertools.pairwise(sizes)
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairs)


def _widths(block: Block, space: Any) -> Arrays:
    """What leads actions to -1 and 1 at the ends of their Box: "shift", "scale" (R, 1, U); labels stay as they are."""
    action = block.data.action
    runs, _, size = action.shape
    device = str(action.device)
    shift = torch.zeros(size, device=device)
    scale = torch.ones(size, device=device)
    if isinstance(space, spaces.Box):
        shift, scale = middle_and_half(space, device)
    shape = (runs, 1, size)
    return {"shift": shift.float().expand(shape), "scale": scale.float().expand(shape)}


def _autograd(discrete: bool, optimiser: Optimiser) -> Autograd:
    """The gradient, by autograd."""

    def loss(layers: Layers, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        out = relu(layers, x)
        if discrete:
            return cross_entropy(out, y, share)
        return squared_error(out.tanh(), y.clamp(-EDGE, EDGE), share)

    return Autograd(optimiser, loss)

"""mdn: mixture density networks; a plan is drawn as a whole from one of several normal distributions.

Bishop (1994), "Mixture density networks". Each of K components is a plan of the next actions, so that who draws one has
decided for all of its steps: the next draw is made when the executed part of the plan is over. Components learn first
where they lie, all as narrow and as likely: one that may widen at once comes to cover two ways, and the
space between them, before another has come near, and likelihood does not lead out of that. Drawing is what it is for,
and what a comparison does with it (`by_chance`); deterministic it is the mean of the most likely component, the one way
that it would take always. Not to be confused with a network that has one normal distribution, whose mean is what
squared error learns.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.policy import Policy, choose
from ..core.settings import one_of, require, require_counts
from ..core.streams import normals
from ..fit.chunks import (
    anything,
    chunked,
    execute,
    in_box,
    require_box,
    require_horizon,
    require_plan,
)
from ..fit.dataset import Dataset
from ..fit.loop import Autograd, Block, Gradient
from ..fit.optimiser import Layers, Optimiser
from ..fit.training import Lesson, require_positive
from . import _mlp_engine
from .mlp import MLP, MLPPolicy, Networks, mlp, scaling_of, train, unscaled

NARROW = 0.7
"""Deviation with which components begin, in standard deviations of the labels: two ways that make up all of these lie 2
apart, and components wider than half of that would not part."""


@dataclass(frozen=True)
class Mixtures:
    """Mixtures of K normal distributions of D numbers, each with a deviation of its own in each of them.

    Attributes:
        logits: (..., K) of the components' chances.
        mean: (..., K, D).
        variance: (..., K, D).
    """

    logits: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    @classmethod
    def of(cls, out: torch.Tensor, components: int, floor: float) -> Mixtures:
        """From a network's outputs (..., K (1 + 2 D)): logits, means, logarithms of deviations above the `floor`."""
        rest = out.shape[-1] - components
        numbers = rest // 2
        parts = [components, numbers, numbers]
        logits, means, deviations = out.split(parts, -1)
        by_component = (components, -1)
        from_home = means.unflatten(-1, by_component)
        mean = homes(components).to(out) + from_home
        above = deviations.unflatten(-1, by_component)
        square = (2 * above).exp()
        variance = floor**2 + square
        return cls(logits, mean, variance)

    def log_density(self, target: torch.Tensor) -> torch.Tensor:
        """The logarithm of the density (...) of targets (..., D); infinite ones are missing, and left out."""
        given = target.unsqueeze(-2)
        missing = given.isposinf()
        # Put at the mean first: what is infinite has no derivative, even where it is left out.
        middle = self.mean.detach()
        known = torch.where(missing, middle, given)
        off = known - self.mean
        square = off.square() / self.variance
        area = 2 * math.pi * self.variance
        each = -0.5 * (square + area.log())
        counted = each.masked_fill(missing, 0)
        chances = self.logits.log_softmax(-1)
        joint = chances + counted.sum(-1)
        return joint.logsumexp(-1)

    def draw(self, chance: torch.Tensor | None) -> torch.Tensor:
        """One draw (..., D) by uniform numbers (...); without, the mean of the most likely component."""
        if chance is None:
            best = self.logits.argmax(-1, keepdim=True)
            return _picked(self.mean, best)
        chances = self.logits.softmax(-1)
        which = choose(chances, chance)
        mean = _picked(self.mean, which)
        variance = _picked(self.variance, which)
        numbers = normals(chance, mean.shape[-1])
        return mean + variance.sqrt() * numbers


@lru_cache(maxsize=16)
def homes(components: int) -> torch.Tensor:
    """Where the means of K components begin, (K, 1) float32: evenly among normal numbers.

    Alike, they would first become one wide component, and most of them would stay it.
    """
    number = torch.arange(components, dtype=torch.float64)
    share = (number + 0.5) / components
    normal = torch.special.ndtri(share)
    return normal.float()[:, None]


def _picked(each: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Of the numbers (..., K, D) of components those (..., D) of one, (..., 1)."""
    *axes, _, size = each.shape
    index = which[..., None].expand(*axes, 1, size)
    own = each.gather(-2, index)
    return own[..., 0, :]


class MDNPolicy(Policy):
    """Mixture density networks over the actions of several steps.

    Memory is what is left of the plan that was drawn.

    Args:
        network: from observations to what makes `Mixtures` of plans, K (1 + 2 L U) numbers.
        labels: "shift", "scale" (R, 1, L U), the units of plans; float32.
        action_space: Gymnasium's space of one action.
        steps: how many actions of a plan are executed before the next one is drawn.
        floor: the smallest deviation of a component, in the units of plans.
    """

    by_chance: bool = True

    def __init__(
        self, network: MLPPolicy, labels: Arrays, action_space: spaces.Box, steps: int, floor: float
    ):
        self.network = network
        self.labels = labels
        self.action_space: spaces.Box = action_space
        self.steps = steps
        self.floor = floor
        self.runs = network.runs
        self.device = network.device
        self._labels = {name: value.double() for name, value in labels.items()}

    def __repr__(self) -> str:
        """What it is, not all of it."""
        return f"MDNPolicy({self.network}, {self.steps} executed)"

    def mixtures(self, obs: torch.Tensor) -> Mixtures:
        """The distributions of plans, in the units of their training, for observations (R, E, O)."""
        out = self.network.output(obs)
        numbers = self.labels["scale"].shape[-1]
        of_a_component = 1 + 2 * numbers
        components = out.shape[-1] // of_a_component
        return Mixtures.of(out, components, self.floor)

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` draws a plan, by the number of its first step."""

        def plan() -> torch.Tensor:
            drawn = self.mixtures(obs).draw(draw)
            return in_box(drawn, self._labels, self.action_space)

        return execute(memory, plan, self.steps)

    def __getitem__(self, run: int) -> MDNPolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        labels = {name: value[pick] for name, value in self.labels.items()}
        return MDNPolicy(self.network[run], labels, self.action_space, self.steps, self.floor)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name."""
        own = {f"labels.{name}": value for name, value in self.labels.items()}
        each_run = (self.runs,)
        own["plan.steps"] = torch.full(each_run, self.steps)
        own["plan.floor"] = torch.full(each_run, self.floor, dtype=torch.float64)
        networks = self.network.arrays(resume)
        return networks | own


@dataclass(frozen=True)
class MDN:
    """Mixture density networks over plans of several actions, trained on their likelihood; act by chance."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    components: int = 4
    """Normal distributions that are mixed, K."""
    floor: float = 0.05
    """Smallest deviation of a component, in standard deviations of the actions."""
    chunk: int = 4
    """Actions planned from one observation, l, at most the horizon."""
    execute: int = 0
    """How many of them are executed before the next plan is drawn; 0 executes all."""
    settle: float = 0.5
    """Share of the updates, the first ones of new weights, in which components learn where they lie and nothing else."""

    descends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse widths that no network has, plans that nobody can execute, and components that never learn to be narrow."""
        require_counts(self, "hidden", "components")
        require_positive(self, "floor")
        require_positive(self, "settle", zero=True)
        wanted = f"settle: expected a share below 1, got {self.settle}"
        require(self.settle < 1, f"{wanted}; try 0.5")
        require_plan(self)

    def fit(self, lesson: Lesson) -> MDNPolicy:
        """See `Net.fit`; the loss is minus the logarithm of the likelihood.

        Raises:
            ValueError: for a chunk longer than the horizon, or Discrete actions.
        """
        space = require_box("mdn", lesson.env.action_space)
        require_horizon("mdn", self.chunk, lesson.env.horizon)
        plans = dataclasses.replace(lesson, data=chunked(lesson.data, self.chunk))
        start = lesson.start.network if isinstance(lesson.start, MDNPolicy) else None
        sizes = self._sizes(plans.data)
        numbers = plans.data.action.shape[2]
        begin = partial(self._beginning, numbers, start is None)
        beginning = partial(begin, lesson.updates)
        steepness = partial(self._steepness, beginning)
        trained = train(plans, sizes, scaling_of, steepness, start)
        networks = begin(0).moved(trained)
        labels = {name: networks.scaling[name] for name in ("shift", "scale")}
        steps = self.execute or self.chunk
        return MDNPolicy(unscaled(networks), labels, space, steps, self.floor)

    def _sizes(self, plans: Dataset) -> list[int]:
        """Numbers in each layer of the network, from observations to what makes mixtures of plans."""
        observations = plans.obs.shape[2]
        numbers = plans.action.shape[2]
        return [observations, *self.hidden, self._outputs(numbers)]

    def _outputs(self, numbers: int) -> int:
        """How many numbers make mixtures over so many."""
        return self.components * (1 + 2 * numbers)

    def _beginning(self, numbers: int, fresh: bool, updates: int) -> Beginning:
        """How weights begin that are new (`fresh`), or go on."""
        settling = round(self.settle * updates) if fresh else 0
        return Beginning(self.components, numbers, settling, fresh)

    def _steepness(
        self, begin: Callable[[], Beginning], block: Block
    ) -> Callable[[Optimiser], Gradient]:
        """Who computes the gradient for some runs: the fast engine by hand, or autograd."""
        settings = begin(), self.components, self.floor
        if not _mlp_engine.suits(block.data.obs):
            return partial(_autograd, *settings)
        sizes = self._sizes(block.data)
        slope = partial(_slope, *settings)
        return partial(_tape, sizes, block.training.batch, slope)

    def restore(self, arrays: Arrays, action_space: Any) -> MDNPolicy:
        """See `Net.restore`."""
        outputs = arrays["scaling.scale"].shape[-1]
        space = anything(outputs)
        network = MLP().restore(arrays, space)
        labels = {name: arrays[f"labels.{name}"] for name in ("shift", "scale")}
        steps = int(arrays["plan.steps"][0])
        floor = float(arrays["plan.floor"][0])
        return MDNPolicy(network, labels, action_space, steps, floor)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`; what does not fit into the horizon is refused here, before anybody has driven.

        Raises:
            ValueError: for a chunk longer than the horizon.
        """
        require_horizon("mdn", self.chunk, horizon)
        numbers = self.chunk * outputs
        return MLP(self.hidden).footprint(observation, self._outputs(numbers), horizon)


class Beginning:
    """How new weights begin: components settle, narrow and alike, before they learn how wide and how likely they are.

    Args:
        components: K.
        numbers: of a plan, D.
        settling: updates until everything is heard.
        fresh: whether weights are new; others are `moved` by the offset of their own beginning.
    """

    def __init__(self, components: int, numbers: int, settling: int, fresh: bool):
        chances = np.zeros(components, np.float32)
        each = np.ones(components * numbers, np.float32)
        nothing = 0 * each
        narrow = math.log(NARROW) * each * fresh
        self.places = np.concatenate((chances, each, nothing))
        self.offset = np.concatenate((chances, nothing, narrow))
        self._left = settling

    def heard(self) -> np.ndarray:
        """Factors of the next update's outputs (K (1 + 2 D),): while components settle 1 for where they lie alone."""
        settles = self._left > 0
        self._left -= settles
        return self.places if settles else np.ones_like(self.places)

    def moved(self, networks: Networks) -> Networks:
        """The networks whose own outputs are those that were trained, offset included."""
        offset = torch.from_numpy(self.offset)
        layers = _with_offset(networks.layers, offset)
        trained = _with_offset(networks.trained, offset)
        return Networks(layers, trained, networks.scaling)


def _with_offset(layers: Layers, offset: torch.Tensor) -> Layers:
    """Layers whose last biases are larger by an offset."""
    *others, bias = layers
    return [*others, bias + offset.to(bias)]


def _slope(
    beginning: Beginning,
    components: int,
    floor: float,
    out: np.ndarray,
    target: np.ndarray,
    left: np.ndarray,
) -> np.ndarray:
    """`likelihood_slope` in the outputs that are heard."""
    heard = beginning.heard()
    begun = out * heard + beginning.offset
    loss = likelihood_slope(components, floor, begun, target, left)
    left *= heard
    return loss


def likelihood_slope(
    components: int, floor: float, out: np.ndarray, target: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """Minus `Mixtures.log_density` of each sample (R, B, 1), and in `left` its slope (R, B, V) in the outputs, by hand."""
    runs, batch, numbers = target.shape
    shape = (runs, batch, 2, components, numbers)
    logits, others = np.split(out, [components], -1)
    by_component = others.reshape(shape)
    mean, deviation = np.moveaxis(by_component, 2, 0)
    mean = mean + homes(components).numpy()
    given = np.expand_dims(target, -2)
    there = ~np.isposinf(given)
    known = there.astype(np.float32)
    above = np.exp(2 * deviation)
    variance = np.float32(floor**2) + above
    off = np.where(there, given - mean, np.float32(0))
    square = off * off / variance
    area = np.float32(2 * math.pi) * variance
    each = -0.5 * known * (square + np.log(area))
    chances = logits - _log_sum(logits)
    joint = chances + each.sum(-1)
    likelihood = _log_sum(joint)
    duty = np.exp(joint - likelihood)
    pull = duty[..., None] / variance
    of_logits, of_others = np.split(left, [components], -1)
    np.subtract(np.exp(chances), duty, of_logits)
    of_mean = -pull * off
    of_deviation = pull * known * (1 - square) * above
    slopes = np.stack((of_mean, of_deviation), 2)
    of_others[:] = slopes.reshape(of_others.shape)
    return -likelihood


def _log_sum(numbers: np.ndarray) -> np.ndarray:
    """The logarithm of the sum of exponentials over the last axis, which stays."""
    top = numbers.max(-1, keepdims=True)
    total = np.exp(numbers - top).sum(-1, keepdims=True)
    return top + np.log(total)


def _tape(sizes: list[int], batch: int, slope: Any, optimiser: Optimiser) -> Gradient:
    """The gradient by the fast engine."""
    flat, grad = optimiser.flat, optimiser.grad
    return _mlp_engine.Tape(flat, grad, sizes, batch, discrete=False, slope=slope)


def _autograd(
    beginning: Beginning, components: int, floor: float, optimiser: Optimiser
) -> Gradient:
    """The gradient by autograd."""

    def loss(layers: Layers, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        out = mlp(layers, x)
        numbers = beginning.heard(), beginning.offset
        heard, offset = [torch.from_numpy(each).to(out) for each in numbers]
        begun = out * heard + offset
        mixtures = Mixtures.of(begun, components, floor)
        weighted = share * mixtures.log_density(y)
        return -weighted.sum(1)

    return Autograd(optimiser, loss)

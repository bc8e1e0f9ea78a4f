"""flow: flow matching; normal numbers are carried, along a learned velocity, to a plan of the next actions.

Lipman et al. (2023) on straight paths (Liu et al. 2023): of a plan y and normal numbers z the point x = (1 - t) z + t y
moves at y - z. A network learns to foretell y, where the path ends, from the point, the time t and the observation; the
velocity is what is left of the way over what is left of the time, (y - x) / (1 - t), and the midpoint rule carries new
normal numbers by it from t = 0 to 1, to a draw of what was learned. Foretelling the end rather than the velocity (Li &
He 2025) spares a small network the noise: a velocity holds z along every number of a plan, along those that never vary
as well. A plan is drawn as a whole, so that who draws one has decided for all of its steps; the next draw is made when
the executed part is over. Drawing is what it is for, and what a comparison does with it (`by_chance`). Deterministic it
carries z = 0, the middle of where draws begin: between two ways that are as likely this may lead to neither, and is no
draw. Not to be confused with diffusion, which reverses a random walk: here paths are straight, and nothing is drawn on
the way.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.policy import Policy
from ..core.policy_file import Outdated
from ..core.settings import one_of, require_counts
from ..core.streams import Streams, normals
from ..fit.chunks import (
    anything,
    chunked,
    execute,
    in_box,
    require_box,
    require_horizon,
    require_plan,
)
from ..fit.loop import Block, Gradient
from ..fit.optimiser import Optimiser
from ..fit.training import Lesson
from .mlp import MLP, MLPPolicy, Networks, scaling_of, steepness_of, train, unscaled

CLOCK = math.pi * torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
"""Angular frequencies of the waves by which a network tells one time from another (Vaswani et al. 2017)."""


def clock(time: torch.Tensor) -> torch.Tensor:
    """Times (..., 1) as a network is told them (..., 7): themselves, and waves of them."""
    angle = time * CLOCK.to(time)
    return torch.cat((time, angle.sin(), angle.cos()), -1)


HANDS = 1 + 2 * len(CLOCK)
"""How many numbers tell the time."""


class FlowPolicy(Policy):
    """Foretold ends, towards which normal numbers are carried: the actions of several steps.

    Memory is what is left of the plan that was drawn.

    Args:
        network: from an observation, a point (L U) and a time (7) to where its path ends (L U).
        labels: "shift", "scale" (R, 1, L U), the units of plans; float32.
        action_space: Gymnasium's space of one action.
        steps: how many actions of a plan are executed before the next one is drawn.
        midpoints: how many steps of the midpoint rule carry normal numbers to a plan.
    """

    by_chance: bool = True

    def __init__(
        self,
        network: MLPPolicy,
        labels: Arrays,
        action_space: spaces.Box,
        steps: int,
        midpoints: int,
    ):
        self.network = network
        self.labels = labels
        self.action_space: spaces.Box = action_space
        self.steps = steps
        self.midpoints = midpoints
        self.runs = network.runs
        self.device = network.device
        self._labels = {name: value.double() for name, value in labels.items()}

    def __repr__(self) -> str:
        """What it is, not all of it."""
        return f"FlowPolicy({self.network}, {self.steps} executed)"

    def carried(self, obs: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        """Where points (R, E, L U) are carried, in the units of plans, under observations (R, E, O)."""
        span = 1 / self.midpoints
        for step in range(self.midpoints):
            time = step * span
            halfway = point + self._velocity(obs, point, time) * span / 2
            point = point + self._velocity(obs, halfway, time + span / 2) * span
        return point

    def _velocity(self, obs: torch.Tensor, point: torch.Tensor, time: float) -> torch.Tensor:
        """How fast points (R, E, L U) move, under observations (R, E, O), at one time below 1."""
        now = torch.full_like(point[..., :1], time)
        inputs = torch.cat((obs.double(), point, clock(now)), -1)
        end = self.network.output(inputs)
        return (end - point) / (1 - time)

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` draws a plan, by the number of its first step."""
        size = self.labels["scale"].shape[-1]

        def plan() -> torch.Tensor:
            middle = torch.zeros(*obs.shape[:2], size, dtype=torch.float64, device=obs.device)
            begin = middle if draw is None else normals(draw, size)
            end = self.carried(obs, begin)
            return in_box(end, self._labels, self.action_space)

        return execute(memory, plan, self.steps)

    def __getitem__(self, run: int) -> FlowPolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        labels = {name: value[pick] for name, value in self.labels.items()}
        return FlowPolicy(self.network[run], labels, self.action_space, self.steps, self.midpoints)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name."""
        own = {f"labels.{name}": value for name, value in self.labels.items()}
        each_run = (self.runs,)
        own["plan.steps"] = torch.full(each_run, self.steps)
        own["plan.midpoints"] = torch.full(each_run, self.midpoints)
        networks = self.network.arrays(resume)
        return networks | own


@dataclass(frozen=True)
class Flow:
    """Flow matching over plans of several actions, trained on squared error of paths' ends; acts by chance."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    midpoints: int = 10
    """Steps of the midpoint rule that carry normal numbers to a plan; each asks the network twice."""
    chunk: int = 4
    """Actions planned from one observation, l, at most the horizon."""
    execute: int = 0
    """How many of them are executed before the next plan is drawn; 0 executes all."""

    descends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse widths that no network has, and plans that nobody can execute."""
        require_counts(self, "hidden", "midpoints")
        require_plan(self)

    def fit(self, lesson: Lesson) -> FlowPolicy:
        """See `Net.fit`; normal numbers and times are drawn anew at each update.

        Raises:
            ValueError: for a chunk longer than the horizon, or Discrete actions.
        """
        space = require_box("flow", lesson.env.action_space)
        require_horizon("flow", self.chunk, lesson.env.horizon)
        plans = dataclasses.replace(lesson, data=chunked(lesson.data, self.chunk))
        start = lesson.start.network if isinstance(lesson.start, FlowPolicy) else None
        networks = train(plans, self._sizes(plans), scaling_of, self._steepness, start)
        labels = {name: networks.scaling[name] for name in ("shift", "scale")}
        network = unscaled(_beside(networks))
        steps = self.execute or self.chunk
        return FlowPolicy(network, labels, space, steps, self.midpoints)

    def _sizes(self, lesson: Lesson | Block) -> list[int]:
        """Widths, from an observation with a point and a time to where the point's path ends."""
        data = lesson.data
        numbers = data.action.shape[2]
        inputs = data.obs.shape[2] + numbers + HANDS
        return [inputs, *self.hidden, numbers]

    def _steepness(self, block: Block) -> Callable[[Optimiser], Gradient]:
        """Who computes the gradient for some runs: the squared error's own, on points along the paths."""
        squares = steepness_of(block, self._sizes(block), gaps=True)
        return lambda optimiser: _Paths(squares(optimiser), block.streams)

    def restore(self, arrays: Arrays, action_space: Any) -> FlowPolicy:
        """See `Net.restore`.

        Raises:
            Outdated: for a policy that foretells velocities, as those of earlier versions did.
        """
        if "plan.euler" in arrays:
            raise Outdated(
                "net flow: this policy foretells velocities, as il_bench did before 0.8, and this version foretells "
                "where paths end; open it with il_bench 0.7, or learn it again"
            )
        outputs = arrays["scaling.scale"].shape[-1]
        network = MLP().restore(arrays, anything(outputs))
        labels = {name: arrays[f"labels.{name}"] for name in ("shift", "scale")}
        steps = int(arrays["plan.steps"][0])
        midpoints = int(arrays["plan.midpoints"][0])
        return FlowPolicy(network, labels, action_space, steps, midpoints)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`; what does not fit into the horizon is refused here, before anybody has driven.

        Raises:
            ValueError: for a chunk longer than the horizon.
        """
        require_horizon("flow", self.chunk, horizon)
        numbers = self.chunk * outputs
        inputs = observation + numbers + HANDS
        return MLP(self.hidden).footprint(inputs, numbers, horizon)


def _beside(networks: Networks) -> Networks:
    """The networks with scales for all of their inputs: points and times come as they are."""
    mean = networks.scaling["mean"]
    inputs = networks.layers[0].shape[1]
    others = mean.new_zeros(len(mean), 1, inputs - mean.shape[-1])
    scaling = {
        "mean": torch.cat((mean, others), -1),
        "std": torch.cat((networks.scaling["std"], others + 1), -1),
    }
    return dataclasses.replace(networks, scaling=scaling)


class _Paths:
    """The gradient of the squared error of foretold ends, at points drawn anew for each update.

    Args:
        squares: who computes the gradient of squared errors.
        streams: where normal numbers and times are drawn, update by update.
    """

    def __init__(self, squares: Gradient, streams: Streams):
        self._squares = squares
        self._streams = streams
        self._updates = 0

    def steps(
        self, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor, losses: torch.Tensor
    ) -> Iterator[None]:
        """See `Gradient.steps`."""
        noise, time = self._drawn(y)
        self._updates += y.shape[1]
        missing = y.isposinf()
        known = y.masked_fill(missing, 0)
        left = 1 - time
        point = time * known + left * noise
        inputs = torch.cat((x, point, clock(time)), -1)
        yield from self._squares.steps(inputs, y, share, losses)

    def _drawn(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normal numbers like y (R, S, B, L U), and times (R, S, B, 1), the same however many runs stand beside."""
        runs, steps, batch, size = y.shape
        noise = np.empty((runs, steps, batch, size), np.float32)
        time = np.empty((runs, steps, batch, 1), np.float32)
        for run in range(runs):
            for step in range(steps):
                place = run, step
                update = self._updates + step
                random = self._streams.generator(run, "flow", update)
                random.standard_normal(out=noise[place], dtype=np.float32)
                random.random(out=time[place], dtype=np.float32)
        numbers = torch.from_numpy(noise)
        times = torch.from_numpy(time)
        return numbers.to(y.device), times.to(y.device)

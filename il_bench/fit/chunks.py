"""Chunks: the actions of several steps as the label of one, and how what was planned is executed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.settings import require, require_count
from .dataset import Dataset, Moments

MISSING = -100
"""Stands for a Discrete action beyond the end of a sequence: what torch's cross-entropy ignores. In Boxes infinity does,
which stays infinite when it is scaled; NaN would hide a run that breaks."""

Planner: TypeAlias = "Callable[[], torch.Tensor]"
"""Plans (R, E, L, U): the next L actions of every episode, as they look from its present observation."""


class Plan(Protocol):
    """A net whose policies plan: its settings."""

    @property
    def chunk(self) -> int:
        """Actions planned from one observation, L."""

    @property
    def execute(self) -> int:
        """How many of them are executed before the next plan; 0 executes all."""


def require_plan(net: Plan) -> None:
    """Refuse plans that nobody can execute."""
    chunk = require_count("chunk", net.chunk)
    wanted = f"expected 0 (all) to {chunk}, the chunk"
    fits = 0 <= net.execute <= chunk
    require(fits, f"execute: {wanted}, got {net.execute}; plan more or execute fewer")


def require_box(net: str, space: Any) -> spaces.Box:
    """Refuse actions that have no density; the space of those that have one."""
    wanted = "expected Box actions, got Discrete ones, of which net mlp is a distribution"
    require(isinstance(space, spaces.Box), f"net {net}: {wanted}; use net mlp, or chunk")
    box: spaces.Box = space
    return box


def require_horizon(net: str, chunk: int, horizon: int) -> None:
    """Refuse plans that are longer than an episode."""
    wanted = f"expected at most the horizon, T = {horizon}, got {chunk}"
    require(chunk <= horizon, f"net {net}: chunk: {wanted}; plan fewer steps")


def chunked(data: Dataset, length: int) -> Dataset:
    """The same samples, each labelled with the next actions of its sequence.

    Args:
        data: samples of R runs.
        length: how many actions make a label, L.

    Returns:
        Actions (R, N, L U), step by step. What lies beyond the end of a sequence or weighs nothing is missing: infinite,
        or `MISSING` where actions are Discrete. Moments are the actions' own at each step, as if none were missing.
    """
    if length == 1:
        return data
    steps = torch.arange(length, device=data.obs.device)
    ahead = _numbers(data)[:, None] + steps
    within = ahead < _ends(data)[:, None]
    last = len(data) - 1
    place = ahead.clamp_max(last)
    known = within & (data.weight[:, place] > 0)
    gap = math.inf if data.action.is_floating_point() else MISSING
    labels = data.action[:, place].masked_fill(~known[..., None], gap)
    plans = dataclasses.replace(data, action=labels.flatten(2))
    # Put where the properties keep what they have computed.
    vars(plans)["moments"] = _repeated(data, length)
    vars(plans)["live"] = data.live
    return plans


def _numbers(data: Dataset) -> torch.Tensor:
    """The number of each sample (N,)."""
    return torch.arange(len(data), device=data.obs.device)


def _ends(data: Dataset) -> torch.Tensor:
    """For each sample the number of the first one behind its sequence (N,)."""
    lengths = torch.tensor(data.lengths, device=data.obs.device)
    ends = lengths.cumsum(0)
    return ends.repeat_interleave(lengths)


def _repeated(data: Dataset, length: int) -> Moments:
    """The moments of the data with those of the actions for every step of a plan."""
    moments = data.moments
    size = data.obs.shape[2]

    def each_step(part: torch.Tensor) -> torch.Tensor:
        obs = part[..., :size]
        action = part[..., size:]
        return torch.cat((obs, action.repeat(1, 1, length)), -1)

    return Moments(moments.weight, each_step(moments.mean), each_step(moments.scatter))


def space_of_plans(space: spaces.Box, length: int) -> spaces.Box:
    """The space of L actions of a Box, (L U,)."""
    low = np.tile(space.low.ravel(), length)
    high = np.tile(space.high.ravel(), length)
    return spaces.Box(low, high, dtype=np.float32)


def anything(size: int) -> spaces.Box:
    """The space of numbers that nothing bounds, (size,)."""
    return spaces.Box(-np.inf, np.inf, (size,))


def in_box(plan: torch.Tensor, labels: Arrays, space: spaces.Box) -> torch.Tensor:
    """The actions (R, E, L, U) of plans (R, E, L U) in the units of their training, "shift" and "scale" (R, 1, L U)."""
    scaled = plan * labels["scale"]
    numbers = scaled + labels["shift"]
    size = space.low.size
    actions = numbers.unflatten(-1, (-1, size))
    lowest = space.low.ravel()
    highest = space.high.ravel()
    low = actions.new_tensor(lowest)
    high = actions.new_tensor(highest)
    return actions.clamp(low, high)


def execute(memory: Any, plan: Planner, steps: int) -> tuple[torch.Tensor, Any]:
    """The next action of what is left of a plan, or the first of a new one: the first `steps` of each are executed.

    Args:
        memory: (R, E, 1 + steps U), how many actions are left and they; None or zeros begin an episode.
        plan: makes new plans; asked only where some episode needs one.
        steps: how many actions of a plan are executed, H, at most all of them.

    Returns:
        Actions (R, E, U), and the memory to hand back. Who plans anew at each step remembers nothing.
    """
    if steps == 1:
        return plan()[:, :, 0], memory
    left, queue = _left(memory, plan, steps)
    action = queue[:, :, 0]
    rest = queue[:, :, 1:].flatten(2)
    end = torch.zeros_like(action)
    count = left - 1
    return action, torch.cat((count[..., None], rest, end), -1)


def _left(memory: Any, plan: Planner, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """How many actions every episode has left (R, E), and they (R, E, H, U); of a new plan where there were none."""
    if memory is None:
        queue = plan()[:, :, :steps]
        return queue.new_full(queue.shape[:2], steps), queue
    left = memory[..., 0]
    queue = memory[..., 1:].unflatten(-1, (steps, -1))
    over = left == 0
    if not over.any():
        return left, queue
    fresh = plan()[:, :, :steps]
    queue = torch.where(over[..., None, None], fresh, queue)
    return left.masked_fill(over, steps), queue


def average(memory: Any, plan: torch.Tensor, decay: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted mean of what all plans so far have for this step, and the memory to hand back.

    Temporal ensembling (Zhao et al. 2023): of k plans the i-th oldest, i = 0, 1, ..., weighs exp(-decay i).

    Args:
        memory: (R, E, L, U + 1), for this step and the L - 1 next ones the weighted sum of what has been planned, and
            how many plans that were; None or zeros begin an episode.
        plan: the newest one (R, E, L, U).
        decay: how much less the next newer plan weighs.
    """
    if memory is None:
        *axes, size = plan.shape
        memory = plan.new_zeros((*axes, size + 1))
    total = memory[..., :-1]
    count = memory[..., -1:]
    weight = torch.exp(-decay * count)
    total = total + weight * plan
    count = count + 1
    now = total[:, :, 0]
    weights = _sum_of_weights(count[:, :, 0], decay)
    sums = torch.cat((total, count), -1)
    later = sums[:, :, 1:]
    unplanned = torch.zeros_like(sums[:, :, :1])
    return now / weights, torch.cat((later, unplanned), 2)


def _sum_of_weights(count: torch.Tensor, decay: float) -> torch.Tensor:
    """1 + exp(-decay) + ... of so many terms."""
    if decay == 0:
        return count
    return torch.expm1(-decay * count) / math.expm1(-decay)

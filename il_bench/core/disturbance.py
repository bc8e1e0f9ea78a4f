"""Disturbances: noise on the action that a driver has chosen, so that it visits states which it would not have visited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from gymnasium import spaces

from .env import Env
from .rollout import Answer, Driver
from .streams import Streams

Disturbance: TypeAlias = "Callable[[int, torch.Tensor], torch.Tensor]"
"""(step, action (R, E, U)) -> the action that is executed (R, E, U), float64."""


def by_disturbed(drive: Driver, disturb: Disturbance) -> Driver:
    """Somebody drives, and what is executed is not quite what he chose."""

    def drive_disturbed(step: int, state: torch.Tensor, memory: Any) -> Answer:
        action, memory = drive(step, state, memory)
        return disturb(step, action.to(torch.float64)), memory

    return drive_disturbed


def gaussian(env: Env, root: torch.Tensor, streams: Streams, episodes: int) -> Disturbance:
    """Normal noise, independent from step to step, is added to the action; a Box clips the sum.

    Args:
        env: whose actions they are.
        root: (R, U, U) the noise is this times standard normal numbers (U): its covariance is root root'.
        streams: where the noise is drawn.
        episodes: of each run, E.
    """
    size = root.shape[-1]
    numbers = streams.normal("disturbance", episodes, env.horizon, size)
    noise = _product(root, numbers)
    low, high = bounds(env)

    def disturb(step: int, action: torch.Tensor) -> torch.Tensor:
        return (action + noise[:, :, step]).clamp(low, high)

    return disturb


def _product(root: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Matrices (R, U, U) times numbers (R, E, T, U), term by term: a product would round with the number of runs."""
    columns = root[:, None, None].unbind(-1)
    each = numbers.unbind(-1)
    total = torch.zeros_like(numbers)
    for column, number in zip(columns, each, strict=True):
        total += column * number[..., None]
    return total


def replacing(env: Env, chance: torch.Tensor, streams: Streams, episodes: int) -> Disturbance:
    """With a chance (R,) the Discrete action is replaced by one of the others, each alike."""
    actions = int(env.action_space.n)  # type: ignore[union-attr]
    draw = streams.uniform("disturbance", episodes, env.horizon, 2)
    coin, place = draw.split(1, -1)
    further = 1 + (place * (actions - 1)).floor()  # so many on from it, in a circle
    steps = further.unbind(2)
    heads = coin < chance[:, None, None, None]
    replaced = heads.unbind(2)

    def disturb(step: int, action: torch.Tensor) -> torch.Tensor:
        other = (action + steps[step]).remainder(actions)
        return torch.where(replaced[step], other, action)

    return disturb


LARGEST_ACTION = 1e3
"""Where a Box without a bound is cut off to draw actions from it."""


def anywhere(env: Env, draw: torch.Tensor) -> torch.Tensor:
    """Actions (..., U) anywhere in their space, each alike, for uniform numbers (..., U)."""
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        actions = int(space.n)
        return (draw * actions).floor()
    low = _cut_off(space.low, draw)
    high = _cut_off(space.high, draw)
    return low + (high - low) * draw


def _cut_off(bound: np.ndarray, draw: torch.Tensor) -> torch.Tensor:
    """A bound of a Box (U,), where it has one."""
    finite = np.clip(bound.ravel(), -LARGEST_ACTION, LARGEST_ACTION)
    return torch.as_tensor(finite, device=draw.device)


def is_discrete(env: Env) -> bool:
    """Whether actions are numbers of a Discrete space."""
    return isinstance(env.action_space, spaces.Discrete)


def bounds(env: Env) -> tuple[torch.Tensor, torch.Tensor]:
    """The lowest and the highest action (U,) of a Box, float64."""
    space: Any = env.action_space
    return _flat(space.low, env), _flat(space.high, env)


def _flat(bound: np.ndarray, env: Env) -> torch.Tensor:
    """A bound of a Box as (U,)."""
    return torch.as_tensor(bound.ravel(), dtype=torch.float64, device=env.device)

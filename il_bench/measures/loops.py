"""Loops: what a closed loop does to small deviations, by its derivatives along somebody's path.

Each question is put to one environment of R runs and answered by one number for each run (R,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..core.env import Env, Expert
from ..core.policy import Policy
from ..core.rollout import Rollout
from ..core.streams import Streams
from .probes import (
    STEP,
    TINY,
    acting,
    dial_coordinates,
    noise_of,
    of_length_one,
    require_smooth,
)

EVERY = 10
"""Of the steps of a path one in so many is looked at for the largest slopes."""


@torch.no_grad()
def lyapunov(env: Env, who: Policy | Expert, path: Rollout, streams: Streams) -> torch.Tensor:
    """Growth a step (R,) of an infinitesimal deviation along somebody's path, exp of the largest Lyapunov exponent.

    A tangent vector is carried along the living steps of every rollout by the closed loop's derivative and renormalised
    at each step; the geometric mean of its stretches is the number.

    Raises:
        Unanswerable: for Discrete actions, an environment that cannot be put into a state, or a policy that remembers.
    """
    require_smooth(env)
    episodes, horizon = path.action.shape[1:3]
    noise = noise_of(env, streams, episodes)
    keep = dial_coordinates(env, path.state[:, :, 0])
    act = acting(env, who)
    size = path.state.shape[-1]
    start = streams.fork("tangent").normal("start", episodes, size)
    way = start * keep
    total = torch.zeros(path.length.shape, dtype=torch.float64, device=way.device)
    nothing = torch.zeros_like(total)
    for t in range(horizon):
        state = path.state[:, :, t]
        way = of_length_one(env, state, way)
        above = state + STEP * way
        below = state - STEP * way
        end_above = env.transition(above, act(above), noise[t])
        end_below = env.transition(below, act(below), noise[t])
        stretch = env.distance(end_above, end_below) / (2 * STEP)
        logarithm = stretch.clamp_min(TINY).log()
        alive = t < path.length
        total += torch.where(alive, logarithm, nothing)
        moved = (end_above - end_below) * keep
        way = torch.where(stretch[..., None] > 0, moved, way)
    steps = path.length.sum(1).clamp_min(1)
    mean = total.sum(1) / steps
    return mean.exp()


def action_gain(env: Env, path: Rollout) -> torch.Tensor:
    """L_a (R,): the largest stretch from an action to the next state that is met along a path."""
    require_smooth(env)
    state = path.state[:, :, :-1:EVERY].flatten(1, 2)
    action = path.action[:, :, ::EVERY].flatten(1, 2)
    noise = torch.zeros(*state.shape[:2], env.noise_size, dtype=torch.float64, device=state.device)
    end = env.transition(state, action, noise)
    columns = []
    for place in range(action.shape[-1]):
        moved = action.clone()
        # Inwards, off the clip.
        sign = torch.where(action[..., place] > 0, -1.0, 1.0)
        moved[..., place] += STEP * sign
        change = env.difference(env.transition(state, moved, noise), end)
        shift = moved - action
        columns.append(change / shift[..., place, None])
    return _largest_norm(columns)


@torch.no_grad()
def sensitivity(
    env: Env, act: Callable[[torch.Tensor], torch.Tensor], path: Rollout
) -> torch.Tensor:
    """Lip (R,) of actions (R, E, U) = act(state) in the dial's metric, as far as the states of a path show it."""
    require_smooth(env)
    state = path.state[:, :, :-1:EVERY].flatten(1, 2)
    acted_on = dial_coordinates(env, state).nonzero()
    columns = []
    for place in acted_on[:, 0].tolist():
        shift = torch.zeros_like(state)
        shift[..., place] = STEP
        above = state + shift
        below = state - shift
        apart = env.distance(above, below)[..., None]
        change = act(above) - act(below)
        columns.append(change / apart.clamp_min(TINY))
    return _largest_norm(columns)


def _largest_norm(columns: list[torch.Tensor]) -> torch.Tensor:
    """The largest spectral norm (R,) of the Jacobians (R, n, D, columns)."""
    jacobians = torch.stack(columns, -1)
    norms = torch.linalg.matrix_norm(jacobians, 2)
    return norms.amax(1)

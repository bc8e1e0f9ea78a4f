"""Slopes: how the expert's actions change with the state, and what of that change an observation tells.

Both are derivatives along the coordinates of the state, so that nothing has to be inverted: a policy pi that observes
o(s) answers a small step ds with pi'(o) o'(s) ds, and the expert with a'(s) ds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from ..core.env import Env, Expert
from ..core.rollout import Rollout, ask
from ..core.settings import require
from ..core.threads import few_threads
from .course import Course

PROBES = 8
"""First states at which an expert has to show that it has derivatives."""
STRIDE = 0.1
"""How far another state lies from each of these, where its action may be another one."""

Pair: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"
"""Of states (R, N, X): observations (R, N, O) and actions (R, N, U), or how fast they change."""
Reading: TypeAlias = "Callable[[torch.Tensor], Pair]"
"""From states to what is observed and done there."""


@dataclass(frozen=True)
class Slopes:
    """Derivatives along each coordinate of the state, at N samples of R runs, float32.

    Attributes:
        way: (R, N, X, O) of the observation.
        action: (R, N, X, U) of the expert's action; zero where the episode is over.
    """

    way: torch.Tensor
    action: torch.Tensor


def require_slopes(course: Course, step: float) -> None:
    """Refuse an expert, or an observation, that has no derivatives, before anything is collected.

    Args:
        course: in which environment, and whose actions are differentiated.
        step: of differences; 0 asks torch for the derivatives.

    Raises:
        ValueError: saying why.
    """
    course.require_forgetful()
    env, expert = course.env, course.expert
    streams = course.streams.fork("probe")
    state = env.initial(streams, PROBES)
    name = type(expert).__name__
    try:
        way, action = _along_all(env, expert, state, step)
    except (RuntimeError, TypeError, NotImplementedError, AttributeError):
        whose = f"those of {name} in {type(env).__name__}, which it cannot"
        raise ValueError(
            f"expert: expected actions and observations that torch can differentiate, got {whose}; take differences with "
            "--differences 1e-3, or use bc"
        ) from None
    apart = streams.normal("apart", PROBES, state.shape[2])
    other = state + STRIDE * apart
    moves = (ask(env, expert, other) != ask(env, expert, state)).any()
    flat = not (action.any() and way.any())
    require(
        not (moves and flat),
        f"expert: {name} changes its actions, or the environment its observations, by jumps, and has no derivatives to "
        "match; use bc",
    )


@few_threads
def slopes(course: Course, visits: Rollout, step: float) -> Slopes:
    """The slopes along a rollout (N = E T samples), counted.

    Args:
        course: whose actions are differentiated. Its log counts a derivative for each living step and coordinate, and
            the questions of differences.
        visits: where.
        step: half the distance of two states of which the differences are taken; 0 asks torch for the derivatives.

    Raises:
        ValueError: for an expert without derivatives, or one that is not finite where an episode lives.
    """
    states = visits.lived.flatten(1, 2)
    way, action = _along_all(course.env, course.expert, states, step)
    alive = visits.alive.flatten(1, 2)
    finite = action.isfinite().all(-1).all(-1)
    wanted = "expected finite derivatives of its actions"
    require(bool((finite | ~alive).all()), f"expert: {wanted}, got NaN or infinite ones; use bc")
    count = visits.length.sum(1) * states.shape[2]
    log = course.log
    log.derivatives = log.derivatives + count
    if step:
        log.asked = log.asked + 2 * count
    over = ~alive[..., None, None]
    return Slopes(way.float(), action.masked_fill(over, 0.0).float())


def _along_all(env: Env, expert: Expert, state: torch.Tensor, step: float) -> Pair:
    """The derivatives (R, N, X, O) of observations and (R, N, X, U) of actions along every coordinate of the state."""

    def reading(at: torch.Tensor) -> Pair:
        return env.observation(at), ask(env, expert, at)

    if step:
        return _differences(reading, state, step)
    with torch.enable_grad():
        at = state.detach().requires_grad_()
        observed, acted = reading(at)
        return _derivatives(observed, at), _derivatives(acted, at)


def _derivatives(numbers: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """The derivatives (R, N, X, n) of numbers (R, N, n) of states (R, N, X), each sample's of its own state alone."""
    columns = []
    for number in numbers.unbind(-1):
        column = torch.zeros_like(state)
        if number.requires_grad:
            (slope,) = torch.autograd.grad(
                number.sum(), state, retain_graph=True, allow_unused=True
            )
            column = column if slope is None else slope
        columns.append(column)
    return torch.stack(columns, -1)


def _differences(reading: Reading, state: torch.Tensor, step: float) -> Pair:
    """The same by differences of what lies a step ahead and a step behind."""
    ways = []
    actions = []
    for number in range(state.shape[2]):
        way = torch.zeros_like(state)
        way[..., number] = step
        seen_ahead, done_ahead = reading(state + way)
        seen_behind, done_behind = reading(state - way)
        ways.append((seen_ahead - seen_behind) / (2 * step))
        actions.append((done_ahead - done_behind) / (2 * step))
    return torch.stack(ways, 2), torch.stack(actions, 2)

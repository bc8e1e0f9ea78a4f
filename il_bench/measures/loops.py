"""Loops: what a closed loop does to small deviations, by its derivatives along somebody's path.

Each question is put to one environment of R runs and answered by one number for each run (R,). Whatever is found along
a path alone is an estimate of what holds everywhere; where loop and error are linear it is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from ..core.env import Env, Expert
from ..core.policy import Policy
from ..core.rollout import Rollout
from ..core.streams import Streams
from ..stats.theory import envelope
from .lipschitz import Pair
from .probes import (
    FORGOTTEN,
    STEP,
    TINY,
    Unanswerable,
    acting,
    dial_coordinates,
    merges,
    noise_of,
    of_length_one,
    reacts,
    require_smooth,
)

Act: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"
"""Actions (R, E, U) as a function of states (R, E, X)."""

EVERY = 10
"""Of the steps of a path one in so many is looked at for the largest slopes."""

FREE = 0.5
"""The share of a path's living steps above which it says something about growth: those at no clip, and not absorbed."""

NOT_FREE = (
    "it is clipped, absorbed or over at most of its steps: nothing can grow there, nor be forgotten"
)


@torch.no_grad()
def lyapunov(env: Env, who: Policy | Expert, path: Rollout, streams: Streams) -> torch.Tensor:
    """Growth a step (R,) of an infinitesimal deviation along somebody's path, exp of the largest Lyapunov exponent.

    A tangent vector is carried along the living steps of every rollout by the closed loop's derivative and renormalised
    at each step; the geometric mean of its stretches is the number, 0 where most rollouts forget it altogether. Steps
    at which the plant itself is clipped or absorbed are left out; a run that has little else is NaN.

    Raises:
        Unanswerable: for Discrete actions, an environment that cannot be put into a state, or a policy that remembers;
            where every run is clipped, absorbed or over at most of its steps.
    """
    require_smooth(env)
    length = path.length
    total = torch.zeros(length.shape, dtype=torch.float64, device=path.state.device)
    counted = torch.zeros_like(total)
    forgets = torch.zeros_like(total, dtype=torch.bool)
    nothing = torch.zeros_like(total)
    steps = _stretches(env, who, path, streams)
    for t, (stretch, clipped) in enumerate(steps):
        free = (t < length) & ~clipped
        logarithm = stretch.clamp_min(TINY).log()
        total += torch.where(free, logarithm, nothing)
        counted += free
        forgets |= free & (stretch < FORGOTTEN)
    lived = length.sum(1).clamp_min(1)
    share = counted.sum(1) / lived
    known = share > FREE
    if not known.any():
        raise Unanswerable(NOT_FREE)
    growth = _geometric_mean(total, counted, forgets)
    return growth.masked_fill(~known, torch.nan)


def _geometric_mean(
    total: torch.Tensor, counted: torch.Tensor, forgets: torch.Tensor
) -> torch.Tensor:
    """The mean stretch (R,) of rollouts whose logarithms add up to `total` (R, E); 0 where most of them forget."""
    goes_on = ~forgets
    logarithms = total * goes_on
    steps = counted * goes_on
    counts = steps.sum(1).clamp_min(1)
    mean = logarithms.sum(1) / counts
    share = forgets.double().mean(1)
    mostly = share > 0.5
    stretch = mean.exp()
    return stretch.masked_fill(mostly, 0.0)


def _stretches(env: Env, who: Policy | Expert, path: Rollout, streams: Streams) -> Iterator[Pair]:
    """At each step the stretch (R, E) of a tangent vector that is carried along, and whether the plant is clipped."""
    act = acting(env, who)
    states = path.state
    _, episodes, moments, size = states.shape
    noise = noise_of(env, streams, episodes)
    keep = dial_coordinates(env, states[:, :, 0])
    passes = reacts(env)
    tangents = streams.fork("tangent")
    way = tangents.normal("start", episodes, size) * keep
    for t in range(moments - 1):
        state = states[:, :, t]
        way = of_length_one(env, state, way)
        above = state + STEP * way
        below = state - STEP * way
        end_above = env.transition(above, act(above), noise[t])
        end_below = env.transition(below, act(below), noise[t])
        stretch = env.distance(end_above, end_below) / (2 * STEP)
        clipped = (stretch < FORGOTTEN) & passes
        if clipped.any():
            clipped &= merges(env, above, below, act(state), noise[t])
        yield stretch, clipped
        # Of about length one, or the next step would lose it in the rounding of the state.
        moved = (end_above - end_below) / (2 * STEP) * keep
        way = torch.where(stretch[..., None] > 0, moved, way)


def action_gain(env: Env, path: Rollout) -> torch.Tensor:
    """L_a (R,): the largest stretch from an action to the next state that is met along a path."""
    require_smooth(env)
    state = _looked_at(path)
    actions = path.action[:, :, ::EVERY]
    action = actions.flatten(1, 2)
    runs, steps, size = action.shape
    shape = (runs, steps, env.noise_size)
    noise = torch.zeros(shape, dtype=torch.float64, device=state.device)
    end = env.transition(state, action, noise)
    columns = []
    for place in range(size):
        moved = _inwards(action, place)
        moved_end = env.transition(state, moved, noise)
        shifts = moved - action
        shift = shifts[..., place, None]
        change = env.difference(moved_end, end)
        columns.append(change / shift)
    return _largest_norm(columns, path)


def _looked_at(path: Rollout) -> torch.Tensor:
    """Every tenth state of a path, (R, n, X)."""
    states = path.state[:, :, :-1:EVERY]
    return states.flatten(1, 2)


def _inwards(action: torch.Tensor, place: int) -> torch.Tensor:
    """Actions (R, n, U) of which one number is moved by a step, off the clip."""
    moved = action.clone()
    positive = action[..., place] > 0
    sign = torch.where(positive, -1.0, 1.0)
    moved[..., place] += STEP * sign
    return moved


@torch.no_grad()
def sensitivity(env: Env, act: Act, path: Rollout) -> torch.Tensor:
    """Lip (R,) of actions (R, E, U) = act(state) in the dial's metric, as far as the states of a path show it."""
    require_smooth(env)
    state = _looked_at(path)
    columns = []
    for place in _acted_on(env, state):
        above, below = _beside(state, place)
        apart = env.distance(above, below).clamp_min(TINY)
        change = act(above) - act(below)
        columns.append(change / apart[..., None])
    return _largest_norm(columns, path)


def _acted_on(env: Env, state: torch.Tensor) -> list[int]:
    """The places of the coordinates on which the dial acts."""
    moving = dial_coordinates(env, state)
    places = moving.nonzero()
    numbers: list[int] = places[:, 0].tolist()
    return numbers


def _beside(state: torch.Tensor, place: int) -> Pair:
    """States a step above and below in one coordinate."""
    shift = torch.zeros_like(state)
    shift[..., place] = STEP
    return state + shift, state - shift


def _largest_norm(columns: list[torch.Tensor], path: Rollout) -> torch.Tensor:
    """The largest spectral norm (R,) of the Jacobians (R, n, D, columns) at every tenth step that a path lived."""
    jacobians = torch.stack(columns, -1)
    norms = torch.linalg.matrix_norm(jacobians, 2)
    looked_at = path.alive[:, :, ::EVERY]
    over = ~looked_at.flatten(1, 2)
    of_living = norms.masked_fill(over, 0.0)
    return of_living.amax(1)


FOLLOWED, STARTS = 2, 5
"""Rollouts of each run, and starts in each of them, from which `contraction` follows all directions."""

LARGEST = 1e150
"""Where the products of Jacobians are cut off: their squares are finite."""

RATES = 60
"""How many rates are tried between the least and the largest that a loop shows."""


@dataclass(frozen=True)
class Contraction:
    """How a loop forgets a small deviation: at most C rho^k of it is left after k steps.

    A rate rho is allowed where C rho^k with a finite C bounds every k, also those beyond the horizon: from the least
    ||loop in k steps||^(1/k) on. Between those it is a trade: the slower rate has the smaller C.

    Attributes:
        longest: (R, T+1) the largest stretch in k = 0 ... T steps that was met; NaN where no rollout lived so long.
    """

    longest: np.ndarray

    def small_gain(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least growth rho + C l (R,) that an error of slopes l (R,) leaves, and its C (R,)."""
        rows = zip(self.longest, slope, strict=True)
        pairs = [_least_gain(*row) for row in rows]
        growth, constant = np.array(pairs).T
        return growth, constant

    def limits(self, slope: np.ndarray, error: np.ndarray) -> np.ndarray:
        """The least C y_t (R, T+1) above the deviations that errors of slopes l (R,), at most `error` (R,), can leave.

        y_{t+1} = (rho + C l) y_t + error, see `theory.small_gain`.
        """
        rows = zip(self.longest, slope, error, strict=True)
        limits = [_least_limit(*row) for row in rows]
        return np.array(limits)


def _least_gain(longest: np.ndarray, slope: float) -> tuple[float, float]:
    """The least growth of one run, whose stretches are (T+1,), and its C."""
    rho, constant = _rates(longest)
    growth = rho + constant * slope
    best = growth.argmin()
    return float(growth[best]), float(constant[best])


def _least_limit(longest: np.ndarray, slope: float, error: float) -> np.ndarray:
    """The least limit of one run, (T+1,)."""
    rho, constant = _rates(longest)
    growth = rho + constant * slope
    fed = constant * error
    horizon = len(longest) - 1
    pairs = zip(fed, growth, strict=True)
    limits = [envelope(*pair, horizon) for pair in pairs]
    least: np.ndarray = np.min(limits, axis=0)
    return least


def _rates(longest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a rate rho and its C, (n,) each, of one run whose stretches are (T+1,)."""
    logs = _logarithms(longest)
    steps = 1 + np.arange(len(logs))
    rates = np.exp(logs / steps)
    largest = rates.max(initial=0.0)
    if largest == 0:
        return np.zeros(1), np.ones(1)
    least = max(rates.min(), 1e-3 * largest)
    rho = np.geomspace(least, largest, RATES)
    log_rates = np.log(rho)
    decay = steps * log_rates[:, None]
    left = logs - decay
    lasting = left.max(1).clip(0, 300)
    return rho, np.exp(lasting)


def _logarithms(longest: np.ndarray) -> np.ndarray:
    """Logarithms of the stretches in k = 1, 2, ... steps, as far as they are known; -inf once all is forgotten.

    What falls to the rounding error of a derivative in one step is forgotten for good.
    """
    unknown = np.isnan(longest)
    known = longest[~unknown]
    before = known[:-1].clip(TINY)
    after = known[1:]
    drops = after / before < FORGOTTEN
    forgotten = np.logical_or.accumulate(drops)
    left = np.where(forgotten, 0.0, after)
    with np.errstate(divide="ignore"):
        return np.log(left)


@torch.no_grad()
def contraction(env: Env, who: Policy | Expert, path: Rollout, streams: Streams) -> Contraction:
    """The stretches of a loop in any number of steps, along the living steps of somebody's path.

    The products of its Jacobians are followed from several starts in some rollouts.

    Raises:
        Unanswerable: for Discrete actions, an environment that cannot be put into a state, or a policy that remembers.
    """
    require_smooth(env)
    act = acting(env, who)
    jacobians = _jacobians(env, act, path, streams)
    runs, _, horizon = jacobians.shape[:3]
    length = path.length[:, :FOLLOWED]
    longest = np.full((runs, 1 + horizon), np.nan)
    longest[:, 0] = 1
    every = math.ceil(horizon / STARTS)
    starts = range(0, horizon, every)
    products: list[torch.Tensor] = []
    for t, jacobian in enumerate(jacobians.unbind(2)):
        products = [_bounded(jacobian @ product) for product in products]
        if t in starts:
            first = _bounded(jacobian)
            products.append(first)
        together = torch.stack(products)
        norms = torch.linalg.matrix_norm(together, 2)
        of_living = norms.masked_fill(t >= length, torch.nan)
        lived = of_living.cpu().numpy()
        for start, norm in zip(starts, lived, strict=False):
            met = longest[:, t + 1 - start]
            largest = np.fmax.reduce(norm, 1)
            np.fmax(met, largest, out=met)
    return Contraction(longest)


def _bounded(product: torch.Tensor) -> torch.Tensor:
    """A product whose norm can be taken."""
    numbers = product.nan_to_num(LARGEST)
    return numbers.clamp(-LARGEST, LARGEST)


def _jacobians(env: Env, act: Act, path: Rollout, streams: Streams) -> torch.Tensor:
    """Derivatives (R, E, T, D, D) of a closed loop's steps along some rollouts, in the coordinates of `difference`."""
    states = path.state[:, :FOLLOWED, :-1]
    _, episodes, horizon, _ = states.shape
    noise = streams.normal("noise", episodes, env.horizon, env.noise_size)
    state = states.flatten(1, 2)
    shaken = noise.flatten(1, 2)
    before = []
    after = []
    for place in _acted_on(env, state):
        above, below = _beside(state, place)
        end_above = env.transition(above, act(above), shaken)
        end_below = env.transition(below, act(below), shaken)
        shift = env.difference(above, below)
        change = env.difference(end_above, end_below)
        before.append(shift / (2 * STEP))
        after.append(change / (2 * STEP))
    shifts = torch.stack(before, -1)
    changes = torch.stack(after, -1)
    inverse = torch.linalg.pinv(shifts)
    flat = changes @ inverse
    return flat.unflatten(1, (episodes, horizon))

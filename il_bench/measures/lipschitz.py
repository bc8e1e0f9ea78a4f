"""Trying to refute a certificate: the pair that should attain L, random pairs that should not exceed it, an ascent.

Only the pair proves anything (L is reached); the searches are lower bounds that have not come out above L.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from gymnasium import spaces

from ..borders import resolve
from ..core.env import Certificate, Env, Expert
from ..core.rollout import Driver, Rollout, action_size, ask, by_expert, rollout
from ..core.settings import require
from ..core.streams import Streams
from ..core.threads import few_threads

Pair: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"
"""Two arrays of the same runs and episodes, such as two states (R, E, X)."""

EPISODES = 3
"""Rollouts whose states the searches begin from."""


def random_drive(env: Env) -> Driver:
    """A driver that acts at random, from the action space alone, the same at every call."""
    streams = Streams(env.seeds, env.device)
    size = action_size(env)
    draws = streams.uniform("actions", EPISODES, env.horizon, size)
    actions = _spread_over(env, draws, unbounded=1)
    return lambda step, state, memory: (actions[:, :, step], memory)


def _spread_over(env: Env, draws: torch.Tensor, unbounded: float) -> torch.Tensor:
    """Uniform numbers (..., U) as actions all over the action space.

    An unbounded Box has no uniform draw: it is cut off at `unbounded` on either side.
    """
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        actions = int(space.n)
        return (draws * actions).floor()
    low = _bound(env, space.low, unbounded)
    high = _bound(env, space.high, unbounded)
    return low + (high - low) * draws


def _bound(env: Env, bound: np.ndarray, largest: float) -> torch.Tensor:
    """A bound of a Box as a tensor (U,), float64."""
    flat = bound.ravel()
    cut = np.clip(flat, -largest, largest)
    tensor = torch.as_tensor(cut, device=env.device)
    return tensor.double()


def explore(env: Env) -> Rollout:
    """A few rollouts under random actions, the same at every call."""
    streams = Streams(env.seeds, env.device)
    drive = random_drive(env)
    return rollout(env, drive, streams, EPISODES)


def _explored(env: Env) -> torch.Tensor:
    """The states (R, n, X) of those rollouts."""
    path = explore(env)
    return path.state.flatten(1, 2)


def _step(env: Env, state: torch.Tensor, chosen: tuple[float, ...]) -> torch.Tensor:
    """The next states (R, E, X) under one action for all and no noise."""
    runs, episodes, _ = state.shape
    size = action_size(env)
    same = torch.tensor(chosen, dtype=torch.float64)
    action = same.expand(runs, episodes, size)
    noise = no_noise(env, state)
    return env.transition(state, action, noise)


def no_noise(env: Env, state: torch.Tensor) -> torch.Tensor:
    """Zeros (R, E, W) beside states (R, E, X)."""
    runs, episodes, _ = state.shape
    size = env.noise_size
    return torch.zeros(runs, episodes, size, dtype=torch.float64)


def attained(env: Env, certificate: Certificate) -> Iterator[str]:
    """What refutes the claim that a pair attains L."""
    if certificate.kind != "exact":
        return
    if certificate.pair is None:
        yield "certificate: says exact without a pair that attains it; give one, or say upper"
        return
    ratios = _stretch_of(env, certificate.pair, certificate.action)
    for run, value in enumerate(certificate.value):
        ratio = ratios[run]
        reached = ratio >= value * (1 - 1e-9)
        if not reached:
            yield f"certificate: the attaining pair of run {run} is stretched by {ratio:.12g}, not by L = {value:.12g}"


def _stretch_of(env: Env, pair: Pair, action: tuple[float, ...]) -> list[float]:
    """The stretch of each run's pair in a step under one action."""
    ends = [_step(env, state, action) for state in pair]
    before = env.distance(*pair)
    after = env.distance(*ends)
    stretch = after / before
    ratios: list[float] = stretch[:, 0].tolist()
    return ratios


def exceeded(env: Env, stretch: torch.Tensor) -> Iterator[str]:
    """What refutes the certificate in the largest stretches (R,) that were found."""
    certificate = env.certificate()
    ratios: list[float] = stretch.tolist()
    for run, value in enumerate(certificate.value):
        ratio = ratios[run]
        limit = value * (1 + 1e-7)
        if ratio > limit:
            yield f"certificate: a pair of run {run} is stretched by {ratio:.9g}, more than L = {value:.9g}"


@few_threads
def largest_stretch(env: Env, pairs: int, rounds: int = 1) -> torch.Tensor:
    """The largest ratio of distances after and before a step (R,), over random pairs with the same action and noise.

    States lie around those of random rollouts; partners at log-uniform separations from 1e-6 to 100 times their scale.
    """
    runs = env.runs
    largest = torch.zeros(runs, dtype=torch.float64)
    usable = torch.zeros(runs, dtype=torch.bool)
    pool = _explored(env)
    streams = Streams(env.seeds, env.device)
    for i in range(rounds):
        draws = streams.fork("pairs", i)
        stretch, clear = _stretches(env, pool, draws, pairs)
        longest = stretch.amax(1)
        some = clear.any(1)
        largest = torch.maximum(largest, longest.cpu())
        usable |= some.cpu()
    everywhere = bool(usable.all())
    require(everywhere, "transition: no random pair came out finite; nothing can be certified so")
    return largest


def _stretches(env: Env, pool: torch.Tensor, streams: Streams, pairs: int) -> Pair:
    """Ratios of distances after and before a step (R, pairs), and which of them are measured and not rounding.

    Args:
        env: the environment, R runs.
        pool: states (R, n, X) around which the pairs lie.
        streams: where they are drawn from.
        pairs: how many for each run.
    """
    one, two, noise = _random_pairs(env, pool, streams, pairs)
    action = random_actions(env, streams, pairs)
    end_one = env.transition(one, action, noise)
    end_two = env.transition(two, action, noise)
    starts = (one, two)
    ends = (end_one, end_two)
    return _measured(env, starts, ends)


def _measured(env: Env, starts: Pair, ends: Pair) -> Pair:
    """Ratios (R, E) of the distances of ends and starts, and which of them are measured and not rounding."""
    before = env.distance(*starts)
    after = env.distance(*ends)
    long_enough = measurable(before, *starts)
    clear = long_enough & after.isfinite()
    ratio = after / before
    return ratio.masked_fill(~clear, 0.0), clear


def _random_pairs(
    env: Env, pool: torch.Tensor, streams: Streams, pairs: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs of states (R, pairs, X) each, and the noise (R, pairs, W) of their step."""
    size = pool.shape[-1]
    sizes = (size, size, size, 1, env.noise_size)
    draws = streams.normal("states", 1, pairs, sum(sizes))
    base, coin, way, length, noise = draws[:, 0].split(sizes, -1)
    met = _picked(pool, streams, pairs)
    scale = pool.std(1, keepdim=True) + 1e-3
    # Half of them are states of the rollouts themselves, half lie beside one.
    beside = coin[..., :1] > 0
    one = met + scale * base * beside
    share = torch.special.ndtr(length)
    exponent = share * 8 - 6
    far = 10**exponent
    norm = way.norm(dim=-1, keepdim=True)
    step = scale * way * far / norm
    two = neighbour(env, one, step)
    return one, two, noise


def _picked(pool: torch.Tensor, streams: Streams, pairs: int) -> torch.Tensor:
    """States (R, pairs, X) drawn from a pool (R, n, X)."""
    _, states, size = pool.shape
    pick = streams.integers("pick", states, pairs)
    column = pick[..., None]
    rows = column.expand(-1, -1, size)
    return pool.gather(1, rows)


def measurable(separation: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Whether separations (R, E) of states are long enough to measure the map and not its rounding.

    Each operation on states of size |s| rounds by 1e-16 |s|, and a step has several.
    """
    size_of_one = one.abs().amax(-1)
    size_of_two = two.abs().amax(-1)
    sizes = size_of_one + size_of_two
    least = 1e-7 * (1 + sizes)
    return separation > least


def neighbour(env: Env, state: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """States (R, E, X) moved by `step` in the coordinates on which the dial acts; the context stays.

    A coordinate belongs to the context when moving it alone makes no distance.
    """
    moved = state.clone()
    for i in range(state.shape[-1]):
        trial = state.clone()
        trial[..., i] += step[..., i]
        distance = env.distance(state, trial)
        apart = distance > 0
        if apart.any():
            moved[..., i] = trial[..., i]
    return moved


def random_actions(env: Env, streams: Streams, pairs: int) -> torch.Tensor:
    """Actions (R, E, U) all over the action space."""
    size = action_size(env)
    draws = streams.uniform("actions", 1, pairs, size)
    return _spread_over(env, draws[:, 0], unbounded=1e3)


def assert_lipschitz(env: Env, pairs: int = 1_000_000, expert: Any = None) -> None:
    """Try to refute an environment's certificate: its attaining pair, random pairs, and gradient ascent.

    The closed loop's constant, where one is stated, by random pairs under the expert.

    Args:
        env: the environment, R runs.
        pairs: how many random pairs for each run.
        expert: whose closed loop is meant; the scripted one unless given, see `resolve.expert`.

    Raises:
        AssertionError: with the pair's stretch, when the certificate does not hold.
    """
    refutations = [*attained(env, env.certificate())]
    for stretch in (many_pairs(env, pairs), steepest(env)):
        refutations += exceeded(env, stretch)
    refutations += loop_exceeded(env, expert, pairs)
    if refutations:
        raise AssertionError("; ".join(refutations))


def loop_exceeded(env: Env, expert: Any, pairs: int) -> Iterator[str]:
    """What refutes the constant of the closed loop: pairs that a step under the expert stretches by more.

    Args:
        env: the environment, R runs.
        expert: whose loop is meant; the scripted one where None.
        pairs: how many random pairs for each run.
    """
    claimed = env.certificate().closed_loop
    if claimed is None:
        return
    who = resolve.expert(env, expert)
    stretches = _loop_stretch(env, who, pairs)
    ratios: list[float] = stretches.tolist()
    for run, value in enumerate(claimed):
        ratio = ratios[run]
        limit = value * (1 + 1e-7) + ROUNDING
        if ratio > limit:
            yield f"certificate: under the expert a pair of run {run} is stretched by {ratio:.9g}, more than {value:.9g}"


ROUNDING = 1e-7
"""What rounding makes of a closed loop that leaves nothing of a deviation."""


@few_threads
@torch.no_grad()
def _loop_stretch(env: Env, expert: Expert, pairs: int, block: int = 20_000) -> torch.Tensor:
    """The largest ratio of distances after and before a step under the expert (R,), where it is off its bounds."""
    streams = Streams(env.seeds, env.device)
    pool = _met(env, expert, streams)
    largest = torch.zeros(env.runs, dtype=torch.float64)
    whole = pairs // block
    blocks = max(1, whole)
    each = min(pairs, block)
    for i in range(blocks):
        draws = streams.fork("loop", i)
        stretch = _loop_stretches(env, expert, pool, draws, each)
        longest = stretch.amax(1)
        largest = torch.maximum(largest, longest.cpu())
    return largest


def _loop_stretches(
    env: Env, expert: Expert, pool: torch.Tensor, streams: Streams, pairs: int
) -> torch.Tensor:
    """Ratios of distances after and before a step under the expert (R, pairs); 0 on its bounds, or where none is measured.

    Arguments as in `_stretches`.
    """
    one, two, noise = _random_pairs(env, pool, streams, pairs)
    end_one, free_one = _led(env, expert, one, noise)
    end_two, free_two = _led(env, expert, two, noise)
    starts = (one, two)
    ends = (end_one, end_two)
    stretch, clear = _measured(env, starts, ends)
    counts = clear & free_one & free_two
    return stretch.masked_fill(~counts, 0.0)


def _met(env: Env, expert: Expert, streams: Streams) -> torch.Tensor:
    """The states (R, n, X) of rollouts under random actions and under the expert."""
    drive = by_expert(env, expert)
    random = explore(env)
    own = rollout(env, drive, streams, EPISODES)
    states = torch.cat((random.state, own.state), 2)
    return states.flatten(1, 2)


def _led(env: Env, expert: Expert, state: torch.Tensor, noise: torch.Tensor) -> Pair:
    """Where an expert leads from states (R, E, X), and whether its actions are off the bounds of a Box, (R, E) bool."""
    action = ask(env, expert, state)
    end = env.transition(state, action, noise)
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        first = end[..., 0]
        return end, torch.ones_like(first, dtype=torch.bool)
    low = _bound(env, space.low, math.inf)
    high = _bound(env, space.high, math.inf)
    above = action > low
    below = action < high
    inside = above & below
    return end, inside.all(-1)


def many_pairs(env: Env, pairs: int, block: int = 20_000) -> torch.Tensor:
    """`largest_stretch` of many pairs, in blocks that fit into the cache."""
    whole = pairs // block
    blocks = max(1, whole)
    each = min(pairs, block)
    return largest_stretch(env, each, blocks)


@few_threads
def steepest(env: Env, starts: int = 100, steps: int = 50) -> torch.Tensor:
    """The largest stretch of a small step that gradient ascent finds (R,), zero where there is no gradient."""
    state = _starts(env, starts)
    runs, pairs, _ = state.shape
    noise = no_noise(env, state)
    streams = Streams(env.seeds)
    action = random_actions(env, streams, pairs)
    way = _ways(state)
    largest = torch.zeros(runs, dtype=torch.float64)
    for _ in range(steps):
        state = state.detach().requires_grad_()
        way = way.detach().requires_grad_()
        other = neighbour(env, state, 1e-4 * way)
        before = env.distance(state, other)
        end = env.transition(state, action, noise)
        other_end = env.transition(other, action, noise)
        stretch = env.distance(end, other_end) / before
        clear = measurable(before, state, other)
        counted = torch.where(clear, stretch, 0.0).detach()
        longest = counted.nan_to_num(0.0).amax(1)
        largest = torch.maximum(largest, longest)
        if not stretch.requires_grad:
            return largest
        state, way = _uphill(stretch, state, way)
    return largest


def _starts(env: Env, starts: int) -> torch.Tensor:
    """States (R, n, X) all along random rollouts, about as many as wanted and not more."""
    pool = _explored(env)
    states = pool.shape[1]
    every = max(1, states // starts)
    spread = pool[:, ::every]
    return spread[:, :starts].clone()


def _ways(state: torch.Tensor) -> torch.Tensor:
    """Directions at random, one at each state (R, n, X)."""
    generator = torch.Generator()
    generator.manual_seed(0)
    return torch.randn(state.shape, generator=generator, dtype=torch.float64)


def _uphill(stretch: torch.Tensor, state: torch.Tensor, way: torch.Tensor) -> Pair:
    """States and directions a step further up the gradient of their stretch, directions of length one."""
    whole = stretch.sum()
    slope, turn = torch.autograd.grad(whole, (state, way), allow_unused=True)
    state = _moved(state, slope)
    way = _moved(way, turn)
    norm = way.norm(dim=-1, keepdim=True)
    length = norm.clamp_min(1e-9)
    return state, way / length


def _moved(place: torch.Tensor, slope: torch.Tensor | None) -> torch.Tensor:
    """A place a step up its slope, where it has one."""
    if slope is None:
        return place
    return place + 0.1 * slope.nan_to_num(0.0)

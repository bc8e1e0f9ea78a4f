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


def _step(env: Env, state: torch.Tensor, chosen: tuple[float, ...]) -> torch.Tensor:
    """The next states (R, E, X) under one action for all and no noise."""
    each = state.shape[:2]
    size = action_size(env)
    same = torch.tensor(chosen, dtype=torch.float64)
    action = same.expand(*each, size)
    noise = no_noise(env, state)
    return env.transition(state, action, noise)


def no_noise(env: Env, state: torch.Tensor) -> torch.Tensor:
    """Zeros (R, E, W) beside states (R, E, X)."""
    each = state.shape[:2]
    return torch.zeros(*each, env.noise_size, dtype=torch.float64)


def attained(env: Env, certificate: Certificate) -> Iterator[str]:
    """What refutes the claim that a pair attains L."""
    if certificate.kind != "exact":
        return
    if certificate.pair is None:
        yield "certificate: says exact without a pair that attains it; give one, or say upper"
        return
    one, two = certificate.pair
    end_one = _step(env, one, certificate.action)
    end_two = _step(env, two, certificate.action)
    stretch = env.distance(end_one, end_two) / env.distance(one, two)
    for run, value in enumerate(certificate.value):
        ratio = float(stretch[run, 0])
        if not ratio >= value * (1 - 1e-9):
            yield f"certificate: the attaining pair of run {run} is stretched by {ratio:.12g}, not by L = {value:.12g}"


def exceeded(env: Env, stretch: torch.Tensor) -> Iterator[str]:
    """What refutes the certificate in the largest stretches (R,) that were found."""
    claimed = env.certificate().value
    for run, value in enumerate(claimed):
        ratio = float(stretch[run])
        if ratio > value * (1 + 1e-7):
            yield f"certificate: a pair of run {run} is stretched by {ratio:.9g}, more than L = {value:.9g}"


@few_threads
def largest_stretch(env: Env, pairs: int, rounds: int = 1) -> torch.Tensor:
    """The largest ratio of distances after and before a step (R,), over random pairs with the same action and noise.

    States lie around those of random rollouts; partners at log-uniform separations from 1e-6 to 100 times their scale.
    """
    largest = torch.zeros(env.runs, dtype=torch.float64)
    usable = torch.zeros(env.runs, dtype=torch.bool)
    pool = explore(env).state.flatten(1, 2)
    streams = Streams(env.seeds, env.device)
    for i in range(rounds):
        draws = streams.fork("pairs", i)
        stretch, clear = _stretches(env, pool, draws, pairs)
        longest = stretch.amax(1).cpu()
        largest = torch.maximum(largest, longest)
        usable |= clear.any(1).cpu()
    everywhere = bool(usable.all())
    require(everywhere, "transition: no random pair came out finite; nothing can be certified so")
    return largest


def _stretches(
    env: Env, pool: torch.Tensor, streams: Streams, pairs: int
) -> tuple[torch.Tensor, torch.Tensor]:
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
    return _measured(env, (one, two), (end_one, end_two))


Pair: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"
"""Two arrays of the same runs and episodes, such as two states (R, E, X)."""


def _measured(env: Env, starts: Pair, ends: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """Ratios (R, E) of the distances of ends and starts, and which of them are measured and not rounding."""
    before = env.distance(*starts)
    after = env.distance(*ends)
    clear = measurable(before, *starts) & torch.isfinite(after)
    nothing = torch.zeros_like(before)
    stretch = torch.where(clear, after / before, nothing)
    return stretch, clear


def _random_pairs(
    env: Env, pool: torch.Tensor, streams: Streams, pairs: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs of states (R, pairs, X) each, and the noise (R, pairs, W) of their step."""
    _, states, size = pool.shape
    sizes = (size, size, size, 1, env.noise_size)
    draw = streams.normal("states", 1, pairs, sum(sizes))[:, 0]
    base, coin, way, length, noise = draw.split(sizes, -1)
    pick = streams.integers("pick", states, pairs)
    rows = pick[..., None].expand(-1, -1, size)
    met = pool.gather(1, rows)
    scale = pool.std(1, keepdim=True) + 1e-3
    # Half of them are states of the rollouts themselves, half lie beside one.
    beside = coin[..., :1] > 0
    one = met + scale * base * beside
    share = torch.special.ndtr(length)
    far = 10 ** (share * 8 - 6)
    step = scale * way * far / way.norm(dim=-1, keepdim=True)
    two = neighbour(env, one, step)
    return one, two, noise


def measurable(separation: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Whether separations (R, E) of states are long enough to measure the map and not its rounding.

    Each operation on states of size |s| rounds by 1e-16 |s|, and a step has several.
    """
    size_of_one = one.abs().amax(-1)
    size_of_two = two.abs().amax(-1)
    sizes = size_of_one + size_of_two
    return separation > 1e-7 * (1 + sizes)


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
    for run, value in enumerate(claimed):
        ratio = float(stretches[run])
        if ratio > value * (1 + 1e-7) + ROUNDING:
            yield f"certificate: under the expert a pair of run {run} is stretched by {ratio:.9g}, more than {value:.9g}"


ROUNDING = 1e-7
"""What rounding makes of a closed loop that leaves nothing of a deviation."""


@few_threads
@torch.no_grad()
def _loop_stretch(env: Env, expert: Expert, pairs: int, block: int = 20_000) -> torch.Tensor:
    """The largest ratio of distances after and before a step under the expert (R,), where it is off its bounds."""
    streams = Streams(env.seeds, env.device)
    drive = by_expert(env, expert)
    own = rollout(env, drive, streams, EPISODES)
    states = torch.cat((explore(env).state, own.state), 2)
    pool = states.flatten(1, 2)
    largest = torch.zeros(env.runs, dtype=torch.float64)
    blocks = max(1, pairs // block)
    each = min(pairs, block)
    for i in range(blocks):
        draws = streams.fork("loop", i)
        one, two, noise = _random_pairs(env, pool, draws, each)
        end_one, free_one = _led(env, expert, one, noise)
        end_two, free_two = _led(env, expert, two, noise)
        stretch, clear = _measured(env, (one, two), (end_one, end_two))
        counts = clear & free_one & free_two
        longest = stretch.masked_fill(~counts, 0.0).amax(1)
        largest = torch.maximum(largest, longest.cpu())
    return largest


def _led(env: Env, expert: Expert, state: torch.Tensor, noise: torch.Tensor) -> Pair:
    """Where an expert leads from states (R, E, X), and whether its actions are off the bounds of a Box, (R, E) bool."""
    action = ask(env, expert, state)
    end = env.transition(state, action, noise)
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return end, torch.ones_like(end[..., 0], dtype=torch.bool)
    low = _bound(env, space.low, math.inf)
    high = _bound(env, space.high, math.inf)
    above = action > low
    below = action < high
    inside = above & below
    return end, inside.all(-1)


def many_pairs(env: Env, pairs: int, block: int = 20_000) -> torch.Tensor:
    """`largest_stretch` of many pairs, in blocks that fit into the cache."""
    blocks = max(1, pairs // block)
    each = min(pairs, block)
    return largest_stretch(env, each, blocks)


@few_threads
def steepest(env: Env, starts: int = 100, steps: int = 50) -> torch.Tensor:
    """The largest stretch of a small step that gradient ascent finds (R,), zero where there is no gradient."""
    state = _starts(env, starts)
    runs, pairs, _ = state.shape
    noise = no_noise(env, state)
    action = random_actions(env, Streams(env.seeds), pairs)
    generator = torch.Generator().manual_seed(0)
    way = torch.randn(state.shape, generator=generator, dtype=torch.float64)
    largest = torch.zeros(runs, dtype=torch.float64)
    for _ in range(steps):
        state = state.detach().requires_grad_()
        way = way.detach().requires_grad_()
        other = neighbour(env, state, 1e-4 * way)
        before = env.distance(state, other)
        end = env.transition(state, action, noise)
        other_end = env.transition(other, action, noise)
        stretch = env.distance(end, other_end) / before
        clear = torch.where(measurable(before, state, other), stretch, 0.0)
        longest = clear.detach().nan_to_num(0.0).amax(1)
        largest = torch.maximum(largest, longest)
        if not stretch.requires_grad:
            return largest
        state, way = _uphill(stretch, state, way)
    return largest


def _starts(env: Env, starts: int) -> torch.Tensor:
    """States (R, n, X) all along random rollouts, about as many as wanted and not more."""
    pool = explore(env).state.flatten(1, 2)
    every = max(1, pool.shape[1] // starts)
    spread = pool[:, ::every]
    return spread[:, :starts].clone()


def _uphill(
    stretch: torch.Tensor, state: torch.Tensor, way: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """States and directions a step further up the gradient of their stretch, directions of length one."""
    slopes = torch.autograd.grad(stretch.sum(), (state, way), allow_unused=True)
    state = _moved(state, slopes[0])
    way = _moved(way, slopes[1])
    length = way.norm(dim=-1, keepdim=True)
    return state, way / length.clamp_min(1e-9)


def _moved(place: torch.Tensor, slope: torch.Tensor | None) -> torch.Tensor:
    """A place a step up its slope, where it has one."""
    if slope is None:
        return place
    return place + 0.1 * slope.nan_to_num(0.0)

"""Trying to refute a certificate: the pair that should attain L, random pairs that should not exceed it, an ascent.

Only the pair proves anything (L is reached); the searches are lower bounds that have not come out above L.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from ..core.env import Certificate, Env
from ..core.rollout import Rollout, action_size, rollout
from ..core.settings import require
from ..core.streams import Streams

EPISODES = 3
"""Rollouts whose states the searches begin from."""


def random_drive(env: Env) -> Any:
    """A driver that acts at random, from the action space alone, the same at every call."""
    draws = Streams(env.seeds, env.device).uniform(
        "actions", EPISODES, env.horizon, action_size(env)
    )
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return lambda step, state, memory: ((draws[:, :, step] * int(space.n)).floor(), memory)
    bounds = (np.clip(b.ravel(), -1, 1) for b in (space.low, space.high))
    low, high = (torch.as_tensor(b, device=env.device).double() for b in bounds)
    return lambda step, state, memory: (low + (high - low) * draws[:, :, step], memory)


def explore(env: Env) -> Rollout:
    """A few rollouts under random actions, the same at every call."""
    return rollout(env, random_drive(env), Streams(env.seeds, env.device), EPISODES)


def _step(env: Env, state: torch.Tensor, chosen: tuple[float, ...]) -> torch.Tensor:
    shape = state.shape[:2]
    action = torch.tensor(chosen, dtype=torch.float64).expand(*shape, action_size(env))
    return env.transition(state, action, torch.zeros(*shape, env.noise_size, dtype=torch.float64))


def attained(env: Env, certificate: Certificate) -> Iterator[str]:
    """What refutes the claim that a pair attains L."""
    if certificate.kind != "exact":
        return
    if certificate.pair is None:
        yield "certificate: says exact without a pair that attains it; give one, or say upper"
        return
    one, two = certificate.pair
    stretch = env.distance(*(_step(env, s, certificate.action) for s in (one, two))) / env.distance(
        one, two
    )
    for run, (ratio, value) in enumerate(
        zip(stretch[:, 0].tolist(), certificate.value, strict=True)
    ):
        if not ratio >= value * (1 - 1e-9):
            yield f"certificate: the attaining pair of run {run} is stretched by {ratio:.12g}, not by L = {value:.12g}"


def exceeded(env: Env, stretch: torch.Tensor) -> Iterator[str]:
    """What refutes the certificate in the largest stretches (R,) that were found."""
    for run, (ratio, value) in enumerate(
        zip(stretch.tolist(), env.certificate().value, strict=True)
    ):
        if ratio > value * (1 + 1e-7):
            yield f"certificate: a pair of run {run} is stretched by {ratio:.9g}, more than L = {value:.9g}"


def largest_stretch(env: Env, pairs: int, rounds: int = 1) -> torch.Tensor:
    """The largest ratio of distances after and before a step (R,), over random pairs with the same action and noise.

    States lie around those of random rollouts; partners at log-uniform separations from 1e-6 to 100 times their scale.
    """
    streams, largest = Streams(env.seeds, env.device), torch.zeros(env.runs, dtype=torch.float64)
    usable = torch.zeros(env.runs, dtype=torch.bool)
    seen = explore(env).state
    runs, size = env.runs, seen.shape[-1]
    pool = seen.reshape(runs, -1, size)
    scale = pool.std(1, keepdim=True) + 1e-3
    for i in range(rounds):
        draw = streams.fork("pairs", i).normal("states", 1, pairs, 3 * size + 1 + env.noise_size)[
            :, 0
        ]
        base, other, way, length, noise = draw.split((size, size, size, 1, env.noise_size), -1)
        pick = streams.fork("pairs", i).integers("pick", pool.shape[1], pairs)
        one = pool.gather(1, pick[..., None].expand(-1, -1, size)) + scale * base * (
            other[..., :1] > 0
        )
        far = 10 ** (torch.special.ndtr(length) * 8 - 6)
        two = neighbour(env, one, scale * way * far / way.norm(dim=-1, keepdim=True))
        action = random_actions(env, streams.fork("pairs", i), pairs)
        before = env.distance(one, two)
        after = env.distance(env.transition(one, action, noise), env.transition(two, action, noise))
        clear = measurable(before, one, two) & torch.isfinite(after)
        stretch = torch.where(clear, after / before, torch.zeros_like(before))
        largest = torch.maximum(largest, stretch.amax(1).cpu())
        usable |= clear.any(1).cpu()
    require(
        bool(usable.all()),
        "transition: no random pair came out finite; nothing can be certified so",
    )
    return largest


def measurable(separation: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Whether separations (R, E) of states are long enough to measure the map and not its rounding.

    Each operation on states of size |s| rounds by 1e-16 |s|, and a step has several.
    """
    return separation > 1e-7 * (1 + one.abs().amax(-1) + two.abs().amax(-1))


def neighbour(env: Env, state: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """States (R, E, X) moved by `step` in the coordinates on which the dial acts; the context stays.

    A coordinate belongs to the context when moving it alone makes no distance.
    """
    moved = state.clone()
    for i in range(state.shape[-1]):
        trial = state.clone()
        trial[..., i] += step[..., i]
        if (env.distance(state, trial) > 0).any():
            moved[..., i] = trial[..., i]
    return moved


def random_actions(env: Env, streams: Streams, pairs: int) -> torch.Tensor:
    """Actions (R, E, U) all over the action space."""
    draw = streams.uniform("actions", 1, pairs, action_size(env))[:, 0]
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return (draw * int(space.n)).floor()
    bounds = (
        np.clip(b.ravel(), -1e3, 1e3) for b in (space.low, space.high)
    )  # an unbounded Box has no uniform draw
    low, high = (torch.as_tensor(b, device=env.device).double() for b in bounds)
    return low + (high - low) * draw


def assert_lipschitz(env: Env, pairs: int = 1_000_000) -> None:
    """Try to refute an environment's certificate: its attaining pair, random pairs, and gradient ascent.

    Args:
        env: the environment, R runs.
        pairs: how many random pairs for each run.

    Raises:
        AssertionError: with the pair's stretch, when the certificate does not hold.
    """
    found = [*attained(env, env.certificate())]
    for stretch in (many_pairs(env, pairs), steepest(env)):
        found += exceeded(env, stretch)
    if found:
        raise AssertionError("; ".join(found))


def many_pairs(env: Env, pairs: int, block: int = 20_000) -> torch.Tensor:
    """`largest_stretch` of many pairs, in blocks that fit into the cache."""
    return largest_stretch(env, min(pairs, block), max(1, pairs // block))


def steepest(env: Env, starts: int = 100, steps: int = 50) -> torch.Tensor:
    """The largest stretch of a small step that gradient ascent finds (R,), zero where there is no gradient."""
    pool = explore(env).state.flatten(1, 2)
    state = pool[:, :: max(1, pool.shape[1] // starts)][:, :starts].clone()
    shape = state.shape[:2]
    noise = torch.zeros(*shape, env.noise_size, dtype=torch.float64)
    action = random_actions(env, Streams(env.seeds), shape[1])
    way = torch.randn(state.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    largest = torch.zeros(env.runs, dtype=torch.float64)
    for _ in range(steps):
        state, way = state.detach().requires_grad_(), way.detach().requires_grad_()
        other = neighbour(env, state, 1e-4 * way)
        before = env.distance(state, other)
        stretch = (
            env.distance(env.transition(state, action, noise), env.transition(other, action, noise))
            / before
        )
        found = torch.where(measurable(before, state, other), stretch, 0.0).detach().nan_to_num(0.0)
        largest = torch.maximum(largest, found.amax(1))
        if not stretch.requires_grad:
            return largest
        up = torch.autograd.grad(stretch.sum(), (state, way), allow_unused=True)
        state, way = (
            v if g is None else v + 0.1 * g.nan_to_num(0.0)
            for v, g in zip((state, way), up, strict=True)
        )
        way = way / way.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return largest

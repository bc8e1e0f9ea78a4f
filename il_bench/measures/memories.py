"""Memories: what a recurrent network remembers of a text, and what becomes of a small or a large deviation of that.

Four answers to one question stand side by side, for none stands for another: a certificate from the weights, which holds
everywhere; the slopes that are met along a text; the growth that their product comes to; and how far memories are in fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from ..core.env import Env
from ..core.policy import Policy
from ..core.rollout import Rollout, view
from ..core.tokens import TokenEnv
from .probes import TINY, Unanswerable

Step: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"
"""The next memory (R, n, H) of a memory (R, n, H)."""

POINTS = 64
"""Places of a run's texts at which slopes are taken."""


def reading(env: Env, policy: Policy, path: Rollout) -> torch.Tensor:
    """What a policy remembers after each prefix of somebody's texts, (R, E, T, H), float64.

    Raises:
        Unanswerable: for a policy whose memory is not so many numbers of the same kind at every step.
    """
    memory: Any = None
    kept = []
    with torch.no_grad():
        for state in path.lived.unbind(2):
            _, memory = policy.act(view(env, policy, state), memory)
            _require_numbers(memory)
            kept.append(memory)
    if len({one.shape for one in kept}) > 1:
        raise Unanswerable("needs a memory of the same size at every step")
    return torch.stack(kept, 2).double()


def _require_numbers(memory: Any) -> None:
    """Refuse what is no vector of numbers for each episode."""
    is_tensor = isinstance(memory, torch.Tensor) and memory.is_floating_point()
    if not is_tensor or memory.dim() != 3:
        raise Unanswerable("needs a policy that remembers a vector, as net gru does")


@dataclass(frozen=True)
class Deviation:
    """How far what is remembered of one's own text is from what is remembered of the expert's, by twins.

    Attributes:
        equal: mean distance (R,) over the ceiling, where both prefixes are the same to the oracle though they differ;
            NaN of runs in which that never happens.
        different: likewise where they are not.
        last: at the last step.
        ceiling: mean distance (R,) of memories of two unrelated texts of the expert.
    """

    equal: torch.Tensor
    different: torch.Tensor
    last: torch.Tensor
    ceiling: torch.Tensor


def deviation(env: Env, policy: Policy, own: Rollout, lead: Rollout) -> Deviation:
    """See `Deviation`; a good model *should* remember something else where the oracle's state differs.

    Raises:
        Unanswerable: as in `reading`.
    """
    ours = reading(env, policy, own)
    theirs = reading(env, policy, lead)
    ceiling = _unrelated(theirs)
    parts = _parts(ours, theirs, ceiling)
    differs = (own.lived != lead.lived).any(-1)
    count = differs.cumsum(-1)
    later = count > 0
    same = _same_to_the_oracle(env, own.lived, lead.lived)
    return Deviation(
        equal=_mean(parts, later & same),
        different=_mean(parts, later & ~same),
        last=parts[..., -1].mean(1),
        ceiling=ceiling,
    )


def kept(env: Env, policy: Policy, lead: Rollout, other: Rollout) -> torch.Tensor:
    """How far what is remembered of two texts is apart over the ceiling at each step, mean over texts (R, T).

    Raises:
        Unanswerable: as in `reading`.
    """
    theirs = reading(env, policy, lead)
    ours = reading(env, policy, other)
    parts = _parts(ours, theirs, _unrelated(theirs))
    return parts.mean(1)


def _unrelated(memory: torch.Tensor) -> torch.Tensor:
    """The mean distance (R,) of what is remembered (R, E, T, H) of two unrelated texts."""
    others = memory.roll(1, 1)
    apart = (memory - others).norm(dim=-1)
    return apart.mean((1, 2))


def _parts(ours: torch.Tensor, theirs: torch.Tensor, ceiling: torch.Tensor) -> torch.Tensor:
    """Distances (R, E, T) of what is remembered (R, E, T, H), over a ceiling (R,)."""
    apart = (ours - theirs).norm(dim=-1)
    whole = ceiling.clamp_min(TINY)
    return apart / whole[:, None, None]


def _same_to_the_oracle(env: Env, state: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Whether prefixes (R, E, T, X) are one to the oracle, (R, E, T) bool."""
    if isinstance(env, TokenEnv):
        return env.alike(state, other)
    shape = state.shape[1:3]
    flat = state.flatten(1, 2)
    twin = other.flatten(1, 2)
    same = env.distance(flat, twin) == 0
    return same.unflatten(1, shape)


def _mean(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """The mean (R,) of values (R, E, T) where they are counted; NaN where none is."""
    taken = torch.where(counted, values, 0.0)
    count = counted.sum((1, 2))
    total = taken.sum((1, 2))
    return total / count


def slopes(step: Step, memory: torch.Tensor) -> torch.Tensor:
    """Jacobians (R, n, H, H) of a map of memories (R, n, H), each episode's apart, by autograd."""
    start = memory.detach().requires_grad_()
    end = step(start)
    rows = []
    for unit in end.unbind(-1):
        (row,) = torch.autograd.grad(unit.sum(), start, retain_graph=True)
        rows.append(row)
    return torch.stack(rows, -2)


def stretches(step: Step, memory: torch.Tensor) -> torch.Tensor:
    """By how much a map of memories (R, n, H) stretches the deviation that it stretches most, (R, n)."""
    norms: torch.Tensor = torch.linalg.matrix_norm(slopes(step, memory), ord=2)
    return norms


def met(env: Env, policy: Policy, path: Rollout) -> torch.Tensor:
    """The stretch of what is remembered, in a step, at places all along somebody's texts, (R, n).

    Raises:
        Unanswerable: as in `reading`.
    """
    memory = reading(env, policy, path)
    before = some(memory[:, :, :-1])
    seen = some(path.lived[:, :, 1:])
    sight = view(env, policy, seen)

    def step(kept: torch.Tensor) -> torch.Tensor:
        after: torch.Tensor = policy.act(sight, kept)[1]
        return after

    return stretches(step, before)


def some(along: torch.Tensor) -> torch.Tensor:
    """About `POINTS` evenly chosen places (R, n, ...) of all that texts (R, E, T, ...) have."""
    flat = along.flatten(1, 2)
    every = max(1, flat.shape[1] // POINTS)
    return flat[:, ::every]


def lyapunov(env: Env, policy: Policy, path: Rollout) -> torch.Tensor:
    """Growth a step (R,) of an infinitesimal deviation of what is remembered, along somebody's texts, see `loops.lyapunov`.

    Raises:
        Unanswerable: as in `reading`.
    """
    steps = _carried(env, policy, path)
    stretch = torch.stack(list(steps), -1)
    logarithm = stretch.clamp_min(TINY).log()
    growth = logarithm.mean((1, 2))
    return growth.exp()


def _carried(env: Env, policy: Policy, path: Rollout) -> Iterator[torch.Tensor]:
    """The stretch (R, E), step by step, of a direction that is carried back from the last one.

    What a product of slopes comes to is the same from either end, and a step back is a single gradient.
    """
    memory = reading(env, policy, path)
    *before, last = memory.unbind(2)
    _, *seen = path.lived.unbind(2)
    even = torch.ones_like(last)
    way = even / even.norm(dim=-1, keepdim=True)
    steps = list(zip(before, seen, strict=True))
    for kept, state in reversed(steps):
        start = kept.detach().requires_grad_()
        _, end = policy.act(view(env, policy, state), start)
        along = (end * way).sum()
        (moved,) = torch.autograd.grad(along, start)
        length = moved.norm(dim=-1)
        yield length
        way = moved / length[..., None].clamp_min(TINY)

"""Conditionals: by which chances somebody acts, beside an expert's, on the expert's prefixes and on one's own.

Sums over all actions, in float64, and none over drawn ones: what an error of the chances costs a step is then exact on
every prefix, and prefixes alone are a sample. Both kinds of prefix go through the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from ..core.chance import chances_of
from ..core.env import Env, Expert, StochasticExpert
from ..core.policy import Policy, StochasticPolicy
from ..core.rollout import Rollout, view
from ..core.tokens import TokenEnv

Ask: TypeAlias = Callable[[torch.Tensor, Any], tuple[torch.Tensor, Any]]
"""(state (R, E, X), memory) -> (chances (R, E, A), memory)."""

SMOOTH = 1e-3
"""Share of a uniform distribution in a smoothed expert, where the environment names none."""


class Apart(NamedTuple):
    """How somebody's chances stand to the expert's, (R, E) of a step or (R, E, T) of all.

    Attributes:
        kl: KL(expert, own), nats.
        reverse: KL(own, expert smoothed), nats.
        nll: what the expert's next action costs under one's own chances on average, nats.
        cost: what one's own next action costs under the expert's, smoothed, on average, nats.
        outside: one's own chance of actions that the expert never takes there.
        bytes: of one's own next action on average, where actions stand for some.
        its_bytes: of the expert's.
    """

    kl: torch.Tensor
    reverse: torch.Tensor
    nll: torch.Tensor
    cost: torch.Tensor
    outside: torch.Tensor
    bytes: torch.Tensor
    its_bytes: torch.Tensor


def oracle_of(env: Env, expert: Expert) -> StochasticExpert | None:
    """Who tells the chances by which an expert acts, where all act by chance by nature; None elsewhere."""
    return chances_of(expert) if env.by_chance else None


def telling(env: Env, who: Policy | Expert) -> Ask | None:
    """How somebody is asked for its chances; None where it does not tell them."""
    if isinstance(who, Expert):
        oracle = chances_of(who)
        if oracle is None:
            return None
        return lambda state, memory: (oracle.distribution(state), memory)
    if isinstance(who, StochasticPolicy):
        policy: Any = who
        return lambda state, memory: policy.distribution(view(env, policy, state), memory)
    return None


def compared(
    env: Env, oracle: StochasticExpert, who: Policy | Expert, own: Rollout, lead: Rollout
) -> dict[str, np.ndarray]:
    """The arrays of `schema.CHANCES`: on somebody's own prefixes, and on those of the expert's rollout `lead`."""
    ask = telling(env, who)
    on = along(env, oracle, ask, own)
    off = along(env, oracle, ask, lead)
    arrays = {
        "kl_off": off.kl,
        "kl_on": on.kl,
        "reverse_kl_off": off.reverse,
        "reverse_kl_on": on.reverse,
        "nll_off": off.nll,
        "nll_on": on.cost,
        "outside_off": off.outside,
        "outside_on": on.outside,
    }
    if isinstance(env, TokenEnv):
        arrays["off_path"] = _off_path(env, own)
    if _bytes(env):
        arrays |= {"bytes_off": off.its_bytes, "bytes_on": on.bytes}
    return {name: array.cpu().numpy() for name, array in arrays.items()}


@torch.no_grad()
def along(env: Env, oracle: StochasticExpert, ask: Ask | None, seen: Rollout) -> Apart:
    """What is asked for step by step along a rollout, (R, E, T); zero after an episode's end, NaN of who tells nothing."""
    alive = seen.alive
    if ask is None:
        unknown = torch.full_like(seen.reward, torch.nan)
        return Apart(*[unknown] * len(Apart._fields))
    smooth = getattr(env, "smooth", SMOOTH)
    sizes = _bytes(env)
    memory = None
    steps = []
    for state in seen.lived.unbind(2):
        own, memory = ask(state, memory)
        its = oracle.distribution(state)
        step = apart(its.double(), own.double(), smooth, sizes)
        steps.append(step)
    columns = zip(*steps, strict=True)
    whole = [torch.stack(column, 2) for column in columns]
    lived = [array.masked_fill(~alive, 0.0) for array in whole]
    return Apart(*lived)


def apart(
    its: torch.Tensor, own: torch.Tensor, smooth: float, sizes: tuple[float, ...] = ()
) -> Apart:
    """One's own chances (R, E, A) beside the expert's (R, E, A), of actions of `sizes` (A,) bytes; see `Apart`."""
    actions = its.shape[-1]
    exact = (1 - smooth) * its
    smoothed = exact + smooth / actions
    nll = _cost(its, own)
    cost = _cost(own, smoothed)
    kl = nll - _cost(its, its)
    reverse = cost - _cost(own, own)
    never = its == 0
    outside = own * never
    # Where the two are equal a difference may round below zero.
    costs = kl.clamp_min(0), reverse.clamp_min(0), nll, cost
    return Apart(*costs, outside.sum(-1), _mean(own, sizes), _mean(its, sizes))


def _mean(drawn: torch.Tensor, sizes: tuple[float, ...]) -> torch.Tensor:
    """The mean size (R, E) of actions that are drawn by chances (R, E, A); zero where they have none."""
    if not sizes:
        return torch.zeros_like(drawn[..., 0])
    # A product of matrices would be rounded by how many runs there are.
    each = drawn * drawn.new_tensor(sizes)
    return each.sum(-1)


def _bytes(env: Env) -> tuple[float, ...]:
    """What each action of an environment stands for, (A,) bytes; empty where they stand for none."""
    return env.symbol_bytes if isinstance(env, TokenEnv) else ()


def _cost(drawn: torch.Tensor, under: torch.Tensor) -> torch.Tensor:
    """What actions that are drawn by chances (R, E, A) cost under others on average, nats (R, E)."""
    each = torch.xlogy(drawn, under)
    return -each.sum(-1)


def _off_path(env: TokenEnv, seen: Rollout) -> torch.Tensor:
    """Whether each prefix of a rollout is off the path, (R, E, T+1) bool."""
    states = seen.state
    runs, episodes, moments, _ = states.shape
    off = env.off_path(states.flatten(1, 2))
    return off.reshape(runs, episodes, moments)

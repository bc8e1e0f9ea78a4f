"""Tables: an environment of finitely many states as numbers, and what each action earns in each of them, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..core.env import FiniteEnv
from ..core.policy import Policy
from ..core.rollout import ended, observe
from ..core.settings import require


@dataclass(frozen=True)
class Tables:
    """What A actions do in S states of R runs; chance has N outcomes in a step.

    Attributes:
        horizon: steps in an episode, T.
        state: (R, S, X).
        following: (R, S, A, N) number of the next state; S where the episode ends.
        chance: (R, N) of each outcome.
        reward: (R, S, A) on average.
    """

    horizon: int
    state: torch.Tensor
    following: torch.Tensor
    chance: torch.Tensor
    reward: torch.Tensor

    def numbers(self, state: torch.Tensor) -> torch.Tensor:
        """The number (R, M) of each state (R, M, X)."""
        return _numbers(self.state, state)

    def worth(self, action: torch.Tensor) -> torch.Tensor:
        """Q (R, T, S, A): what each action earns to the horizon, where after it somebody acts by `action` (R, T, S)."""
        runs, states = self.state.shape[:2]
        over = self.reward.new_zeros(runs, 1)
        later = self.reward.new_zeros(runs, states + 1)
        tables = []
        for chosen in reversed(action.unbind(1)):
            table = self.reward + self._mean(later)
            tables.append(table)
            now = table.gather(2, chosen[..., None])
            later = torch.cat((now[..., 0], over), 1)
        tables.reverse()
        return torch.stack(tables, 1)

    def _mean(self, value: torch.Tensor) -> torch.Tensor:
        """The mean (R, S, A) of a value (R, S + 1) of the next state."""
        run = torch.arange(len(value), device=value.device)
        each = value[run[:, None, None, None], self.following]
        return _mean(each, self.chance)


def tables(env: FiniteEnv) -> Tables:
    """An environment's tables, from its own transition and reward.

    Raises:
        ValueError: where a state leads to one that is not among all of them.
    """
    known = env.all_states()
    noise, chance = env.all_noise()
    space: Any = env.action_space
    actions = torch.arange(int(space.n), dtype=known.dtype, device=known.device)
    shape = known.shape[1], len(actions), noise.shape[1]
    before = _everywhere(known[:, :, None, None], shape)
    disturbance = _everywhere(noise[:, None, None], shape)
    in_each_run = actions.expand(env.runs, -1)
    action = _everywhere(in_each_run[:, None, :, None, None], shape)
    after = env.transition(before, action, disturbance)
    over = ended(env, after)
    lasting = torch.where(over[..., None], before, after)
    following = _numbers(known, lasting).masked_fill(over, len(known[0]))
    reward = env.reward(before, action, after).unflatten(1, shape)
    places = following.unflatten(1, shape)
    return Tables(env.horizon, known, places, chance, _mean(reward, chance))


def _mean(each: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """The mean (R, S, A) of outcomes (R, S, A, N); one after the other, so that no number depends on how many runs are."""
    mean = torch.zeros_like(each[..., 0])
    for outcome, share in zip(each.unbind(-1), chance.unbind(-1), strict=True):
        mean = mean + share[:, None, None] * outcome
    return mean


def _everywhere(part: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """States, actions or noise (R, S or 1, A or 1, N or 1, n), one for each of all (R, S A N, n)."""
    whole = part.expand(-1, *shape, -1)
    return whole.flatten(1, 3)


def _numbers(known: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Which of the states (R, S, X) others (R, M, X) are, run by run."""
    places = []
    for own, others in zip(known, states, strict=True):
        same = (others[:, None] == own).all(-1)
        lacking = ~same.any(1)
        if lacking.any():
            first = others[lacking][0].tolist()
            raise ValueError(
                f"all_states: expected every state, and {first} is none of them; list it"
            )
        places.append(same.int().argmax(1))
    return torch.stack(places)


def choices(env: FiniteEnv, policy: Policy, states: torch.Tensor) -> torch.Tensor:
    """A policy's actions (R, T, S) in states (R, S, X), at every step.

    Raises:
        ValueError: for a policy that remembers more than how many steps it has made.
    """
    obs = observe(env, states)
    memory: Any = None
    actions = []
    with torch.no_grad():
        for _ in range(env.horizon):
            action, memory = policy.act(obs, memory)
            actions.append(action[..., 0].long())
            if memory is None:
                break
            alike = bool((memory == memory[:, :1]).all())
            wanted = "expected a policy whose memory is the number of its steps"
            require(alike, f"costs exact: {wanted}, got {policy}; use --costs rollouts")
    return torch.stack(actions, 1).expand(-1, env.horizon, -1)

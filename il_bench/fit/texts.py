"""Texts as tables: every prefix as an oracle and a policy see it, and what each symbol earns after it, exactly."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch

from ..core.automaton import Automaton
from ..core.chance import chances_of
from ..core.env import Env, Expert
from ..core.ids import place, places, vocabulary
from ..core.policy import Policy, StochasticPolicy
from ..core.rollout import ask, observe
from ..core.settings import require
from ..core.tokens import TokenEnv

MOST = 1 << 27
"""Numbers that tables of all runs may hold: a gigabyte."""


@dataclass(frozen=True)
class Prefixes:
    """Where a prefix can stand: S pairs of a node and of the last symbols, which are what is observed.

    Attributes:
        env: the language, R runs.
        state: (R, S, X) of each.
        automaton: its nodes are the S.
        reward: (A, S, V) of writing a symbol.
    """

    env: TokenEnv
    state: torch.Tensor
    automaton: Automaton
    reward: torch.Tensor

    def numbers(self, state: torch.Tensor) -> torch.Tensor:
        """The number (R, M) of states (R, M, X)."""
        sizes = vocabulary(self.env.observation_space)
        node = state[..., 0].long()
        symbols = self.env.observation(state)
        return node * places(sizes) + place(symbols, sizes)

    def worth(self, chances: torch.Tensor) -> torch.Tensor:
        """Q (R, T, S, V): what each symbol earns to the horizon, where somebody goes on by chances (R, S, V) or (R, T, S, V)."""
        env = self.env
        slip: Any = env.per_run(env.slip, 3)
        return self.automaton.worth(chances, self.reward, env.horizon, slip)


def prefixes(env: TokenEnv) -> Prefixes:
    """All of a language's.

    Raises:
        ValueError: where its oracle is no automaton, or where they are too many.
    """
    oracle = env.automaton
    if not isinstance(oracle, Automaton):
        name = type(env).__name__
        wanted = "expected a language that is an automaton"
        raise ValueError(f"costs exact: {wanted}, got {name}; use --costs rollouts")
    automaton = oracle.on(torch.device(env.device))
    sizes = vocabulary(env.observation_space)
    count = automaton.nodes * places(sizes)
    numbers = env.runs * env.horizon * count * automaton.symbols
    fits = numbers <= MOST
    wanted = f"costs exact: expected at most {MOST} numbers in tables"
    require(fits, f"{wanted}, got {numbers}; use --costs rollouts, fewer runs or a smaller context")
    state = _states(env, automaton.nodes, sizes)
    return Prefixes(env, state, _product(automaton, sizes), _rewards(env, state))


def _states(env: TokenEnv, nodes: int, sizes: tuple[int, ...]) -> torch.Tensor:
    """Every pair of a node and of last symbols, (R, S, X); none has just left the language."""
    ranges = map(range, sizes)
    # The last number counts fastest, as in the numbers of places.
    every = list(itertools.product(*ranges))
    symbols = torch.tensor(every, dtype=torch.float64)
    numbers = torch.arange(nodes, dtype=torch.float64)
    node = numbers.repeat_interleave(len(symbols))
    zero = torch.zeros_like(node)
    place = torch.stack((node, zero), 1)
    last = symbols.repeat(nodes, 1)
    rows = torch.cat((place, last), 1)
    return rows.to(env.device).expand(env.runs, -1, -1)


def _product(automaton: Automaton, sizes: tuple[int, ...]) -> Automaton:
    """The automaton whose nodes are pairs of a node and of the last symbols."""
    pairs = places(sizes)
    nodes = automaton.nodes
    device = automaton.following.device
    others = pairs // sizes[0]
    newest = others * torch.arange(automaton.symbols, device=device)
    older = torch.arange(pairs, device=device) // sizes[-1]
    last = newest + older[:, None]
    following = automaton.following.repeat_interleave(pairs, -2)
    first = pairs * following
    both = first + last.repeat(nodes, 1)
    chances = automaton.chances.repeat_interleave(pairs, -2)
    nothing = pairs - 1
    start = automaton.start.new_zeros(nodes * pairs)
    start[nothing::pairs] = automaton.start
    return Automaton(chances, both, start)


def _rewards(env: TokenEnv, state: torch.Tensor) -> torch.Tensor:
    """What each symbol earns (R, S, V) where prefixes stand (R, S, X)."""
    symbols = env.automaton.symbols
    before = state.repeat_interleave(symbols, 1)
    after = before.clone()
    number = torch.arange(symbols, dtype=state.dtype, device=state.device)
    newest = after.shape[2] - env.context
    places = state.shape[1]
    after[..., newest] = number.repeat(places)
    reward: torch.Tensor = env.reward(before, None, after)
    return reward.unflatten(1, (-1, symbols))


def chances_in(env: Env, expert: Expert, states: torch.Tensor) -> torch.Tensor:
    """An expert's chances (R, S, A) in states (R, S, X); of one that acts without chance they are 0 and 1."""
    who = chances_of(expert)
    if who is not None:
        return who.distribution(states)
    action = ask(env, expert, states).long()
    space: Any = env.action_space
    chances = torch.zeros(
        *states.shape[:2], int(space.n), dtype=torch.float64, device=states.device
    )
    return chances.scatter(-1, action, 1.0)


def chances_along(env: Env, policy: Policy, states: torch.Tensor) -> torch.Tensor:
    """A policy's chances (R, T, S, A) in states (R, S, X), at every step.

    Raises:
        ValueError: for a policy that remembers more than how many steps it has made.
    """
    wanted = "costs exact: expected a policy that tells its chances and whose memory is the number of its steps"
    sentence = f"{wanted}, got {policy}; use --net table or --costs rollouts"
    if not isinstance(policy, StochasticPolicy):
        raise ValueError(sentence)
    obs = observe(env, states)
    memory: Any = None
    chances = []
    with torch.no_grad():
        for _ in range(env.horizon):
            now, memory = policy.distribution(obs, memory)
            chances.append(now)
            if memory is None:
                break
            require(bool((memory == memory[:, :1]).all()), sentence)
    return torch.stack(chances, 1).expand(-1, env.horizon, -1, -1)

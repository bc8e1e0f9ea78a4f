"""Continuations: how somebody goes on writing, and how sure of it he may be: after a symbol that was swapped, on his own text."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from ..core.chance import PURPOSE
from ..core.env import Env, StochasticExpert
from ..core.policy import Policy, choose
from ..core.rollout import Rollout
from ..core.settings import require
from ..core.streams import Streams
from ..records.conditionals import Ask, apart, telling
from .probes import TINY, Unanswerable, noise_of, require_pure

BINS = 10
"""Of confidences, equally wide."""

NOTHING = 1e-6
"""Nats below which a swapped symbol has confused nobody."""


def asking(env: Env, policy: Policy) -> Ask:
    """How a policy is asked for its chances.

    Raises:
        Unanswerable: where it does not tell them.
    """
    ask = telling(env, policy)
    if ask is None:
        raise Unanswerable("needs a policy that tells its chances")
    return ask


@dataclass(frozen=True)
class Swap:
    """How far one's chances are from the expert's while one goes on writing after a swapped symbol.

    Attributes:
        kl: (R, n) nats at lag 1, 2, ... after it, mean over texts.
        calm: (R, n) the same without a swap.
    """

    kl: torch.Tensor
    calm: torch.Tensor

    def half_life(self) -> torch.Tensor:
        """The first lag (R,) at which at most half of what the swap added at lag 1 is left; inf where that never is.

        NaN where it added nothing.
        """
        more = self.kl - self.calm
        first = more[:, :1]
        forgotten = more <= first / 2
        lag = forgotten.int().argmax(1) + 1.0
        ever = forgotten.any(1)
        known = first[:, 0] > NOTHING
        lags = torch.where(ever, lag.double(), torch.inf)
        return lags.masked_fill(~known, torch.nan)


def swap(
    env: Env, oracle: StochasticExpert, policy: Policy, lead: Rollout, streams: Streams, at: int
) -> Swap:
    """Let a policy go on with texts of its expert, of which the symbol of step `at` was swapped for another.

    Args:
        env: one that can be put into a state.
        oracle: the expert, who tells his chances.
        policy: who goes on, and tells them, too.
        lead: the expert's texts.
        streams: of the texts; the same chance and slips follow as in these, but that the swapped symbol does not slip.
        at: the step, before the last.

    Raises:
        Unanswerable: where it cannot be asked.
        ValueError: for a step outside the texts.
    """
    require_pure(env)
    state = swapped(env, lead, streams, at)
    writer = _Writer(env, oracle, policy, streams)
    return writer.beside(lead, state, at)


def unseen_start(
    env: Env, oracle: StochasticExpert, policy: Policy, lead: Rollout, streams: Streams
) -> Swap:
    """Let a policy go on from a first symbol with which its expert never begins; arguments as of `swap`.

    Where the expert may begin with any symbol, from another one than it began with.
    """
    require_pure(env)
    state = unseen_state(env, oracle, lead, streams)
    writer = _Writer(env, oracle, policy, streams)
    return writer.beside(lead, state, 0)


def unseen_state(
    env: Env, oracle: StochasticExpert, lead: Rollout, streams: Streams
) -> torch.Tensor:
    """The prefixes (R, E, X) of one symbol, with which the expert never begins, or begins no text of `lead`, see `unseen_start`."""
    _require_within(env, 0)
    first = lead.state[:, :, 0]
    never = oracle.distribution(first) == 0
    other = torch.ones_like(never).scatter(-1, lead.action[:, :, 0].long(), value=False)
    strange = never.any(-1, keepdim=True)
    possible = torch.where(strange, never, other)
    draw = streams.fork("swap").uniform("start", first.shape[1], 1)
    symbol = choose(possible.double(), draw[..., 0].to(first.device))
    return _written(env, first, symbol.double())


def swapped(env: Env, lead: Rollout, streams: Streams, at: int) -> torch.Tensor:
    """The prefixes (R, E, X) of texts after the symbol of step `at` was swapped for another, which does not slip."""
    _require_within(env, at)
    taken = lead.action[:, :, at]
    other = _another(env, taken, streams)
    return _written(env, lead.state[:, :, at], other)


def _require_within(env: Env, at: int) -> None:
    """Refuse a step after which nothing is written."""
    last = env.horizon - 2
    require(0 <= at <= last, f"at: expected a step from 0 to {last}, got {at}; swap within")


def _written(env: Env, before: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
    """The prefixes (R, E, X) after symbols (R, E, 1) that do not slip."""
    runs, episodes, _ = before.shape
    shape = (runs, episodes, env.noise_size)
    calm = torch.zeros(shape, dtype=torch.float64, device=before.device)
    following: torch.Tensor = env.transition(before, symbol, calm)
    return following


def rewritten(env: Env, lead: Rollout, streams: Streams, at: int) -> Rollout:
    """Somebody's texts with the symbol of step `at` swapped for another, and all others as they were."""
    require_pure(env)
    episodes = lead.state.shape[1]
    noise = noise_of(env, streams, episodes)
    actions = lead.action.unbind(2)
    state = swapped(env, lead, streams, at)
    states = [*lead.state.unbind(2)[: at + 1], state]
    for t in range(at + 1, env.horizon):
        state = env.transition(state, actions[t], noise[t])
        states.append(state)
    path = torch.stack(states, 2)
    return dataclasses.replace(lead, state=path)


def _another(env: Env, action: torch.Tensor, streams: Streams) -> torch.Tensor:
    """Another action (R, E, 1) than those that were taken, each alike."""
    space: Any = env.action_space
    actions = int(space.n)
    episodes = action.shape[1]
    own = streams.fork("swap")
    drawn = own.uniform("which", episodes, 1).to(action.device)
    others = actions - 1
    place = (others * drawn).floor()
    further = action + place + 1
    return further % actions


class _Writer:
    """Somebody who writes by chance, and is compared with an oracle at each step."""

    def __init__(self, env: Env, oracle: StochasticExpert, policy: Policy, streams: Streams):
        self._env, self._oracle, self._streams = env, oracle, streams
        self._ask = asking(env, policy)

    def beside(self, lead: Rollout, state: torch.Tensor, at: int) -> Swap:
        """How it goes on with texts after step `at`, from prefixes (R, E, X) in the stead of theirs, and from theirs."""
        memory = self.memory_of(lead, at)
        later = at + 1
        kl = self.goes_on(state, memory, later)
        same = self.goes_on(lead.state[:, :, later], memory, later)
        return Swap(kl, same)

    def memory_of(self, path: Rollout, at: int) -> Any:
        """What is remembered of the prefix of step `at`."""
        memory = None
        with torch.no_grad():
            for state in path.state[:, :, : at + 1].unbind(2):
                _, memory = self._ask(state, memory)
        return memory

    @torch.no_grad()
    def goes_on(self, state: torch.Tensor, memory: Any, first: int) -> torch.Tensor:
        """KL(expert, own) at each step from `first` on, (R, n), from states (R, E, X) in which it stands."""
        episodes = state.shape[1]
        draws = self._streams.uniform(PURPOSE, episodes, self._env.horizon)
        noise = noise_of(self._env, self._streams, episodes)
        steps = []
        for t in range(first, self._env.horizon):
            own, memory = self._ask(state, memory)
            its = self._oracle.distribution(state)
            away = apart(its.double(), own.double(), TINY)
            mean = away.kl.mean(1)
            steps.append(mean)
            draw = draws[..., t]
            action = choose(own, draw).double()
            state = self._env.transition(state, action, noise[t])
        return torch.stack(steps, 1)


@torch.no_grad()
def miscalibration(
    env: Env, oracle: StochasticExpert, policy: Policy, path: Rollout
) -> torch.Tensor:
    """Expected calibration error (R,) of the likeliest symbol on somebody's prefixes, from the second on.

    Mean distance, over bins of confidence, between the chance that a policy gives to what it holds for likeliest and
    the chance by which the expert writes that; the latter is known and not counted.

    Raises:
        Unanswerable: where the policy does not tell its chances.
    """
    ask = asking(env, policy)
    memory = None
    beliefs = []
    truths = []
    for state in path.lived.unbind(2):
        own, memory = ask(state, memory)
        its = oracle.distribution(state)
        belief, likeliest = own.max(-1, keepdim=True)
        truth = its.gather(-1, likeliest)
        beliefs.append(belief)
        truths.append(truth)
    later = slice(1, None)
    believed = torch.cat(beliefs[later], -1).flatten(1)
    true = torch.cat(truths[later], -1).flatten(1)
    return _between(believed.double(), true.double())


def _between(belief: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Distance (R,) of beliefs (R, n) from truths (R, n), bin by bin of the former."""
    runs, count = belief.shape
    last = BINS - 1
    number = (belief * BINS).long()
    place = number.clamp_max(last)
    nothing = belief.new_zeros(runs, BINS)
    surplus = nothing.scatter_add(1, place, belief - truth)
    total = surplus.abs().sum(1)
    return total / count

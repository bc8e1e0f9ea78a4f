"""Rollouts: the only place where policies meet environments.

A driver decides each step's action; three are here: the expert, a policy, and a mixture of both. Two rollouts of the
same environment under the same streams are twins: same start, same noise, so that whatever parts them is the driver.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from gymnasium import spaces

from .env import Env, Expert, RecurrentExpert
from .policy import Log, Policy
from .settings import as_tuple
from .streams import Streams
from .threads import few_threads

Driver: TypeAlias = "Callable[[int, torch.Tensor, Any], tuple[torch.Tensor, Any]]"
"""(step, state (R, E, X), memory) -> (action (R, E, U), memory)."""


@dataclass(frozen=True)
class Rollout:
    """What happened: R runs of E episodes.

    Attributes:
        state: (R, E, T+1, X); a finished episode stays in its last state.
        action: (R, E, T, U) as the driver gave them, float64.
        reward: (R, E, T); zero once an episode is finished.
        length: (R, E) steps lived, at most T.
        terminated: (R, E) bool, the environment ended the episode.
        broke: (R, E) the step whose action or next state was not finite, -1 where all were; such an episode is frozen
            in its last finite state.
    """

    state: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    length: torch.Tensor
    terminated: torch.Tensor
    broke: torch.Tensor

    @property
    def alive(self) -> torch.Tensor:
        """(R, E, T) bool: the step was taken by a living episode."""
        return (
            torch.arange(self.action.shape[2], device=self.length.device) < self.length[..., None]
        )

    @property
    def returns(self) -> torch.Tensor:
        """Undiscounted return of each episode (R, E)."""
        return self.reward.sum(-1)


def observe(env: Env, state: torch.Tensor) -> torch.Tensor:
    """Observations (R, E, O) as networks receive them, float32."""
    return env.observation(state).to(torch.float32)


def by_expert(env: Env, expert: Expert) -> Driver:
    """The expert drives."""
    size = action_size(env)  # asked once: a space that is a property is built anew each time
    return lambda step, state, memory: ask_on(env, expert, state, memory, size)


def by_policy(
    env: Env, policy: Policy, streams: Streams | None = None, episodes: int = 0
) -> Driver:
    """A policy drives: deterministic without `streams`, by chance with them."""
    draws = None if streams is None else streams.uniform("policy", episodes, env.horizon)

    def drive(step: int, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        return policy.act(observe(env, state), memory, None if draws is None else draws[..., step])

    return drive


def by_mixture(
    env: Env,
    expert: Expert,
    policy: Policy,
    beta: torch.Tensor,
    streams: Streams,
    episodes: int,
    average: bool = False,
) -> Driver:
    """Expert with chance `beta` (R, 1), policy otherwise, chosen anew at each step; or their average.

    Ross, Gordon & Bagnell (2011) mean the choice by beta * expert + (1 - beta) * policy; many codes average instead.
    """
    coin, size = streams.uniform("beta", episodes, env.horizon), action_size(env)
    heads, weight = (coin < beta[..., None])[..., None].unbind(2), beta[..., None]

    def drive(step: int, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        own_memory, its_memory = memory or (None, None)
        own, own_memory = policy.act(observe(env, state), own_memory)
        label, its_memory = ask_on(env, expert, state, its_memory, size)
        memory = own_memory, its_memory
        if not average:
            return torch.where(heads[step], label, own), memory
        mixed = torch.where(
            weight == 1, label, torch.where(weight == 0, own, weight * label + (1 - weight) * own)
        )
        return mixed, memory

    return drive


def ask(env: Env, expert: Expert, state: torch.Tensor, size: int = 0) -> torch.Tensor:
    """The expert's actions (R, E, U) in states (R, E, X), float64, with their shape checked; `size` is U, if known."""
    return _labels(env, expert.act(state), state, size)


def _labels(env: Env, label: Any, state: torch.Tensor, size: int) -> torch.Tensor:
    """What an expert answered in states (R, E, X), as (R, E, U) float64."""
    label = torch.as_tensor(label, device=state.device)
    _check_shape("expert's actions", label, (*state.shape[:2], size or action_size(env)))
    return label.to(torch.float64)


def ask_on(
    env: Env, expert: Expert, state: torch.Tensor, memory: Any, size: int = 0
) -> tuple[torch.Tensor, Any]:
    """The same along episodes, of an expert that may have a memory: its actions, and what it remembers."""
    if not isinstance(expert, RecurrentExpert):
        return ask(env, expert, state, size), memory
    label, memory = expert.go_on(state, memory)
    return _labels(env, label, state, size), memory


def action_size(env: Env) -> int:
    """Numbers in one action, U; a Discrete action is one integer."""
    return 1 if isinstance(env.action_space, spaces.Discrete) else math.prod(env.action_space.shape)


def _check_shape(what: str, array: torch.Tensor, shape: tuple[int, ...]) -> None:
    if tuple(array.shape) != shape:
        letters = ", ".join(f"{letter}={n}" for letter, n in zip("REU", shape, strict=True))
        raise ValueError(
            f"{what}: expected ({letters}), got {tuple(array.shape)}; return one action for each state"
        )


def _driven(
    drive: Driver, step: int, state: torch.Tensor, memory: Any, size: int
) -> tuple[torch.Tensor, Any]:
    """A driver's actions (R, E, U), float64, with their shape checked; what it refuses names the step."""
    try:
        action, memory = drive(step, state, memory)
        _check_shape("actions", action, (*state.shape[:2], size))
    except ValueError as error:
        raise ValueError(f"step {step}: {error}") from error
    return action.to(torch.float64), memory


@few_threads
def rollout(env: Env, drive: Driver, streams: Streams, episodes: int) -> Rollout:
    """Roll out E episodes of every run.

    Args:
        env: the environment, R runs.
        drive: who decides the actions.
        streams: start and noise; the same streams make twins.
        episodes: episodes of each run, E.

    Raises:
        ValueError: with the step, when the driver's actions have the wrong shape.
    """
    if env.in_turn and len(streams.seeds) * episodes > 1:
        return _in_turn(env, drive, streams, episodes)
    with torch.no_grad():
        state = env.initial(streams, episodes)
        noise = (
            streams.normal("noise", episodes, env.horizon, env.noise_size)
            .to(state.device)
            .unbind(2)
        )
        size, over, memory = action_size(env), env.terminal(state), None
        broke = torch.full(state.shape[:2], -1, device=state.device)
        length = torch.zeros(state.shape[:2], dtype=torch.long, device=state.device)
        states, actions, rewards = [state], [], []
        for step in range(env.horizon):
            action, memory = _driven(drive, step, state, memory, size)
            proposed = env.transition(state, action, noise[step])
            reward = env.reward(state, action, proposed)
            # A sum is finite only if its terms are: most steps have nothing to freeze, and this look costs a third of
            # the freezing. A GPU is not made to wait for the answer.
            if over.is_cuda or over.any() or not math.isfinite(proposed.sum() + action.sum()):
                bad = ~(proposed.isfinite().all(-1) & action.isfinite().all(-1)) & ~over
                broke[bad] = step
                over = over | bad
                proposed = torch.where(over[..., None], state, proposed)
                reward = torch.where(over, torch.zeros_like(reward), reward)
            states.append(proposed)
            actions.append(action)
            rewards.append(reward)
            length += ~over
            state = proposed
            over = over | env.terminal(state)
        terminated = env.terminal(state)
    stacked = torch.stack(states, 2), torch.stack(actions, 2), torch.stack(rewards, 2)
    return Rollout(*stacked, length=length, terminated=terminated, broke=broke)


def _in_turn(env: Env, drive: Driver, streams: Streams, episodes: int) -> Rollout:
    """One episode after the other, where only one can be under way; the driver is asked as if all of them were."""
    runs = len(streams.seeds)

    def one(run: int, episode: int) -> Rollout:
        def alone(step: int, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
            everywhere = state.expand(runs, episodes, -1)
            action, memory = drive(step, everywhere, memory)
            return action[run : run + 1, episode : episode + 1], memory

        first = as_tuple(streams.first)
        number = int(first[run % len(first)]) + episode
        return rollout(env, alone, streams.of([run]).from_episode(number), 1)

    rows = [[one(run, episode) for episode in range(episodes)] for run in range(runs)]
    return Rollout(*(_side_by_side(rows, f.name) for f in dataclasses.fields(Rollout)))


def _side_by_side(rows: list[list[Rollout]], name: str) -> torch.Tensor:
    """A part of rollouts of one episode each, as (R, E, ...)."""
    return torch.cat([torch.cat([getattr(one, name) for one in row], 1) for row in rows])


def roll_in(env: Env, drive: Driver, streams: Streams, episodes: int, log: Log) -> Rollout:
    """A rollout whose steps, returns and early ends are counted in the learner's budget."""
    seen = rollout(env, drive, streams, episodes)
    log.steps = log.steps + seen.length.sum(1)
    log.episodes += episodes
    log.collected = log.collected + seen.reward.sum((1, 2))
    log.falls = log.falls + seen.terminated.sum(1)
    return seen


def first_steps(seen: Rollout, wanted: torch.Tensor) -> Rollout:
    """A rollout of which each run's first `wanted` (R,) steps are kept, episode after episode; the rest is over."""
    before = seen.length.cumsum(1) - seen.length
    return dataclasses.replace(
        seen, length=(wanted[:, None] - before).clamp_min(0).minimum(seen.length)
    )


def label(env: Env, expert: Expert, seen: Rollout, log: Log) -> torch.Tensor:
    """The expert's actions (R, E, T, U) in the states of a rollout, counted; a frozen state is not asked about.

    Raises:
        ValueError: when the expert returns a number that is not finite where the episode lives.
    """
    labels = flat_ask(env, expert, seen.state[:, :, :-1])
    wrong = (~labels.isfinite().all(-1) & seen.alive).nonzero()
    if len(wrong):
        run, episode, step = wrong[0].tolist()
        raise ValueError(
            f"expert: expected finite actions, got {labels[run, episode, step].tolist()} at run {run}, episode "
            f"{episode}, step {step}; let it answer in every state that a learner can reach"
        )
    count_labels(seen, log)
    return labels


def count_labels(seen: Rollout, log: Log) -> None:
    """Count the labels of a rollout, and keep where its episodes begin; one without a step begins nowhere."""
    log.labels = log.labels + seen.length.sum(1)
    never = seen.length == 0
    first = seen.state[:, :, 0]
    log.starts.append(first.masked_fill(never[..., None], torch.nan))


@few_threads
def flat_ask(env: Env, expert: Expert, state: torch.Tensor) -> torch.Tensor:
    """The expert's actions (R, E, T, U) in states (R, E, T, X), uncounted: in one call, or step by step by memory."""
    runs, episodes, steps, size = state.shape
    with torch.no_grad():
        if isinstance(expert, RecurrentExpert):
            return _ask_along(env, expert, state)
        return ask(env, expert, state.reshape(runs, -1, size)).reshape(runs, episodes, steps, -1)


def _ask_along(env: Env, expert: RecurrentExpert, state: torch.Tensor) -> torch.Tensor:
    """The actions (R, E, T, U) of an expert with a memory in states (R, E, T, X), in the order of time."""
    memory, labels = None, []
    for now in state.unbind(2):
        label, memory = ask_on(env, expert, now, memory)
        labels.append(label)
    return torch.stack(labels, 2)


@few_threads
def replay(env: Env, policy: Policy, seen: Rollout, streams: Streams | None = None) -> torch.Tensor:
    """The policy's actions (R, E, T, U) along somebody else's path: teacher forcing; by chance with `streams`."""
    episodes = seen.action.shape[1]
    drive = by_policy(env, policy, streams, episodes)
    path = seen.state[:, :, :-1].unbind(2)
    memory, actions = None, []
    with torch.no_grad():
        for step, state in enumerate(path):
            action, memory = drive(step, state, memory)
            actions.append(action.to(torch.float64))
    return torch.stack(actions, 2)


def action_error(env: Env, action: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Signed action errors (R, E, T, U) of actions (R, E, T, U); 0 or 1 where actions are Discrete."""
    if isinstance(env.action_space, spaces.Discrete):
        return (action != label).to(torch.float64)
    return action - label

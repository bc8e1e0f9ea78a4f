"""Costs: what each action in a visited state costs to the end of the episode, and a dataset of them.

Who learns from costs picks, in each state, the action that costs least on average. That is a classification with a cost
for every class, and weighted samples make it an ordinary one, exactly (Abe, Zadrozny & Langford 2004): each action
stands as a label of the state, with the weight by which it is better than the worst. What a policy loses of the weights
is then what its actions cost more than the best ones, up to a number that no policy changes. Hence every net that can
classify learns from costs, and in a state in which nothing matters nothing is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import torch

from ..core.env import Env, FiniteEnv
from ..core.policy import Policy
from ..core.rollout import (
    Answer,
    Driver,
    Rollout,
    ask,
    by_expert,
    by_mixture,
    by_policy,
    count_labels,
    observe,
    rest,
    roll_in,
)
from ..core.settings import require
from ..core.streams import Streams
from .course import Course
from .dataset import Dataset
from .tables import choices, tables

Source: TypeAlias = Literal["exact", "rollouts"]
"""How costs are known: by dynamic programming where an environment is a `FiniteEnv`, or by trying each action out."""


@dataclass(frozen=True)
class Visits:
    """Steps of a rollout whose actions are judged, P of each episode.

    Attributes:
        rollout: E episodes of R runs.
        streams: under which they were driven.
        time: (R, E, P) which steps.
        judged: (R, E, P) bool; the others were not lived.
    """

    rollout: Rollout
    streams: Streams
    time: torch.Tensor
    judged: torch.Tensor

    @property
    def state(self) -> torch.Tensor:
        """The states (R, E, P, X)."""
        lived = self.rollout.lived
        places = self.time[..., None].expand(-1, -1, -1, lived.shape[-1])
        return lived.gather(2, places)


@dataclass(frozen=True)
class Follower:
    """Who goes on after the action that is judged.

    Attributes:
        policy: the learner's; None before it has one.
        beta: (R,) chance that the expert goes on instead, to the end of the episode.
    """

    policy: Policy | None
    beta: torch.Tensor


class Judge(Protocol):
    """Who knows what actions are worth."""

    def worth(self, visits: Visits, follower: Follower) -> torch.Tensor:
        """What each action earns from each visit to the end of the episode, (R, E, P, A)."""


def require_discrete(env: Env, name: str) -> None:
    """Refuse actions that cannot all be tried."""
    discrete = hasattr(env.action_space, "n")
    reason = "expected Discrete actions, got Box ones, which cannot all be tried"
    require(discrete, f"{name}: {reason}; use dagger")


def judge(course: Course, source: Source) -> Judge:
    """Who knows what actions are worth in an environment, refused before anything is collected.

    Raises:
        ValueError: for an environment that cannot be put into a state, or an expert with a memory.
    """
    env = course.env
    course.require_forgetful()
    if source == "exact" and isinstance(env, FiniteEnv):
        return Exact(course, env)
    wanted = "expected an environment that can be put into a state"
    require(not env.foreign, f"costs: {wanted}, got {env.foreign}, which only steps on; use dagger")
    return Trial(course)


class Exact:
    """By dynamic programming over all states; the expert is asked about each of them once, and no step is taken."""

    def __init__(self, course: Course, env: FiniteEnv):
        self._env = env
        self._tables = tables(env)
        states = self._tables.state
        own = ask(env, course.expert, states)[..., 0].long()
        course.log.asked = course.log.asked + states.shape[1]
        at_all_times = own[:, None].expand(-1, env.horizon, -1)
        self._of_expert = self._tables.worth(at_all_times)

    def worth(self, visits: Visits, follower: Follower) -> torch.Tensor:
        """See `Judge.worth`."""
        table = self._table(follower)
        states = visits.state
        place = self._tables.numbers(states.flatten(1, 2))
        number = place.unflatten(1, states.shape[1:3])
        run = torch.arange(len(table), device=table.device)
        return table[run[:, None, None], visits.time, number]

    def _table(self, follower: Follower) -> torch.Tensor:
        """Q (R, T, S, A) of the expert with chance beta, else of the policy."""
        if follower.policy is None:
            return self._of_expert
        own = choices(self._env, follower.policy, self._tables.state)
        of_policy = self._tables.worth(own)
        share = follower.beta[:, None, None, None]
        return share * self._of_expert + (1 - share) * of_policy


class Trial:
    """By trying every action out, under the noise that the episode had; each trial's steps are counted.

    Who goes on is drawn once for each visit, and is the same after all its actions: they differ by the action alone.
    """

    def __init__(self, course: Course):
        self._course = course

    def worth(self, visits: Visits, follower: Follower) -> torch.Tensor:
        """See `Judge.worth`."""
        env, log = self._course.env, self._course.log
        space: Any = env.action_space
        count = int(space.n)
        left = (env.horizon - visits.time).masked_fill(~visits.judged, 0)
        action = torch.arange(count, device=left.device).repeat(left[0].numel())
        opening = action.double()[:, None].expand(env.runs, -1, -1)
        start = _for_each(visits.state, count)
        noise = _noise_from(env, visits, count)
        drive, by_the_expert = self._drive(visits, follower, count)
        memory = self._memory(visits, follower, count)
        lasting = _for_each(left[..., None], count)[..., 0]
        total, steps = rest(env, drive, start, lasting, noise, opening, memory)
        log.steps = log.steps + steps.sum(1)
        answers = (steps - 1).clamp_min(0) * by_the_expert
        log.asked = log.asked + answers.sum(1)
        return total.unflatten(1, (*left.shape[1:], count))

    def _drive(self, visits: Visits, follower: Follower, count: int) -> tuple[Driver, torch.Tensor]:
        """Who goes on after each of `count` actions at each visit, and (R, n) whether it is the expert."""
        env, expert = self._course.env, self._course.expert
        _, episodes, visited = visits.time.shape
        draw = visits.streams.uniform("roll-out", episodes, visited)
        coin = (draw < follower.beta[:, None, None]) | (follower.policy is None)
        heads = _for_each(coin[..., None], count)
        its = by_expert(env, expert)
        if follower.policy is None:
            return its, heads[..., 0]
        own = by_policy(env, follower.policy)

        def drive(step: int, state: torch.Tensor, memory: Any) -> Answer:
            chosen, memory = own(step, state, memory)
            label, _ = its(step, state, None)
            return torch.where(heads, label, chosen.to(label.dtype)), memory

        return drive, heads[..., 0]

    def _memory(self, visits: Visits, follower: Follower, count: int) -> Any:
        """What the policy remembers after each visit, of the observations up to it; None where it never remembers."""
        policy = follower.policy
        if policy is None:
            return None
        memory: Any = None
        after = []
        for state in visits.rollout.lived.unbind(2):
            _, memory = policy.act(observe(self._course.env, state), memory)
            if memory is None:
                return None
            after.append(memory)
        whole = torch.stack(after, 2)
        run = torch.arange(len(whole), device=whole.device)
        episode = torch.arange(whole.shape[1], device=whole.device)
        own = whole[run[:, None, None], episode[:, None], visits.time]
        return own.flatten(1, 2).repeat_interleave(count, 1)


def _for_each(part: torch.Tensor, count: int) -> torch.Tensor:
    """Something of each visit (R, E, P, n) for each of its actions, (R, E P A, n)."""
    return part.flatten(1, 2).repeat_interleave(count, 1)


def _noise_from(env: Env, visits: Visits, count: int) -> Iterator[torch.Tensor]:
    """The noise (R, E P A, W) of each step from each visit on; the last step's again, where none is left."""
    runs, episodes, _ = visits.time.shape
    whole = visits.streams.normal("noise", episodes, env.horizon, env.noise_size)
    run = torch.arange(runs, device=whole.device)[:, None, None]
    episode = torch.arange(episodes, device=whole.device)[:, None]
    for step in range(env.horizon):
        place = (visits.time + step).clamp_max(env.horizon - 1)
        yield _for_each(whole[run, episode, place], count)


def drive_in(
    course: Course, policy: Policy | None, chance: torch.Tensor, streams: Streams, episodes: int
) -> Rollout:
    """Episodes that are driven by a policy, and at each step by the expert with a chance (R, 1); by him without a policy.

    His answers are questions, and no labels.
    """
    env, expert, log = course.env, course.expert, course.log
    drive = by_expert(env, expert) if policy is None else by_policy(env, policy)
    asked = policy is None or bool((chance > 0).any())
    if policy is not None and asked:
        drive = by_mixture(env, expert, policy, chance, streams, episodes)
    seen = roll_in(env, drive, streams, episodes, log)
    if asked:
        log.asked = log.asked + seen.questions.sum(1)
    return seen


def visits_of(seen: Rollout, streams: Streams, points: int) -> Visits:
    """All steps of a rollout, or so many of each episode, drawn at random.

    Args:
        seen: E episodes.
        streams: under which they were driven.
        points: how many; 0 takes all.
    """
    alive = seen.alive
    episodes, steps = alive.shape[1:]
    if points == 0:
        time = torch.arange(steps, device=alive.device)
        return Visits(seen, streams, time.expand_as(alive), alive)
    draw = streams.uniform("points", episodes, steps).masked_fill(~alive, torch.inf)
    time = draw.argsort(-1)[..., :points]
    return Visits(seen, streams, time, alive.gather(2, time))


def costs(course: Course, visits: Visits, worth: torch.Tensor) -> Dataset:
    """The samples of visits whose actions are worth (R, E, P, A), counted: a label is what one state's actions cost.

    Of E episodes come E A sequences of T steps, one for each action: a label of weight zero where it is the worst, where
    nobody judged, and where nobody lived.
    """
    env, seen = course.env, visits.rollout
    count_labels(seen, course.log, visits.judged.sum((1, 2)))
    runs, episodes, steps = seen.alive.shape
    better = worth - worth.min(-1, keepdim=True).values
    better = better.masked_fill(~visits.judged[..., None], 0.0)
    actions = better.shape[-1]
    places = visits.time[..., None].expand_as(better)
    weight = better.new_zeros(runs, episodes, steps, actions).scatter(2, places, better)
    obs = observe(env, seen.state[:, :, :-1].flatten(1, 2)).unflatten(1, (episodes, steps))
    shown = obs[:, :, None].expand(-1, -1, actions, -1, -1)
    action = torch.arange(actions, device=obs.device)[:, None, None]
    labels = action.expand(runs, episodes, -1, steps, -1)
    return Dataset(
        obs=shown.flatten(1, 3),
        action=labels.flatten(1, 3),
        weight=weight.transpose(2, 3).flatten(1).float(),
        lengths=(steps,) * (episodes * actions),
    )

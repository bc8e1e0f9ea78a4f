"""Judges: who knows what each action is worth from a state on, by dynamic programming or by trying it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import torch

from ..core.chance import BoundExpert
from ..core.env import FiniteEnv, StochasticExpert
from ..core.policy import Policy
from ..core.rollout import (
    Answer,
    Driver,
    Rollout,
    ask,
    ask_on,
    by_expert,
    by_policy,
    rest,
    view,
)
from ..core.settings import require
from ..core.streams import Streams
from ..core.tokens import TokenEnv
from .course import Course
from .tables import choices, tables
from .texts import chances_along, chances_in, prefixes

Source: TypeAlias = Literal["exact", "rollouts"]
"""How costs are known: by dynamic programming where an environment is a `FiniteEnv` or a language, or by trying actions."""


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
        return _at(self.rollout.lived, self.time)


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


def judge(course: Course, source: Source) -> Judge:
    """Who knows what actions are worth in an environment, refused before anything is collected.

    Raises:
        ValueError: for an environment that cannot be put into a state, or an expert with a memory.
    """
    env = course.env
    course.require_forgetful()
    if source == "exact" and isinstance(env, TokenEnv):
        return ExactText(course, env)
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
        course.log.asked = course.log.asked + states.shape[1]
        own = ask(env, course.expert, states).long()
        always = own[:, None, :, 0].expand(-1, env.horizon, -1)
        self._of_expert = self._tables.worth(always)

    def worth(self, visits: Visits, follower: Follower) -> torch.Tensor:
        """See `Judge.worth`."""
        table = self._table(follower)
        states = visits.state
        places = self._tables.numbers(states.flatten(1, 2))
        number = places.unflatten(1, states.shape[1:3])
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


class ExactText:
    """By dynamic programming over where a text can stand; the expert is asked there once, and no step is taken."""

    def __init__(self, course: Course, env: TokenEnv):
        self._env = env
        self._prefixes = prefixes(env)
        states = self._prefixes.state
        course.log.asked = course.log.asked + states.shape[1]
        its = chances_in(env, course.expert, states)
        self._of_expert = self._prefixes.worth(its)

    def worth(self, visits: Visits, follower: Follower) -> torch.Tensor:
        """See `Judge.worth`."""
        states = visits.state
        places = self._prefixes.numbers(states.flatten(1, 2))
        number = places.unflatten(1, states.shape[1:3])
        table = self._table(follower)
        run = torch.arange(len(table), device=table.device)
        return table[run[:, None, None], visits.time, number]

    def _table(self, follower: Follower) -> torch.Tensor:
        """Q (R, T, S, V) of the expert with chance beta, else of the policy."""
        alone = follower.policy is None or bool((follower.beta == 1).all())
        if follower.policy is None or alone:
            return self._of_expert
        own = chances_along(self._env, follower.policy, self._prefixes.state)
        of_policy = self._prefixes.worth(own)
        share = follower.beta[:, None, None, None]
        return share * self._of_expert + (1 - share) * of_policy


class Trial:
    """By trying every action out, under the noise that the episode had; each trial's steps are counted.

    Who goes on is drawn once for each visit, and is the same after all its actions: they differ by the action alone.
    """

    def __init__(self, course: Course):
        self._course = course
        space: Any = course.env.action_space
        self._actions = int(space.n)

    def worth(self, visits: Visits, follower: Follower) -> torch.Tensor:
        """See `Judge.worth`."""
        env, log = self._course.env, self._course.log
        start = self._for_each(visits.state)
        left = (env.horizon - visits.time).masked_fill(~visits.judged, 0)
        lasting = self._for_each(left[..., None])[..., 0]
        is_expert = self._coin(visits, follower)
        drive = self._drive(visits, follower, is_expert)
        memory = self._memory(visits, follower)
        noise = self._noise(visits)
        total, steps = rest(env, drive, start, lasting, noise, self._openings(start), memory)
        log.steps = log.steps + steps.sum(1)
        answers = (steps - 1).clamp_min(0) * is_expert[..., 0]
        log.asked = log.asked + answers.sum(1)
        return total.unflatten(1, (*left.shape[1:], self._actions))

    def _for_each(self, part: torch.Tensor) -> torch.Tensor:
        """Something of each visit (R, E, P, n) for each of its actions, (R, E P A, n)."""
        visits = part.flatten(1, 2)
        return visits.repeat_interleave(self._actions, 1)

    def _openings(self, start: torch.Tensor) -> torch.Tensor:
        """The action (R, E P A, 1) that is tried in each of the states (R, E P A, X)."""
        runs, trials, _ = start.shape
        actions = torch.arange(self._actions, dtype=torch.float64, device=start.device)
        row = actions.repeat(trials // self._actions)
        return row[:, None].expand(runs, -1, -1)

    def _noise(self, visits: Visits) -> Iterator[torch.Tensor]:
        """The noise (R, E P A, W) of each step from each visit on; the last step's again, where none is left."""
        env = self._course.env
        episodes = visits.time.shape[1]
        whole = visits.streams.normal("noise", episodes, env.horizon, env.noise_size)
        for step in range(env.horizon):
            time = visits.time + step
            place = time.clamp_max(env.horizon - 1)
            yield self._for_each(_at(whole, place))

    def _coin(self, visits: Visits, follower: Follower) -> torch.Tensor:
        """Whether the expert goes on, (R, E P A, 1) bool."""
        episodes, points = visits.time.shape[1:]
        draw = visits.streams.uniform("roll-out", episodes, points)
        heads = draw < follower.beta[:, None, None]
        if follower.policy is None:
            heads = torch.ones_like(heads)
        return self._for_each(heads[..., None])

    def _drive(self, visits: Visits, follower: Follower, is_expert: torch.Tensor) -> Driver:
        """The expert goes on where the coin (R, E P A, 1) says so, the policy elsewhere."""
        env, expert = self._course.env, self._course.expert
        if env.by_chance:
            return self._drive_by_chance(visits, follower, is_expert)
        its = by_expert(env, expert)
        if follower.policy is None:
            return its
        own = by_policy(env, follower.policy)

        def drive(step: int, state: torch.Tensor, memory: Any) -> Answer:
            chosen, memory = own(step, state, memory)
            label, _ = its(step, state, None)
            return torch.where(is_expert, label, chosen.to(label.dtype)), memory

        return drive

    def _drive_by_chance(
        self, visits: Visits, follower: Follower, is_expert: torch.Tensor
    ) -> Driver:
        """The same of two who act by chance, with the same uniform numbers after all actions of a visit."""
        env, policy = self._course.env, follower.policy
        episodes, points = visits.time.shape[1:]
        uniform = visits.streams.uniform("trial", episodes, points, env.horizon)
        draws = self._for_each(uniform)
        expert = self._course.expert
        if isinstance(expert, StochasticExpert):
            expert = BoundExpert(expert, draws)

        def drive(step: int, state: torch.Tensor, memory: Any) -> Answer:
            label, _ = ask_on(env, expert, state, step)
            if policy is None:
                return label, memory
            sight = view(env, policy, state)
            chosen, memory = policy.act(sight, memory, draws[..., step])
            return torch.where(is_expert, label, chosen.to(label.dtype)), memory

        return drive

    def _memory(self, visits: Visits, follower: Follower) -> Any:
        """What the policy remembers after each visit, of the observations up to it; None where it never remembers."""
        if follower.policy is None:
            return None
        memory: Any = None
        after = []
        drive = by_policy(self._course.env, follower.policy)
        for step, state in enumerate(visits.rollout.lived.unbind(2)):
            _, memory = drive(step, state, memory)
            if memory is None:
                return None
            after.append(memory)
        own = _at(torch.stack(after, 2), visits.time)
        return own.flatten(1, 2).repeat_interleave(self._actions, 1)


def _at(whole: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """Of something (R, E, T, ...) what is at the times (R, E, P)."""
    runs, episodes, _ = time.shape
    run = torch.arange(runs, device=whole.device)
    episode = torch.arange(episodes, device=whole.device)
    return whole[run[:, None, None], episode[:, None], time]

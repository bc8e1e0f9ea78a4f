"""SMILe: let a mixture of expert and learners drive, learn the newest part from that drive alone, and mix it in.

Ross & Bagnell (2010): pi_n = pi_{n-1} + alpha (1 - alpha)^(n-1) (new_n - pi_0), where pi_0 is the expert, who thus is
forgotten slowly; at the end its share is removed. Not to be confused with DAgger, which learns each policy from all
rounds' data and drives with that one alone: here old parts, which have seen the fewest states, act for ever. It is a
stochastic policy, and judged as one: at each step a part is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from ..borders import resolve
from ..core.chance import bound
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.rollout import Driver, Witness, by_expert, by_policy
from ..core.settings import Values, as_tuple, require, require_counts
from ..core.streams import Streams
from ..fit.collect import collect, demonstrate
from ..fit.course import Course
from ..fit.dataset import Dataset
from ..fit.fitting import fit
from ..fit.rounds import Last, in_rounds, require_updates, shared
from ..fit.training import Training
from ..nets.mixture import MixturePolicy


@dataclass(frozen=True)
class SMILe:
    """Stochastic mixing: each round adds a policy to a mixture that began as the expert."""

    rounds: int = 8
    """Rounds of collecting and learning, N."""
    episodes: int = 1
    """Episodes collected in each round."""
    alpha: Values = 0.1
    """Share of the expert that each round's policy takes over; after n rounds (1 - alpha)^n of the expert is left."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "rounds", "episodes")
        for alpha in as_tuple(self.alpha):
            wanted = "expected a number above 0, at most 1"
            require(0 < alpha <= 1, f"alpha: {wanted}, got {alpha}; try 0.1")
        require_updates(self.training, self.rounds)

    def shares(self, n: int) -> torch.Tensor:
        """Chances in the mixture after n rounds (A, n + 1), the expert's first; A is 1, or one for each run."""
        alpha = torch.tensor(as_tuple(self.alpha), dtype=torch.float64)[:, None]
        expert = (1 - alpha) ** n
        parts = alpha * (1 - alpha) ** torch.arange(n)
        return torch.cat((expert, parts), 1)

    def updates(self, i: int) -> int:
        """Gradient updates in round i = 0, 1, ...; they add up to `training.updates`."""
        return shared(self.training.updates, [1] * self.rounds, i)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The mixture drives, every visited state is labelled, each round has its own fit."""
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        collect = partial(self._collect, course)
        fit = partial(self._add_part, course)
        *_, policy = in_rounds(course, self.rounds, Last(1), collect, fit)
        return course.log.close(self, policy)

    def _add_part(
        self, course: Course, i: int, before: Policy | None, data: Dataset
    ) -> MixturePolicy:
        """The mixture with one more part, which is fitted to its own round alone."""
        streams = course.streams.fork("fit", i)
        updates = self.updates(i)
        part = fit(data, self.training, course.env, streams, course.log, updates)
        taught = (data.weight > 0).any(1, keepdim=True)
        if isinstance(before, MixturePolicy):
            taught = torch.cat((before.chances > 0, taught), 1)
        return self._learned([*_parts(before), part], taught, course.env)

    def _learned(self, parts: list[Policy], taught: torch.Tensor, env: Env) -> MixturePolicy:
        """The mixture of the learned parts: the expert's share removed, the others scaled up to one.

        A part whose round had no label in a run, as where labels are limited, has learned nothing and acts there never:
        `taught` (R, K) says which have.
        """
        shares = self.shares(len(parts))[:, 1:].to(env.device)
        somebody = taught.any(1, keepdim=True)
        own = torch.where(somebody, shares * taught, shares)
        total = own.sum(1, keepdim=True)
        chances = own / total
        return MixturePolicy(list(parts), chances, by_chance=True, drawn_twice=env.by_chance)

    def _collect(
        self, course: Course, i: int, before: Policy | None, data: Dataset | None
    ) -> Dataset:
        """The labelled states of one round, driven by the expert and the parts so far."""
        env, expert, log = course.env, course.expert, course.log
        streams = course.streams.fork("round", i)
        if before is None:
            return demonstrate(env, expert, streams, self.episodes, log)
        expert = Witness(bound(env, expert, streams, self.episodes))
        drive = self._drive(before, i, env, expert, streams)
        return collect(env, expert, drive, streams, self.episodes, log)

    def _drive(self, learned: Policy, n: int, env: Env, expert: Expert, streams: Streams) -> Driver:
        """Who acts is chosen anew at each step: the expert, or else one of the n parts."""
        left = self.shares(n)[:, :1].to(env.device)
        coin = streams.uniform("beta", self.episodes, env.horizon)
        by_parts = by_policy(env, learned, streams, self.episodes)
        by_the_expert = by_expert(env, expert)

        def drive(step: int, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
            own_memory, its_memory = memory or (None, None)
            own, own_memory = by_parts(step, state, own_memory)
            its, its_memory = by_the_expert(step, state, its_memory)
            expert_acts = coin[..., step] < left
            action = torch.where(expert_acts[..., None], its, own)
            return action, (own_memory, its_memory)

        return drive


def _parts(policy: Policy | None) -> list[Policy]:
    """The parts of a mixture so far."""
    return list(policy.parts) if isinstance(policy, MixturePolicy) else []

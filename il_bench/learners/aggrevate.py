"""AggreVaTe: ask what each action would cost if the expert took over after it, learn to choose the cheapest, and repeat.

Ross & Bagnell (2014), algorithm 1, over all states of an episode or a few drawn at random. Roll-in is DAgger's mixture,
roll-out the expert's. The data are those of all rounds; costs, not labels, are learned from (`fit/costs.py` says how).
Not to be confused with DAgger, to which all errors are one: here an error that is made good at once is almost free, and
what the expert does matters only through what it leads to. It does better than its expert by one step at most: who goes
on after the action is the expert, mistakes included (`lols` has the learner go on).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import Values, as_tuple, require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.costs import costs, drive_in, require_discrete, sample_size
from ..fit.course import Course
from ..fit.dataset import Dataset
from ..fit.judges import Follower, Judge, Source, judge
from ..fit.rounds import All, in_rounds, require_updates, shared, warm
from ..fit.training import Training
from ..stats.theory import beta


@dataclass(frozen=True)
class AggreVaTe:
    """Aggregation of costs-to-go: what each action costs if the expert goes on after it."""

    rounds: int = 8
    """Rounds of collecting and learning, N; the expert drives in the first."""
    episodes: int = 1
    """Episodes collected in each round."""
    p: Values = 0.0
    """The expert drives a step of round i with chance p**(i-1); 0 is the first round alone."""
    points: int = 0
    """States of each episode whose actions are judged, drawn at random; 0 takes all."""
    costs: Source = "exact"
    """By dynamic programming where the environment has finitely many states or is a text, or always by roll-outs."""
    training: Training = field(default_factory=Training)
    """How the costs become a policy."""

    actions: ClassVar[str] = "Discrete"

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_counts(self, "rounds", "episodes")
        require(self.points >= 0, f"points: expected at least 0, got {self.points}; 0 takes all")
        for p in as_tuple(self.p):
            require(0 <= p <= 1, f"p: expected a number from 0 to 1, got {p}")
        require_updates(self.training, self.rounds)

    def updates(self, i: int) -> int:
        """Gradient updates in round i = 0, 1, ...; they add up to `training.updates`."""
        return shared(self.training.updates, [1] * self.rounds, i)

    def require_possible(self, env: Env) -> None:
        """Refuse actions that cannot all be tried."""
        require_discrete(env, "aggrevate")

    def sample_size(self, env: Env, states: int) -> int:
        """Numbers that are held of one label, which is what all actions of a state cost."""
        return sample_size(env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The mixture drives, the actions of visited states are judged, rounds share the updates."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        collect = partial(self._collect, course, judge(course, self.costs))
        fit = warm(course, self.training, self.updates)
        *_, last = in_rounds(course, self.rounds, All(), collect, fit)
        return course.log.close(self, last)

    def _collect(
        self, course: Course, judge: Judge, i: int, policy: Policy | None, data: Dataset | None
    ) -> Dataset:
        """The costs of round i."""
        streams = course.streams.fork("round", i)
        chances = [beta("exponential", i, p) for p in as_tuple(self.p)]
        chance = torch.tensor(chances, dtype=torch.float64, device=course.env.device)
        visits = drive_in(course, policy, chance[:, None], streams, self.episodes, self.points)
        expert = Follower(None, torch.ones_like(chance))
        return costs(course, visits, judge.worth(visits, expert))

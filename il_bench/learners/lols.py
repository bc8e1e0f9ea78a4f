"""LOLS: ask what each action would cost if the learner, or by a coin the expert, went on after it; learn, and repeat.

Chang, Krishnamurthy, Agarwal, Daume & Langford (2015), "Learning to search better than your teacher", algorithm 1. The
learner rolls in (the expert in the first round, when there is no learner yet); the roll-out is a mixture of both, one of
them to the end. With beta = 1 it is AggreVaTe without the expert's driving, and no better than one step from him; with
beta = 0 it is policy iteration, which may not know where to begin; between, it ends where no single action can be
improved, against the expert or against itself: an expert that is wrong is surpassed. Not to be confused with SEARN and
SMILe, which mix policies into the one that acts: here the mixture is in what is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

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
from ..fit.rounds import Aggregate, All, Last, in_rounds, require_updates, shared, warm
from ..fit.training import Training


@dataclass(frozen=True)
class LOLS:
    """Locally optimal learning to search: costs under a mixture of the expert and the learner itself."""

    rounds: int = 8
    """Rounds of collecting and learning, N; the expert drives in the first, the learner in all others."""
    episodes: int = 1
    """Episodes collected in each round."""
    beta: Values = 0.5
    """Chance that the expert, not the learner, goes on to the end of the episode after the action that is judged."""
    points: int = 0
    """States of each episode whose actions are judged, drawn at random; 0 takes all."""
    costs: Source = "exact"
    """By dynamic programming where the environment has finitely many states or is a text, or always by roll-outs."""
    aggregate: Literal["all", "last"] = "all"
    """Learn from all rounds' costs, or from the last round's, which are those of the last policy."""
    training: Training = field(default_factory=Training)
    """How the costs become a policy."""

    actions: ClassVar[str] = "Discrete"
    nets: ClassVar[tuple[str, ...]] = ("table", "table_per_step", "mlp")
    """Those whose policies remember nothing but the step: what they go on with costs what can be computed."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_counts(self, "rounds", "episodes")
        require(self.points >= 0, f"points: expected at least 0, got {self.points}; 0 takes all")
        for chance in as_tuple(self.beta):
            fits = 0 <= chance <= 1
            require(fits, f"beta: expected a chance from 0 to 1, got {chance}; try 0.5")
        require_updates(self.training, self.rounds)

    def updates(self, i: int) -> int:
        """Gradient updates in round i = 0, 1, ...; they add up to `training.updates`."""
        return shared(self.training.updates, [1] * self.rounds, i)

    def require_possible(self, env: Env) -> None:
        """Refuse actions that cannot all be tried."""
        require_discrete(env, "lols")

    def sample_size(self, env: Env, states: int) -> int:
        """Numbers that are held of one label, which is what all actions of a state cost."""
        return sample_size(env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The learner drives, the actions of visited states are judged, rounds share the updates."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        collect = partial(self._collect, course, judge(course, self.costs))
        fit = warm(course, self.training, self.updates)
        aggregate: Aggregate = All() if self.aggregate == "all" else Last(1)
        *_, last = in_rounds(course, self.rounds, aggregate, collect, fit)
        return course.log.close(self, last)

    def _collect(
        self, course: Course, judge: Judge, i: int, policy: Policy | None, data: Dataset | None
    ) -> Dataset:
        """The costs of round i."""
        env = course.env
        streams = course.streams.fork("round", i)
        nobody = torch.zeros(1, 1, dtype=torch.float64, device=env.device)
        visits = drive_in(course, policy, nobody, streams, self.episodes, self.points)
        chance = torch.tensor(as_tuple(self.beta), dtype=torch.float64, device=env.device)
        follower = Follower(policy, chance.expand(env.runs))
        return costs(course, visits, judge.worth(visits, follower))

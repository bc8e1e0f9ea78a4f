"""DAgger: let the learner drive, ask the expert what it would have done there, learn from all of it, and repeat.

Ross, Gordon & Bagnell (2011), algorithm 3.1. Not to be confused with learning from corrections (the expert does not
take over: it labels), nor with averaging actions (beta is the chance, at each step, that the expert acts; `mix average`
offers the other reading).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch

from ..borders import resolve
from ..core.chance import bound
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.rollout import Witness, action_error, by_learner, by_mixture, label, roll_in
from ..core.settings import Values, as_tuple, require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.collect import collect, demonstrate
from ..fit.course import Course
from ..fit.dataset import Dataset
from ..fit.fitting import assemble
from ..fit.rounds import (
    Aggregate,
    All,
    Last,
    in_rounds,
    require_updates,
    scratch,
    shared,
    warm,
)
from ..fit.training import Training
from ..stats.theory import beta


@dataclass(frozen=True)
class DAgger:
    """Dataset aggregation: the expert labels the states that the learner visits."""

    rounds: int = 8
    """Rounds of collecting and learning, N; the first collects with beta_1 = 1, the expert."""
    episodes: int = 1
    """Episodes collected in each round."""
    beta: Literal["indicator", "constant", "linear", "exponential", "sigmoid"] = "indicator"
    """Chance that the expert acts: in round one only, constant p, linear over p rounds, p**(i-1), inverse sigmoid."""
    p: Values = 0.0
    """The schedule's parameter: the constant or the base (0 means 0.5), or rounds to fall (0 means half of them)."""
    mix: Literal["choose", "average"] = "choose"
    """Who acts is chosen at random at each step, or the two actions are averaged (Box actions only)."""
    aggregate: Literal["all", "last", "window"] = "all"
    """Learn from all rounds' data, the last round's, or the last `window` rounds'."""
    window: int = 4
    """Rounds that `aggregate window` keeps."""
    share: Literal["evenly", "by-data"] = "evenly"
    """How the rounds share the updates: evenly, or in proportion to the data, which is the same epochs in each round."""
    start: Literal["warm", "scratch"] = "warm"
    """Each round goes on from the last round's weights, or from new ones."""
    pick: Literal["last", "best"] = "last"
    """Return the last iterate, or the one with the smallest action error on its own rollouts (labels are counted)."""
    validation: int = 4
    """Episodes that `pick best` rolls out for each iterate."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_counts(self, "rounds", "episodes", "window", "validation")
        for p in as_tuple(self.p):
            self._require_parameter(p)
        require_updates(self.training, self.rounds, sum(self._shares()))

    def _require_parameter(self, p: float) -> None:
        """Refuse a parameter that the schedule of beta cannot have."""
        chance = self.beta in ("constant", "exponential")
        fits = p >= 0 and (p <= 1 or not chance)
        range_of_it = "0 to 1" if chance else "0"
        require(fits, f"p: expected a number from {range_of_it}, got {p}")
        falls = self.beta not in ("linear", "sigmoid") or p == 0 or p >= 1
        rule = f"beta {self.beta} falls over p rounds, at least 1"
        require(falls, f"p: {rule}, got {p}; try {self.rounds}")

    def chances(self, i: int) -> list[float]:
        """Chance that the expert acts in round i = 0, 1, ...: one for all runs, or one for each."""
        half = max(self.rounds / 2, 1)
        usual = 0.5 if self.beta in ("constant", "exponential") else half
        return [beta(self.beta, i, p or usual) for p in as_tuple(self.p)]

    def _rounds_of_data(self) -> int:
        """How many rounds' data the last round learns from."""
        rounds = {"all": self.rounds, "last": 1, "window": self.window}
        return rounds[self.aggregate]

    def _shares(self) -> list[int]:
        """Each round's share of the updates; the first has one."""
        if self.share == "evenly":
            return [1] * self.rounds
        most = self._rounds_of_data()
        return [min(i + 1, most) for i in range(self.rounds)]

    def updates(self, i: int) -> int:
        """Gradient updates in round i = 0, 1, ...; they add up to `training.updates`."""
        return shared(self.training.updates, self._shares(), i)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The mixture drives, every visited state is labelled, rounds share the updates."""
        self._require_actions(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        begin = warm if self.start == "warm" else scratch
        fit = begin(course, self.training, self.updates)
        collect = partial(self._collect, course)
        iterates: list[Policy] = []
        for policy in in_rounds(course, self.rounds, self._aggregate(), collect, fit):
            iterates = [*iterates, policy] if self.pick == "best" else [policy]
        best = iterates[-1] if self.pick == "last" else self._best(iterates, course)
        return course.log.close(self, best)

    def _aggregate(self) -> Aggregate:
        """Which rounds' data are learned from."""
        return All() if self.aggregate == "all" else Last(self._rounds_of_data())

    def _require_actions(self, env: Env) -> None:
        """Refuse to average actions that have no average."""
        possible = self.mix == "choose" or not hasattr(env.action_space, "n")
        reason = "expected Box actions, got Discrete ones, which have no average"
        require(possible, f"mix average: {reason}; use --mix choose")

    def _collect(
        self, course: Course, i: int, policy: Policy | None, data: Dataset | None
    ) -> Dataset:
        """The labelled states of round i, driven by the mixture."""
        env, log = course.env, course.log
        chance = torch.tensor(self.chances(i), dtype=torch.float64, device=env.device)
        streams = course.streams.fork("round", i)
        if policy is None:
            return demonstrate(env, course.expert, streams, self.episodes, log)
        expert = bound(env, course.expert, streams, self.episodes)
        drive = by_learner(env, policy, streams, self.episodes)
        if (chance > 0).any():
            expert = Witness(expert)
            average = self.mix == "average"
            beta = chance[:, None]
            drive = by_mixture(env, expert, policy, beta, streams, self.episodes, average)
        return collect(env, expert, drive, streams, self.episodes, log)

    def _best(self, iterates: list[Policy], course: Course) -> Policy:
        """For each run the iterate with the smallest action error under its own distribution, on held-out episodes."""
        env, log = course.env, course.log
        streams = course.streams.fork("validation")
        expert = bound(env, course.expert, streams, self.validation)
        errors = []
        for policy in iterates:
            drive = by_learner(env, policy, streams, self.validation)
            rollout = roll_in(env, drive, streams, self.validation, log)
            labels = label(env, expert, rollout, log)
            difference = action_error(env, rollout.action, labels)
            lived = rollout.length.clamp_min(1)
            each = difference.norm(dim=-1).sum(2) / lived
            errors.append(each.mean(1).nan_to_num(nan=torch.inf))
        choice = torch.stack(errors).argmin(0)
        return assemble(iterates, choice.tolist())

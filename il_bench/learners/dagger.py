"""DAgger: let the learner drive, ask the expert what it would have done there, learn from all of it, and repeat.

Ross, Gordon & Bagnell (2011), algorithm 3.1. Not to be confused with learning from corrections (the expert does not
take over: it labels), nor with averaging actions (beta is the chance, at each step, that the expert acts; `mix average`
offers the other reading).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.rollout import Witness, action_error, by_mixture, by_policy, label, roll_in
from ..core.settings import Values, as_tuple, require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.collect import collect, demonstrate
from ..fit.dataset import Dataset, Growing, concatenate
from ..fit.fitting import assemble, fit
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
        self._require_updates()

    def _require_parameter(self, p: float) -> None:
        """Refuse a parameter that the schedule of beta cannot have."""
        chance = self.beta in ("constant", "exponential")
        fits = p >= 0 and (p <= 1 or not chance)
        range_of_it = "0 to 1" if chance else "0"
        require(fits, f"p: expected a number from {range_of_it}, got {p}")
        falls = self.beta not in ("linear", "sigmoid") or p == 0 or p >= 1
        rule = f"beta {self.beta} falls over p rounds, at least 1"
        require(falls, f"p: {rule}, got {p}; try {self.rounds}")

    def _require_updates(self) -> None:
        """Refuse fewer updates than the rounds can share."""
        least = sum(self._shares())
        updates = self.training.updates
        enough = not self.training.net.descends or updates >= least
        in_all = f", {least} in all" if least > self.rounds else ""
        wanted = f"one for each of {self.rounds} rounds{in_all}"
        require(enough, f"updates: expected at least {wanted}, got {updates}")

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
        shares = self._shares()
        after = self.training.updates * sum(shares[: i + 1]) // sum(shares)
        before = self.training.updates * sum(shares[:i]) // sum(shares)
        return after - before

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The mixture drives, every visited state is labelled, rounds share the updates."""
        self._require_actions(env)
        streams = streams or Streams(env.seeds, env.device)
        log = log or Log()
        expert = resolve.expert(env, expert)
        aggregate: _All | _Last = (
            _All() if self.aggregate == "all" else _Last(self._rounds_of_data())
        )
        kept = log.checkpoint.rounds(env, log) if log.checkpoint else []
        iterates: list[Policy] = []
        policy = None
        for i in range(self.rounds):
            if i < len(kept):
                part, policy = kept[i]
                aggregate.add(part)
            else:
                part = self._collect(i, policy, env, expert, streams, log)
                data = aggregate.add(part)
                policy = self._fit(i, policy, data, env, streams, log)
                if log.checkpoint:
                    log.checkpoint.keep(i, part, policy, log)
            iterates = [*iterates, policy] if self.pick == "best" else [policy]
            log.iterate(i, policy)
        best = iterates[-1]
        if self.pick == "best":
            best = self._best(iterates, env, expert, streams, log)
        return log.close(self, best)

    def _require_actions(self, env: Env) -> None:
        """Refuse to average actions that have no average."""
        possible = self.mix == "choose" or not hasattr(env.action_space, "n")
        reason = "expected Box actions, got Discrete ones, which have no average"
        require(possible, f"mix average: {reason}; use --mix choose")

    def _fit(
        self,
        i: int,
        before: Policy | None,
        data: Dataset,
        env: Env,
        streams: Streams,
        log: Log,
    ) -> Policy:
        """The policy of round i, which goes on from the last round's where that is asked for."""
        start = before if self.start == "warm" else None
        own = streams.fork("fit", i)
        return fit(data, self.training, env, own, log, self.updates(i), start)

    def _collect(
        self, i: int, policy: Policy | None, env: Env, expert: Expert, streams: Streams, log: Log
    ) -> Dataset:
        """The labelled states of round i, driven by the mixture."""
        chance = torch.tensor(self.chances(i), dtype=torch.float64, device=env.device)
        streams = streams.fork("round", i)
        if policy is None:
            return demonstrate(env, expert, streams, self.episodes, log)
        drive = by_policy(env, policy)
        if (chance > 0).any():
            expert = Witness(expert)
            average = self.mix == "average"
            beta = chance[:, None]
            drive = by_mixture(env, expert, policy, beta, streams, self.episodes, average)
        return collect(env, expert, drive, streams, self.episodes, log)

    def _best(
        self, iterates: list[Policy], env: Env, expert: Expert, streams: Streams, log: Log
    ) -> Policy:
        """For each run the iterate with the smallest action error under its own distribution, on held-out episodes."""
        streams = streams.fork("validation")
        errors = []
        for policy in iterates:
            rollout = roll_in(env, by_policy(env, policy), streams, self.validation, log)
            labels = label(env, expert, rollout, log)
            difference = action_error(env, rollout.action, labels)
            lived = rollout.length.clamp_min(1)
            each = difference.norm(dim=-1).sum(2) / lived
            errors.append(each.mean(1).nan_to_num(nan=torch.inf))
        choice = torch.stack(errors).argmin(0)
        return assemble(iterates, choice.tolist())


class _All:
    """The data of all rounds."""

    def __init__(self) -> None:
        self._growing = Growing()

    def add(self, part: Dataset) -> Dataset:
        """All data, that of another round included."""
        return self._growing.add(part)


class _Last:
    """The data of the last rounds, so many of them."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._parts: list[Dataset] = []

    def add(self, part: Dataset) -> Dataset:
        """The last rounds' data, the last of them being this."""
        self._parts = [*self._parts, part][-self._rounds :]
        return concatenate(self._parts)

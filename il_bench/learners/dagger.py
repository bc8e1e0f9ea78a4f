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
        unit = self.beta in ("constant", "exponential")
        for p in as_tuple(self.p):
            fits = p >= 0 and (p <= 1 or not unit)
            require(fits, f"p: expected a number from 0{' to 1' * unit}, got {p}")
            falls = self.beta not in ("linear", "sigmoid") or p == 0 or p >= 1
            rule = f"beta {self.beta} falls over p rounds, at least 1"
            require(falls, f"p: {rule}, got {p}; try {self.rounds}")
        least, updates = sum(self._shares()), self.training.updates
        in_all = f", {least} in all" * (least > self.rounds)
        enough = not self.training.net.descends or updates >= least
        wanted = f"one for each of {self.rounds} rounds{in_all}"
        require(enough, f"updates: expected at least {wanted}, got {updates}")

    def chances(self, i: int) -> list[float]:
        """Chance that the expert acts in round i = 0, 1, ...: one for all runs, or one for each."""
        usual = 0.5 if self.beta in ("constant", "exponential") else max(self.rounds / 2, 1)
        return [beta(self.beta, i, p or usual) for p in as_tuple(self.p)]

    def _shares(self) -> list[int]:
        """Each round's share of the updates; the first has one."""
        window = {"all": self.rounds, "last": 1, "window": self.window}[self.aggregate]
        return [1 if self.share == "evenly" else min(i + 1, window) for i in range(self.rounds)]

    def updates(self, i: int) -> int:
        """Gradient updates in round i = 0, 1, ...; they add up to `training.updates`."""
        shares, total = self._shares(), self.training.updates
        return total * sum(shares[: i + 1]) // sum(shares) - total * sum(shares[:i]) // sum(shares)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The mixture drives, every visited state is labelled, rounds share the updates."""
        require(
            self.mix == "choose" or not hasattr(env.action_space, "n"),
            "mix average: expected Box actions, got Discrete ones, which have no average; use --mix choose",
        )
        streams, log = streams or Streams(env.seeds, env.device), log or Log()
        expert = resolve.expert(env, expert)
        every, last = Growing(), list[Dataset]()
        iterates: list[Policy] = []
        kept = log.checkpoint.rounds(env, log) if log.checkpoint else []
        for i in range(self.rounds):
            before = iterates[-1] if iterates else None
            again = i < len(kept)
            part = kept[i][0] if again else self._collect(i, before, env, expert, streams, log)
            window = self.window if self.aggregate == "window" else 1
            last = [*last, part][-window:]
            data = every.add(part) if self.aggregate == "all" else concatenate(last)
            if again:
                policy = kept[i][1]
            else:
                warm, forked = before if self.start == "warm" else None, streams.fork("fit", i)
                policy = fit(data, self.training, env, forked, log, self.updates(i), warm)
                if log.checkpoint:
                    log.checkpoint.keep(i, part, policy, log)
            iterates = [*iterates, policy] if self.pick == "best" else [policy]
            log.iterate(i, policy)
        policy = policy if self.pick == "last" else self._best(iterates, env, expert, streams, log)
        return log.close(self, policy)

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
        streams, errors = streams.fork("validation"), []
        for policy in iterates:
            seen = roll_in(env, by_policy(env, policy), streams, self.validation, log)
            labels = label(env, expert, seen, log)
            error = action_error(env, seen.action, labels).norm(dim=-1)
            lived = seen.length.clamp_min(1)
            errors.append((error.sum(2) / lived).mean(1))
        return assemble(iterates, torch.stack(errors).nan_to_num(nan=torch.inf).argmin(0).tolist())

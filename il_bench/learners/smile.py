"""SMILe: let a mixture of expert and learners drive, learn the newest part from that drive alone, and mix it in.

Ross & Bagnell (2010): pi_n = pi_{n-1} + alpha (1 - alpha)^(n-1) (new_n - pi_0), where pi_0 is the expert, who thus is
forgotten slowly; at the end its share is removed. Not to be confused with DAgger, which learns each policy from all
rounds' data and drives with that one alone: here old parts, which have seen the fewest states, act for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.rollout import Driver, Witness, by_expert, by_policy
from ..core.settings import Values, as_tuple, require, require_counts
from ..core.streams import Streams
from ..fit.collect import collect, demonstrate
from ..fit.dataset import Dataset
from ..fit.fitting import fit
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
        updates = self.training.updates
        enough = not self.training.net.descends or updates >= self.rounds
        wanted = f"one for each of {self.rounds} rounds"
        require(enough, f"updates: expected at least {wanted}, got {updates}")

    def shares(self, n: int) -> torch.Tensor:
        """Chances in the mixture after n rounds (A, n + 1), the expert's first; A is 1, or one for each run."""
        alpha = torch.tensor(as_tuple(self.alpha), dtype=torch.float64)[:, None]
        expert = (1 - alpha) ** n
        parts = alpha * (1 - alpha) ** torch.arange(n)
        return torch.cat((expert, parts), 1)

    def updates(self, i: int) -> int:
        """Gradient updates in round i = 0, 1, ...; they add up to `training.updates`."""
        total = self.training.updates
        after = total * (i + 1) // self.rounds
        return after - total * i // self.rounds

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The mixture drives, every visited state is labelled, each round has its own fit."""
        streams = streams or Streams(env.seeds, env.device)
        log = log or Log()
        expert = resolve.expert(env, expert)
        parts: list[Policy] = []
        for i in range(self.rounds):
            own = streams.fork("round", i)
            data = self._collect(parts, env, expert, own, log)
            own = streams.fork("fit", i)
            part = fit(data, self.training, env, own, log, self.updates(i))
            parts.append(part)
            log.iterate(i, self._learned(parts, env))
        return log.close(self, self._learned(parts, env))

    def _learned(self, parts: list[Policy], env: Env) -> MixturePolicy:
        """The mixture of the learned parts: the expert's share removed, the others scaled up to one."""
        own = self.shares(len(parts))[:, 1:].to(env.device)
        chances = own / own.sum(1, keepdim=True)
        return MixturePolicy(list(parts), chances.expand(env.runs, -1))

    def _collect(
        self, parts: list[Policy], env: Env, expert: Expert, streams: Streams, log: Log
    ) -> Dataset:
        """The labelled states of one round, driven by the expert and the parts so far."""
        if not parts:
            return demonstrate(env, expert, streams, self.episodes, log)
        expert = Witness(expert)
        drive = self._drive(parts, env, expert, streams)
        return collect(env, expert, drive, streams, self.episodes, log)

    def _drive(self, parts: list[Policy], env: Env, expert: Expert, streams: Streams) -> Driver:
        """Who acts is chosen anew at each step: the expert, or else one of the parts."""
        left = self.shares(len(parts))[:, :1].to(env.device)
        coin = streams.uniform("beta", self.episodes, env.horizon)
        learned = self._learned(parts, env)
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

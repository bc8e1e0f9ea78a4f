"""Reinforce: clone first, then raise the likelihood of what earned more than usual, by the environment's own reward.

Williams (1992), with a baseline for each step; on texts the reward is the log-likelihood that the oracle gives to what was
written, so that texts are learned from as a whole, and own mistakes count by what they lead to. Ranzato, Chopra, Auli &
Zaremba (2016), MIXER, let the student write the end of a demonstration first, and more and more of it (`annealing`).
Not to be confused with fine-tuning by PPO (`finetune`), which has a critic and clips its steps; nor with distillation,
where the oracle says what it would have written: here it says only how well it liked the text, and likes its favourite
best: a policy that does well becomes less various than the expert.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate
from ..fit.course import Course
from ..fit.own_episodes import PaidEpisodes, after_cloning
from ..fit.training import Training
from ..fit.unrolling import require_unrolled


@dataclass(frozen=True)
class Reinforce:
    """Policy gradients from a clone: what was done is repeated as far as it earned more than usual."""

    episodes: int = 8
    """Expert episodes to clone."""
    forced: float = 0.5
    """Share of the updates that clone first; from random weights, 0, a sparse reward teaches next to nothing."""
    annealing: int = 0
    """Last steps of a demonstration that are the student's own at first, and so many more each time; 0 takes all at once."""
    iterates: int = 1
    """How often, evenly, the policy of the moment is shown while it is learned."""
    training: Training = field(default_factory=Training)
    """How labels and rewards become a policy, by a net that remembers."""

    actions: ClassVar[str] = "symbols"

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes", "iterates")
        require(0 <= self.forced <= 1, f"forced: expected a share from 0 to 1, got {self.forced}")
        steps = self.annealing
        require(steps >= 0, f"annealing: expected at least 0 steps, got {steps}; 0 takes all")

    def repeated(self, horizon: int, update: int) -> int:
        """First steps that are the demonstration's, after so many updates of reinforcement."""
        if self.annealing == 0:
            return 0
        total = self.training.updates
        updates = max(total - round(self.forced * total), 1)
        stages = math.ceil(horizon / self.annealing)
        stage = update * stages // updates
        own = self.annealing * (stage + 1)
        return max(horizon - own, 0)

    def require_possible(self, env: Env) -> None:
        """Refuse actions without chances, and nets that do not remember."""
        discrete = hasattr(env.action_space, "n")
        reason = "expected Discrete actions, got Box ones, which have no chances"
        require(discrete, f"reinforce: {reason}; use finetune")
        require_unrolled("reinforce", self.training)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the student does, by chance, paid by the environment."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        own = course.streams.fork("demonstrations")
        data = demonstrate(env, course.expert, own, self.episodes, course.log)
        repeated = partial(self.repeated, env.horizon)
        source = PaidEpisodes(course, own, course.streams.fork("texts"), repeated)
        policy = after_cloning(course, data, self.training, self.forced, source, self.iterates)
        return course.log.close(self, policy)

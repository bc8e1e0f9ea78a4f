"""GAIL: reinforcement learning for a judge who cannot tell the learner's steps from the expert's.

Ho & Ermon (2016), "Generative adversarial imitation learning". A judge learns to tell steps (s, a) of the learner from
the expert's; the learner, stable-baselines3's PPO, is paid -log(1 - D) for what the judge takes for the expert's with
chance D. That pay is never negative, so that a longer episode is never worse: a task that is to be ended soon suits it
less. Not to be confused with AIRL, whose judge is made of a reward that can be kept; nor with SQIL, whose reward is
fixed and needs no judge.

Runs practise one after the other, not side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from ..borders import resolve
from ..borders.contest import Contest
from ..borders.discriminator import Book, Eye, Judge, Judging, tower
from ..borders.sb3_chance import Chance
from ..borders.sb3_practice import begun, require_practice
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require_counts
from ..core.streams import Streams
from ..fit.transitions import Transitions, demonstrated


@dataclass(frozen=True)
class GAIL:
    """Generative adversarial imitation: PPO against a judge who learns as well."""

    episodes: int = 10
    """Expert episodes that the judge knows."""
    contest: Contest = field(default_factory=Contest)
    """How learner and judge learn."""

    one_by_one: ClassVar[bool] = True
    """Runs practise one after the other."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")

    @property
    def own_updates(self) -> int:
        """Gradient updates of practice, the judge's among them."""
        return self.contest.updates

    def require_possible(self, env: Env) -> None:
        """Refuse environments in which nobody can practise."""
        require_practice(env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the learner does, by chance, paid by the judge."""
        course = begun(env, resolve.expert(env, expert), streams, log)
        shown = demonstrated(course, self.episodes)

        def open_trial(run: int, seed: int) -> _Trial:
            return _Trial(shown[run], env, self.contest.judging, seed)

        policy = self.contest.hold(course, open_trial)
        return course.log.close(self, policy)


class _Trial:
    """A judge at work: one run's student is paid by it, and it learns from what that student did."""

    def __init__(self, shown: Transitions, env: Env, judging: Judging, seed: int):
        chance = Chance(seed)
        self._eye = Eye(shown, env.action_space)
        self._expert = self._eye.steps(shown.obs, shown.action)
        with chance.lent():
            self._network = tower(self._expert.shape[1], judging.judge_hidden)
        self._judge = Judge(self._network, judging, chance)
        self._book = Book()

    def pay(self, steps: Transitions, policy: Any) -> np.ndarray:
        """What steps are worth (n,): -log(1 - D), where D is the chance that one is the expert's."""
        self._book.add(steps)
        shown = self._eye.steps(steps.obs, steps.action)
        with torch.no_grad():
            logits = self._network(shown)
        return torch.nn.functional.softplus(logits)[:, 0].numpy()

    def go_on(self, policy: Any) -> None:
        """Learn from what was done since the last time."""
        own = self._book.close()
        student = self._eye.steps(own.obs, own.action)
        self._judge.learn(student, self._expert)

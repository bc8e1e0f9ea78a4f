"""A contest: students who practise to look like the expert, each paid by a judge of its own who learns as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..core.policy import Policy
from ..core.settings import require_counts
from ..fit.course import Course
from ..fit.transitions import Transitions
from .discriminator import Judging
from .sb3_ppo import Practice
from .sb3_practice import Student, enrolled, practised


class Trial(Protocol):
    """One run's judge at work."""

    def pay(self, steps: Transitions, policy: Any) -> np.ndarray:
        """What steps of the student's are worth (n,); `policy`, which took them, is stable-baselines3's own."""

    def go_on(self, policy: Any) -> None:
        """Learn from what the student did since the last time."""


@dataclass(frozen=True)
class Contest:
    """How student and judge learn against each other."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the learner's hidden layers."""
    practice: Practice = field(default_factory=Practice)
    """How PPO practises."""
    judging: Judging = field(default_factory=Judging)
    """How the judge learns."""

    def __post_init__(self) -> None:
        """Refuse widths that no network has."""
        require_counts(self, "hidden")

    @property
    def updates(self) -> int:
        """Gradient updates of practice, the judge's among them."""
        each = self.practice.updates + self.judging.views
        return self.practice.rounds * each

    def hold(self, course: Course, open_trial: Callable[[int, int], Trial]) -> Policy:
        """What the students of all runs have learned in the end.

        Args:
            course: where; its log counts what all of it cost.
            open_trial: makes the judge of a run, with a seed.
        """
        env = course.env
        trials: dict[Student, Trial] = {}

        def enrol(run: int, seed: int) -> Student:
            trial = open_trial(run, seed)

            def pay(steps: Transitions, rewards: np.ndarray) -> np.ndarray:
                return trial.pay(steps, student.model.policy)

            student = Student(env[run], seed, self._model, pay, self.practice.copies)
            trials[student] = trial
            return student

        def one(student: Student, i: int) -> None:
            student.practise(self.practice.rollout)
            trials[student].go_on(student.model.policy)

        students = enrolled(course, enrol)
        policy = practised(course, students, self.practice.rounds, one)
        course.log.updates += self.updates
        return policy

    def _model(self, world: Any, seed: int) -> Any:
        """Who practises."""
        return self.practice.model("MlpPolicy", world, seed, net_arch=list(self.hidden))

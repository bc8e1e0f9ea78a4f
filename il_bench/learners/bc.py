"""Behaviour cloning: learn the expert's actions on the expert's states, once.

Pomerleau (1988). Not to be confused with DAgger's first round followed by nothing: the two are the same only because
this class takes all its labels from states that the expert visits, whatever the learner would have visited.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..borders import resolve
from ..borders.minari_in import PREFIX, demonstrations
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import Values, as_tuple, require, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate_budget
from ..fit.course import Course
from ..fit.dataset import Dataset
from ..fit.fitting import fit
from ..fit.training import Training


@dataclass(frozen=True)
class BC:
    """Behaviour cloning: supervised learning on the expert's own rollouts."""

    episodes: int = 8
    """Expert episodes to learn from."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy."""
    labels: Values = 0.0
    """Labels to learn from, instead: as many episodes as hold them, the last one in part; 0 takes the episodes."""
    demos: str = ""
    """Learn from a file instead: minari:ID takes the dataset's first episodes for every run, and asks no expert."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")
        require(min(as_tuple(self.labels)) >= 0, f"labels: expected at least 0, got {self.labels}")
        named = self.demos == "" or self.demos.startswith(PREFIX)
        require(
            named,
            f"demos: expected {PREFIX}ID, got {self.demos!r}; only Minari's datasets are read",
        )

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives; every visited state is labelled; squared error or cross-entropy."""
        course = Course.begun(env, expert, streams, log)
        data = self._demonstrations(course)
        own = course.streams.fork("fit")
        policy = fit(data, self.training, env, own, course.log)
        course.log.iterate(0, policy)
        return course.log.close(self, policy)

    def _demonstrations(self, course: Course) -> Dataset:
        """The expert's labels in its own states, or a file's."""
        env, log = course.env, course.log
        if self.demos:
            return demonstrations(self.demos, env, self.episodes, self.labels, log)
        expert = resolve.expert(env, course.expert)
        streams = course.streams.fork("demonstrations")
        return demonstrate_budget(env, expert, streams, self.episodes, self.labels, log)

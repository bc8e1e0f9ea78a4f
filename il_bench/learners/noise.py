"""Noise injection: half of the demonstrations are executed under noise, and the labels are what the expert meant.

Zhang et al. (2025), "Action chunking and exploratory data collection yield exponential improvements in behaviour
cloning": where the expert's closed loop is stable, the noise visits the directions in which cloning drifts. Not to be
confused with DART, which fits the noise to the learner's error over rounds, nor with noise on what was recorded: with
`label noised` the copy is taught the noise, which is the mistake that this file can show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from ..borders import resolve
from ..core.disturbance import Disturbance, gaussian, is_discrete, replacing
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import Values, as_tuple, require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate, demonstrate_disturbed
from ..fit.course import Course
from ..fit.dataset import Dataset, concatenate
from ..fit.fitting import fit
from ..fit.spread import spread
from ..fit.training import Training, require_positive


@dataclass(frozen=True)
class Noise:
    """Cloning of demonstrations half of which are executed under noise."""

    episodes: int = 8
    """Expert episodes to learn from, at least 2; half of them, rounded down, are executed under noise."""
    std: Values = 0.5
    """Of the noise on each number of a Box action, in standard deviations of the expert's clean actions."""
    chance: Values = 0.1
    """That a Discrete action is replaced by one of the others, each alike."""
    label: Literal["clean", "noised"] = "clean"
    """Learn what the expert chose, or what was executed: the cautionary variant."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_counts(self, "episodes")
        enough = self.episodes >= 2
        wanted = "at least 2, of which half are executed under noise"
        require(enough, f"episodes: expected {wanted}, got {self.episodes}")
        require_positive(self, "std", zero=True)
        for chance in as_tuple(self.chance):
            fits = 0 <= chance <= 1
            require(fits, f"chance: expected a number from 0 to 1, got {chance}; try 0.1")

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives, half of the time disturbed; labels are what it chose."""
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        clean = self._clean(course)
        noised = self._noised(course, clean)
        data = concatenate([clean, noised])
        own = course.streams.fork("fit")
        policy = fit(data, self.training, env, own, course.log)
        course.log.iterate(0, policy)
        return course.log.close(self, policy)

    def _clean(self, course: Course) -> Dataset:
        """The demonstrations that are executed as the expert chose: half of the labels and steps too, where there are limits."""
        episodes = self.episodes - self.episodes // 2
        streams = course.streams.fork("demonstrations")
        log = course.log
        whole = log.limit, log.most_steps
        log.limit, log.most_steps = (None if most is None else (most + 1) // 2 for most in whole)
        clean = demonstrate(course.env, course.expert, streams, episodes, log)
        log.limit, log.most_steps = whole
        return clean

    def _noised(self, course: Course, clean: Dataset) -> Dataset:
        """The demonstrations that are executed under noise."""
        episodes = self.episodes // 2
        streams = course.streams.fork("noised")
        disturb = self._disturbance(course.env, clean, streams, episodes)
        means_it = self.label == "clean"
        return demonstrate_disturbed(
            course.env, course.expert, disturb, streams, episodes, course.log, means_it
        )

    def _disturbance(
        self, env: Env, clean: Dataset, streams: Streams, episodes: int
    ) -> Disturbance:
        """The noise, in units of the clean demonstrations."""
        if is_discrete(env):
            return replacing(env, _each(self.chance, env), streams, episodes)
        scale = _each(self.std, env)[:, None] * spread(env, clean)
        return gaussian(env, torch.diag_embed(scale), streams, episodes)


def _each(values: Values, env: Env) -> torch.Tensor:
    """One number for each run (R,), float64."""
    numbers = torch.tensor(as_tuple(values), dtype=torch.float64, device=env.device)
    return numbers.expand(env.runs)

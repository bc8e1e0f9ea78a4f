"""DART: the expert drives under noise that is fitted to the errors of its copy, round by round; labels are clean.

Laskey, Lee, Fox, Dragan & Goldberg (2017), "DART: Noise injection for robust imitation learning". After each round

    Sigma^ = (1/T) E sum_t (pi^ - pi*)(pi^ - pi*)',    Sigma_alpha = alpha Sigma^ / (T tr Sigma^)

over the data so far, and the next round's demonstrations are executed under noise of that covariance: the direction is
that of the copy's errors, the size alpha is what one expects of the copy in the end. Not to be confused with DAgger: the
copy never drives, which is what makes it safe to collect, nor with noise injection, whose noise is fitted to nothing.
Where an action is one number its direction is too, and only alpha is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch

from ..borders import resolve
from ..core.disturbance import Disturbance, gaussian, is_discrete, replacing
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import Values, as_tuple, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate, demonstrate_disturbed
from ..fit.course import Course
from ..fit.dataset import Dataset
from ..fit.errors import covariance, errors, root
from ..fit.rounds import All, in_rounds, require_updates, shared, warm
from ..fit.spread import spread
from ..fit.training import Training, require_positive


@dataclass(frozen=True)
class DART:
    """Demonstrations under noise of the shape of the copy's errors."""

    rounds: int = 8
    """Rounds of collecting and learning; the first is without noise."""
    episodes: int = 1
    """Episodes collected in each round."""
    alpha: Values = 0.25
    """Squared noise of a step, in variances of the expert's labels (the paper's alpha is T times as large, in the
    action's unit); a limit on the chance of another action where actions are Discrete; 0: as large as the errors."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "rounds", "episodes")
        require_positive(self, "alpha", zero=True)
        require_updates(self.training, self.rounds)

    def updates(self, i: int) -> int:
        """Gradient updates in round i = 0, 1, ...; they add up to `training.updates`."""
        return shared(self.training.updates, [1] * self.rounds, i)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives, disturbed as its copy would err; labels are what it chose."""
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        collect = partial(self._collect, course)
        fit = warm(course, self.training, self.updates)
        *_, policy = in_rounds(course, self.rounds, All(), collect, fit)
        return course.log.close(self, policy)

    def _collect(
        self, course: Course, i: int, policy: Policy | None, data: Dataset | None
    ) -> Dataset:
        """The demonstrations of round i."""
        env, expert, log = course.env, course.expert, course.log
        streams = course.streams.fork("round", i)
        if policy is None or data is None:
            return demonstrate(env, expert, streams, self.episodes, log)
        disturb = self._disturbance(env, policy, data, streams)
        return demonstrate_disturbed(env, expert, disturb, streams, self.episodes, log)

    def _disturbance(
        self, env: Env, policy: Policy, data: Dataset, streams: Streams
    ) -> Disturbance:
        """The noise of a round."""
        error = errors(env, policy, data)
        shape = covariance(error, data.weight)
        if is_discrete(env):
            return replacing(env, self._chance(shape), streams, self.episodes)
        unit = spread(env, data).square().sum(-1)
        scaled = self.scaled(shape, unit)
        return gaussian(env, root(scaled), streams, self.episodes)

    def scaled(self, shape: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
        """Sigma_alpha (R, U, U), from Sigma^ (R, U, U) and the variance of the labels (R,), summed over the action."""
        alpha = self._alpha(shape)
        trace = shape.diagonal(dim1=-2, dim2=-1).sum(-1)
        factor = alpha * unit / trace.clamp_min(1e-300)
        factor = torch.where(alpha > 0, factor, 1.0)
        return factor[:, None, None] * shape

    def _chance(self, shape: torch.Tensor) -> torch.Tensor:
        """How often another Discrete action is executed, (R,): as often as the copy errs, and at most alpha."""
        alpha = self._alpha(shape)
        limit = torch.where(alpha > 0, alpha, 1.0)
        return shape[:, 0, 0].minimum(limit)

    def _alpha(self, like: torch.Tensor) -> torch.Tensor:
        """The setting, for each run (R,)."""
        numbers = torch.tensor(as_tuple(self.alpha), dtype=torch.float64, device=like.device)
        return numbers.expand(len(like))

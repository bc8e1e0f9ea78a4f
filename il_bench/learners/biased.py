"""The expert with a known error, pi* + epsilon v: a probe of what the plant makes of errors, without any training.

On a linear plant with a closed loop alpha a constant error leaves b epsilon (1 - alpha^t) / (1 - alpha); where actions are
Discrete, another one is taken with chance epsilon, which is the independent error of Ross & Bagnell's bound. Not to be
confused with noise in the demonstrations: nobody learns from this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from ..borders import resolve
from ..borders.callables import ExpertPolicy
from ..core.disturbance import is_discrete
from ..core.env import Env, Expert, StochasticExpert
from ..core.policy import Log, Policy
from ..core.settings import Values, as_tuple, require, require_choice
from ..core.shifted import Blurred, Shifted, Slipping
from ..core.streams import Streams
from ..fit.course import Course
from ..fit.training import require_positive


@dataclass(frozen=True)
class Biased:
    """The expert and an error of known size."""

    epsilon: Values = 0.01
    """Length of the error, in the action's own unit; the chance of another action where actions are Discrete."""
    way: Literal["constant", "zero-mean"] = "constant"
    """The error of a Box action has one direction, or a new sign at each step."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_positive(self, "epsilon", zero=True)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. Nothing is learned, and nothing is spent."""
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        erring = self._erring(course)
        policy = ExpertPolicy(env, erring, shared=False)
        return course.log.close(self, policy)

    def _erring(self, course: Course) -> Expert:
        """The expert that errs."""
        env, expert = course.env, course.expert
        streams = course.streams.fork("biased")
        numbers = as_tuple(self.epsilon)
        size = torch.tensor(numbers, dtype=torch.float64, device=env.device)[:, None]
        if not is_discrete(env):
            return Shifted(env, expert, size[..., None], self.way, streams)
        largest = max(numbers)
        reason = "is a chance where actions are Discrete, from 0 to 1"
        require(largest <= 1, f"epsilon: {reason}, got {largest:g}; try 0.01")
        if isinstance(expert, StochasticExpert):
            return Blurred(expert, size)
        return Slipping(env, expert, size, streams)

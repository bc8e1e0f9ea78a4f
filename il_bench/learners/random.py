"""Anybody: a probe that takes any action at each step, each alike, whatever it sees.

The level from which reinforcement learning begins, and a seeded one: run r draws the same actions alone or among others,
and in every evaluation again. Not to be confused with an untrained network, which is a fixed and smooth function of what
it sees.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..borders.callables import ExpertPolicy
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.shifted import Wandering
from ..core.streams import Streams
from ..fit.course import Course


@dataclass(frozen=True)
class Random:
    """Any action, each alike; a Box without a bound is cut off at 1000."""

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. Nothing is learned, and nothing is spent."""
        course = Course.begun(env, expert, streams, log)
        anybody = Wandering(env, course.streams.fork("random"))
        policy = ExpertPolicy(env, anybody, shared=False)
        return course.log.close(self, policy)

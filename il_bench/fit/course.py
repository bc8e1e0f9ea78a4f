"""Course: what a learner is given, and what goes along from its first rollout to its last fit."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.env import Env, Expert
from ..core.policy import Log
from ..core.streams import Streams


@dataclass(frozen=True)
class Course:
    """Where something is learned, from whom, by which chance, and where it is counted.

    Attributes:
        env: the environment, R runs.
        expert: who is imitated.
        streams: all random numbers.
        log: the budget.
    """

    env: Env
    expert: Expert
    streams: Streams
    log: Log

    @classmethod
    def begun(cls, env: Env, expert: Expert, streams: Streams | None, log: Log | None) -> Course:
        """A course under the given streams and log, or under those of the environment's seeds and a new one."""
        return cls(env, expert, streams or Streams(env.seeds, env.device), log or Log())

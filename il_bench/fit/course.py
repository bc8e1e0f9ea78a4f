"""Course: what a learner is given, and what goes along from its first rollout to its last fit."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.env import Env, Expert, RecurrentExpert
from ..core.policy import Log
from ..core.settings import require
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

    def require_forgetful(self) -> None:
        """Refuse an expert with a memory, whose action is no function of the state alone."""
        if not isinstance(self.expert, RecurrentExpert):
            return
        state = self.env.initial(self.streams.fork("probe"), 1)
        _, memory = self.expert.go_on(state, None)
        wanted = "expected one without memory, who is a function of the state alone"
        name = type(self.expert).__name__
        require(memory is None, f"expert: {wanted}, got {name}; use bc or dagger")

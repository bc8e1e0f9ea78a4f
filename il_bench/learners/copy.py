"""The expert itself, as if it had been learned: a probe whose answer is known, D = 0 to the last bit.

What it shows is the harness: whatever is not 0 here is an error of the environment, of the expert or of the twins. Not
to be confused with cloning, which learns: this asks for no label and is shown the state. (A Record calls the expert
itself `expert`; therefore this has another name.)
"""

from __future__ import annotations

from dataclasses import dataclass

from ..borders import resolve
from ..borders.callables import ExpertPolicy
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.streams import Streams


@dataclass(frozen=True)
class Copy:
    """The expert itself: D = 0."""

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. Nothing is learned, and nothing is spent."""
        policy = ExpertPolicy(env, resolve.expert(env, expert))
        return (log or Log()).close(self, policy)

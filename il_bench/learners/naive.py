"""Naive: whoever takes what was observed for what is; a probe of what a biased log makes of its reader.

It sorts a list by clicks, and takes the ages in a museum's drawers for those of the living. Not to be confused with
cloning, which imitates an expert: this reads the log that the environment keeps, and nothing is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..borders.callables import reader_policy
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.streams import Streams


@dataclass(frozen=True)
class Naive:
    """The log as it is."""

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. Nothing is learned, and nothing is spent."""
        policy = reader_policy(env, streams, corrected=False)
        return (log or Log()).close(self, policy)

"""Corrected: whoever divides what was observed by the chance to be observed; a probe beside `naive`.

It sorts a list by clicks over exposure, and counts a specimen for all those that were as hard to find (Horvitz & Thompson
1952; Joachims, Swaminathan & Schnabel 2017 for clicks). Not to be confused with knowing the truth: what cannot be
observed at all, exposure cannot correct.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..borders.callables import reader_policy
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.streams import Streams


@dataclass(frozen=True)
class Corrected:
    """The log, divided by the chance to be in it."""

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. Nothing is learned, and nothing is spent."""
        policy = reader_policy(env, streams, corrected=True)
        return (log or Log()).close(self, policy)

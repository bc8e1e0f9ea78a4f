"""Nobody acts: a probe whose answer is the plant's own, D of the open loop.

It is the floor under every learner: whoever drifts further than this would better have done nothing. Not to be confused
with an expert that does nothing, from whose twin this does not part.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..borders.callables import ExpertPolicy
from ..core.disturbance import bounds, is_discrete
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.rollout import action_size
from ..core.streams import Streams


@dataclass(frozen=True)
class Zero:
    """The action 0, always: the plant left alone."""

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. Nothing is learned, and nothing is spent."""
        policy = ExpertPolicy(env, Still(env))
        return (log or Log()).close(self, policy)


class Still(Expert):
    """Whoever always takes the action 0, or the one next to it that the Box has.

    Args:
        env: whose actions they are.
    """

    def __init__(self, env: Env):
        self.env = env
        self.action = torch.zeros(action_size(env), dtype=torch.float64, device=env.device)
        if not is_discrete(env):
            self.action = self.action.clamp(*bounds(env))

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return self.action.expand(*state.shape[:2], -1)

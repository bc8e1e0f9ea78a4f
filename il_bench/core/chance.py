"""Acting by chance: what a stochastic expert answers when it is handed the uniform numbers of a rollout.

An expert that is bound to the numbers of a rollout answers each state in one way only, so that it is driven, repeated
and asked for labels like any other; its twins, and a policy that acts by chance under the same streams, share them.
"""

from __future__ import annotations

from typing import Any, final

import torch

from .env import Env, Expert, RecurrentExpert, StochasticExpert
from .policy import choose
from .rollout import Witness
from .streams import Streams

PURPOSE = "policy"
"""Of the uniform numbers by which experts and policies act."""


@final
class BoundExpert(RecurrentExpert):
    """A stochastic expert with the uniform numbers of a rollout; what it remembers is the step.

    Args:
        expert: who has the chances.
        draws: (R, E, T) uniform numbers.
    """

    def __init__(self, expert: StochasticExpert, draws: torch.Tensor):
        self.expert = expert
        self.draws = draws

    def go_on(self, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `RecurrentExpert.go_on`."""
        step = memory or 0
        chances = self.expert.distribution(state)
        action = choose(chances, self.draws[..., step])
        return action.to(torch.float64), step + 1


def bound(env: Env, expert: Expert, streams: Streams, episodes: int) -> Expert:
    """An expert as it acts in a rollout under `streams`: one that acts by chance is handed its numbers, others are as they were."""
    if not isinstance(expert, StochasticExpert):
        return expert
    draws = streams.uniform(PURPOSE, episodes, env.horizon)
    return BoundExpert(expert, draws)


def chances_of(expert: Expert) -> StochasticExpert | None:
    """Who has the chances behind an expert; None where it does not act by chance."""
    while isinstance(expert, BoundExpert | Witness):
        expert = expert.expert
    return expert if isinstance(expert, StochasticExpert) else None

"""An actor on a leash: PPO's bonus for entropy becomes the price of parting from a clone."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy


class LeashedPolicy(ActorCriticPolicy):
    """An actor and critic that tell PPO, as their entropy, minus the Kullback-Leibler divergence of the clone from them.

    PPO subtracts `ent_coef` times the mean entropy from its loss: that coefficient then is the strength of the leash.

    Attributes:
        clone: whom the actor keeps to; there may be none.
    """

    clone: ActorCriticPolicy

    def evaluate_actions(self, obs: Any, actions: torch.Tensor) -> Any:
        """Values, the chances' logarithms, and minus the divergence (B,) of the clone from this; see the base class."""
        values, chances, entropy = ActorCriticPolicy.evaluate_actions(self, obs, actions)
        clone = getattr(self, "clone", None)
        if clone is None:
            return values, chances, entropy
        own: Any = self.get_distribution(obs).distribution
        with torch.no_grad():
            its: Any = clone.get_distribution(obs).distribution
        apart = torch.distributions.kl_divergence(its, own)
        return values, chances, -apart.reshape(len(apart), -1).sum(1)

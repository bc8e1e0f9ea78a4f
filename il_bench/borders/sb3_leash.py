"""Actors on a leash: what an engine takes for entropy becomes the price of parting from a clone."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.sac.policies import Actor, SACPolicy


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
        return values, chances, -_apart(its, own)


class LeashedActor(Actor):
    """An actor that tells SAC, as the logarithm of its chances, the divergence of the clone from it.

    SAC adds `ent_coef` times that logarithm to its loss, and subtracts it from what the next state is worth: the coefficient
    then is the strength of the leash.

    Attributes:
        clone: whom the actor keeps to; there may be none.
    """

    clone: SACPolicy

    def action_log_prob(self, obs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions by chance, and the divergence (B,) of the clone from this; without a clone 0."""
        actions, chances = Actor.action_log_prob(self, obs)
        clone = getattr(self, "clone", None)
        if clone is None:
            return actions, torch.zeros_like(chances)
        with torch.no_grad():
            its = _before_squeezing(clone.actor, obs)
        return actions, _apart(its, _before_squeezing(self, obs))


class LeashedSACPolicy(SACPolicy):
    """Actor and critics of SAC, the actor on a leash."""

    def make_actor(self, features_extractor: Any = None) -> LeashedActor:
        """See the base class."""
        settings = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return LeashedActor(**settings).to(self.device)


def _before_squeezing(actor: Actor, obs: Any) -> torch.distributions.Normal:
    """What an actor draws from before the hyperbolic tangent, which moves no divergence."""
    mean, log_std, _ = actor.get_action_dist_params(obs)
    return torch.distributions.Normal(mean, log_std.exp())


def _apart(its: Any, own: Any) -> torch.Tensor:
    """Kullback-Leibler divergence (B,) of one distribution from another."""
    apart = torch.distributions.kl_divergence(its, own)
    return apart.reshape(len(apart), -1).sum(1)

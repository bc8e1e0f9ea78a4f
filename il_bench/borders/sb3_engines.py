"""Engines that go on from a clone: PPO from networks as its own, SAC from networks squeezed by tanh, each on a leash."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from .sb3_ppo import Practice

EAGER = 4
"""How many times as often the critic learns from a step while it warms up; PPO's at as many times the rate."""
SHAPE = "net_arch", "features_extractor_class", "features_extractor_kwargs"
"""Settings of a policy that make it a network as the clone's."""


class Engine(Protocol):
    """What practises."""

    @property
    def copies(self) -> int:
        """Copies of the environment that are stepped side by side."""

    @property
    def updates(self) -> int:
        """Gradient updates in a round."""

    def model(self, clone: Any, world: Any, seed: int) -> Any:
        """The model of one run, with a network as that of a clone, stable-baselines3's policy."""

    def actor(self, policy: Any) -> list[torch.nn.Module]:
        """The layers of an actor from observations to actions."""

    def spread(self, policy: Any) -> list[torch.nn.Parameter]:
        """The parameters of how widely it acts by chance; none where actions are Discrete."""

    def holder(self, policy: Any) -> Any:
        """What of a policy holds the clone to keep to."""

    def prepare(self, model: Any, leash: float, warming: bool) -> None:
        """Before a round: the strength of the leash, and how eagerly the critic learns."""


@dataclass(frozen=True)
class OnPolicy:
    """PPO (Schulman et al. 2017)."""

    practice: Practice

    @property
    def copies(self) -> int:
        """See `Engine`."""
        return self.practice.copies

    @property
    def updates(self) -> int:
        """See `Engine`."""
        return self.practice.updates

    def model(self, clone: Any, world: Any, seed: int) -> Any:
        """See `Engine`."""
        from .sb3_leash import LeashedPolicy

        return self.practice.model(LeashedPolicy, world, seed, **_shape(clone))

    def actor(self, policy: Any) -> list[torch.nn.Module]:
        """See `Engine`."""
        return [policy.mlp_extractor.policy_net, policy.action_net]

    def spread(self, policy: Any) -> list[torch.nn.Parameter]:
        """See `Engine`."""
        return [policy.log_std] if hasattr(policy, "log_std") else []

    def holder(self, policy: Any) -> Any:
        """See `Engine`."""
        return policy

    def prepare(self, model: Any, leash: float, warming: bool) -> None:
        """See `Engine`. While it warms up the critic learns whole returns."""
        times = EAGER if warming else 1
        rate = self.practice.rate * times
        model.n_epochs = self.practice.epochs * times
        model.lr_schedule = lambda remaining: rate
        model.rollout_buffer.gae_lambda = 1.0 if warming else model.gae_lambda
        model.ent_coef = leash


@dataclass(frozen=True)
class OffPolicy:
    """SAC (Haarnoja et al. 2018), whose entropy is the leash: none is sought for its own sake.

    Attributes:
        practice: of whose settings epochs and copies are not used.
        ratio: gradient updates for each environment step.
    """

    practice: Practice
    ratio: float

    copies = 1

    @property
    def updates(self) -> int:
        """See `Engine`."""
        return math.ceil(self.ratio * self.practice.rollout)

    def model(self, clone: Any, world: Any, seed: int) -> Any:
        """See `Engine`."""
        from stable_baselines3 import SAC

        from .sb3_leash import LeashedSACPolicy

        practice = self.practice
        model = SAC(
            LeashedSACPolicy,
            world,
            learning_rate=practice.rate,
            buffer_size=practice.rounds * practice.rollout,
            learning_starts=0,
            batch_size=practice.minibatch,
            gamma=practice.gamma,
            train_freq=practice.rollout,
            ent_coef=0.0,
            policy_kwargs=_shape(clone),
            seed=seed,
            device="cpu",
        )
        weight, bias = self.spread(model.policy)
        torch.nn.init.zeros_(weight)
        torch.nn.init.constant_(bias, math.log(practice.deviation))
        return model

    def actor(self, policy: Any) -> list[torch.nn.Module]:
        """See `Engine`."""
        return [policy.actor.latent_pi, policy.actor.mu]

    def spread(self, policy: Any) -> list[torch.nn.Parameter]:
        """See `Engine`."""
        return [policy.actor.log_std.weight, policy.actor.log_std.bias]

    def holder(self, policy: Any) -> Any:
        """See `Engine`."""
        return policy.actor

    def prepare(self, model: Any, leash: float, warming: bool) -> None:
        """See `Engine`."""
        model.gradient_steps = self.updates * (EAGER if warming else 1)
        model.ent_coef_tensor = torch.tensor(leash)


def engine_of(kind: str, practice: Practice, ratio: float) -> Engine:
    """What can go on with the networks of a net."""
    return OffPolicy(practice, ratio) if kind == "relu" else OnPolicy(practice)


def tie(engine: Engine, policy: Any, clone: Any) -> None:
    """Give an actor a clone to keep to, which acts as widely as it does."""
    with torch.no_grad():
        for own, its in zip(engine.spread(policy), engine.spread(clone), strict=True):
            its.copy_(own)
    clone.requires_grad_(False)
    engine.holder(policy).clone = clone


def hold(engine: Engine, policy: Any, still: bool) -> None:
    """Let an actor stand still, or move."""
    for part in engine.actor(policy):
        part.requires_grad_(not still)
    for parameter in engine.spread(policy):
        parameter.requires_grad_(not still)


def _shape(clone: Any) -> dict[str, Any]:
    """Settings of a policy with a network as the clone's."""
    shape = clone._get_constructor_parameters()
    return {name: shape[name] for name in SHAPE}

"""Fine-tuning: go on from a clone by reinforcement learning, so that the reward mends what the labels left open.

Clone first, then PPO (Schulman et al. 2017, stable-baselines3's) with the clone's weights in the actor. Three things
keep the return from falling at the start, when the critic knows nothing and the first gradients are noise; each can be
switched off. The critic first learns the clone's own returns while the actor stands still; and the actor is kept on a
leash, the Kullback-Leibler divergence of the clone from it, which is let out evenly to nothing (as in kickstarting,
Schmitt et al. 2018). Not to be confused with DAgger, which asks the expert for more labels: here nobody is asked, and
the environment's reward is used, which an imitator need not have.

Runs practise one after the other, not side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from ..borders import resolve
from ..borders.sb3_policies import require_network, to_sb3
from ..borders.sb3_practice import Step, Student, numbers, sign, together
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate
from ..fit.fitting import fit, load_policy
from ..fit.training import Training, require_positive

if TYPE_CHECKING:
    from stable_baselines3 import PPO

    from ..borders.sb3_leash import LeashedPolicy


@dataclass(frozen=True)
class FineTune:
    """Reinforcement learning from a clone: its weights, a critic warmed up on its returns, and a leash to it."""

    episodes: int = 8
    """Expert episodes to clone."""
    training: Training = field(default_factory=Training)
    """How the labels become the clone."""
    clone: str = ""
    """Go on from this policy instead, a file that policy.save wrote, of as many runs; no expert is then asked."""
    weights: bool = True
    """Whether the actor begins with the clone's weights, or as a new network."""
    warmup: int = 4
    """Rounds in which only the critic learns, from the clone's own returns; 0 lets the actor move at once."""
    leash: float = 1.0
    """Weight of the divergence from the clone at first; it falls evenly to nothing. 0 is no leash."""
    rounds: int = 40
    """Rounds of practice in all, those of the warm-up among them."""
    rollout: int = 1024
    """Environment steps in each round."""
    copies: int = 8
    """Copies of the environment that share a round's steps."""
    epochs: int = 10
    """How often each round's steps are learned from."""
    minibatch: int = 256
    """Steps in a minibatch of practice."""
    rate: float = 3e-4
    """Learning rate of practice."""
    gamma: float = 0.99
    """Discount of later rewards."""
    deviation: float = 0.1
    """Standard deviation of the actions that are tried at first, in half widths of their Box."""

    networks: ClassVar[bool] = True
    """Whether only nets that stable-baselines3 has as well can be trained."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes", "rounds", "rollout", "copies", "epochs", "minibatch")
        require_positive(self, "rate", "deviation")
        require_positive(self, "leash", zero=True)
        require(0 <= self.gamma < 1, f"gamma: expected from 0 to below 1, got {self.gamma}")
        wanted = f"fewer than the {self.rounds} rounds of practice"
        fits = 0 <= self.warmup < self.rounds
        require(fits, f"warmup: expected {wanted}, and at least 0, got {self.warmup}; raise rounds")
        least = f"expected at least 2 and at most the {self.rollout} steps of a round"
        fits = 2 <= self.minibatch <= self.rollout
        require(fits, f"minibatch: {least}, got {self.minibatch}; raise rollout")
        whole = self.rollout % self.copies == 0
        wanted = f"a number that the {self.rollout} steps of a round are shared among evenly"
        require(whole, f"copies: expected {wanted}, got {self.copies}; try 8")

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the actor does, by chance, paid by the environment."""
        streams = streams or Streams(env.seeds, env.device)
        log = log or Log()
        clone = self._clone(env, expert, streams, log)
        log.iterate(0, clone)
        students = self._students(env, clone, streams.fork("practice"))
        for i in range(self.rounds):
            for student in students:
                self._practise(student, i)
            policy = together(env, students)
            log.iterate(i + 1, policy)
            log.report((i + 1) / self.rounds, f"round {i + 1}")
        minibatches = math.ceil(self.rollout / self.minibatch)
        sign(log, students, self.rounds * self.epochs * minibatches)
        return log.close(self, policy)

    def _clone(self, env: Env, expert: Expert, streams: Streams, log: Log) -> Policy:
        """Whom to go on from."""
        if self.clone:
            clone = load_policy(self.clone)
            runs = clone.runs
            require(runs == env.runs, f"clone: expected {env.runs} runs, got {runs}; learn it here")
        else:
            expert = resolve.expert(env, expert)
            own = streams.fork("demonstrations")
            data = demonstrate(env, expert, own, self.episodes, log)
            clone = fit(data, self.training, env, streams.fork("fit"), log)
        require_network("finetune", clone)
        require(clone.kind == "mlp", "finetune: PPO goes on from tanh networks; choose --net mlp")
        return clone

    def _students(self, env: Env, clone: Policy, streams: Streams) -> list[Student]:
        """One for each run, before practice."""
        students = []
        for run, seed in enumerate(numbers(streams)):
            its = to_sb3(clone[run], env)

            def make(world: Any, seed: int, its: Any = its) -> PPO:
                return self._model(world, seed, its)

            students.append(Student(env[run], seed, make, self._pay, self.copies))
        return students

    def _pay(self, step: Step) -> float:
        """The reward, in units in which a critic's values are as large as rewards are."""
        return (1 - self.gamma) * step.reward

    def _model(self, world: Any, seed: int, clone: Any) -> PPO:
        """Who practises."""
        from stable_baselines3 import PPO

        from ..borders.sb3_leash import LeashedPolicy

        shape = clone._get_constructor_parameters()
        names = ("net_arch", "features_extractor_class", "features_extractor_kwargs")
        settings = {name: shape[name] for name in names}
        settings["log_std_init"] = self._log_deviation(world.action_space)
        model = PPO(
            LeashedPolicy,
            world,
            learning_rate=self.rate,
            n_steps=self.rollout // world.num_envs,
            batch_size=self.minibatch,
            n_epochs=self.epochs,
            gamma=self.gamma,
            policy_kwargs=settings,
            seed=seed,
            device="cpu",
        )
        self._tie(model.policy, clone)  # type: ignore[arg-type]
        return model

    def _log_deviation(self, space: Any) -> float:
        """Of the actions that are tried at first; the narrowest component tells."""
        half = 1.0
        if isinstance(space, spaces.Box):
            widths = (space.high - space.low) / 2
            half = float(np.min(widths[np.isfinite(widths)], initial=np.inf))
            half = half if math.isfinite(half) else 1.0
        return math.log(self.deviation * half)

    def _tie(self, policy: LeashedPolicy, clone: Any) -> None:
        """Give an actor the clone's weights, and the clone to keep to, each where it is asked for."""
        if self.weights:
            for own, its in zip(_actor(policy), _actor(clone), strict=True):
                own.load_state_dict(its.state_dict())
        if self.leash:
            with torch.no_grad():
                if hasattr(clone, "log_std"):
                    clone.log_std.copy_(policy.log_std)
            clone.requires_grad_(False)
            policy.clone = clone

    def _practise(self, student: Student, i: int) -> None:
        """Round i of one run: only the critic learns in the first ones, from whole returns."""
        model: Any = student.model
        warming = i < self.warmup
        _hold(model.policy, warming)
        model.rollout_buffer.gae_lambda = 1.0 if warming else model.gae_lambda
        left = self.rounds - self.warmup
        model.ent_coef = self.leash * (self.rounds - max(i, self.warmup)) / left
        student.practise(self.rollout)


def _hold(policy: Any, still: bool) -> None:
    """Let an actor stand still, or move."""
    for part in _actor(policy):
        part.requires_grad_(not still)
    if hasattr(policy, "log_std"):
        policy.log_std.requires_grad_(not still)


def _actor(policy: Any) -> list[torch.nn.Module]:
    """The layers of an actor."""
    return [policy.mlp_extractor.policy_net, policy.action_net]

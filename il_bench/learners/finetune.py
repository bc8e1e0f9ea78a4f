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
from functools import partial
from typing import Any, ClassVar

import torch

from ..borders import resolve
from ..borders.sb3_policies import to_sb3
from ..borders.sb3_ppo import Practice
from ..borders.sb3_practice import Step, Student, enrolled, practised
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.registry import name_of
from ..core.settings import require, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate
from ..fit.course import Course
from ..fit.fitting import fit, load_policy
from ..fit.training import Training, require_positive

EAGER = 4
"""How many times as often, and at how many times the rate, the critic learns from a step while it warms up."""


@dataclass(frozen=True)
class FineTune:
    """Reinforcement learning from a clone: its weights, a critic warmed up on its returns, and a leash to it."""

    episodes: int = 8
    """Expert episodes to clone."""
    training: Training = field(default_factory=Training)
    """How the labels become the clone."""
    clone: str = ""
    """Go on from this policy instead, a file that policy.save wrote, of as many runs; no expert is then asked."""
    transfer: bool = True
    """Whether the actor begins with the clone's weights, or as a new network."""
    warmup: int = 2048
    """The first steps of practice, in which only the critic learns; 0 lets the actor move at once."""
    leash: float = 0.1
    """Weight of the divergence from the clone at first; it falls evenly to nothing. 0 is no leash."""
    practice: Practice = field(default_factory=Practice)
    """How PPO practises."""

    nets: ClassVar[tuple[str, ...]] = ("mlp", "ridge")
    """Those whose policies PPO can go on with."""
    one_by_one: ClassVar[bool] = True
    """Runs practise one after the other."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")
        require_positive(self, "leash", zero=True)
        wanted = f"from 0 to fewer than the {self.practice.steps} steps of practice, by a round"
        fits = 0 <= self._warm < self.practice.rounds
        require(fits, f"warmup: expected {wanted}, got {self.warmup}; raise steps")

    @property
    def own_updates(self) -> int:
        """Gradient updates of practice, besides those of the clone."""
        rounds = self.practice.rounds + (EAGER - 1) * self._warm
        return rounds * self.practice.updates

    @property
    def _warm(self) -> int:
        """Rounds of the warm-up."""
        return math.ceil(self.warmup / self.practice.rollout)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the actor does, by chance, paid by the environment."""
        course = Course.begun(env, expert, streams, log)
        clone = self._clone(course)
        students = self._students(course, clone)
        policy = practised(course, students, self.practice.rounds, self._practise)
        course.log.updates += self.own_updates
        return course.log.close(self, policy)

    def _clone(self, course: Course) -> Policy:
        """Whom to go on from."""
        env = course.env
        if self.clone:
            clone = load_policy(self.clone)
            self._require_network(clone.kind)
            runs = clone.runs
            require(runs == env.runs, f"clone: expected {env.runs} runs, got {runs}; learn it here")
            return clone
        self._require_network(name_of(self.training.net))
        expert = resolve.expert(env, course.expert)
        own = course.streams.fork("demonstrations")
        data = demonstrate(env, expert, own, self.episodes, course.log)
        return fit(data, self.training, env, course.streams.fork("fit"), course.log)

    def _require_network(self, net: str) -> None:
        """Refuse a net whose policies PPO cannot go on with, because no network of its holds them."""
        best = self.nets[0]
        wanted = f"finetune: expected net {best}, got {net}"
        require(net in self.nets, f"{wanted}; use --net {best}")

    def _students(self, course: Course, clone: Policy) -> list[Student]:
        """One for each run, before practice."""
        env = course.env

        def enrol(run: int, seed: int) -> Student:
            its = to_sb3(clone[run], env)
            make = partial(self._model, its)
            return Student(env[run], seed, make, self._pay, self.practice.copies)

        return enrolled(course, enrol)

    def _pay(self, step: Step) -> float:
        """The reward, in units in which a critic's values are as large as rewards are."""
        return (1 - self.practice.gamma) * step.reward

    def _model(self, clone: Any, world: Any, seed: int) -> Any:
        """Who practises, with a network as the clone's."""
        from ..borders.sb3_leash import LeashedPolicy

        shape = clone._get_constructor_parameters()
        names = ("net_arch", "features_extractor_class", "features_extractor_kwargs")
        settings = {name: shape[name] for name in names}
        model = self.practice.model(LeashedPolicy, world, seed, **settings)
        self._tie(model.policy, clone)
        return model

    def _tie(self, policy: Any, clone: Any) -> None:
        """Give an actor the clone's weights, and the clone to keep to, each where it is asked for."""
        if self.transfer:
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
        model = student.model
        practice = self.practice
        warming = i < self._warm
        times = EAGER if warming else 1
        rate = practice.rate * times
        model.n_epochs = practice.epochs * times
        model.lr_schedule = lambda remaining: rate
        model.rollout_buffer.gae_lambda = 1.0 if warming else model.gae_lambda
        left = practice.rounds - max(i, self._warm)
        model.ent_coef = self.leash * left / (practice.rounds - self._warm)
        _hold(model.policy, warming)
        student.practise(practice.rollout)


def _hold(policy: Any, still: bool) -> None:
    """Let an actor stand still, or move."""
    for part in _actor(policy):
        part.requires_grad_(not still)
    if hasattr(policy, "log_std"):
        policy.log_std.requires_grad_(not still)


def _actor(policy: Any) -> list[torch.nn.Module]:
    """The layers of an actor."""
    return [policy.mlp_extractor.policy_net, policy.action_net]

"""Fine-tuning: go on from a clone by reinforcement learning, so that the reward mends what the labels left open.

Clone first, then stable-baselines3 with the clone's weights in the actor: PPO (Schulman et al. 2017) where the clone's net
is mlp or ridge, SAC (Haarnoja et al. 2018) where it is relu, whose actions are squeezed by tanh as SAC's are. Three things
keep the return from falling at the start, when the critic knows nothing and the first gradients are noise; each can be
switched off. The critic first learns what the clone's own actions are worth while the actor stands still; and the actor is
kept on a leash, the Kullback-Leibler divergence of the clone from it, which is let out evenly to nothing (as in
kickstarting, Schmitt et al. 2018). Not to be confused with DAgger, which asks the expert for more labels: here nobody is
asked, and the environment's reward is used, which an imitator need not have.

Runs practise one after the other, not side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from ..borders import resolve
from ..borders.sb3_engines import EAGER, Engine, engine_of, hold, tie
from ..borders.sb3_policies import to_sb3
from ..borders.sb3_ppo import Practice
from ..borders.sb3_practice import Student, begun, enrolled, practised, require_practice
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.registry import name_of
from ..core.settings import require, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate
from ..fit.course import Course
from ..fit.fitting import fit, load_policy
from ..fit.training import Training, require_positive
from ..fit.transitions import Transitions


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
    """How PPO practises; SAC has no use for its epochs and copies."""
    ratio: float = 0.5
    """With SAC, gradient updates for each environment step."""

    nets: ClassVar[tuple[str, ...]] = ("mlp", "ridge", "relu")
    """Those whose policies PPO, or SAC, can go on with."""
    one_by_one: ClassVar[bool] = True
    """Runs practise one after the other."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")
        require_positive(self, "leash", zero=True)
        require_positive(self, "ratio")
        wanted = f"from 0 to fewer than the {self.practice.steps} steps of practice, by a round"
        fits = 0 <= self._warm < self.practice.rounds
        require(fits, f"warmup: expected {wanted}, got {self.warmup}; raise steps")

    @property
    def own_updates(self) -> int:
        """Gradient updates of practice, besides those of the clone; of a file's, by what the file holds."""
        net = load_policy(self.clone).kind if self.clone else name_of(self.training.net)
        return self._updates(self._engine(net))

    def _updates(self, engine: Engine) -> int:
        """Those of an engine."""
        rounds = self.practice.rounds + (EAGER - 1) * self._warm
        return rounds * engine.updates

    def _engine(self, net: str) -> Engine:
        """What goes on with the policies of a net."""
        return engine_of(net, self.practice, self.ratio)

    @property
    def _warm(self) -> int:
        """Rounds of the warm-up."""
        return math.ceil(self.warmup / self.practice.rollout)

    def require_possible(self, env: Env) -> None:
        """Refuse environments in which nobody can practise, and clones with whom nobody can go on."""
        require_practice(env)
        if self.clone:
            self._require_fit(load_policy(self.clone), env)
        else:
            self._require_network(name_of(self.training.net), env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the actor does, by chance, paid by the environment."""
        course = begun(env, expert, streams, log)
        clone = self._clone(course)
        engine = self._engine(clone.kind)
        students = self._students(course, clone, engine)
        practise = partial(self._practise, engine)
        policy = practised(course, students, self.practice.rounds, practise)
        course.log.updates += self._updates(engine)
        return course.log.close(self, policy)

    def _clone(self, course: Course) -> Policy:
        """Whom to go on from."""
        env = course.env
        if self.clone:
            clone = load_policy(self.clone)
            self._require_fit(clone, env)
            return clone
        self._require_network(name_of(self.training.net), env)
        expert = resolve.expert(env, course.expert)
        own = course.streams.fork("demonstrations")
        data = demonstrate(env, expert, own, self.episodes, course.log)
        return fit(data, self.training, env, course.streams.fork("fit"), course.log)

    def _require_fit(self, clone: Policy, env: Env) -> None:
        """Refuse a clone of other runs, or of another task."""
        self._require_network(clone.kind, env)
        runs = clone.runs
        require(runs == env.runs, f"clone: expected {env.runs} runs, got {runs}; learn it here")
        own = clone.action_space
        wanted = f"clone: expected actions {env.action_space}, got {own}"
        require(own == env.action_space, f"{wanted}; take a clone of this task")
        seen = clone.layers[0].shape[1]  # type: ignore[attr-defined]  # all of these nets have layers
        size = math.prod(env.observation_space.shape)
        require(
            seen == size,
            f"clone: expected {size} observations, got {seen}; take a clone of this task",
        )

    def _require_network(self, net: str, env: Env) -> None:
        """Refuse a net whose policies nobody can go on with, because no actor has such a network."""
        best = self.nets[0]
        wanted = f"finetune: expected net {best}, got {net}"
        require(net in self.nets, f"{wanted}; use --net {best}")
        is_box = isinstance(env.action_space, spaces.Box)
        fits = net != "relu" or is_box
        require(fits, f"{wanted}, whose SAC has no Discrete actions; use --net {best}")

    def _students(self, course: Course, clone: Policy, engine: Engine) -> list[Student]:
        """One for each run, before practice."""
        env = course.env

        def enrol(run: int, seed: int) -> Student:
            its = to_sb3(clone[run], env)
            make = partial(self._model, engine, its)
            return Student(env[run], seed, make, self._pay, engine.copies)

        return enrolled(course, enrol)

    def _pay(self, steps: Transitions, rewards: np.ndarray) -> np.ndarray:
        """The rewards (n,), in units in which a critic's values are as large as rewards are."""
        return (1 - self.practice.gamma) * rewards

    def _model(self, engine: Engine, clone: Any, world: Any, seed: int) -> Any:
        """Who practises, with a network as the clone's; its weights and the leash are taken where they are asked for."""
        model = engine.model(clone, world, seed)
        if self.transfer:
            pairs = zip(engine.actor(model.policy), engine.actor(clone), strict=True)
            for own, its in pairs:
                own.load_state_dict(its.state_dict())
        if self.leash:
            tie(engine, model.policy, clone)
        return model

    def _practise(self, engine: Engine, student: Student, i: int) -> None:
        """Round i of one run: only the critic learns in the first ones."""
        rounds = self.practice.rounds
        warming = i < self._warm
        left = rounds - max(i, self._warm)
        leash = self.leash * left / (rounds - self._warm)
        engine.prepare(student.model, leash, warming)
        hold(engine, student.model.policy, warming)
        student.practise(self.practice.rollout)

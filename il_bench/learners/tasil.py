"""TaSIL: learn the expert's actions on its own states, and how they change around them.

Pfrommer, Zhang, Tu & Matni (2022), of first order: the loss of behaviour cloning plus that of the Jacobian. A policy that
matches the expert at a state alone may answer a small deviation as it likes; one that also matches its slope answers it
as the expert does, so that the closed loop near the path is the expert's, and less stable loops can be imitated. Not to
be confused with penalising large slopes (a smooth policy is not the expert's), nor with noise injection and DART, which
visit the states beside the path instead of asking for derivatives on it. What is matched is the derivative along the
state, d pi(o(s))/ds = d pi*(s)/ds: where the observation hides a coordinate, nobody is asked to react to it through it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from gymnasium import spaces

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.registry import NETS
from ..core.rollout import action_size
from ..core.settings import Values, require, require_counts
from ..core.streams import Streams
from ..fit.collect import expert_rollouts
from ..fit.course import Course
from ..fit.dataset import dataset
from ..fit.slopes import require_slopes, slopes
from ..fit.training import Lesson, Training, require_positive
from ..fit.weighing import weighed
from ..nets._mlp_slopes import fit_slopes
from ..nets.mlp import MLP


@dataclass(frozen=True)
class TaSIL:
    """Taylor-series imitation: behaviour cloning that matches the expert's Jacobian as well."""

    episodes: int = 8
    """Expert episodes to learn from."""
    jacobian: Values = 1.0
    """Weight of the squared error of the Jacobian beside that of the action; 0 is behaviour cloning."""
    differences: float = 0.0
    """Ask for actions so far to either side of each state instead of for derivatives; they count as questions."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy; the net is an mlp."""

    actions: ClassVar[str] = "Box"
    nets: ClassVar[tuple[str, ...]] = ("mlp",)

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")
        require_positive(self, "jacobian", "differences", zero=True)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives; every visited state is labelled, with its derivatives."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        require_slopes(course, self.differences)
        own = course.streams.fork("demonstrations")
        visits = expert_rollouts(env, course.expert, own, self.episodes, course.log)
        own_states = dataset(env, visits, visits.action)
        data = weighed(own_states, self.training.weights, course.log)
        steep = slopes(course, visits, self.differences)
        own = course.streams.fork("fit")
        lesson = Lesson(data, self.training, env, own, course.log, self.training.updates)
        policy = fit_slopes(lesson, steep, self.jacobian)
        course.log.iterate(0, policy)
        return course.log.close(self, policy)

    def sample_size(self, env: Env, states: int) -> int:
        """Numbers that are held of one label: observation and action, and their derivatives along `states` coordinates."""
        observation = math.prod(env.observation_space.shape)
        return (1 + states) * (observation + action_size(env))

    def require_possible(self, env: Env) -> None:
        """Refuse actions, and nets, that have no derivative to match."""
        gradual = isinstance(env.action_space, spaces.Box)
        reason = "expected Box actions, got Discrete ones, which have no derivative"
        require(gradual, f"tasil: {reason}; use bc")
        net = self.training.net
        name = NETS.name(type(net))
        require(isinstance(net, MLP), f"tasil: expected net mlp, got {name}; use --net mlp, or bc")

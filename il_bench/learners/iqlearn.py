"""IQ-Learn: clone by a soft Q function whose Bellman residuals, the rewards that it implies, are kept small.

Garg et al. (2021), "IQ-Learn: inverse soft-Q learning for imitation", without an environment to try anything in: with
V(s) = log sum_a exp Q(s, a) the reward implied at a step is r = Q(s, a) - gamma V(s'), and what is minimised over the
expert's steps is the mean of V(s) - Q(s, a) + r^2 / (4 alpha), the last from the chi-square divergence. The first two
are cross-entropy, so that alpha = infinity is cloning; the squares carry what a step leads to back into what it is worth.
Not to be confused with SQIL, whose rewards are given, and which drives itself.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch
from gymnasium import spaces

from ..borders import resolve
from ..core.arrays import Arrays
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.registry import name_of
from ..core.rollout import Rollout, observe
from ..core.settings import as_tuple, require, require_counts
from ..core.streams import Streams
from ..fit.collect import expert_rollouts
from ..fit.course import Course
from ..fit.dataset import Dataset, dataset
from ..fit.loop import Autograd, Descent, cross_entropy, descend, in_blocks, sign
from ..fit.optimiser import Layers, Optimiser
from ..fit.scaling import scales
from ..fit.training import Lesson, Training, require_positive
from ..nets.mlp import MLP, MLPPolicy, initial_layers, mlp


@dataclass(frozen=True)
class IQLearn:
    """Inverse soft Q-learning from demonstrations alone; Discrete actions, tanh networks."""

    episodes: int = 10
    """Expert episodes to learn from."""
    training: Training = field(default_factory=Training)
    """How the Q function is trained."""
    gamma: float = 0.99
    """Discount of later rewards."""
    alpha: float = 0.5
    """How freely implied rewards may be large; the larger, the more it is cloning."""

    actions: ClassVar[str] = "Discrete"
    nets: ClassVar[tuple[str, ...]] = ("mlp",)

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")
        require_positive(self, "alpha")
        require(0 <= self.gamma < 1, f"gamma: expected from 0 to below 1, got {self.gamma}")

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; nobody else does."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        own = course.streams.fork("demonstrations")
        visits = expert_rollouts(env, course.expert, own, self.episodes, course.log)
        plain = dataset(env, visits, visits.action)
        policy = self._fit(course, plain, _with_what_followed(env, plain, visits))
        course.log.iterate(0, policy)
        return course.log.close(self, policy)

    def require_possible(self, env: Env) -> None:
        """Refuse actions that have no soft maximum, and nets that are no such network."""
        reason = "expected Discrete actions, got Box ones, which have no soft maximum"
        discrete = isinstance(env.action_space, spaces.Discrete)
        require(discrete, f"iqlearn: {reason}; use sqil")
        net = self.training.net
        wanted = f"expected net mlp, got {name_of(net)}"
        require(isinstance(net, MLP), f"iqlearn: {wanted}; use --net mlp")

    def _fit(self, course: Course, plain: Dataset, steps: Dataset) -> Policy:
        """The policies whose logits are the Q function, fitted to steps and what followed them."""
        streams = course.streams.fork("fit")
        training = self.training
        training.require_runs(course.env.runs)
        lesson = Lesson(steps, training, course.env, streams, course.log, training.updates)
        sizes = training.net.widths(plain, course.env)  # type: ignore[attr-defined]
        layers = [layer.to(course.env.device) for layer in initial_layers(sizes, streams)]
        zscore = training.normalise == "zscore"
        scaling = scales(plain, as_tuple(training.std_floor), zscore, sizes[-1])
        (block,) = in_blocks(lesson.runs, lesson)
        gradient = partial(_autograd, self, sizes[0])
        descent = Descent(layers, _twice(scaling), gradient)
        optimiser, losses = descend(block, descent, lesson.updates)
        sign(lesson, [losses])
        return MLPPolicy(optimiser.average(), scaling, course.env.action_space)


def _with_what_followed(env: Env, plain: Dataset, visits: Rollout) -> Dataset:
    """The samples of a rollout with longer observations (R, N, 2 O + 1): the next one, and whether all goes on."""
    runs, _, times, size = visits.state.shape
    later = visits.state[:, :, 1:].reshape(runs, -1, size)
    step = torch.arange(1, times, device=later.device)
    last = step == visits.length[..., None]
    over = last & visits.terminated[..., None]
    on = (~over).reshape(runs, -1, 1).float()
    obs = torch.cat((plain.obs, observe(env, later), on), 2)
    return dataclasses.replace(plain, obs=obs)


def _twice(scaling: Arrays) -> Arrays:
    """Scales for an observation, the next one, and whether all goes on."""
    mean = scaling["mean"]
    std = scaling["std"]
    none = torch.zeros_like(mean[..., :1])
    means = torch.cat((mean, mean, none), 2)
    stds = torch.cat((std, std, none + 1), 2)
    return scaling | {"mean": means, "std": stds}


def _autograd(learner: IQLearn, size: int, optimiser: Optimiser) -> Autograd:
    """The gradient of cross-entropy and of the implied rewards' squares."""

    def loss(layers: Layers, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        before, after, on = x.split([size, size, 1], 2)
        values = mlp(layers, before)
        taken = values.gather(2, y)
        following = mlp(layers, after)
        later = following.logsumexp(2, keepdim=True)
        implied = taken - learner.gamma * on * later
        squares = implied[..., 0].square()
        size_of_them = (share * squares).sum(1)
        likelihood = cross_entropy(values, y, share)
        return likelihood + size_of_them / (4 * learner.alpha)

    return Autograd(optimiser, loss)

"""Own episodes: what a student does at this moment, as the minibatches that it learns from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..core.chance import bound, chances_of
from ..core.env import Env
from ..core.policy import choose
from ..core.rollout import Answer as Driven
from ..core.rollout import Driver, Rollout, observe, roll_in
from ..core.settings import require
from ..core.streams import Streams
from .collect import collect
from .course import Course
from .dataset import Dataset, dataset
from .fitting import fit
from .sequences import Answer, Errors, Sequences, joined
from .training import Training
from .unrolling import iterated


def by_student(
    env: Env, answer: Answer, streams: Streams, episodes: int, temperature: float = 1.0
) -> Driver:
    """A student drives by chance, with logits of this moment divided by a temperature."""
    draws = streams.uniform("policy", episodes, env.horizon)

    def drive(step: int, state: torch.Tensor, memory: Any) -> Driven:
        obs = observe(env, state)
        out, memory = answer(obs[:, :, None], memory)
        logits = out[:, :, 0] / temperature
        chances = logits.softmax(-1)
        return choose(chances, draws[..., step]), memory

    return drive


def require_chances(learner: str, course: Course) -> None:
    """Refuse an expert whose chances nobody can ask for."""
    stochastic = chances_of(course.expert) is not None
    name = type(course.expert).__name__
    wanted = f"{learner}: expected an expert that tells the chances of its actions"
    require(stochastic, f"{wanted}, got {name}; use dagger")


@dataclass(frozen=True)
class LabelledEpisodes:
    """A share of each minibatch is what the student does at this moment, with the expert's chances in every state of it.

    Attributes:
        course: where, and who is asked; each answer is counted.
        streams: starts, noise, and the numbers by which the student acts.
        share: of the minibatch's sequences.
        temperature: at which the student acts.
        errors: what is lost against the chances.
    """

    course: Course
    streams: Streams
    share: float
    temperature: float
    errors: Errors | None

    def batch(self, given: Sequences, update: int, answer: Answer) -> Sequences:
        """See `Source.batch`."""
        size = given.weight.shape[1]
        # So many that over all updates the share is exact.
        whole = size * self.share
        count = int((update + 1) * whole) - int(update * whole)
        if count == 0:
            return given
        env, log = self.course.env, self.course.log
        streams = self.streams.later(update * size)
        expert = bound(env, self.course.expert, streams, count)
        drive = by_student(env, answer, streams, count, self.temperature)
        own = Sequences.of(collect(env, expert, drive, streams, count, log))
        return joined(own, given.rest(count))


@dataclass(frozen=True)
class PaidEpisodes:
    """Each minibatch is what the student does at this moment, and its actions weigh what they earned beyond the usual.

    REINFORCE (Williams 1992): the likelihood of an action is raised by the rewards from its step on, less a baseline,
    which is what the other episodes of the minibatch earn from that step on. Nobody is asked.

    Attributes:
        course: where; steps are counted.
        demonstrated: the streams of the demonstrations, whose first steps can be repeated to the last bit.
        streams: starts, noise, and the numbers by which the student acts.
        forced: (updates made) -> how many first steps of each episode are the demonstration's, with its labels.
    """

    course: Course
    demonstrated: Streams
    streams: Streams
    forced: Callable[[int], int]
    errors: Errors | None = None

    def batch(self, given: Sequences, update: int, answer: Answer) -> Sequences:
        """See `Source.batch`."""
        env, log = self.course.env, self.course.log
        size = given.weight.shape[1]
        streams = self.streams.later(update * size)
        drive = by_student(env, answer, streams, size)
        forced = self.forced(update)
        if forced and given.number is not None:
            drive = _beginning(given, forced, drive)
            numbers = given.number.cpu().numpy()
            streams = self.demonstrated.at(numbers)
        visits = roll_in(env, drive, streams, size, log)
        own = Sequences.of(dataset(env, visits, visits.action))
        gain = _advantage(visits)
        gain[..., :forced] = 1.0
        return dataclasses.replace(own, gain=gain.to(own.weight))


def _beginning(given: Sequences, steps: int, drive: Driver) -> Driver:
    """Demonstrations (R, E, T, ...) are repeated for so many steps; a driver who has looked on goes on."""

    def begin(step: int, state: torch.Tensor, memory: Any) -> Driven:
        own, memory = drive(step, state, memory)
        its = given.action[:, :, step]
        return its if step < steps else own, memory

    return begin


def _advantage(visits: Rollout) -> torch.Tensor:
    """What each episode earned from each step on beyond what the others of its run did on average, (R, E, T)."""
    reward = visits.reward.masked_fill(~visits.alive, 0.0)
    left = reward.flip(-1).cumsum(-1).flip(-1)
    others = max(reward.shape[1] - 1, 1)
    usual = (left.sum(1, keepdim=True) - left) / others
    return left - usual


def after_cloning(
    course: Course,
    data: Dataset,
    training: Training,
    forced: float,
    source: Any,
    iterates: int,
) -> Any:
    """The policy that begins as a clone of demonstrations, and goes on by a source.

    Args:
        course: where, from whom.
        data: the demonstrations.
        training: the settings, of both parts.
        forced: the share of the updates that clone.
        source: whence the sequences of the others come.
        iterates: how often the policy of the moment is shown.
    """
    env, log = course.env, course.log
    total = training.updates
    first = round(forced * total)
    clone = None
    if first:
        watch = iterated(log, total, iterates)
        streams = course.streams.fork("fit")
        clone = fit(data, training, env, streams, log, first, watch=watch)
    if first == total:
        return clone
    watch = iterated(log, total, iterates, first)
    streams = course.streams.fork("own")
    left = total - first
    return fit(data, training, env, streams, log, left, clone, source, watch)

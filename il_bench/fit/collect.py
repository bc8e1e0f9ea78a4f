"""Collecting: somebody drives, the expert labels, and the steps become a dataset, counted in the learner's budget."""

from __future__ import annotations

import torch

from ..core.env import Env, Expert
from ..core.policy import Log
from ..core.rollout import (
    Driver,
    Rollout,
    both,
    by_expert,
    count_labels,
    first_steps,
    label,
    roll_in,
    rollout,
)
from ..core.settings import require
from ..core.streams import Streams
from .dataset import Dataset, dataset

DOUBLINGS = 12
"""How often twice as many episodes are tried until they hold the labels that are wanted."""


def collect(
    env: Env, expert: Expert, drive: Driver, streams: Streams, episodes: int, log: Log
) -> Dataset:
    """The expert's labels in the states that somebody else visits.

    Args:
        env: the environment, R runs.
        expert: who labels; a `Witness`, where it drives as well, so that it is asked once.
        drive: who acts.
        streams: start and noise.
        episodes: of each run, E.
        log: labels, steps and what collecting cost are counted here.
    """
    visits = roll_in(env, drive, streams, episodes, log)
    return dataset(env, visits, label(env, expert, visits, log))


def demonstrate(env: Env, expert: Expert, streams: Streams, episodes: int, log: Log) -> Dataset:
    """The expert's own rollouts: what it did is its label, so that it is asked once.

    Raises:
        ValueError: when an action of the expert is not finite.
    """
    visits = watch(env, expert, streams, episodes, log)
    return dataset(env, visits, visits.action)


def watch(env: Env, expert: Expert, streams: Streams, episodes: int, log: Log) -> Rollout:
    """The expert's own rollouts, for those who learn from more than its labels; counted like these.

    Raises:
        ValueError: when an action of the expert is not finite.
    """
    visits = roll_in(env, by_expert(env, expert), streams, episodes, log)
    log.asked = log.asked + visits.questions.sum(1)
    _require_own_labels(visits)
    count_labels(visits, log)
    return visits


def demonstrate_labels(
    env: Env, expert: Expert, streams: Streams, wanted: torch.Tensor, log: Log
) -> Dataset:
    """The expert's own rollouts until each run has its number of labels `wanted` (R,), the last episode in part.

    Raises:
        ValueError: when its episodes end too early for so many.
    """
    most = int(wanted.max())
    visits = _visits_of(env, expert, streams, wanted, -(-most // env.horizon))
    enough = bool((visits.length.sum(1) >= wanted).all())
    require(enough, f"labels: the expert's episodes end too early for {most} labels; ask for fewer")
    used = first_steps(visits, wanted)
    log.steps = log.steps + used.length.sum(1)
    log.asked = log.asked + visits.questions.sum(1)
    _require_own_labels(used)
    count_labels(used, log)
    return dataset(env, used, used.action)


def _visits_of(
    env: Env, expert: Expert, streams: Streams, wanted: torch.Tensor, episodes: int
) -> Rollout:
    """The expert's rollouts, of `episodes` and then of twice as many until they hold what is wanted, or for long enough."""
    drive = by_expert(env, expert)
    visits = rollout(env, drive, streams, episodes)
    for _ in range(DOUBLINGS - 1):
        if (visits.length.sum(1) >= wanted).all():
            break
        more = rollout(env, drive, streams.later(episodes), episodes)
        visits = both(visits, more)
        episodes *= 2
    return visits


def _require_own_labels(visits: Rollout) -> None:
    """Refuse a driver whose actions are no labels; the step at which one was not finite is no step of a living episode."""
    finite = visits.action.isfinite().all(-1)
    broken = (~finite).nonzero()
    if len(broken):
        run, episode, step = broken[0].tolist()
        action = visits.action[run, episode, step].tolist()
        own = int(visits.broke[run, episode]) == step
        require(
            not own,
            f"expert: expected finite actions, got {action} at run {run}, episode {episode}, step {step}; let it answer "
            "in every state that it can reach",
        )

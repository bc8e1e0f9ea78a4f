"""Collecting: somebody drives, the expert labels, and the steps become a dataset, counted in the learner's budget."""

from __future__ import annotations

import torch

from ..core.env import Env, Expert
from ..core.policy import Log
from ..core.rollout import (
    Driver,
    Rollout,
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
        expert: who labels.
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
    visits = roll_in(env, by_expert(env, expert), streams, episodes, log)
    return _own_labels(env, visits, log)


def demonstrate_labels(
    env: Env, expert: Expert, streams: Streams, wanted: torch.Tensor, log: Log
) -> Dataset:
    """The expert's own rollouts until each run has its number of labels `wanted` (R,), the last episode in part.

    Raises:
        ValueError: when its episodes end too early for so many.
    """
    episodes = -(-int(wanted.max()) // env.horizon)
    for _ in range(DOUBLINGS):
        visits = rollout(env, by_expert(env, expert), streams, episodes)
        if (visits.length.sum(1) >= wanted).all():
            used = first_steps(visits, wanted)
            log.steps = log.steps + used.length.sum(1)
            return _own_labels(env, used, log)
        episodes *= 2
    raise ValueError(
        f"labels: the expert's episodes end too early for {int(wanted.max())} labels; ask for fewer"
    )


def _own_labels(env: Env, visits: Rollout, log: Log) -> Dataset:
    """What the driver did, as labels; the step at which an action was not finite is no step of a living episode."""
    broken = (~visits.action.isfinite().all(-1)).nonzero()
    if len(broken):
        run, episode, step = broken[0].tolist()
        action = visits.action[run, episode, step].tolist()
        require(
            int(visits.broke[run, episode]) != step,
            f"expert: expected finite actions, got {action} at run {run}, episode {episode}, step {step}; let it answer "
            "in every state that it can reach",
        )
    count_labels(visits, log)
    return dataset(env, visits, visits.action)

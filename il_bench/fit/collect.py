"""Collecting: somebody drives, the expert labels, and the steps become a dataset, counted in the learner's budget."""

from __future__ import annotations

import dataclasses

import torch

from ..core.chance import bound
from ..core.disturbance import Disturbance, by_disturbed
from ..core.env import ArchiveEnv, Env, Expert
from ..core.gate import Asking, Takeover, switches
from ..core.policy import Log
from ..core.rollout import (
    Archive,
    Driver,
    Rollout,
    Witness,
    both,
    by_expert,
    count_labels,
    counted,
    first_steps,
    label,
    roll_in,
    rollout,
)
from ..core.settings import Values, as_tuple, require
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
    data = dataset(env, visits, label(env, expert, visits, log), expert)
    if not isinstance(env, ArchiveEnv):
        return data
    # Who is asked is seen for certain.
    certain = torch.ones_like(data.weight)
    return dataclasses.replace(data, exposure=certain, pooled=certain)


def expert_rollouts(env: Env, expert: Expert, streams: Streams, episodes: int, log: Log) -> Rollout:
    """The expert's own rollouts, counted: what it did is its label, so that it is asked once.

    Raises:
        ValueError: when an action of the expert is not finite.
    """
    expert = bound(env, expert, streams, episodes)
    visits = roll_in(env, by_expert(env, expert), streams, episodes, log)
    log.asked = log.asked + visits.questions.sum(1)
    _count_own_labels(visits, log)
    return visits


def demonstrate(env: Env, expert: Expert, streams: Streams, episodes: int, log: Log) -> Dataset:
    """The samples of the expert's own rollouts, see `expert_rollouts`."""
    if isinstance(env, ArchiveEnv):
        archive = env.log(expert, streams, episodes)
        return archived(env, archive, log)
    visits = expert_rollouts(env, expert, streams, episodes, log)
    return dataset(env, visits, visits.action, expert)


def archived(env: Env, archive: Archive, log: Log) -> Dataset:
    """The samples of what an environment kept, each with the chance with which it was kept; nobody is asked."""
    visits = counted(archive.visits, log)
    count_labels(visits, log)
    data = dataset(env, visits, visits.action)
    exposure = _of_each_step(archive.exposure, visits)
    pooled = archive.pooled
    if pooled is not None:
        pooled = _of_each_step(pooled, visits)
    return dataclasses.replace(data, exposure=exposure, pooled=pooled)


def _of_each_step(numbers: torch.Tensor, visits: Rollout) -> torch.Tensor:
    """Numbers of episodes (R, E) as those of their steps (R, E T), float32."""
    steps = visits.alive.shape[2]
    return numbers.repeat_interleave(steps, 1).to(torch.float32)


def demonstrate_disturbed(
    env: Env,
    expert: Expert,
    disturb: Disturbance,
    streams: Streams,
    episodes: int,
    log: Log,
    clean: bool = True,
) -> Dataset:
    """The expert's rollouts under a disturbance of its actions; asked once, at each step.

    Args:
        env: the environment, R runs.
        expert: who drives and labels.
        disturb: what becomes of its actions before they are executed.
        streams: start and noise.
        episodes: of each run, E.
        log: labels, steps and what collecting cost are counted here.
        clean: the labels are what the expert chose; what was executed otherwise.
    """
    witness = Witness(bound(env, expert, streams, episodes))
    drive = by_disturbed(by_expert(env, witness), disturb)
    visits = roll_in(env, drive, streams, episodes, log)
    labels = label(env, witness, visits, log)
    return dataset(env, visits, labels if clean else visits.action, witness)


def collect_gated(
    env: Env, drive: Takeover, asks: Asking, streams: Streams, episodes: int, log: Log
) -> Dataset:
    """A policy's rollouts where its expert takes over by a gate: what the expert did is labelled, all else weighs nothing.

    Args:
        env: the environment, R runs.
        drive: both of them, and the gate.
        asks: at which steps the gate looks at what the expert would do.
        streams: start and noise.
        episodes: of each run, E.
        log: labels, questions, interventions, switches and what collecting cost are counted here.
    """
    whole = rollout(env, drive, streams, episodes)
    visits = counted(whole, log, drive.expert_acts(whole))
    acts = drive.expert_acts(visits)
    taken = acts.sum((1, 2))
    log.interventions = log.interventions + taken
    log.switches = log.switches + switches(acts, visits.alive)
    log.asked = log.asked + asks(acts, visits.alive).sum((1, 2))
    count_labels(visits, log, acts.sum(2))
    data = dataset(env, visits, visits.action, drive.expert)
    weight = acts.reshape(data.weight.shape).to(data.weight.dtype)
    return dataclasses.replace(data, weight=weight)


def demonstrate_labels(
    env: Env, expert: Expert, streams: Streams, wanted: torch.Tensor, log: Log
) -> Dataset:
    """The expert's own rollouts until each run has its number of labels `wanted` (R,), the last episode in part.

    Raises:
        ValueError: when its episodes end too early for so many.
    """
    for limit, taken in ((log.limit, log.labels), (log.most_steps, log.steps)):
        if limit is not None:
            left = torch.as_tensor(limit - taken, device=wanted.device)
            wanted = wanted.minimum(left.clamp_min(1))
    most = int(wanted.max())
    if isinstance(env, ArchiveEnv):
        return _archived_labels(env, expert, streams, wanted, log)
    visits = _visits_of(env, expert, streams, wanted, -(-most // env.horizon))
    enough = bool((visits.length.sum(1) >= wanted).all())
    require(enough, f"labels: the expert's episodes end too early for {most} labels; ask for fewer")
    used = first_steps(visits, wanted)
    log.steps = log.steps + used.length.sum(1)
    log.asked = log.asked + visits.questions.sum(1)
    _count_own_labels(used, log)
    return dataset(env, used, used.action, expert)


def _archived_labels(
    env: ArchiveEnv, expert: Expert, streams: Streams, wanted: torch.Tensor, log: Log
) -> Dataset:
    """What an environment kept until each run has its number of labels `wanted` (R,), as `demonstrate_labels`."""
    episodes = 1
    for _ in range(DOUBLINGS):
        archive = env.log(expert, streams, episodes)
        held = archive.visits.length.sum(1)
        if (held >= wanted).all():
            break
        episodes *= 2
    most = int(wanted.max())
    enough = bool((held >= wanted).all())
    require(enough, f"labels: too little was kept for {most} labels; ask for fewer")
    used = first_steps(archive.visits, wanted)
    return archived(env, dataclasses.replace(archive, visits=used), log)


def demonstrate_budget(
    env: Env, expert: Expert, streams: Streams, episodes: int, labels: Values, log: Log
) -> Dataset:
    """The expert's own rollouts: so many episodes, or as many as hold each run's number of `labels`, if that is not 0.

    Raises:
        ValueError: when its episodes end too early for so many.
    """
    numbers = as_tuple(labels)
    if max(numbers) == 0:
        return demonstrate(env, expert, streams, episodes, log)
    wanted = torch.tensor(numbers, device=env.device).round().long().expand(env.runs)
    return demonstrate_labels(env, expert, streams, wanted, log)


def _visits_of(
    env: Env, expert: Expert, streams: Streams, wanted: torch.Tensor, episodes: int
) -> Rollout:
    """The expert's rollouts, of `episodes` and then of twice as many until they hold what is wanted, or for long enough."""
    visits = _driven(env, expert, streams, episodes)
    for _ in range(DOUBLINGS - 1):
        if (visits.length.sum(1) >= wanted).all():
            break
        more = _driven(env, expert, streams.later(episodes), episodes)
        visits = both(visits, more)
        episodes *= 2
    return visits


def _driven(env: Env, expert: Expert, streams: Streams, episodes: int) -> Rollout:
    """The expert's rollouts."""
    drive = by_expert(env, bound(env, expert, streams, episodes))
    return rollout(env, drive, streams, episodes)


def _count_own_labels(visits: Rollout, log: Log) -> None:
    """Count what the driver did as labels; the step at which an action was not finite is no step of a living episode."""
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
    count_labels(visits, log)

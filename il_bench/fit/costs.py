"""Costs: what each action in a visited state costs to the end of the episode, and a dataset of them.

Who learns from costs picks, in each state, the action that costs least on average. That is a classification with a cost
for every class, and weighted samples make it an ordinary one, exactly (Abe, Zadrozny & Langford 2004): each action
stands as a label of the state, with the weight by which it is better than the worst. What a policy loses of the weights
is then what its actions cost more than the best ones, up to a number that no policy changes. Hence every net that can
classify learns from costs, and in a state in which nothing matters nothing is learned.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch

from ..core.chance import bound
from ..core.env import Env
from ..core.policy import Policy
from ..core.rollout import (
    Driver,
    Rollout,
    by_expert,
    by_learner,
    by_mixture,
    count_labels,
    counted,
    observe,
    rollout,
)
from ..core.settings import require
from ..core.streams import Streams
from .course import Course
from .dataset import Dataset
from .judges import Visits


def require_discrete(env: Env, name: str) -> None:
    """Refuse actions that cannot all be tried."""
    discrete = hasattr(env.action_space, "n")
    reason = "expected Discrete actions, got Box ones, which cannot all be tried"
    require(discrete, f"{name}: {reason}; use dagger")


def sample_size(env: Env) -> int:
    """Numbers that are held of the costs of one state: an observation and a label for each action."""
    space: Any = env.action_space
    observation = math.prod(env.observation_space.shape)
    return int(space.n) * (observation + 1)


def drive_in(
    course: Course,
    policy: Policy | None,
    chance: torch.Tensor,
    streams: Streams,
    episodes: int,
    points: int,
) -> Visits:
    """Visits of episodes that a policy drives, and at each step the expert with a chance; he alone without a policy.

    His answers at the wheel are questions, and no labels.

    Args:
        course: what is learned, and the log that counts.
        policy: who drives.
        chance: (R, 1) of the expert.
        streams: start, noise and coins.
        episodes: of each run, E.
        points: how many steps of each episode are judged; 0 takes all.
    """
    env, expert, log = course.env, course.expert, course.log
    acting = bound(env, expert, streams, episodes)
    drive: Driver = by_expert(env, acting)
    drives = torch.ones_like(chance, dtype=torch.bool)
    if policy is not None:
        drives = chance > 0
        drive = by_learner(env, policy, streams, episodes)
        if drives.any():
            drive = by_mixture(env, acting, policy, chance, streams, episodes)
    whole = rollout(env, drive, streams, episodes)
    visits = visits_of(whole, streams, points)
    nothing = torch.zeros_like(whole.alive)
    labelled = nothing.scatter(2, visits.time, visits.judged)
    seen = counted(whole, log, labelled)
    log.asked = log.asked + seen.questions.sum(1) * drives[:, 0]
    lived = visits.time < seen.length[..., None]
    return dataclasses.replace(visits, rollout=seen, judged=visits.judged & lived)


def visits_of(seen: Rollout, streams: Streams, points: int) -> Visits:
    """All steps of a rollout, or so many of each episode, drawn at random.

    Args:
        seen: E episodes.
        streams: under which they were driven.
        points: how many; 0 takes all.
    """
    alive = seen.alive
    episodes, steps = alive.shape[1:]
    if points == 0:
        time = torch.arange(steps, device=alive.device)
        return Visits(seen, streams, time.expand_as(alive), alive)
    draw = streams.uniform("points", episodes, steps)
    last = draw.masked_fill(~alive, torch.inf)
    order = last.argsort(-1)
    time = order[..., :points]
    return Visits(seen, streams, time, alive.gather(2, time))


def costs(course: Course, visits: Visits, worth: torch.Tensor) -> Dataset:
    """The samples of visits whose actions are worth (R, E, P, A), counted: a label is what one state's actions cost.

    Of E episodes come E A sequences of T steps, one for each action: a label of weight zero where it is the worst, where
    nobody judged, and where nobody lived.
    """
    seen = visits.rollout
    judged = visits.judged.sum(2)
    count_labels(seen, course.log, judged)
    weight = _weights(visits, worth)
    runs, episodes, actions, steps = weight.shape
    obs = _observations(course.env, seen)
    shown = obs[:, :, None].expand(-1, -1, actions, -1, -1)
    number = torch.arange(actions, device=obs.device)
    label = number[:, None, None].expand(runs, episodes, -1, steps, -1)
    return Dataset(
        obs=shown.flatten(1, 3),
        action=label.flatten(1, 3),
        weight=weight.flatten(1),
        lengths=(steps,) * (episodes * actions),
    )


def _weights(visits: Visits, worth: torch.Tensor) -> torch.Tensor:
    """By how much each action is better than the worst, (R, E, A, T), float32; zero where nobody judged."""
    worst = worth.min(-1, keepdim=True).values
    unknown = ~visits.judged[..., None]
    better = (worth - worst).masked_fill(unknown, 0.0)
    runs, episodes, _, actions = better.shape
    steps = visits.rollout.alive.shape[2]
    nothing = better.new_zeros(runs, episodes, steps, actions)
    places = visits.time[..., None].expand_as(better)
    by_step = nothing.scatter(2, places, better)
    return by_step.transpose(2, 3).float()


def _observations(env: Env, seen: Rollout) -> torch.Tensor:
    """What is observed before each step, (R, E, T, O)."""
    states = seen.state[:, :, :-1]
    obs = observe(env, states.flatten(1, 2))
    return obs.unflatten(1, states.shape[1:3])

"""Transitions: what an expert did, run by run, each step with what followed: for those who learn from more than labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from ..core.env import Env
from ..core.rollout import Rollout, observe
from .collect import expert_rollouts
from .course import Course


@dataclass(frozen=True)
class Transitions:
    """The steps that one run lived, n in all, episode after episode.

    Attributes:
        obs: observations (n, O) before each step, float32.
        action: actions (n, U) within their space; float32, int64 where they are Discrete.
        following: observations (n, O) after each step, float32.
        over: (n,) bool, whether the environment ended the episode with this step.
    """

    obs: np.ndarray
    action: np.ndarray
    following: np.ndarray
    over: np.ndarray

    def __len__(self) -> int:
        return len(self.obs)


def demonstrated(course: Course, episodes: int) -> list[Transitions]:
    """The steps of the expert's own rollouts, for each run (R,), counted in the learner's budget."""
    streams = course.streams.fork("demonstrations")
    visits = expert_rollouts(course.env, course.expert, streams, episodes, course.log)
    return transitions(course.env, visits)


def transitions(env: Env, visits: Rollout) -> list[Transitions]:
    """The steps of a rollout, for each run (R,)."""
    runs, episodes, times, size = visits.state.shape
    seen = observe(env, visits.state.reshape(runs, -1, size))
    obs = seen.reshape(runs, episodes, times, -1).cpu().numpy()
    action = _possible(env, visits.action.cpu().numpy())
    alive = visits.alive.cpu().numpy()
    step = np.arange(times - 1)
    last = step == visits.length[..., None].cpu().numpy() - 1
    over = last & visits.terminated[..., None].cpu().numpy()
    before = obs[:, :, :-1]
    after = obs[:, :, 1:]
    out = []
    for run, lived in enumerate(alive):
        own = [part[run][lived] for part in (before, action, after, over)]
        out.append(Transitions(*own))
    return out


def _possible(env: Env, action: np.ndarray) -> np.ndarray:
    """Actions (R, E, T, U) as their space holds them; a Box clips them, as it does whatever is done in it."""
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return action.astype(np.int64)
    return action.clip(space.low.ravel(), space.high.ravel()).astype(np.float32)

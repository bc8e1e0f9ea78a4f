"""Fates: what became of rollouts beside their twins: who broke, who ended, whose end is the expert's own, who is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .record import Record
from .rows import VARIABLES

FAR = 0.5
"""A rollout is lost from this part of its ceiling on: nearly as far from its twin as two unrelated states."""

MOST = 0.5
"""From this share of a run's rollouts lost on, its D tells where they were stopped, and not how they drift."""

DEAR = 0.5
"""An end is none of the expert's own, though its twin ended too, that comes before this part of the twin's steps, or at
another step costs more than this part of the twin's return."""


@dataclass(frozen=True)
class Fates:
    """What became of one learner's rollouts, of all runs.

    Attributes:
        drift: D at the horizon, typical for each run (R,).
        broke: whether each (R, E) became NaN or infinite.
        ended: whether the environment ended each early.
        as_expert: whether each ended as its twin did, sooner or later, and lost little by it, see `DEAR`.
        far: whether each went on and is lost at the horizon, see `FAR`.
        parted: the first step at which each was lost either way; the horizon where it never was.
    """

    drift: np.ndarray
    broke: np.ndarray
    ended: np.ndarray
    as_expert: np.ndarray
    far: np.ndarray
    parted: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        """Share of each run's rollouts (R,) that are lost, those apart that ended as the expert's did."""
        ended = self.ended & ~self.as_expert
        lost: np.ndarray = (self.broke | ended | self.far).mean(1)
        return lost

    @property
    def stopped(self) -> np.ndarray:
        """Whether D tells of each run (R,) where its rollouts were stopped, see `MOST`."""
        stopped: np.ndarray = self.lost >= MOST
        return stopped


def fates_of(record: Record, learner: int) -> Fates:
    """What became of a learner's rollouts."""
    arrays = record.arrays
    broke = arrays["broke"][learner] >= 0
    ended = arrays["terminated"][learner] & ~broke
    together = arrays["terminated"][0] & ~_dear(record, learner)
    stops = ended | broke
    stopped = np.where(stops, arrays["length"][learner], record.horizon)
    apart = _apart(record, learner)
    gone = _first_step(apart, record.horizon)
    return Fates(
        drift=record.drift(learner, record.horizon),
        broke=broke,
        ended=ended,
        as_expert=ended & together,
        far=apart[..., -1] & ~stops,
        parted=np.minimum(gone, stopped),
    )


def _dear(record: Record, learner: int) -> np.ndarray:
    """Whether each rollout (R, E) ended so much sooner than its twin, or earned so much less, that the ends are not of one
    kind, see `DEAR`; where they came at the same step they are.
    """
    length = record.arrays["length"]
    ours, experts = length[learner], length[0]
    reward = record.arrays["reward"]
    earned = reward[0].sum(-1)
    missing = earned - reward[learner].sum(-1)
    costs = missing > DEAR * np.abs(earned)
    soon = ours < DEAR * experts
    dear: np.ndarray = (ours != experts) & (soon | costs)
    return dear


def _apart(record: Record, learner: int) -> np.ndarray:
    """Whether each rollout is lost at each time (R, E, T+1); a chance has no yardstick of its own for that."""
    divergence = record.arrays["divergence"][learner]
    if record.indicator:
        return np.zeros(divergence.shape, dtype=bool)
    ceilings = VARIABLES["ceiling"].measure(record, 0)
    limit = FAR * ceilings[:, None, None]
    apart: np.ndarray = divergence >= limit
    return apart


def _first_step(events: np.ndarray, horizon: int) -> np.ndarray:
    """The first time (R, E) of events (R, E, T+1); the horizon where there is none."""
    first = events.argmax(-1)
    return np.where(events.any(-1), first, horizon)

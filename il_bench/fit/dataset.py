"""Dataset: what a learner learns from, R runs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from gymnasium import spaces

from ..core.chance import chances_of
from ..core.env import Env, Expert
from ..core.rollout import Rollout, observe
from ..core.settings import require


@dataclass(frozen=True)
class Moments:
    """Weighted mean and scatter of samples; those of a union follow from those of its parts.

    Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances".

    Attributes:
        weight: (R, 1, 1) sum of the weights; float64, like the others.
        mean: (R, 1, O + U) weighted mean of observations and actions side by side.
        scatter: (R, 1, O + U) weighted sum of squared deviations from it.
    """

    weight: torch.Tensor
    mean: torch.Tensor
    scatter: torch.Tensor

    def merged(self, other: Moments) -> Moments:
        """The moments of both sets of samples together."""
        weight = self.weight + other.weight
        apart = other.mean - self.mean
        share = other.weight / weight.clamp_min(1e-300)
        mean = self.mean + share * apart
        within = self.scatter + other.scatter
        between = share * self.weight * apart.square()
        scatter = within + between
        return Moments(weight, mean, scatter)


@dataclass(frozen=True)
class Dataset:
    """Samples in sequence after sequence.

    Attributes:
        obs: (R, N, O) float32.
        action: (R, N, U), float32; int64 where actions are Discrete.
        weight: (R, N) float32, multiplies the loss; zero hides a sample, as after the end of an episode.
        lengths: samples in each sequence, the same for all runs; they sum to N.
        exposure: (R, N) chance that the sample was seen, or None where it is not known.
        pooled: (R, N) the mean of that chance over all who could have seen the like, or None likewise.
        target: (R, N, A) float32 chances of the expert's actions, of one that acts by chance; None of others.
        lived: (R, N) bool, whether somebody was there; of a rollout's samples, whether they weigh something or not.
    """

    obs: torch.Tensor
    action: torch.Tensor
    weight: torch.Tensor
    lengths: tuple[int, ...]
    exposure: torch.Tensor | None = None
    pooled: torch.Tensor | None = None
    target: torch.Tensor | None = None
    lived: torch.Tensor | None = None

    def __post_init__(self) -> None:
        """Check that the parts describe the same samples."""
        expected = tuple(self.obs.shape[:2])
        for name, part in self.arrays.items():
            shape = tuple(part.shape[:2])
            require(
                shape == expected, f"{name}: expected (R, N) = {expected} as in obs, got {shape}"
            )
        total, samples = sum(self.lengths), len(self)
        require(total == samples, f"lengths: expected a sum of N = {samples}, got {total}")

    def __len__(self) -> int:
        return self.obs.shape[1]

    @property
    def arrays(self) -> dict[str, torch.Tensor]:
        """What is held for each sample, by name."""
        parts = {
            "obs": self.obs,
            "action": self.action,
            "weight": self.weight,
            "exposure": self.exposure,
            "pooled": self.pooled,
            "target": self.target,
            "lived": self.lived,
        }
        return {name: part for name, part in parts.items() if part is not None}

    @cached_property
    def moments(self) -> Moments:
        """The moments of observations and actions."""
        parts = self.obs.double(), self.action.double()
        both = torch.cat(parts, -1)
        weight = self.weight.double()[..., None]
        total = weight.sum(1, keepdim=True)
        share = weight / total.clamp_min(1e-300)
        mean = (share * both).sum(1, keepdim=True)
        squares = (both - mean).square()
        variance = (share * squares).sum(1, keepdim=True)
        scatter = total * variance
        return Moments(total, mean, scatter)

    @cached_property
    def live(self) -> tuple[np.ndarray, ...]:
        """For each run the samples that weigh something, in order."""
        rows = self.weight.cpu().numpy()
        return tuple(np.flatnonzero(row) for row in rows)

    def of(self, runs: slice) -> Dataset:
        """The samples of some of the runs, as views."""
        arrays = {name: array[runs] for name, array in self.arrays.items()}
        part = Dataset(**arrays, lengths=self.lengths)
        # What was computed already, or is known from the parts, is handed on.
        if "moments" in vars(self):
            moments = {name: value[runs] for name, value in vars(self.moments).items()}
            vars(part)["moments"] = Moments(**moments)
        if "live" in vars(self):
            vars(part)["live"] = self.live[runs]
        return part

    @property
    def time(self) -> torch.Tensor:
        """The step of each sample within its sequence (N,), int64."""
        steps = [torch.arange(length) for length in self.lengths]
        return torch.cat(steps).to(self.obs.device)


def dataset(
    env: Env, rollout: Rollout, labels: torch.Tensor, expert: Expert | None = None
) -> Dataset:
    """The samples of a rollout (E sequences of T) under `labels` (R, E, T, U); frozen steps weigh nothing.

    The chances of an expert that acts by chance come along.
    """
    runs, episodes, steps, size = labels.shape
    states = rollout.state[:, :, :-1]
    discrete = isinstance(env.action_space, spaces.Discrete)
    kind = torch.int64 if discrete else torch.float32
    alive = rollout.alive
    # A label in a frozen state may be anything, NaN included; zero times NaN would still be NaN in the loss.
    action = labels.masked_fill(~alive[..., None], 0)
    samples = episodes * steps
    obs = observe(env, states.reshape(runs, samples, -1))
    return Dataset(
        obs=obs,
        action=action.reshape(runs, samples, size).to(kind),
        weight=alive.reshape(runs, samples).to(torch.float32),
        lengths=(steps,) * episodes,
        target=_target(states.reshape(runs, samples, -1), expert),
        lived=alive.reshape(runs, samples),
    )


def _target(states: torch.Tensor, expert: Expert | None) -> torch.Tensor | None:
    """The chances (R, N, A) of an expert's actions in states (R, N, X), if it acts by chance."""
    who = None if expert is None else chances_of(expert)
    return None if who is None else who.distribution(states).to(torch.float32)


def concatenate(parts: list[Dataset]) -> Dataset:
    """One dataset from several, in order; `exposure` survives where all parts know it."""
    known = [set(part.arrays) for part in parts]
    names = set.intersection(*known)
    lengths = tuple(length for part in parts for length in part.lengths)
    arrays = {}
    for name in names:
        pieces = [part.arrays[name] for part in parts]
        arrays[name] = torch.cat(pieces, 1)
    return Dataset(**arrays, lengths=lengths)


class Growing:
    """A dataset to which parts are added: each sample is copied once, and once more whenever the room is doubled.

    What a fit asks of all samples (their moments, which of them weigh something) grows with them, so that a round of an
    aggregating learner costs what is new in it, and not all that came before.
    """

    def __init__(self) -> None:
        self._whole: Dataset | None = None
        self._room: dict[str, torch.Tensor] = {}  # each (R, room, ...)
        self._live: list[torch.Tensor | None] = []  # of each run (1, room)

    def add(self, part: Dataset) -> Dataset:
        """The dataset with one more part at its end: views, which later parts leave as they are."""
        if self._whole is None:
            self._whole = part
            self._live = [None] * len(part.obs)
            return part
        before = self._whole
        arrays = self._add_arrays(before, part)
        whole = Dataset(**arrays, lengths=before.lengths + part.lengths)
        runs = range(len(part.obs))
        later = [len(before) + new for new in part.live]
        live = map(self._add_live, runs, before.live, later)
        # Put where the properties keep what they have computed: `dataclasses.replace` forgets it, as it should.
        vars(whole)["moments"] = before.moments.merged(part.moments)
        vars(whole)["live"] = tuple(live)
        self._whole = whole
        return whole

    def _add_arrays(self, before: Dataset, part: Dataset) -> dict[str, torch.Tensor]:
        """The arrays of both; exposure goes where not all parts know it."""
        first = len(before)
        end = first + len(part)
        names = before.arrays.keys() & part.arrays.keys()
        arrays = {}
        for name in names:
            room = _roomy(self._room.get(name), before.arrays[name], end)
            room[:, first:end] = part.arrays[name]
            self._room[name] = room
            arrays[name] = room[:, :end]
        return arrays

    def _add_live(self, run: int, before: np.ndarray, new: np.ndarray) -> np.ndarray:
        """The live samples of one run, the new ones behind those before."""
        first = len(before)
        end = first + len(new)
        filled = torch.from_numpy(before)[None]
        room = _roomy(self._live[run], filled, end)
        room[0, first:end] = torch.from_numpy(new)
        self._live[run] = room
        return room[0, :end].numpy()


def _roomy(room: torch.Tensor | None, filled: torch.Tensor, size: int) -> torch.Tensor:
    """A tensor (R, at least size, ...) that begins with `filled` (R, n, ...): `room`, which does, where it is long enough."""
    if room is not None and room.shape[1] >= size:
        return room
    runs, samples, *rest = filled.shape
    larger = filled.new_empty((runs, 2 * size, *rest))
    larger[:, :samples] = filled
    return larger

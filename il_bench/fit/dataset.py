"""Dataset: what a learner learns from, R runs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from gymnasium import spaces

from ..core.env import Env
from ..core.rollout import Rollout, observe


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
        weight, apart = self.weight + other.weight, other.mean - self.mean
        share = other.weight / weight.clamp_min(1e-300)
        scatter = self.scatter + other.scatter + share * self.weight * apart.square()
        return Moments(weight, self.mean + share * apart, scatter)


@dataclass(frozen=True)
class Dataset:
    """Samples in sequence after sequence.

    Attributes:
        obs: (R, N, O) float32.
        action: (R, N, U), float32; int64 where actions are Discrete.
        weight: (R, N) float32, multiplies the loss; zero hides a sample, as after the end of an episode.
        lengths: samples in each sequence, the same for all runs; they sum to N.
        exposure: (R, N) chance that the sample was seen, or None where it is not known.
    """

    obs: torch.Tensor
    action: torch.Tensor
    weight: torch.Tensor
    lengths: tuple[int, ...]
    exposure: torch.Tensor | None = None

    def __post_init__(self) -> None:
        """Check that the parts describe the same samples."""
        want = tuple(self.obs.shape[:2])
        parts = {"action": self.action, "weight": self.weight, "exposure": self.exposure}
        for name, part in parts.items():
            if part is not None and tuple(part.shape[:2]) != want:
                raise ValueError(
                    f"{name}: expected (R, N) = {want} as in obs, got {tuple(part.shape[:2])}"
                )
        if sum(self.lengths) != want[1]:
            raise ValueError(f"lengths: expected a sum of N = {want[1]}, got {sum(self.lengths)}")

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
        }
        return {name: part for name, part in parts.items() if part is not None}

    @cached_property
    def moments(self) -> Moments:
        """The moments of observations and actions."""
        both, weight = (
            torch.cat((self.obs.double(), self.action.double()), -1),
            self.weight.double()[..., None],
        )
        total = weight.sum(1, keepdim=True)
        share = weight / total.clamp_min(1e-300)
        mean = (share * both).sum(1, keepdim=True)
        return Moments(total, mean, total * (share * (both - mean).square()).sum(1, keepdim=True))

    @cached_property
    def live(self) -> tuple[np.ndarray, ...]:
        """For each run the samples that weigh something, in order."""
        return tuple(np.flatnonzero(row) for row in self.weight.cpu().numpy())

    def of(self, runs: slice) -> Dataset:
        """The samples of some of the runs, as views."""
        part = Dataset(
            **{name: array[runs] for name, array in self.arrays.items()}, lengths=self.lengths
        )
        if "moments" in vars(self):  # computed already, or known from the parts
            vars(part)["moments"] = Moments(*(value[runs] for value in vars(self.moments).values()))
        if "live" in vars(self):
            vars(part)["live"] = self.live[runs]
        return part

    @property
    def time(self) -> torch.Tensor:
        """The step of each sample within its sequence (N,), int64."""
        return torch.cat([torch.arange(n) for n in self.lengths]).to(self.obs.device)


def dataset(env: Env, seen: Rollout, labels: torch.Tensor) -> Dataset:
    """The samples of a rollout (E sequences of T) under `labels` (R, E, T, U); frozen steps weigh nothing."""
    runs, episodes, steps, size = labels.shape
    states = seen.state[:, :, :-1].reshape(runs, episodes * steps, -1)
    discrete = isinstance(env.action_space, spaces.Discrete)
    # A label in a frozen state may be anything, NaN included; zero times NaN would still be NaN in the loss.
    action = torch.where(seen.alive[..., None], labels, torch.zeros_like(labels)).reshape(
        runs, -1, size
    )
    return Dataset(
        obs=observe(env, states),
        action=action.to(torch.int64 if discrete else torch.float32),
        weight=seen.alive.reshape(runs, -1).to(torch.float32),
        lengths=(steps,) * episodes,
    )


def concatenate(parts: list[Dataset]) -> Dataset:
    """One dataset from several, in order; `exposure` survives where all parts know it."""
    known = [part.exposure for part in parts if part.exposure is not None]
    return Dataset(
        obs=torch.cat([part.obs for part in parts], 1),
        action=torch.cat([part.action for part in parts], 1),
        weight=torch.cat([part.weight for part in parts], 1),
        lengths=tuple(n for part in parts for n in part.lengths),
        exposure=torch.cat(known, 1) if len(known) == len(parts) else None,
    )


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
            self._whole, self._live = part, [None] * len(part.obs)
            return part
        whole, at, end = self._whole, len(self._whole), len(self._whole) + len(part)
        names = (
            whole.arrays.keys() & part.arrays.keys()
        )  # exposure goes where not all parts know it
        self._room = {name: _roomy(self._room.get(name), whole.arrays[name], end) for name in names}
        for name, room in self._room.items():
            room[:, at:end] = part.arrays[name]
        made = Dataset(
            **{name: room[:, :end] for name, room in self._room.items()},
            lengths=whole.lengths + part.lengths,
        )
        # Put where the properties keep what they have computed: `dataclasses.replace` forgets it, as it should.
        vars(made)["moments"] = whole.moments.merged(part.moments)
        vars(made)["live"] = tuple(
            self._add_live(run, whole.live[run], at + new) for run, new in enumerate(part.live)
        )
        self._whole = made
        return made

    def _add_live(self, run: int, before: np.ndarray, new: np.ndarray) -> np.ndarray:
        """The live samples of one run, the new ones behind those before."""
        end = len(before) + len(new)
        self._live[run] = room = _roomy(self._live[run], torch.from_numpy(before)[None], end)
        room[0, len(before) : end] = torch.from_numpy(new)
        return room[0, :end].numpy()


def _roomy(room: torch.Tensor | None, filled: torch.Tensor, size: int) -> torch.Tensor:
    """A tensor (R, at least size, ...) that begins with `filled` (R, n, ...): `room`, which does, where it is long enough."""
    if room is not None and room.shape[1] >= size:
        return room
    larger = filled.new_empty((len(filled), 2 * size, *filled.shape[2:]))
    larger[:, : filled.shape[1]] = filled
    return larger

"""Dataset: what a learner learns from, R runs side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from gymnasium import spaces

from .core import Env
from .rollout import Rollout, observe


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
                raise ValueError(f"{name}: expected (R, N) = {want} as in obs, got {tuple(part.shape[:2])}")
        if sum(self.lengths) != want[1]:
            raise ValueError(f"lengths: expected a sum of N = {want[1]}, got {sum(self.lengths)}")

    def __len__(self) -> int:
        return self.obs.shape[1]

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
    action = torch.where(seen.alive[..., None], labels, torch.zeros_like(labels)).reshape(runs, -1, size)
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

"""ridge: linear policies by penalised least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.settings import Values, as_tuple
from ..fit.dataset import Dataset
from ..fit.scaling import scales
from ..fit.training import Lesson, Training, require_positive
from .mlp import MLP, MLPPolicy

BLOCK = 2048  # samples whose products are summed at a time


@dataclass(frozen=True)
class Ridge:
    """Linear: weighted least squares with a penalty on the coefficients, run by run.

    A network without hidden layers. Discrete actions are regressed as one-hot vectors, of which the largest is chosen.
    Where there are fewer samples than observations the equivalent system of samples is solved.
    """

    penalty: Values = 1e-3
    """The weight of the squared coefficients, the intercept apart."""

    descends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse penalties that are none."""
        require_positive(self, "penalty", zero=True)

    def fit(self, lesson: Lesson) -> MLPPolicy:
        """See `Net.fit`."""
        data, space = lesson.data, lesson.env.action_space
        actions = int(space.n) if isinstance(space, spaces.Discrete) else None
        target = data.action
        if actions is not None:
            target = torch.nn.functional.one_hot(data.action[..., 0], actions)
        scaling = _scaling(data, lesson.training, actions, target.shape[-1])
        penalties = as_tuple(self.penalty) * len(data.obs)
        parts = (data.obs, scaling["mean"], scaling["std"], target, data.weight)
        runs = zip(*parts, penalties, strict=False)
        solutions = [_least_squares(*run) for run in runs]
        layers = [torch.stack(part).float() for part in zip(*solutions, strict=True)]
        return MLPPolicy(layers, scaling, space)

    def restore(self, arrays: Arrays, action_space: Any) -> MLPPolicy:
        """See `Net.restore`."""
        return MLP().restore(arrays, action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return (observation + 1) * outputs


def _scaling(data: Dataset, training: Training, actions: int | None, outputs: int) -> Arrays:
    """Scales of observations where they are asked for; actions are never scaled."""
    if training.normalise == "zscore":
        scaling = scales(data, as_tuple(training.std_floor), True, actions)
    else:  # images need not be held in float64 for moments that nobody needs
        first = data.obs[:, :1]
        scaling = {"mean": torch.zeros_like(first), "std": torch.ones_like(first)}
    scaling["scale"] = data.obs.new_ones(len(data.obs), 1, outputs)
    scaling["shift"] = torch.zeros_like(scaling["scale"])
    return scaling


def _least_squares(
    obs: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    y: torch.Tensor,
    weight: torch.Tensor,
    penalty: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (O, U) and intercept (1, U) that minimise sum w |x b + c - y|^2 + penalty |b|^2, x = (obs - mean)/std.

    With fewer samples than observations b = A' (A A' + penalty)^-1 r, else (A' A + penalty)^-1 A' r: A holds the rows
    sqrt(w) (x - their mean), r the same of y. Normal equations are summed over blocks of samples: of 20,000 images no
    copy in float64 is ever held.
    """
    y, weight = y.double(), weight.double()
    samples, size = obs.shape
    total = weight.sum().clamp_min(1e-12)
    share = (weight / total)[:, None]
    root = weight.sqrt()[:, None]
    aim = (share * y).sum(0, keepdim=True)
    b = root * (y - aim)

    def scaled(rows: slice) -> torch.Tensor:
        return (obs[rows].double() - mean) / std

    if size > samples:
        x = scaled(slice(None))
        middle = (share * x).sum(0, keepdim=True)
        a = root * (x - middle)
        gram = _penalised(a @ a.T, penalty)
        slope = a.T @ torch.linalg.solve(gram, b)
        return slope, aim - middle @ slope
    middle = torch.zeros_like(mean, dtype=y.dtype)
    right = y.new_zeros(size, y.shape[1])
    gram = y.new_zeros(size, size)
    blocks = [slice(first, first + BLOCK) for first in range(0, samples, BLOCK)]
    for rows in blocks:
        middle += (share[rows] * scaled(rows)).sum(0, keepdim=True)
    for rows in blocks:
        a = root[rows] * (scaled(rows) - middle)
        gram.addmm_(a.T, a)
        right.addmm_(a.T, b[rows])
    slope = torch.linalg.solve(_penalised(gram, penalty), right)
    return slope, aim - middle @ slope


def _penalised(gram: torch.Tensor, penalty: float) -> torch.Tensor:
    """The penalty added to the diagonal, in place."""
    gram.diagonal().add_(max(penalty, 1e-12))
    return gram

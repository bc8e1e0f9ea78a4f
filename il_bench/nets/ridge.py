"""ridge: linear policies by penalised least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.env import Env
from ..core.policy import Log, Policy
from ..core.settings import Values, as_tuple
from ..core.streams import Streams
from ..fit.dataset import Dataset
from ..fit.scaling import scales
from ..fit.training import Training, require_positive
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

    def fit(
        self,
        data: Dataset,
        training: Training,
        env: Env,
        streams: Streams,
        log: Log,
        updates: int,
        start: Policy | None,
    ) -> MLPPolicy:
        """See `Net.fit`."""
        space = env.action_space
        actions = int(space.n) if isinstance(space, spaces.Discrete) else None
        target = data.action
        if actions is not None:
            target = torch.nn.functional.one_hot(data.action[..., 0], actions)
        scaling = _scaling(data, training, actions, target.shape[-1])
        penalties = as_tuple(self.penalty) * len(data.obs)
        solved = [
            _least_squares(obs, mean, std, wanted.double(), weight.double(), penalty)
            for obs, wanted, weight, mean, std, penalty in zip(
                data.obs,
                target,
                data.weight,
                scaling["mean"],
                scaling["std"],
                penalties,
                strict=False,
            )
        ]
        weights, biases = (torch.stack(part).float() for part in zip(*solved, strict=True))
        return MLPPolicy([weights, biases], scaling, space)

    def restore(self, arrays: Arrays, action_space: Any) -> MLPPolicy:
        """See `Net.restore`."""
        return MLP().restore(arrays, action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return (observation + 1) * outputs


def _scaling(data: Dataset, training: Training, actions: int | None, outputs: int) -> Arrays:
    """Scales of observations where they are asked for; actions are never scaled."""
    ones = data.obs.new_ones(len(data.obs), 1, outputs)
    unscaled = {"shift": torch.zeros_like(ones), "scale": ones}
    if training.normalise == "zscore":
        return scales(data, as_tuple(training.std_floor), True, actions) | unscaled
    first = data.obs[:, :1]  # images need not be held in float64 for moments that nobody needs
    return {"mean": torch.zeros_like(first), "std": torch.ones_like(first)} | unscaled


def _least_squares(
    obs: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    y: torch.Tensor,
    weight: torch.Tensor,
    penalty: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (O, U) and intercept (1, U) that minimise sum w |x b + c - y|^2 + penalty |b|^2, x = (obs - mean)/std.

    Normal equations are summed over blocks of samples: of 20,000 images no copy in float64 is ever held.
    """
    share, root = (weight / weight.sum().clamp_min(1e-12))[:, None], weight.sqrt()[:, None]
    aim = (share * y).sum(0, keepdim=True)
    if obs.shape[1] > obs.shape[0]:
        x = (obs.double() - mean) / std
        middle = (share * x).sum(0, keepdim=True)
        a, b = root * (x - middle), root * (y - aim)
        slope = a.T @ torch.linalg.solve(_penalised(a @ a.T, penalty), b)
        return slope, aim - middle @ slope
    blocks = [slice(i, i + BLOCK) for i in range(0, len(obs), BLOCK)]
    middle, right = torch.zeros_like(mean, dtype=y.dtype), y.new_zeros(obs.shape[1], y.shape[1])
    gram = y.new_zeros(2 * obs.shape[1:])
    for k in blocks:
        middle += (share[k] * ((obs[k].double() - mean) / std)).sum(0, keepdim=True)
    for k in blocks:
        a = root[k] * ((obs[k].double() - mean) / std - middle)
        gram.addmm_(a.T, a)
        right.addmm_(a.T, root[k] * (y[k] - aim))
    slope = torch.linalg.solve(_penalised(gram, penalty), right)
    return slope, aim - middle @ slope


def _penalised(gram: torch.Tensor, penalty: float) -> torch.Tensor:
    gram.diagonal().add_(max(penalty, 1e-12))
    return gram

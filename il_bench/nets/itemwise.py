"""itemwise: one linear rule for every item of a list, by penalised least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.settings import Values, as_tuple, require
from ..fit.dataset import Dataset
from ..fit.training import Lesson, require_positive
from .mlp import MLP, MLPPolicy


@dataclass(frozen=True)
class Itemwise:
    """Linear and the same for all: action u is a rule of the k numbers that are observed of item u.

    Observations hold the first number of each of U items, then the second of each, and so on; actions are one number
    for each item. A network without hidden layers whose weights are shared: what is learned of one item holds for all,
    wherever they stand.
    """

    penalty: Values = 1e-6
    """The weight of the squared coefficients, the intercept apart."""

    descends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse penalties that are none."""
        require_positive(self, "penalty", zero=True)

    def fit(self, lesson: Lesson) -> MLPPolicy:
        """See `Net.fit`.

        Raises:
            ValueError: for Discrete actions, or observations that are not k numbers of each item.
        """
        data = lesson.data
        space = lesson.env.action_space
        items = data.action.shape[2]
        whole = data.obs.shape[2] % items == 0
        is_list = isinstance(space, spaces.Box) and whole
        wanted = "net itemwise: expected Box actions and as many numbers observed of each"
        require(is_list, f"{wanted}, got others; use net ridge")
        penalties = as_tuple(self.penalty) * lesson.runs
        rules = [_rule(data, run, penalties[run]) for run in range(lesson.runs)]
        slopes = torch.stack([slope for slope, _ in rules])
        intercepts = torch.stack([intercept for _, intercept in rules])
        layers = [_spread(slopes, items), intercepts.expand(-1, 1, items).contiguous()]
        one = [layer.float() for layer in layers]
        return MLPPolicy(one, _unscaled(data), space)

    def restore(self, arrays: Arrays, action_space: Any) -> MLPPolicy:
        """See `Net.restore`."""
        return MLP().restore(arrays, action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return (observation + 1) * outputs


def rule(policy: MLPPolicy) -> torch.Tensor:
    """The coefficients (R, k) of a policy that this net fitted, and its intercept behind them, (R, k + 1)."""
    weights, intercept = policy.layers
    items = intercept.shape[2]
    own = weights[:, ::items, 0]
    return torch.cat((own, intercept[:, :, 0]), 1)


def _rule(data: Dataset, run: int, penalty: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (k,) and intercept (1, 1) of one run, by weighted least squares over samples and items."""
    y = data.action[run].double()
    items = y.shape[1]
    x = data.obs[run].double().unflatten(1, (-1, items))
    weight = data.weight[run].double()
    total = (weight.sum() * items).clamp_min(1e-12)
    share = weight[:, None] / total
    middle = (share[:, None] * x).sum((0, 2))
    aim = (share * y).sum()
    a = x - middle[:, None]
    b = y - aim
    heavy = share[:, None] * a
    gram = torch.einsum("nki,nli->kl", heavy, a)
    right = torch.einsum("nki,ni->k", heavy, b)
    gram.diagonal().add_(max(penalty, 1e-12))
    slope = torch.linalg.solve(gram, right)
    intercept = aim - middle @ slope
    return slope, intercept.reshape(1, 1)


def _spread(slopes: torch.Tensor, items: int) -> torch.Tensor:
    """Coefficients (R, k) as the weights (R, k U, U) of a layer in which items do not meet."""
    apart = torch.eye(items, dtype=slopes.dtype, device=slopes.device)
    blocks = [slope[:, None, None] * apart for slope in slopes.unbind(1)]
    return torch.cat(blocks, 1)


def _unscaled(data: Dataset) -> Arrays:
    """Scales that leave everything as it is."""
    first = data.obs[:, :1]
    action = data.obs.new_ones(len(first), 1, data.action.shape[2])
    return {
        "mean": torch.zeros_like(first),
        "std": torch.ones_like(first),
        "shift": torch.zeros_like(action),
        "scale": action,
    }

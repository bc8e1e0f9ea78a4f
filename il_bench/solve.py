"""Solving: policies that a dataset determines without gradient descent, by counting or by least squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from gymnasium import spaces

from .core import Env, Policy
from .data import Dataset
from .policies import MLPPolicy, TablePolicy
from .settings import as_tuple
from .streams import Streams

if TYPE_CHECKING:
    from .train import Training


def count(data: Dataset, training: Training, env: Env, streams: Streams) -> TablePolicy:
    """Tables of the labels seen in each state of a one-hot observation, one for all steps or one for each.

    Raises:
        ValueError: for other observations, or for Box actions.
    """
    space = env.action_space
    one_hot = bool(((data.obs == 0) | (data.obs == 1)).all() and (data.obs.sum(-1) == 1).all())
    if not (isinstance(space, spaces.Discrete) and one_hot):
        raise ValueError(
            f"net {training.net}: expected one-hot observations and Discrete actions, got others; use net mlp"
        )
    steps, actions = env.horizon if training.net == "table-per-step" else 1, int(space.n)
    runs, samples, states = data.obs.shape
    time = data.time.clamp_max(steps - 1).expand(runs, samples)
    cell = (time * states + data.obs.argmax(-1)) * actions + data.action[..., 0]
    seen = torch.zeros(runs, steps * states * actions, device=data.obs.device)
    seen = seen.scatter_add(1, cell, data.weight).reshape(runs, steps, states, actions)
    return TablePolicy(seen, streams.integers("fill", actions, steps, states), space)


def scales(data: Dataset, floor: tuple[float, ...], zscore: bool, actions: int | None) -> dict[str, torch.Tensor]:
    """Scales of observations (R, 1, O) and actions (R, 1, U) from the weighted samples, float32.

    Args:
        data: samples of R runs.
        floor: the smallest deviation of an observation, one for all runs or one for each.
        zscore: whether observations are scaled at all.
        actions: how many Discrete actions there are, whose logits are not scaled; None for Box actions.
    """
    held, size = data.moments, data.obs.shape[2]
    deviation = (held.scatter / held.weight.clamp_min(1e-300)).sqrt()
    mean, shift = held.mean[..., :size], held.mean[..., size:]
    std, scale = deviation[..., :size], deviation[..., size:]
    least = torch.tensor(floor, dtype=torch.float64, device=data.obs.device).reshape(-1, 1, 1)
    scaling = {"mean": mean, "std": torch.maximum(std, least), "shift": shift, "scale": scale.clamp_min(1e-6)}
    if not zscore:
        scaling |= {"mean": torch.zeros_like(mean), "std": torch.ones_like(std)}
    if actions is not None:
        scaling |= {"shift": shift.new_zeros(len(shift), 1, actions), "scale": shift.new_ones(len(shift), 1, actions)}
    return {name: value.float() for name, value in scaling.items()}


def ridge(data: Dataset, training: Training, env: Env, streams: Streams) -> MLPPolicy:
    """Weighted least squares with a penalty on the coefficients, run by run: a network without hidden layers.

    Discrete actions are regressed as one-hot vectors, of which the largest is chosen. Where there are fewer samples
    than observations the equivalent system of samples is solved.
    """
    space, penalties = env.action_space, as_tuple(training.penalty) * len(data.obs)
    actions = int(space.n) if isinstance(space, spaces.Discrete) else None
    target = torch.nn.functional.one_hot(data.action[..., 0], actions) if actions else data.action
    scaling = scales(data, as_tuple(training.std_floor), training.normalise == "zscore", actions)
    scaling |= {"shift": torch.zeros_like(scaling["shift"]), "scale": torch.ones_like(scaling["scale"])}
    solved = [
        _least_squares((obs.double() - mean) / std, wanted.double(), weight.double(), penalty)
        for obs, wanted, weight, mean, std, penalty in zip(
            data.obs, target, data.weight, scaling["mean"], scaling["std"], penalties, strict=False
        )
    ]
    weights, biases = (torch.stack(part).float() for part in zip(*solved, strict=True))
    return MLPPolicy([weights, biases], scaling, space)


def _least_squares(
    x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (O, U) and intercept (1, U) that minimise sum w |x b + c - y|^2 + penalty |b|^2."""
    share = (weight / weight.sum().clamp_min(1e-12))[:, None]
    middle, aim = (share * x).sum(0, keepdim=True), (share * y).sum(0, keepdim=True)
    root = weight.sqrt()[:, None]
    a, b = root * (x - middle), root * (y - aim)
    wide = a.shape[1] > a.shape[0]
    gram = a @ a.T if wide else a.T @ a
    gram.diagonal().add_(max(penalty, 1e-12))
    slope = a.T @ torch.linalg.solve(gram, b) if wide else torch.linalg.solve(gram, a.T @ b)
    return slope, aim - middle @ slope


SOLVERS: dict[str, Callable[[Dataset, Any, Env, Streams], Policy]] = {
    "table": count,
    "table-per-step": count,
    "ridge": ridge,
}
"""How each net that needs no descent is found."""

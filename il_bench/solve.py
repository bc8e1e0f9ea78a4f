"""Solving: policies that a dataset determines without gradient descent: counts, least squares, support vectors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces

from .core import Env, Policy
from .data import Dataset
from .policies import MLPPolicy, TablePolicy, VotePolicy
from .settings import as_tuple
from .streams import Streams

if TYPE_CHECKING:
    from .train import Training

BLOCK = 2048  # samples whose products are summed at a time


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


def scales(
    data: Dataset, floor: tuple[float, ...], zscore: bool, actions: int | None
) -> dict[str, torch.Tensor]:
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
    scaling = {
        "mean": mean,
        "std": torch.maximum(std, least),
        "shift": shift,
        "scale": scale.clamp_min(1e-6),
    }
    if not zscore:
        scaling |= {"mean": torch.zeros_like(mean), "std": torch.ones_like(std)}
    if actions is not None:
        scaling |= {
            "shift": shift.new_zeros(len(shift), 1, actions),
            "scale": shift.new_ones(len(shift), 1, actions),
        }
    return {name: value.float() for name, value in scaling.items()}


def ridge(data: Dataset, training: Training, env: Env, streams: Streams) -> MLPPolicy:
    """Weighted least squares with a penalty on the coefficients, run by run: a network without hidden layers.

    Discrete actions are regressed as one-hot vectors, of which the largest is chosen. Where there are fewer samples
    than observations the equivalent system of samples is solved.
    """
    space, penalties = env.action_space, as_tuple(training.penalty) * len(data.obs)
    actions = int(space.n) if isinstance(space, spaces.Discrete) else None
    target = torch.nn.functional.one_hot(data.action[..., 0], actions) if actions else data.action
    outputs = data.obs.new_ones(len(data.obs), 1, target.shape[-1])
    scaling = {"mean": torch.zeros_like(data.obs[:, :1]), "std": torch.ones_like(data.obs[:, :1])}
    if (
        training.normalise == "zscore"
    ):  # or else images need not be held in float64 for their moments
        scaling = scales(data, as_tuple(training.std_floor), True, actions)
    scaling |= {"shift": torch.zeros_like(outputs), "scale": outputs}
    solved = [
        _least_squares(obs, mean, std, wanted.double(), weight.double(), penalty)
        for obs, wanted, weight, mean, std, penalty in zip(
            data.obs, target, data.weight, scaling["mean"], scaling["std"], penalties, strict=False
        )
    ]
    weights, biases = (torch.stack(part).float() for part in zip(*solved, strict=True))
    return MLPPolicy([weights, biases], scaling, space)


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


def svm(data: Dataset, training: Training, env: Env, streams: Streams) -> VotePolicy:
    """Linear support vector machines, one for each pair of actions, by LIBLINEAR (Fan et al. 2008) in scikit-learn.

    Each minimises |w|^2 / 2 + cost * sum of weight * max(0, 1 - margin)^2 over its two actions' samples; the intercept
    is penalised with w. A run's result is that of its samples alone, in any company.

    Raises:
        ValueError: for Box actions; ImportError where scikit-learn is not installed.
    """
    space, costs = env.action_space, as_tuple(training.cost) * len(data.obs)
    if not isinstance(space, spaces.Discrete):
        raise ValueError("net svm: expected Discrete actions, got Box ones; use net ridge")
    obs, action, weight = (
        part.cpu().numpy() for part in (data.obs, data.action[..., 0], data.weight)
    )
    mean, std = np.zeros((len(obs), 1, obs.shape[2])), np.ones((len(obs), 1, obs.shape[2]))
    if training.normalise == "zscore":
        found = scales(data, as_tuple(training.std_floor), True, int(space.n))
        mean, std = (found[name].double().cpu().numpy() for name in ("mean", "std"))
    solved = []
    for run, cost in zip(range(len(obs)), costs, strict=False):
        seen, taken, times = _distinct(obs[run], action[run], weight[run])
        slope, bias = _pairs((seen - mean[run]) / std[run], taken, times, int(space.n), cost)
        slope /= std[run].T
        solved.append((slope, bias - mean[run] @ slope))
    slopes, biases = (
        torch.from_numpy(np.stack(part)).float() for part in zip(*solved, strict=True)
    )
    return VotePolicy(slopes.to(data.obs.device), biases.to(data.obs.device), space)


def _distinct(
    obs: np.ndarray, action: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples that are there (weight above 0), those that agree as one of their summed weight: the same objective.

    DAgger's rounds meet mostly the same states again, so that 20 rounds cost little more than one.
    """
    there = weight > 0
    rows = np.column_stack((obs[there], action[there].astype(obs.dtype)))
    places: dict[bytes, int] = {}
    keys = rows.view(f"V{rows.strides[0]}")[:, 0].tolist()
    place = np.array([places.setdefault(key, len(places)) for key in keys], dtype=np.int64)
    first = np.unique(place, return_index=True)[1]
    return (
        rows[first, :-1].astype(np.float64),
        action[there][first],
        np.bincount(place, weight[there], len(first)),
    )


def _pairs(
    obs: np.ndarray, action: np.ndarray, weight: np.ndarray, actions: int, cost: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (O, P) and intercepts (1, P) of all pairs; an action that nobody took loses to any other."""
    try:
        from sklearn import config_context
        from sklearn.svm import LinearSVC
    except ImportError:
        raise ImportError(
            "net svm: needs scikit-learn, which is not installed; install it with pip install il-bench[bench]"
        ) from None
    machine = LinearSVC(C=cost, dual=False)
    taken = [(obs[action == k], weight[action == k]) for k in range(actions)]
    slopes, biases = [], []
    with config_context(
        assume_finite=True, skip_parameter_validation=True
    ):  # 325 small fits: checks would cost half
        for (one, light), (two, heavy) in itertools.combinations(taken, 2):
            both = len(one) > 0 and len(two) > 0
            if both:
                second = np.arange(len(one) + len(two)) >= len(one)
                machine.fit(np.concatenate((one, two)), second, np.concatenate((light, heavy)))
            slopes.append(machine.coef_[0] if both else np.zeros(obs.shape[1]))
            biases.append(
                machine.intercept_[0] if both else float(len(two) > 0) - float(len(one) > 0)
            )
    return np.column_stack(slopes), np.array([biases])


SOLVERS: dict[str, Callable[[Dataset, Any, Env, Streams], Policy]] = {
    "table": count,
    "table-per-step": count,
    "ridge": ridge,
    "svm": svm,
}
"""How each net that needs no descent is found."""

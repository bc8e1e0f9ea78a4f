"""svm: linear classifiers of all pairs of actions, which vote."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays, affine
from ..core.policy import Policy, choose
from ..core.settings import Values, as_tuple, one_of
from ..fit.dataset import Dataset
from ..fit.scaling import scales
from ..fit.training import Lesson, Training, require_positive
from .mlp import require_shape


class VotePolicy(Policy):
    """One linear classifier for each pair of actions, all-pairs: each votes, and the action with most votes is taken.

    Hastie & Tibshirani (1998). Among equal votes decides who won by more, s / (3 (|s| + 1)) of the summed margins s,
    which never outweighs a vote; so does scikit-learn.

    Args:
        weight: (R, O, P) float32, one column for each pair (0, 1), (0, 2), ..., (A-2, A-1) of actions.
        bias: (R, 1, P) float32; a margin above 0 is a vote for the second action of the pair, else for the first.
        action_space: Gymnasium's Discrete space of actions.
    """

    action_space: spaces.Discrete

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, action_space: spaces.Discrete):
        self.weight = weight
        self.bias = bias
        self.action_space = action_space
        self.runs = len(weight)
        self.device = str(weight.device)
        self._layers = weight.double(), bias.double()
        actions = int(action_space.n)
        first, second = torch.triu_indices(actions, actions, 1, device=weight.device)
        one_hot = torch.nn.functional.one_hot
        sides = one_hot(second, actions) - one_hot(first, actions)  # (P, A)
        self._sides = sides.double().expand(self.runs, -1, -1)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        _, size, pairs = self.weight.shape
        actions = self.action_space.n
        return f"VotePolicy({size} -> {pairs} pairs of {actions} actions; R={self.runs})"

    def votes(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Votes for each action and its summed margins, both (R, E, A), float64, for obs (R, E, O)."""
        weight, bias = self._layers
        require_shape(obs, self.runs, weight.shape[1])
        actions = int(self.action_space.n)
        nothing = bias.new_zeros(self.runs, 1, actions)
        margin = affine(bias, obs.double(), weight)
        side = torch.where(margin > 0, 1.0, -1.0).to(margin.dtype)
        balance = affine(nothing, side, self._sides)
        sums = affine(nothing, margin, self._sides)
        return (balance + actions - 1) / 2, sums

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` asks for a random action, each as likely as its share of the votes."""
        votes, sums = self.votes(obs)
        if draw is not None:
            return choose(votes, draw), memory
        tie_break = sums / (3 * (sums.abs() + 1))
        best = (votes + tie_break).argmax(-1, keepdim=True)
        return best, memory

    def __getitem__(self, run: int) -> VotePolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        return VotePolicy(self.weight[pick], self.bias[pick], self.action_space)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name."""
        return {"weight": self.weight, "bias": self.bias}


@dataclass(frozen=True)
class SVM:
    """Linear support vector machines, one for each pair of actions, by LIBLINEAR (Fan et al. 2008) in scikit-learn.

    Each minimises |w|^2 / 2 + cost * sum of weight * max(0, 1 - margin)^2 over its two actions' samples; the intercept
    is penalised with w. A run's result is that of its samples alone, in any company.
    """

    cost: Values = 0.1
    """What a sample within the margin costs, C, against half the squared coefficients."""

    descends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse costs that are none."""
        require_positive(self, "cost")

    def fit(self, lesson: Lesson) -> VotePolicy:
        """See `Net.fit`.

        Raises:
            ValueError: for Box actions; ImportError where scikit-learn is not installed.
        """
        data, space = lesson.data, lesson.env.action_space
        if not isinstance(space, spaces.Discrete):
            raise ValueError("net svm: expected Discrete actions, got Box ones; use net ridge")
        costs = as_tuple(self.cost) * lesson.runs
        machines = _machines(data, lesson.training, int(space.n), costs)
        parts = [np.stack(part) for part in zip(*machines, strict=True)]
        tensors = [torch.from_numpy(part).float() for part in parts]
        weight, bias = (tensor.to(data.obs.device) for tensor in tensors)
        return VotePolicy(weight, bias, space)

    def restore(self, arrays: Arrays, action_space: Any) -> VotePolicy:
        """See `Net.restore`."""
        return VotePolicy(arrays["weight"], arrays["bias"], action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return (observation + 1) * outputs * (outputs - 1) // 2


_Machines: TypeAlias = "tuple[np.ndarray, np.ndarray]"
"""Coefficients (O, P) and intercepts (1, P) of all pairs."""


class _Samples(NamedTuple):
    """Those in which one action was taken.

    Attributes:
        obs: (N, O).
        weight: (N,).
    """

    obs: np.ndarray
    weight: np.ndarray


def _machines(
    data: Dataset, training: Training, actions: int, costs: tuple[float, ...]
) -> list[_Machines]:
    """Coefficients (O, P) and intercepts (1, P) of each run."""
    parts = (data.obs, data.action[..., 0], data.weight)
    samples = [part.cpu().numpy() for part in parts]
    moments = _moments(data, training, actions)
    runs = zip(*samples, *moments, costs, strict=False)
    machines = []
    for *sample, mean, std, cost in runs:
        obs, action, weight = _distinct(*sample)
        slope, bias = _pairs((obs - mean) / std, action, weight, actions, cost)
        slope /= std.T
        machines.append((slope, bias - mean @ slope))
    return machines


def _moments(data: Dataset, training: Training, actions: int) -> _Machines:
    """Mean and deviation of the observations (R, 1, O), float64; 0 and 1 where they are taken as they are."""
    if training.normalise != "zscore":
        runs, _, size = data.obs.shape
        shape = (runs, 1, size)
        return np.zeros(shape), np.ones(shape)
    floor = as_tuple(training.std_floor)
    scaling = scales(data, floor, True, actions)
    mean = scaling["mean"].double().cpu().numpy()
    std = scaling["std"].double().cpu().numpy()
    return mean, std


def _distinct(
    obs: np.ndarray, action: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples that are there (weight above 0), those that agree as one of their summed weight: the same objective.

    DAgger's rounds meet mostly the same states again, so that 20 rounds cost little more than one.
    """
    there = weight > 0
    obs = obs[there]
    action = action[there]
    labels = action.astype(obs.dtype)
    rows = np.column_stack((obs, labels))
    whole_row = f"V{rows.strides[0]}"
    keys = rows.view(whole_row)[:, 0].tolist()
    places: dict[bytes, int] = {}
    numbers = [places.setdefault(key, len(places)) for key in keys]
    place = np.array(numbers, dtype=np.int64)
    _, first = np.unique(place, return_index=True)
    summed = np.bincount(place, weight[there], len(first))
    return obs[first].astype(np.float64), action[first], summed


def _pairs(
    obs: np.ndarray, action: np.ndarray, weight: np.ndarray, actions: int, cost: float
) -> _Machines:
    """Coefficients (O, P) and intercepts (1, P) of all pairs; an action that nobody took loses to any other."""
    try:
        from sklearn import config_context
        from sklearn.svm import LinearSVC
    except ImportError:
        raise ImportError(
            "net svm: needs scikit-learn, which is not installed; install it with pip install il-bench[bench]"
        ) from None
    machine = LinearSVC(C=cost, dual=False)
    taken = []
    for number in range(actions):
        own = action == number
        taken.append(_Samples(obs[own], weight[own]))
    slopes = []
    biases = []
    # 325 small fits: checks would cost half.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for one, two in itertools.combinations(taken, 2):
            slope, bias = _pair(machine, one, two)
            slopes.append(slope)
            biases.append(bias)
    return np.column_stack(slopes), np.array([biases])


def _pair(machine: Any, one: _Samples, two: _Samples) -> tuple[np.ndarray, float]:
    """Coefficients (O,) and intercept between the samples and weights of two actions."""
    first, second = len(one.obs), len(two.obs)
    if first == 0 or second == 0:
        bias = float(second > 0) - float(first > 0)
        nothing = np.zeros(one.obs.shape[1])
        return nothing, bias
    obs = np.concatenate((one.obs, two.obs))
    weight = np.concatenate((one.weight, two.weight))
    is_second = np.arange(len(obs)) >= first
    machine.fit(obs, is_second, weight)
    return machine.coef_[0], machine.intercept_[0]

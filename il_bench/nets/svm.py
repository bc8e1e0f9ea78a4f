"""svm: linear classifiers of all pairs of actions, which vote."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays, affine
from ..core.env import Env
from ..core.policy import Log, Policy, choose
from ..core.settings import Values, as_tuple, one_of, require
from ..core.streams import Streams
from ..fit.dataset import Dataset
from ..fit.scaling import scales
from ..fit.training import Training, require_positive


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
        self.weight, self.bias, self.action_space = weight, bias, action_space
        self.runs, self.device = len(weight), str(weight.device)
        self._layers = weight.double(), bias.double()
        first, second = torch.triu_indices(
            int(action_space.n), int(action_space.n), 1, device=weight.device
        )
        one_hot = torch.nn.functional.one_hot
        sides = one_hot(second, int(action_space.n)) - one_hot(first, int(action_space.n))  # (P, A)
        self._sides = sides.double().expand(self.runs, -1, -1)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        _, size, pairs = self.weight.shape
        return (
            f"VotePolicy({size} -> {pairs} pairs of {self.action_space.n} actions; R={self.runs})"
        )

    def votes(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Votes for each action and its summed margins, both (R, E, A), float64, for obs (R, E, O)."""
        weight, bias = self._layers
        expected = weight.shape[1]
        require(
            obs.dim() == 3 and obs.shape[0] == self.runs and obs.shape[2] == expected,
            f"observations: expected (R={self.runs}, E, O={expected}), got {tuple(obs.shape)}; pass one row an episode",
        )
        margin, none = (
            affine(bias, obs.double(), weight),
            bias.new_zeros(self.runs, 1, int(self.action_space.n)),
        )
        won = torch.where(margin > 0, 1.0, -1.0).to(margin.dtype)
        balance, sums = (affine(none.double(), part, self._sides) for part in (won, margin))
        return (balance + int(self.action_space.n) - 1) / 2, sums

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` asks for a random action, each as likely as its share of the votes."""
        votes, sums = self.votes(obs)
        if draw is not None:
            return choose(votes, draw), memory
        return (votes + sums / (3 * (sums.abs() + 1))).argmax(-1, keepdim=True), memory

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

    def fit(
        self,
        data: Dataset,
        training: Training,
        env: Env,
        streams: Streams,
        log: Log,
        updates: int,
        start: Policy | None,
    ) -> VotePolicy:
        """See `Net.fit`.

        Raises:
            ValueError: for Box actions; ImportError where scikit-learn is not installed.
        """
        space = env.action_space
        if not isinstance(space, spaces.Discrete):
            raise ValueError("net svm: expected Discrete actions, got Box ones; use net ridge")
        costs = as_tuple(self.cost) * len(data.obs)
        solved = _machines(data, training, int(space.n), costs)
        slopes, biases = (
            torch.from_numpy(np.stack(part)).float() for part in zip(*solved, strict=True)
        )
        return VotePolicy(slopes.to(data.obs.device), biases.to(data.obs.device), space)

    def restore(self, arrays: Arrays, action_space: Any) -> VotePolicy:
        """See `Net.restore`."""
        return VotePolicy(arrays["weight"], arrays["bias"], action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return (observation + 1) * outputs * (outputs - 1) // 2


def _machines(
    data: Dataset, training: Training, actions: int, costs: tuple[float, ...]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients (O, P) and intercepts (1, P) of each run."""
    parts = (data.obs, data.action[..., 0], data.weight)
    obs, action, weight = (part.cpu().numpy() for part in parts)
    shape = (len(obs), 1, obs.shape[2])
    mean, std = np.zeros(shape), np.ones(shape)
    if training.normalise == "zscore":
        scaling = scales(data, as_tuple(training.std_floor), True, actions)
        mean, std = (scaling[name].double().cpu().numpy() for name in ("mean", "std"))
    solved = []
    for run, cost in zip(range(len(obs)), costs, strict=False):
        states, taken, times = _distinct(obs[run], action[run], weight[run])
        scaled = (states - mean[run]) / std[run]
        slope, bias = _pairs(scaled, taken, times, actions, cost)
        slope /= std[run].T
        solved.append((slope, bias - mean[run] @ slope))
    return solved


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

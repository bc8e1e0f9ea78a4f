"""A judge that learns to tell an expert's steps from a student's, of whom the student gets its reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from ..core.settings import require_counts
from ..core.threads import few_threads
from ..fit.training import require_positive
from ..fit.transitions import Transitions
from .sb3_chance import Chance

AFTER = 10.0
"""Where what comes after an end lies, in deviations of the expert's steps: nearer, a judge takes it for the expert's."""


@dataclass(frozen=True)
class Judging:
    """How a judge is trained."""

    views: int = 20
    """Gradient updates of the judge after each round."""
    view: int = 256
    """Steps of each side that it sees in one of them."""
    judge_rate: float = 1e-3
    """Its learning rate."""
    judge_hidden: tuple[int, ...] = (64, 64)
    """Widths of its hidden layers."""
    penalty: float = 0.0
    """Weight of the square of what its slope, between steps of the two, has above 1 (Petzka et al. 2018); 0 has none."""

    def __post_init__(self) -> None:
        """Refuse settings that no judge can have."""
        require_counts(self, "views", "view", "judge_hidden")
        require_positive(self, "judge_rate")
        require_positive(self, "penalty", zero=True)


class Book:
    """What a student did since it was last judged."""

    def __init__(self) -> None:
        self._steps: list[Transitions] = []

    def add(self, steps: Transitions) -> None:
        """Write steps down."""
        self._steps.append(steps)

    def close(self) -> Transitions:
        """All of it, and begin anew."""
        steps, self._steps = self._steps, []
        parts = ([getattr(some, name) for some in steps] for name in Transitions.__annotations__)
        return Transitions(*map(np.concatenate, parts))


class Eye:
    """How steps are shown to a judge: observations scaled by the expert's own, actions by their space.

    Args:
        shown: what the expert did in one run.
        space: of the actions.
    """

    def __init__(self, shown: Transitions, space: spaces.Space[Any]):
        self._space = space
        self._mean = shown.obs.mean(0)
        self._std = shown.obs.std(0) + 1e-3

    def states(self, obs: np.ndarray) -> torch.Tensor:
        """Scaled observations (n, O), float32."""
        scaled = (obs - self._mean) / self._std
        return torch.from_numpy(scaled).float()

    def steps(self, obs: np.ndarray, action: np.ndarray) -> torch.Tensor:
        """The same beside actions (n, U), float32 (n, F)."""
        done = torch.from_numpy(_scaled(action, self._space))
        return torch.cat((self.states(obs), done.float()), 1)


class Judge:
    """A network that learns to tell an expert's steps from a student's.

    Args:
        network: from what is shown of steps (n, F) to logits (n, 1).
        judging: how it is trained.
        chance: which steps it sees.
    """

    def __init__(self, network: torch.nn.Module, judging: Judging, chance: Chance):
        self._network = network
        self._judging = judging
        self._chance = chance
        self._optimiser = torch.optim.Adam(network.parameters(), judging.judge_rate)

    @few_threads
    def learn(self, student: torch.Tensor, expert: torch.Tensor) -> None:
        """Tell a student's steps (n, F) from an expert's (m, F)."""
        with self._chance.lent():
            for _ in range(self._judging.views):
                own = self._some(student)
                its = self._some(expert)
                logits = self._network(torch.cat((own, its)))
                loss = error(logits, len(own))
                if self._judging.penalty:
                    loss = loss + self._judging.penalty * self._steepness(own, its)
                self._follow(loss)

    def _some(self, steps: torch.Tensor) -> torch.Tensor:
        """Steps drawn at random."""
        return steps[torch.randint(len(steps), (self._judging.view,))]

    def _steepness(self, own: torch.Tensor, its: torch.Tensor) -> torch.Tensor:
        """Mean square of what the slope's length has above 1, at a place between each of two steps (n, F)."""
        part = torch.rand(len(own), 1)
        between = (part * own + (1 - part) * its).requires_grad_()
        logits = self._network(between)
        (slope,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
        return (slope.norm(dim=1) - 1).clamp_min(0).square().mean()

    def _follow(self, loss: torch.Tensor) -> None:
        """One step down."""
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()


def error(logits: torch.Tensor, students: int) -> torch.Tensor:
    """Mean cross-entropy of logits (n, 1), of which the first so many are of a student's steps, the others an expert's."""
    truth = torch.ones_like(logits)
    truth[:students] = 0
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)


def _scaled(action: np.ndarray, space: Any) -> np.ndarray:
    """Actions (n, U) from -1 to 1 in their Box; Discrete ones (n, 1) as switches (n, A)."""
    if isinstance(space, spaces.Discrete):
        switches = np.eye(int(space.n))
        return switches[action[:, 0]]
    low = np.nan_to_num(space.low, neginf=-1)
    high = np.nan_to_num(space.high, posinf=1)
    return (2 * action - low - high) / (high - low)


def tower(size: int, hidden: tuple[int, ...]) -> torch.nn.Sequential:
    """A tanh network from so many numbers to one."""
    layers: list[torch.nn.Module] = []
    for width in hidden:
        layers += [torch.nn.Linear(size, width), torch.nn.Tanh()]
        size = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(size, 1))

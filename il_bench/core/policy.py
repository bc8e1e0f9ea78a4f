"""Policy, Log and Learner: what learns, what it costs, and what comes of it."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
import torch
from gymnasium import spaces

from . import policy_file
from .env import Env, Expert
from .html import html_table
from .registry import NETS
from .settings import require
from .streams import Streams


class Policy(ABC):
    """What a learner returns: R policies side by side.

    Attributes:
        action_space: Gymnasium's space of one action.
        runs: how many policies, R.
        log: what it cost to learn, where a learner signed it.
        shared: whether one policy acts in all the runs, so that they are no independent evidence about a learner.
        by_chance: whether it is there to act by chance, so that comparisons and learners let it, unasked: what it does
            deterministically is no typical action.
        sees_state: whether it is shown states, as experts are, where others are shown observations.
    """

    action_space: spaces.Box | spaces.Discrete
    runs: int
    device: str = "cpu"
    log: Log | None = None
    shared: bool = False
    sees_state: bool = False
    by_chance: bool = False

    @property
    def kind(self) -> str:
        """The name of the net that is defined in the same file, which restores such a policy; "" if there is none."""
        return NETS.sibling(type(self))

    @cached_property
    def _chance(self) -> np.random.Generator:
        return np.random.default_rng(0)

    @abstractmethod
    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """Actions (R, E, U) for observations (R, E, O), and the memory to hand back at the next step.

        Args:
            obs: observations (R, E, O), float32.
            memory: a tensor (R, E, ...), or None for policies without one; zeros (or None) begin an episode.
            draw: uniform numbers (R, E) for policies that choose at random; None asks for the deterministic action.
        """

    def act_in_parts(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """As `act`, and what each of K members would do by itself (R, E, K, U); a policy that is no mixture is one member."""
        action, memory = self.act(obs, memory, draw)
        return action, action[:, :, None], memory

    @abstractmethod
    def __getitem__(self, run: int) -> Policy:
        """The policy of one run, R = 1."""

    @final
    def save(self, path: str | Path) -> Path:
        """Write this policy as one file, whole or not at all; `il.load_policy(path)` opens it, and runs no code.

        Raises:
            ValueError: for a policy that no net fitted, or where the file cannot be written.
        """
        return policy_file.write(self, path)

    @final
    def predict(
        self,
        observation: np.ndarray,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Any]:
        """Actions for one observation (O,) or a batch (n, O), with stable-baselines3's signature.

        Args:
            observation: float array (O,) or (n, O).
            state: the memory of the previous call.
            episode_start: (n,) bool, where an episode begins and memory is cleared.
            deterministic: False draws by chance, from a generator of this policy's own that begins at seed 0.

        Raises:
            ValueError: when this holds several runs, or the observation has the wrong shape.
        """
        require(
            self.runs == 1,
            f"predict: expected the policy of one run, got {self.runs}; pick one with policy[r]",
        )
        require(
            not self.sees_state,
            "predict: this policy is shown states, not observations; drive it with il.compare",
        )
        obs = np.asarray(observation, dtype=np.float32)
        batch = torch.from_numpy(np.atleast_2d(obs).copy())[None].to(self.device)
        if state is not None and episode_start is not None:
            state = state.masked_fill(
                torch.as_tensor(episode_start).reshape(1, -1, *(1,) * (state.dim() - 2)), 0
            )
        draw = (
            None
            if deterministic
            else torch.from_numpy(self._chance.random(batch.shape[:2])).to(self.device)
        )
        with torch.no_grad():
            action, memory = self.act(batch, state, draw)
        out = action[0].cpu().numpy()
        out = (
            out[:, 0] if isinstance(self.action_space, spaces.Discrete) else out.astype(np.float32)
        )
        return (out[0] if obs.ndim == 1 else out), memory


@runtime_checkable
class StochasticPolicy(Protocol):
    """A policy that tells the chances of its Discrete actions, by which it acts where it is handed a draw."""

    def distribution(self, obs: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Any]:
        """Chances (R, E, A), float64, for observations (R, E, O), and what is remembered; see `Policy.act`."""


SPENT = (
    "labels",
    "asked",
    "derivatives",
    "interventions",
    "switches",
    "steps",
    "episodes",
    "collected",
    "falls",
    "effective",
)
"""What a log counts for each run."""


def _unheard(*news: object) -> None:
    """Nobody listens."""


@dataclass
class Log:
    """What a learner leaves behind besides its policy: its budget, and its progress.

    Attributes:
        labels: answers of the expert that were learned from, for each run (R,) or one number.
        asked: questions that the expert was asked, likewise; more than labels where an answer was not used.
        derivatives: of the expert's actions that were learned from, likewise; one for each label and direction.
        interventions: steps at which the expert acted in place of the learner that drove, likewise.
        switches: how often the wheel changed hands between the two, likewise.
        steps: environment steps taken while learning, likewise.
        episodes: how many episodes those steps make, likewise; an unfinished last one is left out.
        collected: their returns, summed, for each run (R,): what it costs to let a learner drive while it learns.
        falls: how many of them the environment ended early, likewise.
        updates: gradient updates, the same for every run.
        broke: for each run that became NaN or infinite in training, the update at which it did.
        report: called with the done fraction in [0, 1] and a few words.
        effective: of the last fit whose samples were weighed by their exposure, how many of equal weight would be as
            certain, for each run (R,); 0 where none was weighed.
        loss: of the last updates, for each run (R,).
        iterate: called with the number of each round, from 0, and the policy after it, by learners that have rounds.
        checkpoint: keeps the rounds of a long training, see `checkpoint.Checkpoint`.
        seconds: from the log's beginning to its end.
        learner: who learned.
        limit: labels that may be taken at most, for each run (R,) or one number; None sets no limit. A rollout is cut off
            where it is reached.
        most_steps: environment steps that may be taken at most, likewise.
        starts: first states (R, E, X) of the episodes whose labels were learned from, a tensor for each collection.
    """

    labels: Any = 0
    asked: Any = 0
    derivatives: Any = 0
    interventions: Any = 0
    switches: Any = 0
    steps: Any = 0
    episodes: Any = 0
    collected: Any = 0.0
    falls: Any = 0
    updates: int = 0
    broke: dict[int, int] = field(default_factory=dict)
    report: Callable[[float, str], None] = _unheard
    effective: Any = 0.0
    loss: Any = math.nan
    iterate: Callable[[int, Policy], None] = _unheard
    checkpoint: Any = None
    began: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    learner: Any = None
    limit: Any = None
    most_steps: Any = None
    starts: list[torch.Tensor] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy in another process keeps: all but those who listened while it was written."""
        silent = {"report": _unheard, "iterate": _unheard, "checkpoint": None}
        return vars(self) | silent

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """What it cost, and who learned; of numbers that differ between runs the smallest and the largest."""
        yield "learner", self.learner
        for name in (*SPENT, "loss"):
            yield name, _ends(getattr(self, name))
        for name in ("updates", "seconds", "broke"):
            yield name, getattr(self, name)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html_table("Log", dict(self.__rich_repr__()))

    def close(self, learner: Learner, policy: Policy) -> Policy:
        """Sign the finished policy with what it cost."""
        self.learner, self.seconds = learner, time.perf_counter() - self.began
        policy.log = self
        return policy


def _ends(values: Any) -> float | tuple[float, float]:
    """The number of all runs, or the smallest and the largest of those that differ."""
    each = torch.as_tensor(values)
    low, high = each.min().item(), each.max().item()
    return low if low == high or each.numel() == 1 else (low, high)


class Learner(Protocol):
    """A frozen dataclass: its fields are its hyperparameters, each documented; one verb.

    One that learns actions of one kind alone says which, `actions: ClassVar = "Box"`, `"Discrete"`
    or, those of texts, `"symbols"`, and refuses others. One whose default settings go with some nets alone lists
    them, the best first: `nets: ClassVar = ("mlp",)`.
    """

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """R policies that imitate `expert` in `env`."""


def choose(chances: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
    """Inverse of the cumulated chances (R, E, A) at uniform numbers (R, E): actions (R, E, 1)."""
    below = chances.cumsum(-1) < draw[..., None] * chances.sum(-1, keepdim=True)
    return below.sum(-1, keepdim=True).clamp_max(chances.shape[-1] - 1)

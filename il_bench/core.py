"""The contracts: Env, Expert, Policy, Learner, and the letters of the axes.

Every array carries its axes in this order, and these letters name them in every docstring:

    R  run          one independent experiment: its own seed, settings, data and weights
    E  episode      one rollout of a run
    T  time         steps; states have T + 1 of them
    X  state        O  observation        U  action (a Discrete action is one integer, U = 1)        W  noise

One run is R = 1; there is no unbatched path. States are float64, because an error of 1e-7 that grows by 1.2 a step is
of order one after a hundred steps. Settings broadcast over runs: a setting holds one number, or one for each run.
"""

from __future__ import annotations

import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, final

import numpy as np
import torch
from gymnasium import spaces

from .settings import (
    Values,
    as_tuple,
    one_of,
    per_run_fields,
    require,
    require_choice,
    require_counts,
)

if TYPE_CHECKING:
    from .streams import Streams


def namespace(array: Any) -> Any:
    """The module, numpy or torch, whose functions take `array`: an environment written with it runs on both."""
    return np if isinstance(array, np.ndarray | np.generic) else torch


@lru_cache(maxsize=4096)
def column(values: tuple[float, ...], axes: int, device: str) -> torch.Tensor:
    """One number for each run as a tensor (R, 1, ...) with `axes` axes, float64."""
    return torch.tensor(values, dtype=torch.float64, device=device).reshape(-1, *(1,) * (axes - 1))


def per_run(value: Values, axes: int = 2, device: str = "cpu") -> Any:
    """A setting that broadcasts over arrays with `axes` axes: the number itself, or a tensor (R, 1, ...)."""
    return column(tuple(value), axes, device) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Certificate:
    """What an environment claims about its dial.

    Attributes:
        value: the Lipschitz constant L of the state transition, one for each run (R,).
        metric: the metric in which it holds, in words.
        kind: "exact" when a pair attains it, "upper" for a bound, "estimated" when it was measured.
        pair: two states (R, 1, X) that attain it under `action` and zero noise; None unless exact.
        action: the action (U,) under which the pair attains it; zero where none is given.
        closed_loop: the same constant under the scripted expert, (R,), or None where it is not known.
        radius: spectral radius of the transition's Jacobian at the pair, (R,), or None.
        diameter: how far two states can come apart, (R,); inf where nothing bounds them.
        note: what else a reader should know, one sentence.
    """

    value: tuple[float, ...]
    metric: str
    kind: Literal["exact", "upper", "estimated"]
    pair: tuple[torch.Tensor, torch.Tensor] | None = None
    action: tuple[float, ...] = (0.0,)
    closed_loop: tuple[float, ...] | None = None
    radius: tuple[float, ...] | None = None
    diameter: tuple[float, ...] = (math.inf,)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Env(ABC):
    """A task: a frozen dataclass whose fields are its settings; method names follow Gymnasium's FuncEnv.

    The methods are pure functions of tensors. With `arrays = "any"` they also take NumPy arrays (write them with
    `xp = namespace(state)`), and a single environment then steps three times as fast through Gymnasium.
    """

    seed: int | tuple[int, ...] = 0
    """Seeds of the runs; each number is one independent experiment."""
    device: str = "cpu"
    """Where the arrays live: cpu, cuda."""
    horizon: int = 200
    """Steps in an episode, T."""

    arrays: ClassVar[Literal["any", "torch"]] = "torch"
    states: ClassVar[dict[str, str]] = {}
    """Name and unit of each state coordinate (X); ClassVar or property."""
    noise_size: ClassVar[int] = 1
    """How many standard normal numbers a step takes, W; ClassVar or property."""
    excitation: ClassVar[dict[str, float]] = {}
    """The setting whose noise makes the expert's demonstrations leave its path, and a strength worth trying."""

    ending: ClassVar[str] = "ended"
    """What is said of an episode that the environment ended: "off the road"."""

    @final
    def __post_init__(self) -> None:
        """Check that the settings fit together; the environment's own limits are in `validate`."""
        for name in per_run_fields(self):
            value = getattr(self, name)
            numbers = [
                isinstance(v, int | float) and not isinstance(v, bool) for v in as_tuple(value)
            ]
            require(
                all(numbers) and len(numbers) > 0,
                f"{name}: expected numbers, got {value!r}; give such as 1.2",
            )
            several = isinstance(value, tuple | list) or getattr(value, "ndim", 0) > 0
            value = tuple(map(float, as_tuple(value))) if several else float(value)
            finite = np.all(np.isfinite(value))
            require(bool(finite), f"{name}: expected finite numbers, got {value}; give such as 1.2")
            object.__setattr__(self, name, value)
        lengths = {len(v) for v in self._per_run_values() if isinstance(v, tuple) and len(v) != 1}
        sizes = sorted(lengths)
        require(
            len(sizes) <= 1,
            f"settings: expected one value or one for each run, got lengths {sizes}",
        )
        require_counts(self, "horizon")
        require_choice(self)
        kind = self.device.partition(":")[0]
        require(kind in ("cpu", "cuda"), f"device: expected cpu or cuda, got {self.device!r}")
        self.validate()

    def _per_run_values(self) -> list[Any]:
        return [getattr(self, name) for name in per_run_fields(self)] + [self.seed]

    @property
    @final
    def runs(self) -> int:
        """How many runs, R."""
        return max(len(v) if isinstance(v, tuple) else 1 for v in self._per_run_values())

    @property
    @final
    def seeds(self) -> tuple[int, ...]:
        """One seed for each run (R,)."""
        seed = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        return seed * self.runs if len(seed) == 1 else seed

    @final
    def values(self, name: str) -> tuple[float, ...]:
        """A setting, one number for each run (R,)."""
        value = getattr(self, name)
        value = value if isinstance(value, tuple) else (value,)
        return value * self.runs if len(value) == 1 else value

    @final
    def per_run(self, value: Values, axes: int = 2) -> Any:
        """A setting, or numbers derived from settings, ready to broadcast against (R, E)."""
        return per_run(value, axes, self.device)

    @final
    def __getitem__(self, run: int) -> Self:
        """The same environment with this run alone."""
        part = one_of(run, self.runs)
        chosen: dict[str, Any] = {name: self.values(name)[part][0] for name in per_run_fields(self)}
        return dataclasses.replace(self, seed=self.seeds[part][0], **chosen)

    @abstractmethod
    def validate(self) -> None:
        """Raise ValueError, in one sentence, when the settings describe no such environment."""

    @property
    @abstractmethod
    def observation_space(self) -> spaces.Box:
        """Gymnasium's space of one observation (O,), float32."""

    @property
    @abstractmethod
    def action_space(self) -> spaces.Box | spaces.Discrete:
        """Gymnasium's space of one action (U,)."""

    @abstractmethod
    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """First states (R, E, X), float64."""

    @abstractmethod
    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """Next states (R, E, X) from state (R, E, X), action (R, E, U) and standard normal noise (R, E, W)."""

    @abstractmethod
    def observation(self, state: Any) -> Any:
        """Observations (R, E, O) of states (R, E, X)."""

    @abstractmethod
    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """Rewards (R, E) of a step."""

    @abstractmethod
    def terminal(self, state: Any) -> Any:
        """Whether the episode is over in `state`, (R, E) bool; a finished episode is frozen, never dropped."""

    @abstractmethod
    def difference(self, state: Any, other: Any) -> Any:
        """Signed deviation (R, E, D) over the coordinates that the dial acts on, angles unwrapped."""

    @final
    def distance(self, state: Any, other: Any) -> Any:
        """Distance (R, E) in the metric in which L is declared: the Euclidean length of the difference."""
        delta = self.difference(state, other)
        return (delta * delta).sum(-1) ** 0.5

    @abstractmethod
    def certificate(self) -> Certificate:
        """What is claimed about the dial, and the pair that proves it."""

    @abstractmethod
    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """One RGB frame (height, width, 3), uint8, of one state (X,); `ghost` is the twin's state.

        Pure, so that a film can be made from a Record; called on the environment of one run, `env[run]`.
        """


class Expert(ABC):
    """A scripted expert: it may see the whole state; its labels are counted where they are asked for."""

    @abstractmethod
    def act(self, state: torch.Tensor) -> torch.Tensor:
        """Actions (R, E, U) in states (R, E, X)."""


class Policy(ABC):
    """What a learner returns: R policies side by side.

    Attributes:
        action_space: Gymnasium's space of one action.
        runs: how many policies, R.
        log: what it cost to learn, where a learner signed it.
    """

    action_space: spaces.Box | spaces.Discrete
    runs: int
    device: str = "cpu"
    log: Log | None = None

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

    @abstractmethod
    def __getitem__(self, run: int) -> Policy:
        """The policy of one run, R = 1."""

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


SPENT = ("labels", "steps", "collected", "falls")
"""What a log counts for each run."""


@dataclass
class Log:
    """What a learner leaves behind besides its policy: its budget, and its progress.

    Attributes:
        labels: how often the expert was asked, for each run (R,) or one number.
        steps: environment steps taken while learning, likewise.
        episodes: how many episodes of each run those steps make.
        collected: their returns, summed, for each run (R,): what it costs to let a learner drive while it learns.
        falls: how many of them the environment ended early, likewise.
        updates: gradient updates, the same for every run.
        broke: for each run that left the finite numbers in training, the update at which it did.
        report: called with the done fraction in [0, 1] and a few words.
        loss: of the last updates, for each run (R,).
        iterate: called with the number of each round, from 0, and the policy after it, by learners that have rounds.
        checkpoint: keeps the rounds of a long training, see `checkpoint.Checkpoint`.
        seconds: from the log's beginning to its end.
        learner: who learned.
    """

    labels: Any = 0
    steps: Any = 0
    episodes: int = 0
    collected: Any = 0.0
    falls: Any = 0
    updates: int = 0
    broke: dict[int, int] = field(default_factory=dict)
    report: Callable[[float, str], None] = lambda done, words: None
    loss: Any = math.nan
    iterate: Callable[[int, Policy], None] = lambda i, policy: None
    checkpoint: Any = None
    began: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    learner: Any = None

    def close(self, learner: Learner, policy: Policy) -> Policy:
        """Sign the finished policy with what it cost."""
        self.learner, self.seconds = learner, time.perf_counter() - self.began
        policy.log = self
        return policy


class Learner(Protocol):
    """A frozen dataclass: its fields are its hyperparameters, each documented; one verb."""

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """R policies that imitate `expert` in `env`."""

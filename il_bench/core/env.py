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
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

import numpy as np
import torch
from gymnasium import spaces

from .arrays import per_run
from .hiding import hides
from .html import html_table
from .settings import (
    Values,
    as_tuple,
    in_plain_numbers,
    one_of,
    per_run_fields,
    require,
    require_choice,
    require_counts,
)

if TYPE_CHECKING:
    from .rollout import Archive
    from .streams import Streams


@dataclass(frozen=True)
class Certificate:
    """What an environment claims about its dial.

    Attributes:
        value: the Lipschitz constant L of the state transition, one for each run (R,).
        metric: the metric in which it holds, in words.
        kind: "exact" when a pair attains it, "upper" for a bound, "estimated" when it was measured.
        pair: two states (R, 1, X) that attain it under `action` and zero noise; None unless exact.
        action: the action (U,) under which the pair attains it; zero where none is given.
        closed_loop: the same constant of a step under the scripted expert, in the same metric, between states in which
            its actions are off their bounds, (R,); None where it is not known.
        radius: spectral radius of the transition's Jacobian at the pair, (R,), or None.
        loop_radius: spectral radius of a step's Jacobian under the scripted expert, at rest, (R,), or None: what is left
            of a deviation from one step to the next in the long run.
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
    loop_radius: tuple[float, ...] | None = None
    diameter: tuple[float, ...] = (math.inf,)
    note: str = ""

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """What it claims, without the pair's states; what is not stated is left out."""
        claims = {
            "L": self.value,
            "kind": self.kind,
            "metric": self.metric,
            "closed_loop": self.closed_loop,
            "radius": self.radius,
            "loop_radius": self.loop_radius,
            "diameter": self.diameter,
            "note": self.note or None,
        }
        yield from ((name, claim) for name, claim in claims.items() if claim is not None)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html_table("Certificate", dict(self.__rich_repr__()))


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
    hide: tuple[str, ...] = ()
    """Coordinates of the observation that nobody but the expert sees, by their names or numbers."""

    arrays: ClassVar[Literal["any", "torch"]] = "torch"
    states: ClassVar[dict[str, str]] = {}
    """Name and unit of each state coordinate (X); ClassVar or property."""
    observed: ClassVar[tuple[str, ...]] = ()
    """Names of the observation's coordinates (O,), where they have some; ClassVar or property."""
    noise_size: ClassVar[int] = 1
    """How many standard normal numbers a step takes, W; ClassVar or property."""
    excitation: ClassVar[dict[str, float]] = {}
    """The setting whose noise makes the expert's demonstrations leave its path, and a strength worth trying."""
    usual: ClassVar[dict[str, Any]] = {}
    """Settings of learners that suit these tasks, for commands whose flags name no others; see `usual.usual`."""

    ending: ClassVar[str] = "ended"
    """What is said of an episode that the environment ended: "off the road"."""
    indicator: ClassVar[bool] = False
    """Whether `distance` is 0 or 1: the divergence of a run is then a chance, and drawn as one; ClassVar or property."""

    foreign: ClassVar[str] = ""
    """The name under which others made an environment that is only adapted here, such as a Gymnasium id."""
    adaptation: ClassVar[str] = ""
    """What became of its observations and actions where they had to change, in words; ClassVar or property."""
    by_chance: ClassVar[bool] = False
    """Whether experts and policies act by chance by nature, as who writes a text does: evaluation then samples."""
    draws_path: ClassVar[bool] = False
    """Whether `draw` shows the whole way: a film then hands it all states up to now, (n, X), and not the last alone."""
    in_turn: ClassVar[bool] = False
    """Whether episodes take turns, because only one can be under way at a time; ClassVar or property."""

    @final
    def __init_subclass__(cls) -> None:
        """Whatever a class shows, it leaves out what `hide` names: written here once for all of them."""
        hides(cls)

    @final
    def __post_init__(self) -> None:
        """Check that the settings fit together; the environment's own limits are in `validate`."""
        in_plain_numbers(self)
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
        named = map(str, as_tuple(self.hide))
        object.__setattr__(self, "hide", tuple(named))
        self.validate()
        # What cannot be hidden is refused here and not at the first step.
        if self.hide:
            _ = self.observation_space

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
    def observation_space(self) -> spaces.Box | spaces.MultiDiscrete:
        """Gymnasium's space of one observation (O,): float32, or numbers of a vocabulary, which nets embed."""

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
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """One RGB frame (height, width, 3), uint8, of one state (X,), as large as `size` (width, height) says.

        Pure, so that a film can be made from a Record; called on the environment of one run, `env[run]`. A picture
        that cannot show a ghost may leave it out: a film then lays the twin's picture over it.

        Args:
            state: who is drawn.
            size: pixels.
            ghost: the state of the expert's twin.
            colour: of the body, "#rrggbb": its learner's own; the first learner's unless given.

        A picture of what is written may take `kl` besides, (n,) nats: how far the writer's chances were from the
        expert's at each step so far.
        """


@dataclass(frozen=True, kw_only=True)
class TruncatingEnv(Env):
    """An environment that also cuts episodes off by a clock of its own, whatever the horizon."""

    @abstractmethod
    def truncated(self, state: Any) -> Any:
        """Whether the episode was cut off before `state`, (R, E) bool."""


@dataclass(frozen=True, kw_only=True)
class DrawingEnv(Env):
    """An environment that draws by generators of its own, beside the noise that it is handed."""

    @abstractmethod
    def drawn(self) -> np.ndarray:
        """Where the generators of each episode under way stand, (n,) int64: a number that differs when they do."""


@dataclass(frozen=True, kw_only=True)
class FiniteEnv(Env):
    """An environment that can list its states, and what chance may do in a step: what actions cost is then exact."""

    @abstractmethod
    def all_states(self) -> torch.Tensor:
        """Every state (R, S, X) in which an episode may go on, each of them once."""

    @abstractmethod
    def all_noise(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise (R, N, W) that stands for all that may happen in a step, and the chance (R, N) of each."""


@dataclass(frozen=True, kw_only=True)
class LoggedEnv(Env):
    """An environment whose log is not what is: what is known of it was observed with a chance that differs."""

    @abstractmethod
    def reader(self, streams: Streams, corrected: bool) -> Expert:
        """Whoever believes the log: an expert who acts by what was observed, and learns nothing.

        Args:
            streams: of the log, where it is drawn before the episode.
            corrected: whether it divides what was observed by the chance to be observed.
        """


@dataclass(frozen=True, kw_only=True)
class ArchiveEnv(Env):
    """An environment with a logging policy of its own: demonstrations are what it kept, and not the expert's rollouts."""

    @abstractmethod
    def log(self, expert: Expert, streams: Streams, episodes: int) -> Archive:
        """What was kept.

        Args:
            expert: whose doings they are.
            streams: all chance in them.
            episodes: how much was gone through, E: so many rollouts, or museums.
        """


class Expert(ABC):
    """A scripted expert: it may see the whole state; its labels are counted where they are asked for.

    It is never asked about a state after an episode's end.
    """

    @abstractmethod
    def act(self, state: torch.Tensor) -> torch.Tensor:
        """Actions (R, E, U) in states (R, E, X)."""


class StochasticExpert(Expert):
    """An expert that acts by chance, over Discrete actions; twins share its uniform numbers."""

    @final
    def act(self, state: torch.Tensor) -> torch.Tensor:
        """The likeliest actions (R, E, 1) in states (R, E, X)."""
        return self.distribution(state).argmax(-1, keepdim=True).to(torch.float64)

    @abstractmethod
    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """Chances (R, E, A) of the actions in states (R, E, X)."""


class RecurrentExpert(Expert):
    """An expert with a memory: it is asked along each episode, step by step, with what it remembers of it."""

    @final
    def act(self, state: torch.Tensor) -> torch.Tensor:
        """Actions (R, E, U) in states (R, E, X) that begin an episode."""
        return self.go_on(state, None)[0]

    @abstractmethod
    def go_on(self, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """Actions (R, E, U) in states (R, E, X), and the memory to hand back at the next step; None begins."""

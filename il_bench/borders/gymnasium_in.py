"""The border to Gymnasium, inwards: anyone's id, factory or object as an Env."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, make_dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from ..core.env import Certificate, DrawingEnv, Env, TruncatingEnv
from ..core.settings import require
from ..core.streams import Streams
from .gymnasium_copies import Copies, Origin
from .gymnasium_picture import Camera
from .gymnasium_spaces import adaptation, is_label, native, numbers_or_labels, row_of_numbers

STEPS = 200
"""The horizon where an environment sets no limit on an episode's time."""


@dataclass(frozen=True, kw_only=True)
class Foreign(TruncatingEnv, DrawingEnv):
    """A Gymnasium environment that we did not make: R x E copies, reset with one seed each.

    Its state is its observation, flattened where it is more than a row of numbers; two copies reset with the same seed
    are twins. A copy is stepped where it stands, so transitions come in order; a state that is not a copy's own is
    refused.
    """

    thing: ClassVar[Any] = None
    """A Gymnasium id, a factory, or an object."""
    keywords: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that are handed on when a copy is made."""
    origins: ClassVar[dict[str, Origin]] = {}
    """Where copies come from, by these settings: what was learned of it once serves every run."""
    noise_size: ClassVar = 0

    def validate(self) -> None:
        """Observations that can be flattened in, numbers or labels out."""
        facts = self.origin.facts
        require(
            row_of_numbers(facts.observation_space) is not None,
            f"{self.foreign}: expected observations that can be flattened into a Box, got "
            f"{facts.observation_space}; wrap it first",
        )
        require(
            numbers_or_labels(facts.action_space) is not None,
            f"{self.foreign}: expected Box, Discrete, MultiDiscrete or MultiBinary actions, got "
            f"{facts.action_space}; wrap it first",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return _again, (self.thing, self.foreign, self.keywords, values)

    @cached_property
    def origin(self) -> Origin:
        """Where its copies come from."""
        settings = {name: getattr(self, name) for name in self.keywords}
        made = Origin(self.foreign, self.thing, settings)
        return self.origins.setdefault(repr(settings), made)

    @cached_property
    def _copies(self) -> Copies:
        """The copies and where they stand: the one thing that changes."""
        return Copies(self.origin)

    @cached_property
    def _camera(self) -> Camera:
        return Camera(self.origin)

    @property
    def in_turn(self) -> bool:  # type: ignore[override]
        """Whether its episodes take turns, because only one simulator can exist at a time."""
        return self.origin.alone

    @cached_property
    def adaptation(self) -> str:  # type: ignore[override]
        """What its observations and actions became on this side of the border, in words."""
        facts = self.origin.facts
        return adaptation(facts.observation_space, facts.action_space)

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """Observation coordinates by number."""
        return {f"o{i}": "" for i in range(self._row.shape[0])}

    @property
    def observed(self) -> tuple[str, ...]:  # type: ignore[override]
        """The same."""
        return tuple(self.states)

    @property
    def observation_space(self) -> spaces.Box:
        """As the environment has it, flattened."""
        return self._row

    @cached_property
    def _row(self) -> spaces.Box:
        """All that the environment shows, whatever is hidden."""
        space = row_of_numbers(self.origin.facts.observation_space)
        assert space is not None, "validated"
        return space

    @cached_property
    def action_space(self) -> spaces.Box | spaces.Discrete:
        """As the environment has it; several labels or switches at once are a Box of numbers."""
        space = numbers_or_labels(self.origin.facts.action_space)
        assert space is not None, "validated"
        return space

    @property
    def specification(self) -> EnvSpec:
        """What Gymnasium makes it from, with the horizon as its limit on time.

        Raises:
            ValueError: for a factory or an object, which no id names.
        """
        named = isinstance(self.thing, str)
        require(named, f"{self.foreign}: expected an id of Gymnasium's; register it first")
        spec = gymnasium.spec(self.thing.rpartition(":")[2])
        settings = {**spec.kwargs, **self.origin.keywords}
        return dataclasses.replace(spec, max_episode_steps=self.horizon, kwargs=settings)

    @property
    def native_observation_space(self) -> spaces.Space[Any]:
        """The environment's own."""
        return self.origin.facts.observation_space

    @property
    def native_action_space(self) -> spaces.Space[Any]:
        """The environment's own."""
        return self.origin.facts.action_space

    def native(self, actions: np.ndarray) -> Any:
        """Actions (n, U) as the environment takes them, n in a row."""
        return native(self.native_action_space, actions)

    def reset_seeds(self, streams: Streams, episodes: int) -> list[list[int]]:
        """What each copy is reset with (R, E)."""

        def seed(run: int, episode: int) -> int:
            return int(streams.generator(run, "initial", episode).integers(2**31))

        return [[seed(run, e) for e in range(episodes)] for run in range(len(streams.seeds))]

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Copies reset with seeds drawn from the streams."""
        seeds = self.reset_seeds(streams, episodes)
        first = self._copies.reset([seed for row in seeds for seed in row])
        return torch.tensor(first, device=self.device).reshape(len(seeds), episodes, -1)

    def close(self) -> None:
        """Close the copies; what comes next makes new ones."""
        self._copies.close()
        self._camera.close()

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """Every copy that goes on takes its step; one whose state or action is not finite has stopped."""
        # NumPy's and Python's numbers: a tensor's cost more in this loop than many an environment's step.
        rows = state.cpu().numpy().reshape(-1, state.shape[-1])
        chosen = action.cpu().numpy().reshape(-1, action.shape[-1])
        stopped = self._copies.stopped(chosen)
        require(
            self._copies.stand_in(rows, stopped),
            "transition: expected the states of the last step, got others; this environment only steps on",
        )
        after = self._copies.step(rows, self.native(chosen), stopped)
        return torch.from_numpy(after.obs).to(state.device).reshape(state.shape)

    def step_itself(self, action: np.ndarray) -> tuple[torch.Tensor, float, bool, bool]:
        """The same step where there is one copy, of whom nothing needs to be told from others.

        Args:
            action: finite numbers (U,).

        Returns:
            The state (1, 1, O), what the step paid, whether the environment ended the episode, and whether it cut it off.
        """
        (taken,) = self.native(action[None])
        after = self._copies.step_one(taken)
        flags = after.terminated[0], after.truncated[0]
        over, cut = map(bool, flags)
        return torch.from_numpy(after.obs)[None], float(after.reward[0]), over, cut

    def observation(self, state: Any) -> Any:
        """The state, which is the observation."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """What the last step paid."""
        return self._said("reward", state)

    def terminal(self, state: Any) -> Any:
        """What the last step said."""
        return self._said("terminated", state)

    def truncated(self, state: Any) -> Any:
        """What the last step said: a limit on time within the environment itself."""
        return self._said("truncated", state)

    def drawn(self) -> np.ndarray:
        """Where the copies' generators stand: Gymnasium's, and those that are attributes of the environment."""
        return self._copies.drawn()

    def _said(self, what: str, state: torch.Tensor) -> torch.Tensor:
        """What the last step left of each copy, (R, E)."""
        values = torch.from_numpy(getattr(self._copies.standing, what))
        return values.to(state.device).reshape(state.shape[:2])

    @cached_property
    def indicator(self) -> bool:  # type: ignore[override]
        """Whether states are alike or not and nothing between: where an observation is one label, or one switch."""
        return is_label(self.native_observation_space)

    def difference(self, state: Any, other: Any) -> Any:
        """Of the observations; of labels whether they are two."""
        if not self.indicator:
            return state - other
        apart = (state != other).any(-1, keepdim=True)
        return apart.to(state.dtype)

    def certificate(self) -> Certificate:
        """The largest growth of a deviation in one step that pairs of copies have shown: an estimate from below."""
        value, note = self.origin.estimate
        note = "; ".join(filter(None, (note, self.adaptation)))
        metric = "0/1 over observations" if self.indicator else "Euclidean over observations"
        return Certificate((value,) * self.runs, metric, "estimated", note=note)

    def draw(  # type: ignore[override]  # others' pictures know no learner's colour
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The environment's own picture where an observation sets its state, else bars of the observation."""
        return self._camera.picture(state, ghost, self._row, size)


def foreign(thing: Any, name: str, settings: Iterable[str] = ()) -> type[Env]:
    """The class of environments around an id, a factory or an object.

    Args:
        thing: a Gymnasium id, a callable that returns a `gymnasium.Env`, or one such object.
        name: what Records call it.
        settings: names of the settings that it is made with, which become fields.

    Raises:
        TypeError: for a setting whose name an environment here cannot give away.
    """
    keywords = tuple(settings)
    for key in keywords:
        if hasattr(Foreign, key):
            raise TypeError(
                f"{name}: its setting {key!r} would hide an environment's own {key}; give a factory"
            )
    horizon = ("horizon", int, field(default=_time_limit(thing) or STEPS))
    rows = [(key, Any, field()) for key in keywords]
    words = f"{name}, through Gymnasium."
    about = {"foreign": name, "thing": staticmethod(thing), "keywords": keywords, "origins": {}}
    return make_dataclass(
        re.sub(r"\W", "_", name),
        [horizon, *rows],
        bases=(Foreign,),
        namespace={**about, "__doc__": words, "__module__": __name__},
        frozen=True,
        kw_only=True,
    )


def _time_limit(thing: Any) -> int | None:
    """The steps after which Gymnasium ends an episode of an id or an object."""
    if isinstance(thing, str):
        return gymnasium.spec(thing.rpartition(":")[2]).max_episode_steps
    return getattr(getattr(thing, "spec", None), "max_episode_steps", None)


def _again(thing: Any, name: str, keywords: tuple[str, ...], values: dict[str, Any]) -> Env:
    """An environment that was pickled."""
    return foreign(thing, name, keywords)(**values)

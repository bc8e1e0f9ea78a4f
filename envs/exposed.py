"""Any environment whose demonstrations are kept with a chance that depends on how they went: only successes are saved.

Demonstrators are the expert with errors, some more than others (mixed skill). A success is always kept, a failure with a
known chance. Who takes what was kept for all there was believes in a success rate that nobody has; and a clone learns
from lucky errors, where demonstrators act by chance. Dividing by the chance mends both, unless it is 0: what was never
kept cannot be weighed. States, dynamics and picture are the environment's own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from gymnasium import spaces

from il_bench import ENVS, ArchiveEnv, Certificate, Env, Expert, Streams, Values, require
from il_bench.core.disturbance import anywhere, bounds, is_discrete
from il_bench.core.rollout import Archive, Driver, Rollout, by_expert, rollout


@dataclass(frozen=True, kw_only=True)
class Exposed(ArchiveEnv):
    """Any environment whose failed demonstrations are kept with a small chance."""

    of: str = "lane"
    """The environment: its name, and settings such as in "lane wind=0.005 lipschitz=1.1"."""
    kept: Values = 0.1
    """Chance that a failed demonstration is kept; a successful one always is."""
    success: Values = 0.9
    """Mean reward of a step from which on a demonstration is a success; what ended early earns no more."""
    clumsy: Values = 1.0
    """Demonstrators err by up to so much, each by a share of its own: in half widths of a Box, by habit and by chance;
    with a chance to take any other Discrete action."""

    def validate(self) -> None:
        """Refuse chances that are none, and environments whose demonstrations cannot be told apart."""
        for name in ("kept", "clumsy"):
            for chance in self.values(name):
                fits = 0 <= chance <= 1
                require(fits, f"{name}: expected a number from 0 to 1, got {chance:g}; try 0.1")
        world = self.world
        gradual = not world.indicator and not world.by_chance
        wanted = "expected an environment of gradual distances that chance alone does not act in"
        require(gradual, f"of: {wanted}, got {self.of}; take lane")

    @cached_property
    def world(self) -> Env:
        """The environment itself."""
        name, *settings = self.of.split() or [""]
        cls: Any = ENVS[name]
        pairs = [self._setting(cls, pair) for pair in settings]
        given = dict(pairs)
        usual = {"seed": self.seeds, "device": self.device, "horizon": self.horizon}
        world: Env = cls(**usual, **given)
        return world

    def _setting(self, cls: type, pair: str) -> tuple[str, float | int | str]:
        """A setting and its value, from name=value."""
        name, _, text = pair.partition("=")
        known = {field.name for field in dataclasses.fields(cls)}
        own = {field.name for field in dataclasses.fields(Env)}
        fits = name in known - own and bool(text)
        require(fits, f"of: expected settings such as wind=0.005, got {pair!r}; leave it out")
        for kind in (int, float):
            try:
                return name, kind(text)
            except ValueError:
                continue
        return name, text

    @property
    def arrays(self) -> Literal["any", "torch"]:  # type: ignore[override]
        """Those of the environment itself, as all that follows."""
        return self.world.arrays

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """See `Env.states`."""
        return self.world.states

    @property
    def noise_size(self) -> int:  # type: ignore[override]
        """See `Env.noise_size`."""
        return self.world.noise_size

    @property
    def ending(self) -> str:  # type: ignore[override]
        """See `Env.ending`."""
        return self.world.ending

    @property
    def draws_path(self) -> bool:  # type: ignore[override]
        """See `Env.draws_path`."""
        return self.world.draws_path

    @property
    def observation_space(self) -> spaces.Box | spaces.MultiDiscrete:
        """See `Env.observation_space`."""
        return self.world.observation_space

    @property
    def action_space(self) -> spaces.Box | spaces.Discrete:
        """See `Env.action_space`."""
        return self.world.action_space

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """See `Env.initial`."""
        return self.world.initial(streams, episodes)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """See `Env.transition`."""
        return self.world.transition(state, action, noise)

    def observation(self, state: Any) -> Any:
        """See `Env.observation`."""
        return self.world.observation(state)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """See `Env.reward`."""
        return self.world.reward(state, action, next_state)

    def terminal(self, state: Any) -> Any:
        """See `Env.terminal`."""
        return self.world.terminal(state)

    def difference(self, state: Any, other: Any) -> Any:
        """See `Env.difference`."""
        return self.world.difference(state, other)

    def certificate(self) -> Certificate:
        """See `Env.certificate`."""
        return self.world.certificate()

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """See `Env.draw`."""
        return self.world.draw(state, size, ghost, colour)

    def demonstrations(self, expert: Expert, streams: Streams, episodes: int) -> Rollout:
        """All of them, before any is thrown away."""
        drive = self._demonstrator(expert, streams, episodes)
        return rollout(self.world, drive, streams, episodes)

    def succeeded(self, visits: Rollout) -> torch.Tensor:
        """Which demonstrations are successes, (R, E) bool."""
        each_step = visits.returns / self.horizon
        return each_step >= self.per_run(self.success)

    def log(self, expert: Expert, streams: Streams, episodes: int) -> Archive:
        """The demonstrations that were kept; see `ArchiveEnv.log`."""
        visits = self.demonstrations(expert, streams, episodes)
        kept = self.per_run(self.kept) + torch.zeros_like(visits.returns)
        chance = torch.where(self.succeeded(visits), 1.0, kept)
        coin = streams.uniform("kept", episodes, 1)[..., 0]
        there = coin.to(chance.device) < chance
        length = visits.length * there
        whole = dataclasses.replace(visits, length=length)
        return Archive(whole, chance)

    def _demonstrator(self, expert: Expert, streams: Streams, episodes: int) -> Driver:
        """The expert with errors, whose size is each demonstration's own."""
        world = self.world
        drive = by_expert(world, expert)
        skill = streams.uniform("skill", episodes, 1).to(self.device)
        size = skill * self.per_run(self.clumsy, 3)
        err = self._slips if is_discrete(world) else self._shakes
        errors = err(size, streams, episodes)

        def demonstrate(step: int, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
            action, memory = drive(step, state, memory)
            return errors(step, action), memory

        return demonstrate

    def _shakes(self, size: torch.Tensor, streams: Streams, episodes: int) -> Any:
        """Errors of Box actions: a habit, the same at each step, and as large a chance."""
        low, high = bounds(self.world)
        half = (high - low) / 2
        habit = streams.normal("habit", episodes, 1, len(low))
        chance = streams.normal("errors", episodes, self.horizon, len(low))
        deviation = size * half
        both = (habit + chance).to(self.device)
        noise = deviation[:, :, None] * both

        def shaken(step: int, action: torch.Tensor) -> torch.Tensor:
            disturbed = action + noise[:, :, step]
            return disturbed.clamp(low, high)

        return shaken

    def _slips(self, size: torch.Tensor, streams: Streams, episodes: int) -> Any:
        """Other Discrete actions, by chance."""
        numbers = streams.uniform("errors", episodes, self.horizon, 2)
        draws = numbers.to(self.device)
        coin, place = draws.split(1, -1)
        other = anywhere(self.world, place)
        others = other.unbind(2)
        chance = size[:, :, None]
        slip = coin < chance
        slips = slip.unbind(2)

        def slipped(step: int, action: torch.Tensor) -> torch.Tensor:
            return torch.where(slips[step], others[step], action)

        return slipped

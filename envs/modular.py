"""s' = (L s + a + slip) mod M,  phi' = (phi + 1) mod M: chaos on M places, with M actions.

The circle's multiplication in whole numbers, so that all is exact: two places d apart land L d apart by the shorter way
round, as long as that is no more than M/2. Where L and M have no factor in common, as for a prime M, differences never
die out by themselves; for L = 2 and M = 64 they would in six steps. A slip is sigma w, rounded: rare, and the twins'
alike. Cloning knows the places at which its demonstrations slipped: the first slip elsewhere loses it, and in the end
it is some 10 places away (M/4 = 15 is chance); DAgger labels the places where it got lost, and mostly stays at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench.core.arrays import namespace
from il_bench.core.env import Certificate, Env
from il_bench.core.settings import Values, require
from il_bench.core.streams import Streams
from il_bench.paint.canvas import INK, SOFT, Canvas, colour_of

PLACE, GOAL, WAY = "#dfe4ea", "#68707d", "#e0b9a3"  # of the picture


@dataclass(frozen=True, kw_only=True)
class Modular(Env):
    """s' = (L s + a + slip) mod M: track a rotating place among M that multiplication by L scatters."""

    horizon: int = 100
    """Steps in an episode, T."""
    lipschitz: Values = 2.0
    """L of the transition, a whole number of at most M/2."""
    noise: Values = 0.25
    """Standard deviation sigma of the slip before it is rounded: 0.25 slips by a place in 4.6 % of the steps."""
    size: int = 61
    """Places, M, and as many actions; a prime number keeps all differences alive."""

    arrays: ClassVar = "any"
    states: ClassVar = {"s": "number of the place", "phase": "number of the place"}
    excitation: ClassVar = {"noise": 0.4}

    def validate(self) -> None:
        """L a whole number from 1 to M/2, sigma at least 0."""
        require(self.size >= 2, f"size: expected at least 2 places, got {self.size}; try 61")
        whole = all(
            1 <= value <= self.size / 2 and value == int(value)
            for value in self.values("lipschitz")
        )
        words = f"lipschitz: modular needs a whole number from 1 to M/2 = {self.size // 2}, got {self.lipschitz}"
        require(whole, f"{words}; try 2, or raise --size")
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.25",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """Place and phase, each one-hot."""
        return spaces.Box(0.0, 1.0, (2 * self.size,))

    @property
    def action_space(self) -> spaces.Discrete:
        """How many places to go on."""
        return spaces.Discrete(self.size)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At the phase, wherever it is."""
        phase = torch.floor(self.size * streams.uniform("initial", episodes, 1))
        return torch.cat((phase, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The place is multiplied and moved; the phase goes on by one."""
        xp, slip = (
            namespace(state),
            namespace(state).round(self.per_run(self.noise) * noise[..., 0]),
        )
        s = self.per_run(self.lipschitz) * state[..., 0] + action[..., 0] + slip
        return xp.stack((s, state[..., 1] + 1), -1) % self.size

    def observation(self, state: Any) -> Any:
        """Two one-hot vectors."""
        xp = namespace(state)
        places = np.arange(self.size) if xp is np else torch.arange(self.size, device=state.device)
        hot = state[..., None] == places
        return 1.0 * hot.reshape(*state.shape[:-1], 2 * self.size)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the phase, 0 half a round from it."""
        return 1 - 2 * abs(self._way(next_state[..., 0] - next_state[..., 1])) / self.size

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def _way(self, places: Any) -> Any:
        """The shorter way round, signed."""
        return (places + self.size / 2) % self.size - self.size / 2

    def difference(self, state: Any, other: Any) -> Any:
        """The shorter way round between the places; the phase is the same for both."""
        return self._way(state[..., :1] - other[..., :1])

    def certificate(self) -> Certificate:
        """L, attained by any two neighbours."""
        zero = torch.zeros(self.runs, 1, 2, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = 1
        return Certificate(
            value=self.values("lipschitz"),
            metric="places, by the shorter way round",
            kind="exact",
            pair=(zero, other),
            closed_loop=(0.0,) * self.runs,
            radius=self.values("lipschitz"),
            diameter=(self.size / 2,) * self.runs,
            note="unrelated places are M/4 apart on average",
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The places in a ring, the one to follow, whoever follows it, and where L alone would throw them."""
        (w, h), canvas = size, Canvas(size)
        centre, reach = np.array([w / 2, 0.53 * h]), 0.37 * h

        def place(number: Any, part: float = 1.0) -> np.ndarray:
            turn = math.pi / 2 - 2 * math.pi * np.asarray(number) / self.size
            return centre + part * reach * np.stack((np.cos(turn), -np.sin(turn)), -1)

        radius = min(0.03 * h + 1, 0.75 * math.pi * reach / self.size)
        for spot in place(np.arange(self.size)):
            canvas.circle(spot, radius, PLACE)
        canvas.line([centre, place(state[1], 0.84)], GOAL, 3)
        thrown = self.values("lipschitz")[0] * state[0] % self.size
        canvas.line([place(state[0]), place(thrown)], WAY, 2)
        canvas.circle(place(thrown), 3, WAY)
        canvas.text(f"× {self.values('lipschitz')[0]:g}", place(thrown, 1.15), SOFT, 11, part=0.5)
        if ghost is not None:
            canvas.circle(place(ghost[0]), radius + 4, colour_of(0))
        canvas.circle(place(state[0]), radius + 1, colour_of(1))
        canvas.text(
            f"off by {abs(float(self._way(state[0] - state[1]))):g}", (10, 36), INK, 12, bold=True
        )
        canvas.text(f"of {self.size} places", (10, 52), SOFT, 11)
        return canvas.image()

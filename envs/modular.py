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

from il_bench import Certificate, Env, Streams, Values, coordinates, namespace, require
from il_bench.paint.canvas import Canvas, bodies, colour_of
from il_bench.paint.panel import balls, dial, headline, key

# Of the picture.
PLACE = "#dfe4ea"
GOAL = "#68707d"
WAY = "#b9a4d6"


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
        most = self.size / 2
        dials = self.values("lipschitz")
        words = f"lipschitz: modular needs a whole number from 1 to M/2 = {self.size // 2}"
        require(
            all(1 <= big <= most and big == int(big) for big in dials),
            f"{words}, got {self.lipschitz}; try 2, or raise --size",
        )
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
        chance = streams.uniform("initial", episodes, 1)
        phase = torch.floor(self.size * chance)
        return torch.cat((phase, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The place is multiplied and moved; the phase goes on by one."""
        xp = namespace(state)
        place, phase = coordinates(state)
        shake = self.per_run(self.noise) * noise[..., 0]
        slip = xp.round(shake)
        place = self.per_run(self.lipschitz) * place
        place = place + action[..., 0] + slip
        both = xp.stack((place, phase + 1), -1)
        return both % self.size

    def observation(self, state: Any) -> Any:
        """Two one-hot vectors."""
        places: Any = np.arange(self.size)
        if isinstance(state, torch.Tensor):
            places = torch.as_tensor(places, device=state.device)
        hot = state[..., None] == places
        *axes, _, _ = hot.shape
        return 1.0 * hot.reshape(*axes, 2 * self.size)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the phase, 0 half a round from it."""
        place, phase = coordinates(next_state)
        off = abs(self._way(place - phase))
        return 1 - 2 * off / self.size

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def _way(self, places: Any) -> Any:
        """The shorter way round, signed."""
        half = self.size / 2
        return (places + half) % self.size - half

    def difference(self, state: Any, other: Any) -> Any:
        """The shorter way round between the places; the phase is the same for both."""
        apart = state - other
        return self._way(apart[..., :1])

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
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The places in a ring, the one to follow, whoever follows it, and where L alone would throw them."""
        canvas = Canvas(size)
        place, goal = state
        big = self.values("lipschitz")[0]
        radius = self._ring(canvas, goal)
        self._throw(canvas, place, big)
        face = dial(canvas)
        drawn = bodies(state, ghost, colour or colour_of(1), faint=0.6)
        balls(canvas, drawn, lambda one: face.place(self._angle(one[0])), radius + 2)
        strokes = ("to follow", GOAL), (f"× {big:g} if idle", WAY)
        foot = size[1] - 26
        key(canvas, (10, foot), strokes)
        off = abs(self._way(place - goal))
        headline(canvas, f"off by {off:g} of {self.size}")
        return canvas.image()

    def _ring(self, canvas: Canvas, goal: float) -> float:
        """The places and the hand that shows the one to follow; returns a place's radius, pixels."""
        face = dial(canvas)
        room = 0.75 * math.pi * face.reach / self.size
        radius = min(0.03 * canvas.size[1] + 1, room)
        angles = self._angle(np.arange(self.size))
        for spot in face.place(angles):
            canvas.circle(spot, radius, PLACE)
        tip = face.place(self._angle(goal), 0.84)
        canvas.line([face.middle, tip], GOAL, 3)
        return radius

    def _throw(self, canvas: Canvas, place: float, big: float) -> None:
        """Where L alone would throw whoever is at a place."""
        face = dial(canvas)
        start = face.place(self._angle(place))
        thrown = face.place(self._angle(big * place))
        canvas.line([start, thrown], WAY, 2)
        canvas.circle(thrown, 3, WAY)

    def _angle(self, place: Any) -> Any:
        """Where a place stands on the ring: the first at the top, the others clockwise."""
        turn = 2 * math.pi * place / self.size
        return math.pi / 2 - turn

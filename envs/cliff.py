"""s' = L s + clip(a, -1, 1) - g(z) + sigma w,  z' = z + omega: stay on a plateau that nobody climbs twice.

The position s is pushed outwards by (L - 1) s and the push is bounded, so for L > 1 there is an edge: without pull a
state can be brought back iff |s| < 1/(L - 1). The known pull g(z) = G sin(z) of an exogenous phase moves both edges
together: with c(z) = sum of L^-(k+1) g(z + k omega) over k >= 0 one finds (s - c)' = L (s - c) + clip(a), so a state
can be brought back iff |s - c(z)| < 1/(L - 1), exactly. Beyond it the episode is over. With sigma = 0 cloning, which
never saw a position but zero, walks over the edge at L = 1.2; DAgger stays within its action error. At L <= 1 there is
no edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import (
    Certificate,
    Env,
    Streams,
    Values,
    as_tuple,
    column,
    coordinates,
    namespace,
    require,
)
from il_bench.paint.canvas import PAPER, SOFT, Canvas, bodies, colour_of
from il_bench.paint.panel import balls, block, headline, note

CLIP = 100.0  # where s is stopped at last; it lies at twice the reach where that is nearer
TURN = 0.3  # omega, radians a step
# Of the picture: colours; the plateau's and the sea's row, parts of its height; the pole's top, pixels.
SKY = "#eaf2fb"
ROCK = "#a39a8c"
GRASS = "#7fae62"
SEA = "#3f6f9f"
FLAG = "#D9534F"
LAWN = 0.5
SHORE = 0.9
POLE = 30.0


@dataclass(frozen=True, kw_only=True)
class Cliff(Env):
    """s' = L s + clip(a) - g(z) + sigma w: a plateau with an edge; recoverable iff |s - c(z)| < 1/(L - 1)."""

    horizon: int = 150
    """Steps in an episode, T."""
    lipschitz: Values = 1.2
    """L of the transition in s; above 1 there is an edge."""
    pull: Values = 0.3
    """Strength G of the known pull, below that of the push; it is what there is to imitate."""
    noise: Values = 0.0
    """Standard deviation sigma of the noise on s, which also spreads the demonstrations."""

    arrays: ClassVar = "any"
    states: ClassVar = {"s": "", "phase": "rad"}
    excitation: ClassVar = {"noise": 0.05}
    ending: ClassVar = "over the edge"

    def validate(self) -> None:
        """L above 0, a pull that can be held, sigma at least 0."""
        require(
            min(self.values("lipschitz")) > 0,
            f"lipschitz: expected L > 0, got {self.lipschitz}; try 1.2",
        )
        pulls = self.values("pull")
        require(
            min(pulls) >= 0 and max(pulls) < 1,
            f"pull: expected at least 0 and below 1, the push, got {self.pull}; try 0.3",
        )
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.05",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """Position, and the phase as a point on the circle."""
        high = np.array([CLIP, 1, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """Push, -1 to 1, in the units of s."""
        return spaces.Box(-1.0, 1.0, (1,))

    @cached_property
    def reach(self) -> Values:
        """How far from c(z) a state can be brought back, 1/(L - 1), a number or (R,); inf where L <= 1."""
        dials = self.values("lipschitz")
        reaches = tuple(1 / (big - 1) if big > 1 else math.inf for big in dials)
        return reaches if len(reaches) > 1 else reaches[0]

    @cached_property
    def limit(self) -> Values:
        """Where s is stopped, a number or (R,): beyond either edge, so that whoever is stopped is lost, or at CLIP."""
        reaches = as_tuple(self.reach)
        pulls = self.values("pull")
        pairs = zip(reaches, pulls, strict=True)
        beyond = [2 * (1 + pull) * reach for reach, pull in pairs]
        limits = tuple(min(CLIP, far) for far in beyond)
        return limits if len(limits) > 1 else limits[0]

    def wind(self, state: Any) -> Any:
        """g(z), (R, E)."""
        wave = namespace(state).sin(state[..., 1])
        return self.per_run(self.pull) * wave

    def centre(self, state: Any) -> Any:
        """c(z), (R, E): the imaginary part of G e^(iz) / (L - e^(i omega))."""
        sin = namespace(state).sin
        z = state[..., 1]
        big = self.per_run(self.lipschitz)
        turn = 2 * math.cos(TURN)
        length = big * big - turn * big + 1
        wave = big * sin(z) - sin(z - TURN)
        scaled = self.per_run(self.pull) * wave
        return scaled / length

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At zero, at any phase."""
        chance = streams.uniform("initial", episodes, 1)
        phase = 2 * math.pi * chance
        s = torch.zeros_like(phase)
        return torch.cat((s, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        push = action[..., 0].clip(-1, 1)
        shake = noise[..., 0]
        s, phase = coordinates(state)
        s = self.per_run(self.lipschitz) * s
        s = s + push
        s = s - self.wind(state)
        s = s + self.per_run(self.noise) * shake
        limit = self.per_run(self.limit)
        kept = s.clip(-limit, limit)
        return namespace(state).stack((kept, phase + TURN), -1)

    def observation(self, state: Any) -> Any:
        """Position and point on the circle."""
        xp = namespace(state)
        s, phase = coordinates(state)
        point = xp.cos(phase), xp.sin(phase)
        return xp.stack((s, *point), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at zero, 1/2 where the push is just strong enough to hold s."""
        slope = self.per_run(self.lipschitz) - 1
        s = next_state[..., 0]
        return 1 / (1 + slope**2 * s**2)

    def terminal(self, state: Any) -> Any:
        """When no action brings s back (but for noise)."""
        s = state[..., 0]
        off = abs(s - self.centre(state))
        return off >= self.per_run(self.reach)

    def difference(self, state: Any, other: Any) -> Any:
        """Of the positions; the phase is the same for both."""
        apart = state - other
        return apart[..., :1]

    def certificate(self) -> Certificate:
        """L, attained by any two positions whose images stay off the limit."""
        value = self.values("lipschitz")
        limits = as_tuple(self.limit)
        dials = zip(limits, value, strict=True)
        inside = tuple(0.5 * limit / (1 + big) for limit, big in dials)
        zero = torch.zeros(self.runs, 1, 2, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = column(inside, 2, "cpu")
        return Certificate(
            value=value,
            metric="absolute difference of s",
            kind="exact",
            pair=(zero, other),
            closed_loop=(0.0,) * self.runs,
            radius=value,
            diameter=tuple(2 * limit for limit in limits),
            note="under the expert L where its push is exhausted; the phase is exogenous and excluded",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The plateau with its two edges, as steep as L makes it, whoever is on it, and the pull as a flag."""
        canvas = Canvas(size, SKY)
        width, height = size
        reach = as_tuple(self.reach)[0]
        middle = self._column(width, float(self.centre(state[None])[0]))
        self._plateau(canvas, middle)
        self._flag(canvas, float(self.wind(state[None])[0]))
        drawn = bodies(state, ghost, colour or colour_of(1), faint=0.6)
        balls(canvas, drawn, lambda one: self._spot(canvas, middle, one))
        words = f"beyond {reach:.3g} all are lost" if reach < CLIP else "no edge"
        note(canvas, words, (middle, 0.8 * height), PAPER, part=0.5)
        headline(canvas, f"s = {state[0]:.2g}")
        return canvas.image()

    @property
    def _shown(self) -> float:
        """How far the picture's plateau reaches."""
        return min(as_tuple(self.reach)[0], CLIP)

    def _column(self, width: float, s: Any) -> Any:
        """Where positions are painted, pixels from the left."""
        return width / 2 + 0.3 * width * s / self._shown

    def _row(self, canvas: Canvas, middle: float, columns: Any) -> Any:
        """Where the ground is, pixels from the top: flat unless there is an edge."""
        width, height = canvas.size
        half = 0.3 * width
        away = (columns - middle) / half
        share = np.clip(away, -1, 1)
        edge = self._shown < CLIP
        steep = 0.14 * height * edge
        return LAWN * height + steep * share**2

    def _plateau(self, canvas: Canvas, middle: float) -> None:
        """Ground between the edges, and the sea around it."""
        width, height = canvas.size
        centre = width / 2
        half = 0.3 * width
        shore = SHORE * height
        block(canvas, centre, centre, (shore, height), SEA)
        left = middle - half
        right = middle + half
        columns = np.linspace(left, right, 25)
        rows = self._row(canvas, middle, columns)
        lawn = np.stack((columns, rows), -1)
        canvas.polygon([(left, height), *lawn, (right, height)], ROCK)
        canvas.line(lawn, GRASS, 4)

    def _flag(self, canvas: Canvas, wind: float) -> None:
        """The pull: where the flag blows to."""
        width, height = canvas.size
        strength = max(self.values("pull")[0], 1e-9)
        length = 0.135 * width * wind / strength
        middle = width / 2
        top = np.array([middle, POLE])
        hem = top + np.array([0, 0.05 * height])
        foot = top + np.array([0, 0.12 * height])
        between = (top + hem) / 2
        tip = between - np.array([length, 0])
        canvas.line([top, foot], SOFT, 2)
        canvas.polygon([top, tip, hem], FLAG)
        corner = width - 8, POLE + 7
        note(canvas, "flag: the pull", corner, part=1)

    def _spot(self, canvas: Canvas, middle: float, state: np.ndarray) -> np.ndarray:
        """Where a ball lies: on the ground, or in the sea once it is lost."""
        width, height = canvas.size
        radius = 0.022 * height + 3
        at = self._column(width, state[0])
        column = np.clip(at, radius, width - radius)
        if self.terminal(state[None])[0]:
            return np.array([column, SHORE * height])
        ground = self._row(canvas, middle, at)
        return np.array([column, ground - radius])

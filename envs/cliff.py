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

from il_bench.core.arrays import column, namespace
from il_bench.core.env import Certificate, Env
from il_bench.core.settings import Values, as_tuple, require
from il_bench.core.streams import Streams
from il_bench.paint.canvas import INK, PAPER, SOFT, Canvas, colour_of

CLIP = 100.0  # where s is stopped at last; it lies at twice the reach where that is nearer
TURN = 0.3  # omega, radians a step
SKY, ROCK, GRASS, SEA, SOCK = (
    "#eaf2fb",
    "#a39a8c",
    "#7fae62",
    "#3f6f9f",
    "#D9534F",
)  # of the picture


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
        strong = not all(0 <= g < 1 for g in self.values("pull"))
        require(
            not strong, f"pull: expected at least 0 and below 1, the push, got {self.pull}; try 0.3"
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
        found = tuple(
            1 / (value - 1) if value > 1 else math.inf for value in self.values("lipschitz")
        )
        return found if len(found) > 1 else found[0]

    @cached_property
    def limit(self) -> Values:
        """Where s is stopped, a number or (R,): beyond either edge, so that whoever is stopped is lost, or at CLIP."""
        pairs = zip(as_tuple(self.reach), self.values("pull"), strict=True)
        found = tuple(min(CLIP, 2 * (1 + g) * reach) for reach, g in pairs)
        return found if len(found) > 1 else found[0]

    def wind(self, state: Any) -> Any:
        """g(z), (R, E)."""
        return self.per_run(self.pull) * namespace(state).sin(state[..., 1])

    def centre(self, state: Any) -> Any:
        """c(z), (R, E): the imaginary part of G e^(iz) / (L - e^(i omega))."""
        xp, big, z = namespace(state), self.per_run(self.lipschitz), state[..., 1]
        length = big * big - 2 * math.cos(TURN) * big + 1
        return self.per_run(self.pull) * (big * xp.sin(z) - xp.sin(z - TURN)) / length

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At zero, at any phase."""
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1)
        return torch.cat((torch.zeros_like(phase), phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        xp, limit = namespace(state), self.per_run(self.limit)
        s = (
            self.per_run(self.lipschitz) * state[..., 0]
            + action[..., 0].clip(-1, 1)
            - self.wind(state)
        )
        return xp.stack(
            (
                (s + self.per_run(self.noise) * noise[..., 0]).clip(-limit, limit),
                state[..., 1] + TURN,
            ),
            -1,
        )

    def observation(self, state: Any) -> Any:
        """Position and point on the circle."""
        xp = namespace(state)
        return xp.stack((state[..., 0], xp.cos(state[..., 1]), xp.sin(state[..., 1])), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at zero, 1/2 where the push is just strong enough to hold s."""
        return 1 / (1 + (self.per_run(self.lipschitz) - 1) ** 2 * next_state[..., 0] ** 2)

    def terminal(self, state: Any) -> Any:
        """When no action brings s back (but for noise)."""
        return abs(state[..., 0] - self.centre(state)) >= self.per_run(self.reach)

    def difference(self, state: Any, other: Any) -> Any:
        """Of the positions; the phase is the same for both."""
        return state[..., :1] - other[..., :1]

    def certificate(self) -> Certificate:
        """L, attained by any two positions whose images stay off the limit."""
        zero, value = torch.zeros(self.runs, 1, 2, dtype=torch.float64), self.values("lipschitz")
        other = zero.clone()
        other[..., 0] = column(
            tuple(0.5 * s / (1 + v) for s, v in zip(as_tuple(self.limit), value, strict=True)),
            2,
            "cpu",
        )
        return Certificate(
            value=value,
            metric="absolute difference of s",
            kind="exact",
            pair=(zero, other),
            closed_loop=value,
            radius=value,
            diameter=tuple(2 * limit for limit in as_tuple(self.limit)),
            note="under the expert L where its push is exhausted, 0 elsewhere; the phase is exogenous and excluded",
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The plateau with its two edges, as steep as L makes it, whoever is on it, and the pull as a windsock."""
        (w, h), canvas = size, Canvas(size, SKY)
        far = as_tuple(self.reach)[0]
        reach, middle, top = min(far, CLIP), float(self.centre(state[None])[0]), 0.46 * h
        wide = 0.3 * w / reach

        def ground(s: Any) -> Any:
            return top + 0.14 * h * np.clip((s - middle) / reach, -1, 1) ** 2 * (far < CLIP)

        s = np.linspace(middle - reach, middle + reach, 25)
        line = np.column_stack((w / 2 + wide * s, ground(s)))
        canvas.polygon([(0, 0.9 * h), (w, 0.9 * h), (w, h), (0, h)], SEA)
        canvas.polygon([(line[0, 0], h), *line, (line[-1, 0], h)], ROCK)
        canvas.line(line, GRASS, 4)
        blow = (
            0.45
            * wide
            * reach
            * float(self.wind(state[None])[0])
            / max(self.values("pull")[0], 1e-9)
        )
        canvas.line([(w / 2, 0.13 * h), (w / 2, 0.26 * h)], SOFT, 2)
        canvas.polygon([(w / 2, 0.13 * h), (w / 2 - blow, 0.155 * h), (w / 2, 0.18 * h)], SOCK)
        radius = 0.03 * h + 2
        for who, colour, alpha in ((ghost, colour_of(0), 0.6), (state, colour_of(1), 1.0)):
            if who is not None:
                lost = abs(who[0] - float(self.centre(who[None])[0])) >= far
                at = np.clip(w / 2 + wide * who[0], radius, w - radius)
                spot = np.array([at, 0.9 * h if lost else float(ground(who[0])) - radius])
                with canvas.layer(alpha, (spot - radius, spot + radius)):
                    canvas.circle(spot, radius, colour)
        words = f"one can come back from {reach:.3g}" if far < CLIP else "no edge"
        canvas.text(words, (w / 2 + wide * middle, 0.78 * h), PAPER, 12, part=0.5)
        canvas.text(f"s = {state[0]:.2g}", (10, 36), INK, 12, bold=True)
        return canvas.image()

"""q' = L q + b a - g(z) + sigma w,  z' = z + omega: keep q at zero along a tube whose pull g is known from its phase z.

The position q is a number, clipped to +-10; the phase is exogenous and is observed as (cos z, sin z). For a fixed
phase and action two positions are stretched by exactly L until one of them meets the clip. With sigma = 0 every
demonstration lies at q = 0: cloning then learns nothing about how to correct q, whatever its action error (coverage,
not L alone, decides).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench.core.arrays import namespace
from il_bench.core.env import Certificate, Env
from il_bench.core.settings import Values, require
from il_bench.core.streams import Streams
from il_bench.paint.canvas import INK, SOFT, Canvas, colour_of, squeezed

CLIP = 10.0  # where q is stopped
FEEDBACK = 0.7  # part of L q that the expert cancels; the closed loop is the rest
TURN = 0.3  # omega, radians a step
WALL, LINE, WAVE = "#8a8f98", "#e3e6ea", "#dbe9f6"  # of the picture
PULL = 1.0, 0.5  # amplitudes of g(z) = sin(z) + 0.5 sin(2 z + 1)


@dataclass(frozen=True, kw_only=True)
class Tube(Env):
    """q' = L q + b a - g(z) + sigma w: stay at the centre of a tube; L exact, coverage by sigma."""

    horizon: int = 150
    """Steps in an episode, T."""
    lipschitz: Values = 1.2
    """L of the transition in q."""
    noise: Values = 0.0
    """Standard deviation sigma of the noise on q, which also spreads the demonstrations."""

    arrays: ClassVar = "any"
    states: ClassVar = {"q": "", "phase": "rad"}
    excitation: ClassVar = {"noise": 0.05}

    def validate(self) -> None:
        """L above 0 and below what the expert can hold, sigma at least 0."""
        limit = 1 / (1 - FEEDBACK)
        possible = min(self.values("lipschitz")) > 0 and max(self.values("lipschitz")) < limit
        require(
            possible,
            f"lipschitz: expected 0 < L < {limit:.3g}, where the expert holds, got {self.lipschitz}; try 1.2",
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
        """Push, -1 to 1, in units of b."""
        return spaces.Box(-1.0, 1.0, (1,))

    @cached_property
    def gain(self) -> Values:
        """b, what full action moves: all that the expert may need at the clip, so that it never saturates."""
        gains = tuple(FEEDBACK * big * CLIP + sum(PULL) for big in self.values("lipschitz"))
        return gains if len(set(gains)) > 1 else gains[0]

    def pull(self, state: Any) -> Any:
        """g(z), (R, E)."""
        xp, z = namespace(state), state[..., 1]
        return PULL[0] * xp.sin(z) + PULL[1] * xp.sin(2 * z + 1)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At the centre, anywhere along the tube."""
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1)
        return torch.cat((torch.zeros_like(phase), phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step along the tube."""
        xp, push = namespace(state), self.per_run(self.gain) * action[..., 0].clip(-1, 1)
        q = self.per_run(self.lipschitz) * state[..., 0] + push - self.pull(state)
        return xp.stack(
            (
                (q + self.per_run(self.noise) * noise[..., 0]).clip(-CLIP, CLIP),
                state[..., 1] + TURN,
            ),
            -1,
        )

    def observation(self, state: Any) -> Any:
        """Position and point on the circle."""
        xp = namespace(state)
        return xp.stack((state[..., 0], xp.cos(state[..., 1]), xp.sin(state[..., 1])), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the centre, 0 at the clip."""
        return 1 - (next_state[..., 0] / CLIP) ** 2

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of the positions; the phase is the same for both."""
        return state[..., :1] - other[..., :1]

    def certificate(self) -> Certificate:
        """L, attained by any two positions whose images stay off the clip."""
        zero = torch.zeros(self.runs, 1, 2, dtype=torch.float64)
        other = zero.clone()
        value = self.values("lipschitz")
        other[:, 0, 0] = torch.tensor([0.5 / max(1.0, big) for big in value])
        return Certificate(
            value=value,
            metric="absolute difference of q",
            kind="exact",
            pair=(zero, other),
            closed_loop=tuple((1 - FEEDBACK) * v for v in value),
            radius=value,
            diameter=(2 * CLIP,) * self.runs,
            note="the phase is exogenous and excluded",
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The tube from the side on a logarithmic scale, its coming pull as a wave, the ball and its twin."""
        (w, h), canvas = size, Canvas(size)
        middle, tall, steps = h / 2, 0.44 * h, np.arange(60)

        def height(q: Any) -> Any:
            return middle - tall * squeezed(q, 0.01, CLIP)

        for mark in (0.01, 0.1, 1.0, 10.0):
            for side in (-mark, mark):
                canvas.line(
                    [(0, height(side)), (w, height(side))],
                    WALL if mark == CLIP else LINE,
                    3 if mark == CLIP else 1,
                )
            canvas.text(f"{mark:g}", (w - 6, height(mark) + 9), SOFT, 10, part=1.0)
        phase = state[1] + steps * TURN
        pull = PULL[0] * np.sin(phase) + PULL[1] * np.sin(2 * phase + 1)
        x = 0.25 * w + steps * w / 60
        canvas.polygon(
            np.column_stack(
                (np.r_[x, x[::-1]], np.r_[middle - 0.12 * h * pull, np.full(60, middle)])
            ),
            WAVE,
        )
        canvas.line([(0, middle), (w, middle)], SOFT, 1)
        for who, colour, alpha in ((ghost, colour_of(0), 0.5), (state, colour_of(1), 1.0)):
            if who is not None:
                with canvas.layer(alpha):
                    canvas.circle((0.25 * w, height(who[0])), 0.035 * h + 2, colour)
        canvas.text(f"q = {state[0]:.2g}", (10, 36), INK, 12, bold=True)
        return canvas.image()

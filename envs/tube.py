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

from il_bench import Certificate, Env, Streams, Values, coordinates, namespace, require
from il_bench.paint.canvas import Canvas, bodies, colour_of
from il_bench.paint.panel import balls, headline, ladder, note, rows

CLIP = 10.0  # where q is stopped
FEEDBACK = 0.7  # part of L q that the expert cancels; the closed loop is the rest
TURN = 0.3  # omega, radians a step
# Of the picture: colours; steps that it shows, where the ball is, rows beneath the tube.
WALL = "#8a8f98"
WAVE = "#dbe9f6"
AHEAD = 60
HERE = 0.25
FOOT = 20
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
        dials = self.values("lipschitz")
        require(
            min(dials) > 0 and max(dials) < limit,
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
        dials = self.values("lipschitz")
        gains = tuple(FEEDBACK * big * CLIP + sum(PULL) for big in dials)
        return gains if len(set(gains)) > 1 else gains[0]

    def pull(self, state: Any) -> Any:
        """g(z), (R, E)."""
        sin = namespace(state).sin
        z = state[..., 1]
        slow = sin(z)
        fast = sin(2 * z + 1)
        return PULL[0] * slow + PULL[1] * fast

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At the centre, anywhere along the tube."""
        chance = streams.uniform("initial", episodes, 1)
        phase = 2 * math.pi * chance
        q = torch.zeros_like(phase)
        return torch.cat((q, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step along the tube."""
        full = action[..., 0].clip(-1, 1)
        push = self.per_run(self.gain) * full
        shake = noise[..., 0]
        q, phase = coordinates(state)
        q = self.per_run(self.lipschitz) * q
        q = q + push - self.pull(state)
        q = q + self.per_run(self.noise) * shake
        kept = q.clip(-CLIP, CLIP)
        return namespace(state).stack((kept, phase + TURN), -1)

    def observation(self, state: Any) -> Any:
        """Position and point on the circle."""
        xp = namespace(state)
        q, phase = coordinates(state)
        point = xp.cos(phase), xp.sin(phase)
        return xp.stack((q, *point), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the centre, 0 at the clip."""
        share = next_state[..., 0] / CLIP
        return 1 - share**2

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of the positions; the phase is the same for both."""
        apart = state - other
        return apart[..., :1]

    def certificate(self) -> Certificate:
        """L, attained by any two positions whose images stay off the clip."""
        value = self.values("lipschitz")
        zero = torch.zeros(self.runs, 1, 2, dtype=torch.float64)
        other = zero.clone()
        other[:, 0, 0] = torch.tensor([0.5 / max(1.0, big) for big in value])
        return Certificate(
            value=value,
            metric="absolute difference of q",
            kind="exact",
            pair=(zero, other),
            closed_loop=tuple((1 - FEEDBACK) * big for big in value),
            radius=value,
            diameter=(2 * CLIP,) * self.runs,
            note="the phase is exogenous and excluded",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The tube from the side on a logarithmic scale, its coming pull as a wave, the ball and its twin."""
        canvas = Canvas(size)
        width, height = size
        start = 0.11 * width
        column = HERE * width
        self._wave(canvas, state[1])
        ladder(canvas, start, width, FOOT)
        for wall in rows(canvas, np.array([-CLIP, CLIP]), FOOT):
            canvas.line([(start, wall), (width, wall)], WALL, 3)
        drawn = bodies(state, ghost, colour or colour_of(1), faint=0.6)
        balls(canvas, drawn, lambda one: np.array([column, rows(canvas, one[0], FOOT)]))
        note(canvas, "shaded: the pull that comes", (start, height - 9))
        headline(canvas, f"q = {state[0]:.2g},  to be held at 0")
        return canvas.image()

    def _wave(self, canvas: Canvas, phase: float) -> None:
        """The pull that comes, on a linear scale around the middle."""
        width, height = canvas.size
        steps = np.arange(AHEAD)
        phases = phase + TURN * steps
        coming = np.stack((0 * steps, phases), -1)
        middle = rows(canvas, 0, FOOT)
        crest = middle - 0.1 * height * self.pull(coming)
        share = HERE + steps / AHEAD
        columns = width * share
        wave = np.stack((columns, crest), -1)
        foot = (columns[-1], middle), (columns[0], middle)
        canvas.polygon([*wave, *foot], WAVE)

"""theta' = wrap(L theta + pi a + sigma w),  phi' = wrap(phi + omega): keep an angle that is multiplied on a hand.

For a whole number L the map is smooth on the circle and stretches every pair that it does not wrap by exactly L; a
fraction would tear the circle open at pi. Left alone it is chaotic, with Lyapunov exponent log L, and yet nothing
explodes: two unrelated copies are pi/2 apart on average. The expert's action winds L times against theta: no continuous
policy does, so that every network must err where the action jumps from 1 to -1, and is thrown off its path there. At
L = 2 cloning, which has seen no angle off the hand, is lost within some twenty steps and stays 2 rad away (further than
chance: it settles on the wrong side); DAgger is thrown off too, comes back, and stays near 0.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, column, coordinates, namespace, require
from il_bench.paint.canvas import INK, Canvas, bodies, colour_of
from il_bench.paint.panel import balls, dial, headline, key

GAIN = math.pi  # what full action turns; both full actions are the same half turn
TURN = 0.3  # omega, of the hand phi, radians a step
# Of the picture.
FACE = "#f4f6f9"
RING = "#cfd6de"
HAND = "#68707d"
WAY = "#b9a4d6"
APART = INK


def wrapped(angle: Any) -> Any:
    """An angle, from -pi to pi."""
    turned = (angle + math.pi) % (2 * math.pi)
    return turned - math.pi


@dataclass(frozen=True, kw_only=True)
class Circle(Env):
    """theta' = wrap(L theta + pi a + sigma w): track a rotating phase on a circle that chaos stretches by exactly L."""

    horizon: int = 150
    """Steps in an episode, T."""
    lipschitz: Values = 2.0
    """L of the transition, a whole number: how often the map winds the circle around itself."""
    noise: Values = 0.0
    """Standard deviation sigma of the noise on theta, radians, which also spreads the demonstrations."""

    arrays: ClassVar = "any"
    states: ClassVar = {"theta": "rad", "phase": "rad"}
    excitation: ClassVar = {"noise": 0.05}

    def validate(self) -> None:
        """L a whole number of at least 1, sigma at least 0."""
        dials = self.values("lipschitz")
        words = f"lipschitz: circle needs a whole number of at least 1, got {self.lipschitz}"
        require(
            all(value >= 1 and value == int(value) for value in dials),
            f"{words}; a fraction tears the circle open, try 2",
        )
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.05",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """Angle and phase, each as a point on the circle."""
        return spaces.Box(-1.0, 1.0, (4,))

    @property
    def action_space(self) -> spaces.Box:
        """Turn, -1 to 1, in units of `GAIN`."""
        return spaces.Box(-1.0, 1.0, (1,))

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """On the hand, wherever it is."""
        chance = streams.uniform("initial", episodes, 1)
        phase = 2 * math.pi * chance - math.pi
        return torch.cat((phase, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The angle is multiplied, turned and wrapped; the hand goes on."""
        theta, phase = coordinates(state)
        full = action[..., 0].clip(-1, 1)
        turn = GAIN * full
        shake = self.per_run(self.noise) * noise[..., 0]
        theta = self.per_run(self.lipschitz) * theta
        theta = theta + turn + shake
        angles = namespace(state).stack((theta, phase + TURN), -1)
        return wrapped(angles)

    def observation(self, state: Any) -> Any:
        """Two points on the circle."""
        xp = namespace(state)
        return xp.concatenate((xp.cos(state), xp.sin(state)), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 on the hand, -1 opposite to it."""
        theta, phase = coordinates(next_state)
        return namespace(state).cos(theta - phase)

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """The shorter way round between the angles; the phase is the same for both."""
        apart = state - other
        return wrapped(apart[..., :1])

    def certificate(self) -> Certificate:
        """L, attained by any two angles nearer than pi/L: farther ones meet on the other side."""
        value = self.values("lipschitz")
        halfway = tuple(0.5 * math.pi / big for big in value)
        zero = torch.zeros(self.runs, 1, 2, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = column(halfway, 2, "cpu")
        return Certificate(
            value=value,
            metric="geodesic on the circle",
            kind="exact",
            pair=(zero, other),
            closed_loop=(0.0,) * self.runs,
            radius=value,
            diameter=(math.pi,) * self.runs,
            note="its Lyapunov exponent is log L; unrelated angles are pi/2 apart on average",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The circle, the hand to follow, whoever follows it, and where L alone would throw them."""
        canvas = Canvas(size)
        angle, hand = state
        big = self.values("lipschitz")[0]
        _face(canvas, hand)
        _throw(canvas, angle, big)
        if ghost is not None:
            _between(canvas, ghost[0], angle)
        face = dial(canvas)
        drawn = bodies(state, ghost, colour or colour_of(1), faint=0.6)
        balls(canvas, drawn, lambda one: face.place(one[0]))
        strokes = ("to follow", HAND), (f"× {big:g} if idle", WAY), ("off the twin", APART)
        foot = size[1] - 40
        key(canvas, (10, foot), strokes)
        off = math.degrees(abs(wrapped(angle - hand)))
        headline(canvas, f"off by {off:.3g}°")
        return canvas.image()


def _face(canvas: Canvas, hand: float) -> None:
    """The circle and its hand."""
    face = dial(canvas)
    turn = np.linspace(0, 2 * math.pi, 90)
    canvas.circle(face.middle, face.reach, FACE)
    canvas.line(face.place(turn), RING, 4)
    canvas.line([face.middle, face.place(hand, 0.86)], HAND, 3)


def _throw(canvas: Canvas, angle: float, big: float) -> None:
    """Where L alone would throw an angle."""
    face = dial(canvas)
    thrown = face.place(big * angle)
    canvas.line([face.place(angle), thrown], WAY, 2)
    canvas.circle(thrown, 3, WAY)


def _between(canvas: Canvas, twin: float, angle: float) -> None:
    """The way from the twin's angle."""
    off = float(wrapped(angle - twin))
    apart = np.linspace(0, off, 30)
    arc = dial(canvas).place(twin + apart, 1.14)
    canvas.line(arc, APART, 2)

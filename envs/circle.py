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

from il_bench.core.arrays import column, namespace
from il_bench.core.env import Certificate, Env
from il_bench.core.settings import Values, require
from il_bench.core.streams import Streams
from il_bench.paint.canvas import INK, SOFT, Canvas, colour_of

GAIN = math.pi  # what full action turns; both full actions are the same half turn
TURN = 0.3  # omega, of the hand phi, radians a step
FACE, RING, WAY = "#f4f6f9", "#cfd6de", "#e0b9a3"  # of the picture


def wrapped(angle: Any) -> Any:
    """An angle, from -pi to pi."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


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
        whole = all(value >= 1 and value == int(value) for value in self.values("lipschitz"))
        words = f"lipschitz: circle needs a whole number of at least 1, got {self.lipschitz}"
        require(whole, f"{words}; a fraction tears the circle open, try 2")
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
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1) - math.pi
        return torch.cat((phase, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The angle is multiplied, turned and wrapped; the hand goes on."""
        xp, turn = namespace(state), GAIN * action[..., 0].clip(-1, 1)
        theta = (
            self.per_run(self.lipschitz) * state[..., 0]
            + turn
            + self.per_run(self.noise) * noise[..., 0]
        )
        return wrapped(xp.stack((theta, state[..., 1] + TURN), -1))

    def observation(self, state: Any) -> Any:
        """Two points on the circle."""
        xp = namespace(state)
        return xp.concatenate((xp.cos(state), xp.sin(state)), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 on the hand, -1 opposite to it."""
        return namespace(state).cos(next_state[..., 0] - next_state[..., 1])

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """The shorter way round between the angles; the phase is the same for both."""
        return wrapped(state[..., :1] - other[..., :1])

    def certificate(self) -> Certificate:
        """L, attained by any two angles nearer than pi/L: farther ones meet on the other side."""
        value = self.values("lipschitz")
        zero = torch.zeros(self.runs, 1, 2, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = column(tuple(0.5 * math.pi / v for v in value), 2, "cpu")
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
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The circle, the hand to follow, whoever follows it, and where L alone would throw them."""
        (w, h), canvas = size, Canvas(size)
        centre, reach = np.array([w / 2, 0.53 * h]), 0.37 * h

        def place(angle: Any, part: float = 1.0) -> np.ndarray:
            return centre + part * reach * np.stack((np.cos(angle), -np.sin(angle)), -1)

        canvas.circle(centre, reach, FACE)
        canvas.line(place(np.linspace(0, 2 * math.pi, 90)), RING, 4)
        canvas.line([centre, place(state[1], 0.86)], SOFT, 3)
        thrown = wrapped(self.values("lipschitz")[0] * state[0])
        canvas.line([place(state[0]), place(thrown)], WAY, 2)
        canvas.circle(place(thrown), 3, WAY)
        canvas.text(f"× {self.values('lipschitz')[0]:g}", place(thrown, 1.25), SOFT, 11, part=0.5)
        apart = 0.0 if ghost is None else float(wrapped(state[0] - ghost[0]))
        if ghost is not None:
            canvas.line(place(ghost[0] + np.linspace(0, apart, 30), 1.14), INK, 2)
            canvas.circle(place(ghost[0]), 0.035 * h + 4, colour_of(0))
        canvas.circle(place(state[0]), 0.03 * h + 1, colour_of(1))
        canvas.text(
            f"off by {math.degrees(abs(float(wrapped(state[0] - state[1])))):.3g}°",
            (10, 36),
            INK,
            12,
            bold=True,
        )
        return canvas.image()

"""s' = L Q s + b a - g(xi) + sigma w: a similarity, stretched by exactly L in every direction and at every pair.

Q is a rotation by a fixed angle in the plane of each pair of coordinates; g is the pull of an exogenous phase xi,
which is part of the observation. The expert a = (-K s + g(xi)) / b with K = (L - alpha) Q leaves the closed loop alpha
Q: a second exact dial, and the demonstration that drift grows by the closed loop and not by L. States are clipped to
+-10.
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

CLIP = 10.0  # where each coordinate is stopped
ANGLE = 0.5  # of the rotation Q, radians
LINE, WAVE = "#d5dae0", "#9cc4e8"  # of the picture
TURN = 0.3  # of the phase, radians a step


@dataclass(frozen=True, kw_only=True)
class Linear(Env):
    """s' = L Q s + b a - g(xi) + sigma w: a rotation stretched by exactly L, closed loop exactly alpha."""

    horizon: int = 100
    """Steps in an episode, T."""
    lipschitz: Values = 1.2
    """L of the transition."""
    alpha: Values = 0.5
    """What the expert leaves of a deviation in a step: the closed loop is alpha Q."""
    noise: Values = 0.0
    """Standard deviation sigma of the noise on every coordinate, which also spreads the demonstrations."""
    size: int = 2
    """Coordinates of s: 2, 4, 6 or 8."""

    arrays: ClassVar = "any"
    excitation: ClassVar = {"noise": 0.05}

    def validate(self) -> None:
        """L above 0, alpha and sigma at least 0, an even number of coordinates."""
        require(
            min(self.values("lipschitz")) > 0,
            f"lipschitz: expected L > 0, got {self.lipschitz}; try 1.2",
        )
        require(
            min(self.values("alpha")) >= 0, f"alpha: expected at least 0, got {self.alpha}; try 0.5"
        )
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.05",
        )
        require(
            self.size in (2, 4, 6, 8),
            f"size: expected 2, 4, 6 or 8 coordinates, got {self.size}; try 2",
        )

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """Coordinates, then the phase."""
        return {f"s{i}": "" for i in range(self.size)} | {"phase": "rad"}

    @property
    def noise_size(self) -> int:  # type: ignore[override]
        """One number for each coordinate."""
        return self.size

    @property
    def observation_space(self) -> spaces.Box:
        """Coordinates, and the phase as a point on the circle."""
        high = np.array([CLIP] * self.size + [1, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """Push on each coordinate, -1 to 1, in units of b."""
        return spaces.Box(-1.0, 1.0, (self.size,))

    @cached_property
    def gain(self) -> Values:
        """b, what full action moves: all that the expert may need at the clip, so that it never saturates."""
        dials = zip(self.values("lipschitz"), self.values("alpha"), strict=True)
        gains = tuple(abs(big - alpha) * CLIP * math.sqrt(2) + 1 for big, alpha in dials)
        return gains if len(set(gains)) > 1 else gains[0]

    @cached_property
    def shifts(self) -> np.ndarray:
        """Phase shifts of the pull on each coordinate (X-1,)."""
        return np.arange(self.size) * 2.0

    def rotated(self, s: Any) -> Any:
        """Q s, (R, E, X-1)."""
        xp, cos, sin = namespace(s), math.cos(ANGLE), math.sin(ANGLE)
        even, odd = s[..., 0::2], s[..., 1::2]
        return xp.stack((cos * even - sin * odd, sin * even + cos * odd), -1).reshape(s.shape)

    def pull(self, state: Any) -> Any:
        """g(xi), (R, E, X-1)."""
        xp, phase = namespace(state), state[..., -1:]
        shifts = self.shifts if xp is np else torch.as_tensor(self.shifts, device=state.device)
        return xp.sin(phase + shifts)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At rest, at any phase."""
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1)
        return torch.cat((torch.zeros_like(phase).expand(-1, -1, self.size), phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        xp = namespace(state)
        s = self.per_run(self.lipschitz, 3) * self.rotated(state[..., :-1])
        s = (
            s
            + self.per_run(self.gain, 3) * action.clip(-1, 1)
            - self.pull(state)
            + self.per_run(self.noise, 3) * noise
        )
        return xp.concatenate((s.clip(-CLIP, CLIP), state[..., -1:] + TURN), -1)

    def observation(self, state: Any) -> Any:
        """Coordinates and point on the circle."""
        xp, phase = namespace(state), state[..., -1:]
        return xp.concatenate((state[..., :-1], xp.cos(phase), xp.sin(phase)), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at rest, 0 or less at the clip."""
        s = next_state[..., :-1] / CLIP
        return 1 - (s * s).sum(-1)

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of the coordinates; the phase is the same for both."""
        return state[..., :-1] - other[..., :-1]

    def certificate(self) -> Certificate:
        """L, attained by every pair whose images stay off the clip."""
        zero = torch.zeros(self.runs, 1, self.size + 1, dtype=torch.float64)
        other = zero.clone()
        other[:, 0, 0] = torch.tensor([0.5 / max(1.0, big) for big in self.values("lipschitz")])
        return Certificate(
            value=self.values("lipschitz"),
            metric="Euclidean over s",
            kind="exact",
            pair=(zero, other),
            closed_loop=self.values("alpha"),
            radius=self.values("lipschitz"),
            diameter=(2 * CLIP * math.sqrt(self.size),) * self.runs,
            note="every pair that stays off the clip attains it; the phase is exogenous and excluded",
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """Each pair of coordinates as a point in the plane, on a logarithmic radius; its twin, and the pull on it."""
        (w, h), canvas = size, Canvas(size)
        centre, reach = np.array([w / 2, h / 2]), 0.46 * min(w, h)

        def place(pair: np.ndarray) -> Any:
            length = max(float(np.hypot(*pair)), 1e-12)
            return centre + reach * pair * (1, -1) / length * squeezed(
                length, 0.01, CLIP * math.sqrt(2)
            )

        for mark in (10.0, 1.0, 0.1, 0.01):
            turn = np.linspace(0, 2 * math.pi, 90)
            canvas.line([place(mark * np.array([math.cos(t), math.sin(t)])) for t in turn], LINE, 1)
            canvas.text(f"{mark:g}", place(np.array([0.0, mark])) + np.array([4, -6]), SOFT, 10)
        for k in range(0, self.size, 2):
            pull = np.sin(state[-1] + self.shifts[k : k + 2])
            canvas.line([centre, centre - 0.3 * reach * pull * (1, -1)], WAVE, 3)
            for who, alpha in ((ghost, 0.4), (state, 1.0)):
                if who is not None:
                    with canvas.layer(alpha):
                        canvas.circle(
                            place(who[k : k + 2]),
                            0.02 * h + 2,
                            colour_of(1 + k // 2 if who is state else 0),
                        )
        canvas.text(f"|s| = {np.linalg.norm(state[:-1]):.2g}", (10, 14), INK, 12, bold=True)
        return canvas.image()

"""x' = s rho x + b a - g(c), s = +1 or -1 hidden: the smallest system with a direction that demonstrations do not show.

The scalar analogue of the challenging pair (Simchowitz, Pfrommer & Jadbabaie 2025). An episode begins at x = 0 with a
context c, which is 0 ever after; g(c) = sin(c). The expert u* = -s rho x + g(c) knows s, and sends x to 0 in one step;
the open loop contracts by rho < 1. Every demonstration stays at x = 0, whatever s is: the two systems' demonstrations
are the same, bit for bit, and so is what is cloned from them.

Let a copy have the slope k = du/dx. Its loop is s rho + k, so that over the two systems

    max |s rho + k| = rho + |k|:

the copy is stable in both iff |k| < 1 - rho; any larger slope explodes in exactly one of them as long as |k| < 1 + rho,
and that of the other system's expert, |k| = rho, does so by 2 rho a step. Unlike in the pair, k = 0 is safe: in one
dimension a copy that ignores x leaves the open loop, which contracts. What slope a network has where it saw nothing,
its first weights decide: cloning is a lottery here, and its odds are the dial 1 - rho.
"""

from __future__ import annotations

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
from il_bench.paint.canvas import INK, RULE, SOFT, Canvas, colour_of, squeezed

CLIP = 10.0  # where x is stopped
# What full action moves; cancelling at the clip takes 10 rho + 1 < 11. A power of two, so that actions are scaled
# without rounding and the demonstrations keep to x = 0 exactly.
GAIN = 16.0
ROWS, STEPS = (
    (0.24, 0.46, 0.64, 0.82),
    12,
)  # of the picture: where its rails are, and how far ahead they look
TOLD, WRONG = "#56B4E9", "#e08a5b"


@dataclass(frozen=True, kw_only=True)
class Sign(Env):
    """x' = s rho x + u - g(c), s hidden: a copy's slope k at x = 0 leaves rho + |k| in one of the two systems."""

    horizon: int = 100
    """Steps in an episode, T."""
    rho: Values = 0.95
    """What the open loop leaves of x in a step; above 0, below 1."""
    system: Values = 1.0
    """Which of the two systems it is, 1 (s = +1) or 2 (s = -1); no demonstration tells."""
    noise: Values = 0.0
    """Standard deviation of the noise on x, which also spreads the demonstrations."""

    arrays: ClassVar = "any"
    states: ClassVar = {"x": "", "context": ""}
    excitation: ClassVar = {"noise": 0.01}

    def validate(self) -> None:
        """Refuse rho outside (0, 1), a third system, a negative sigma."""
        rhos = self.values("rho")
        require(
            min(rhos) > 0 and max(rhos) < 1,
            f"rho: expected above 0 and below 1, got {self.rho}; try 0.95",
        )
        require(
            set(self.values("system")) <= {1, 2},
            f"system: expected 1 or 2, got {self.system}; name one of the two",
        )
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.01",
        )

    @cached_property
    def slope(self) -> Values:
        """The open loop s rho; one number, or one for each run (R,)."""
        dials = zip(self.values("rho"), self.values("system"), strict=True)
        slope = tuple(rho if system == 1 else -rho for rho, system in dials)
        return slope if len(set(slope)) > 1 else slope[0]

    @property
    def observation_space(self) -> spaces.Box:
        """Position and context."""
        return spaces.Box(
            -np.array([CLIP, 1], dtype=np.float32), np.array([CLIP, 1], dtype=np.float32)
        )

    @property
    def action_space(self) -> spaces.Box:
        """Push, -1 to 1, in units of `GAIN`."""
        return spaces.Box(-1.0, 1.0, (1,))

    def missing(self, state: Any) -> Any:
        """Where x goes, s rho x - g(c), (R, E), if nobody acts, and what the expert cancels."""
        return self.per_run(self.slope) * state[..., 0] - namespace(state).sin(state[..., 1])

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Begin at x = 0; the context uniform in -1 to 1."""
        context = 2 * streams.uniform("initial", episodes, 1) - 1
        return torch.cat((torch.zeros_like(context), context), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        x = (
            self.missing(state)
            + GAIN * action[..., 0].clip(-1, 1)
            + self.per_run(self.noise) * noise[..., 0]
        )
        return namespace(state).stack((x.clip(-CLIP, CLIP), 0 * state[..., 1]), -1)

    def observation(self, state: Any) -> Any:
        """The state itself."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the origin, 0 at the clip."""
        return 1 - (next_state[..., 0] / CLIP) ** 2

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of x; the context is the same for both."""
        return state[..., :1] - other[..., :1]

    def certificate(self) -> Certificate:
        """rho, attained by any two positions whose images stay off the clip."""
        zero = torch.zeros(self.runs, 1, 2, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = 1.0
        return Certificate(
            value=self.values("rho"),
            metric="absolute difference of x",
            kind="exact",
            pair=(zero, other),
            closed_loop=(0.0,) * self.runs,
            radius=self.values("rho"),
            diameter=(2 * CLIP,) * self.runs,
            note="the context is exogenous and excluded; a copy of slope k has rho + |k| in one of the systems",
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """A logarithmic rail for x; below, where it goes from here by the expert, by nobody, by the other's expert."""
        (w, h), canvas, radius = size, Canvas(size), 0.03 * size[1] + 2

        def place(value: Any, row: float) -> np.ndarray:
            x = w / 2 + 0.45 * w * squeezed(np.clip(value, -CLIP, CLIP), 0.01, CLIP)
            return np.stack((x, np.full_like(x, row * h)), -1)

        for mark in (0.0, *(side * 10.0**power for power in (-2, -1, 0, 1) for side in (-1, 1))):
            ends = place([mark, mark], 0.89) - np.array([[0, 0.72 * h], [0, 0]])
            canvas.line(ends, SOFT if mark == 0 else RULE)
            canvas.text(
                "" if abs(mark) == 0.01 else f"{mark:g}", place(mark, 0.93), SOFT, 10, part=0.5
            )
        slope = self.values("rho")[0] * (1 if self.values("system")[0] == 1 else -1)
        loops = (
            ("the expert", 0.0, TOLD),
            ("nobody acts", slope, SOFT),
            ("the other system's expert", 2 * slope, WRONG),
        )
        for (label, loop, colour), row in zip(loops, ROWS[1:], strict=True):
            path = place(state[0] * loop ** np.arange(STEPS), row)
            canvas.line(path, colour, 1.5)
            for i, point in enumerate(path):
                canvas.circle(point, radius * (0.3 + 0.4 * (i == 0)), colour)
            canvas.text(label, (10, (row - 0.055) * h), INK, 11)
        for who, colour, alpha in ((ghost, colour_of(0), 0.6), (state, colour_of(1), 1.0)):
            if who is not None:
                at = place(who[0], ROWS[0])
                with canvas.layer(alpha, [at - radius, at + radius]):
                    canvas.circle(at, radius, colour)
        canvas.text(
            f"system {self.values('system')[0]:.0f},  x = {state[0]:.2g}",
            (10, 36),
            INK,
            12,
            bold=True,
        )
        return canvas.image()

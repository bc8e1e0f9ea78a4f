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

from il_bench import Certificate, Env, Streams, Values, as_tuple, namespace, require
from il_bench.paint.canvas import INK, SOFT, Canvas, bodies, colour_of
from il_bench.paint.panel import balls, headline, ladder, note, rows, trail

CLIP = 10.0  # where x is stopped
# What full action moves; cancelling at the clip takes 10 rho + 1 < 11. A power of two, so that actions are scaled
# without rounding and the demonstrations keep to x = 0 exactly.
GAIN = 16.0
STEPS = 12  # how far the picture looks ahead; even, so that a path ends on the side where it began
# Of the picture: its first and last column, its scale's foot, a line.
START = 0.18
END = 0.6
FOOT = 28
LINE = 13


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
        rhos = self.values("rho")
        systems = self.values("system")
        dials = zip(rhos, systems, strict=True)
        slopes = tuple(rho if system == 1 else -rho for rho, system in dials)
        return slopes if len(set(slopes)) > 1 else slopes[0]

    @property
    def observation_space(self) -> spaces.Box:
        """Position and context."""
        high = np.array([CLIP, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """Push, -1 to 1, in units of `GAIN`."""
        return spaces.Box(-1.0, 1.0, (1,))

    def missing(self, state: Any) -> Any:
        """Where x goes, s rho x - g(c), (R, E), if nobody acts, and what the expert cancels."""
        x = state[..., 0]
        context = state[..., 1]
        free = self.per_run(self.slope) * x
        return free - namespace(state).sin(context)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Begin at x = 0; the context uniform in -1 to 1."""
        chance = streams.uniform("initial", episodes, 1)
        context = 2 * chance - 1
        x = torch.zeros_like(context)
        return torch.cat((x, context), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        push = action[..., 0].clip(-1, 1)
        shake = noise[..., 0]
        x = self.missing(state) + GAIN * push
        x = x + self.per_run(self.noise) * shake
        context = 0 * state[..., 1]
        kept = x.clip(-CLIP, CLIP)
        return namespace(state).stack((kept, context), -1)

    def observation(self, state: Any) -> Any:
        """The state itself."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the origin, 0 at the clip."""
        share = next_state[..., 0] / CLIP
        return 1 - share**2

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of x; the context is the same for both."""
        apart = state - other
        return apart[..., :1]

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
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """Where x is, at the left, and its next steps if the expert, nobody or the other system's expert steers."""
        canvas = Canvas(size)
        width, height = size
        start = START * width
        end = END * width
        ladder(canvas, start - 14, end, FOOT)
        self._futures(canvas, state[0])
        drawn = bodies(state, ghost, colour or colour_of(1), faint=0.6)
        balls(canvas, drawn, lambda one: _place(canvas, one[0], 0))
        words = f"the next {STEPS} steps if steered by …"
        note(canvas, words, (start, height - 12))
        own, _ = self._signs()
        headline(canvas, f"hidden sign s = {own},  x = {state[0]:.2g}")
        return canvas.image()

    def _signs(self) -> tuple[str, str]:
        """The sign of this system, and of the other."""
        plus, minus = "+1", "−1"
        first = self.values("system")[0] == 1
        return (plus, minus) if first else (minus, plus)

    def _futures(self, canvas: Canvas, x: float) -> None:
        """The next steps under the expert, nobody and the other system's expert; names stand at the ends."""
        slope = as_tuple(self.slope)[0]
        _, other = self._signs()
        steps = np.arange(STEPS + 1)
        away = 1 if x < 0 else -1  # rows grow downwards
        middle = _place(canvas, 0, 0)
        distance = 0.0
        for name, loop, colour in (
            ("expert", 0.0, colour_of(0)),
            ("nobody", slope, SOFT),
            (f"expert of s = {other}", 2 * slope, INK),
        ):
            points = _place(canvas, x * loop**steps, steps)
            trail(canvas, points, colour)
            column, row = points[-1]
            distance = max(distance, abs(row - middle[1]))
            note(canvas, name, (column + 8, middle[1] + away * distance), colour)
            distance += LINE
        beside = np.array([15, -away * LINE])
        note(canvas, "demonstrations stay at 0", middle + beside)


def _place(canvas: Canvas, x: Any, step: Any) -> np.ndarray:
    """Pixels (..., 2) of x (...), upwards, some steps ahead (...), to the right."""
    ahead = np.asarray(step) / STEPS
    share = START + (END - START) * ahead
    column = canvas.size[0] * share
    row = rows(canvas, x, FOOT)
    pixels = np.broadcast_arrays(column, row)
    return np.stack(pixels, -1)

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
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, as_tuple, namespace, require
from il_bench.paint.canvas import INK, RULE, SOFT, Canvas, colour_of, squeezed
from il_bench.paint.panel import TOP, balls, bodies, headline, lettering, marks

CLIP = 10.0  # where x is stopped
# What full action moves; cancelling at the clip takes 10 rho + 1 < 11. A power of two, so that actions are scaled
# without rounding and the demonstrations keep to x = 0 exactly.
GAIN = 16.0
STEPS = 12  # how far the picture looks ahead; even, so that a path ends on the side where it began


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
        x, context = state[..., 0], state[..., 1]
        return self.per_run(self.slope) * x - namespace(state).sin(context)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Begin at x = 0; the context uniform in -1 to 1."""
        context = 2 * streams.uniform("initial", episodes, 1) - 1
        return torch.cat((torch.zeros_like(context), context), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        push = GAIN * action[..., 0].clip(-1, 1)
        shake = self.per_run(self.noise) * noise[..., 0]
        x = self.missing(state) + push + shake
        context = 0 * state[..., 1]
        return namespace(state).stack((x.clip(-CLIP, CLIP), context), -1)

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
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """Where x is, at the left, and its next steps if the expert, nobody or the other system's expert steers."""
        canvas = Canvas(size)
        place = partial(_place, size)
        sign = "+" if self.values("system")[0] == 1 else "−"
        other = "−" if sign == "+" else "+"
        _scale(canvas, place)
        futures = zip(self._futures(state[0]), (colour_of(0), SOFT, INK), strict=True)
        names = "expert", "nobody", f"expert of s = {other}1"
        _paths(canvas, place, dict(zip(names, futures, strict=True)))
        balls(canvas, lambda one: place(one[0]), bodies(state, ghost, colour), 0.025 * size[1] + 3)
        headline(canvas, f"hidden sign s = {sign}1,  x = {state[0]:.2g}")
        return canvas.image()

    def _futures(self, x: float) -> list[np.ndarray]:
        """The next steps (STEPS + 1,) from x under the expert, nobody, and the other system's expert."""
        slope = as_tuple(self.slope)[0]
        return [x * loop ** np.arange(STEPS + 1) for loop in (0, slope, 2 * slope)]


def _place(size: tuple[int, int], x: Any, step: Any = 0) -> np.ndarray:
    """Pixels (..., 2) of x (...), upwards on a logarithmic scale, and of steps ahead (...), to the right."""
    w, h = size
    reach = (h - TOP - 28) / 2
    row = TOP + reach * (1 - squeezed(np.clip(x, -CLIP, CLIP), 0.01, CLIP))
    column = 0.18 * w + 0.42 * w * np.asarray(step) / STEPS
    return np.stack(np.broadcast_arrays(column, row), -1)


def _scale(canvas: Canvas, place: Any) -> None:
    """Lines at round numbers, and what the columns are."""
    for mark in marks(canvas):
        start, end = place([mark, mark], [-1, STEPS])
        canvas.line([start, end], RULE if mark else SOFT)
        canvas.text(f"{mark:g}", start - (4, 0), SOFT, 9, part=1)
    w, h = canvas.size
    words = f"the next {STEPS} steps if steered by …"
    canvas.text(words, (0.18 * w, h - 12), SOFT, lettering(canvas))


def _paths(canvas: Canvas, place: Any, futures: dict[str, tuple[np.ndarray, str]]) -> None:
    """Where x goes, by whoever steers, whose names stand at the ends, one beside the other."""
    offset, line = -np.inf, lettering(canvas) + 4
    start, middle = place(0.0)
    for name, (path, colour) in futures.items():
        points = place(path, np.arange(STEPS + 1))
        canvas.line(points, colour, 1.5)
        for point in points[1:]:
            canvas.circle(point, 2.5, colour)
        side = -1 if path[0] >= 0 else 1
        offset = max(abs(points[-1, 1] - middle), offset + line)
        canvas.text(name, (points[-1, 0] + 8, middle + side * offset), colour, lettering(canvas))
    words = "demonstrations stay at 0"
    canvas.text(words, (start + 15, middle - side * line), SOFT, lettering(canvas))

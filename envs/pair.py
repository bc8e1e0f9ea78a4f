"""x' = A_i x + b a - g(c) e1, i = 1 or 2 hidden: both loops contract, and what is cloned grows exponentially.

The challenging pair of Simchowitz, Pfrommer & Jadbabaie (2025). With mu in (0, 1/2],

    A_1 = [[1 + mu, 1.5 mu], [-1.5 mu, 1 - 2 mu]],    A_2 = [[-(1 - mu/2), 1.5 mu], [0, 1 - 2 mu]],

and the expert cancels the first row: u* = K_i x + g(c) e1, K_i = -e1 e1' A_i. In both systems the open loop has the
spectral radius 1 - mu/2 and the expert's loop 1 - 2 mu. An episode begins at x1 = 0 with a context c, which is 0 ever
after, and g(0) = 0: every demonstration stays at x1 = 0, where K_1 x = K_2 x. The two systems' demonstrations are the
same, bit for bit, and so is what is cloned from them. A copy with the slope k = du1/dx1 contracts in system 1 only if
k < -mu, in system 2 only if k > -mu/2: no smooth copy is right in both, and one that ignores x1 grows by 1 + mu a step
in system 1. Here g(c) = sin(c): smooth and odd, and no affine policy has it, so that a network must estimate it, as
in the paper; what it misses at the first step is what then grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.canvas import INK, RULE, SOFT, Canvas, colour_of, squeezed
from il_bench.paint.panel import TOP, balls, bodies, headline, lettering, marks

CLIP = 10.0  # where each coordinate of x is stopped
# What full action moves; cancelling the first row at the clip takes 10 (1 + 2.5 mu) + 1 <= 23.5. A power of two, so
# that actions are scaled without rounding and the demonstrations keep to x1 = 0 exactly.
GAIN = 32.0
STEPS = 15  # how far the picture looks ahead
LINE = "#cbe5f7"  # of the picture: what demonstrations keep to


@dataclass(frozen=True, kw_only=True)
class Pair(Env):
    """x' = A_i x + u - g(c) e1, i hidden: both loops contract, and cloning grows by 1 + mu a step in system 1."""

    horizon: int = 60
    """Steps in an episode, T."""
    mu: Values = 0.25
    """How far the two systems are from each other and from the circle; above 0, at most 1/2."""
    system: Values = 1.0
    """Which of the two systems it is, 1 or 2; no demonstration tells."""
    noise: Values = 0.0
    """Standard deviation of the noise on x, which also spreads the demonstrations."""

    arrays: ClassVar = "any"
    states: ClassVar = {"x1": "", "x2": "", "context": ""}
    noise_size: ClassVar = 2
    excitation: ClassVar = {"noise": 0.01}

    def validate(self) -> None:
        """Refuse mu outside (0, 1/2], a third system, a negative sigma."""
        mus = self.values("mu")
        require(
            min(mus) > 0 and max(mus) <= 0.5,
            f"mu: expected above 0 and at most 0.5, got {self.mu}; try 0.25",
        )
        require(
            set(self.values("system")) <= {1, 2},
            f"system: expected 1 or 2, got {self.system}; name one of the two",
        )
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.01",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """Both coordinates and the context."""
        high = np.array([CLIP, CLIP, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """Push on x1 and on x2, -1 to 1, in units of `GAIN`."""
        return spaces.Box(-1.0, 1.0, (2,))

    def matrices(self) -> list[np.ndarray]:
        """A_i of each run, (2, 2)."""
        dials = zip(self.values("mu"), self.values("system"), strict=True)
        return [_matrix(mu, system) for mu, system in dials]

    @cached_property
    def entries(self) -> tuple[Values, ...]:
        """The entries of A_i row by row; each one number, or one for each run (R,)."""
        rows = np.stack(self.matrices()).reshape(-1, 4)
        columns = map(tuple, rows.T.tolist())
        return tuple(column if len(set(column)) > 1 else column[0] for column in columns)

    def missing(self, state: Any) -> Any:
        """Where x1 goes, (A x)_1 - g(c), (R, E), if nobody acts, and what the expert cancels."""
        a, b, _, _ = self.entries
        return self._row(a, b, state) - namespace(state).sin(state[..., 2])

    def _row(self, first: Values, second: Values, state: Any) -> Any:
        """A row of A_i times x, (R, E)."""
        return self.per_run(first) * state[..., 0] + self.per_run(second) * state[..., 1]

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """x1 = 0; x2 and the context uniform in -1 to 1."""
        draw = 2 * streams.uniform("initial", episodes, 2) - 1
        return torch.cat((torch.zeros_like(draw[..., :1]), draw), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        xp = namespace(state)
        _, _, c, d = self.entries
        free = xp.stack((self.missing(state), self._row(c, d, state)), -1)
        push = GAIN * action.clip(-1, 1)
        shake = self.per_run(self.noise, 3) * noise
        x = free + push + shake
        context = 0 * state[..., 2:]
        return xp.concatenate((x.clip(-CLIP, CLIP), context), -1)

    def observation(self, state: Any) -> Any:
        """The state itself."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the origin, 0 in a corner."""
        x = next_state[..., :2]
        return 1 - (x * x).sum(-1) / (2 * CLIP**2)

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of x; the context is the same for both."""
        return state[..., :2] - other[..., :2]

    def certificate(self) -> Certificate:
        """The spectral norm of A_i, attained between the origin and a step along its top singular vector."""
        matrices = self.matrices()
        loops = [matrix * [[0], [1]] for matrix in matrices]  # the expert's
        longest = [np.linalg.svd(matrix)[2][0] for matrix in matrices]
        zero = torch.zeros(self.runs, 1, 3, dtype=torch.float64)
        other = zero.clone()
        other[:, 0, :2] = torch.from_numpy(np.stack(longest))
        return Certificate(
            value=tuple(float(np.linalg.norm(matrix, 2)) for matrix in matrices),
            metric="Euclidean over (x1, x2)",
            kind="exact",
            pair=(zero, other),
            closed_loop=tuple(float(np.linalg.norm(loop, 2)) for loop in loops),
            radius=tuple(1 - mu / 2 for mu in self.values("mu")),
            diameter=(2 * CLIP * math.sqrt(2),) * self.runs,
            note="the context is exogenous and excluded; the expert's loop has spectral radius 1 - 2 mu",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The plane of x, the line that demonstrations keep to, and two futures: who looks at x2 alone is lost."""
        canvas = Canvas(size)
        place = partial(_place, size)
        _plane(canvas, place)
        blind, expert = self._futures(state[:2])
        _path(canvas, place(blind), INK)
        _path(canvas, place(expert), colour_of(0))
        balls(canvas, lambda one: place(one[:2]), bodies(state, ghost, colour), 0.02 * size[1] + 3)
        _legend(canvas, {"expert": colour_of(0), "copy blind to x1": INK})
        headline(canvas, f"system {self.values('system')[0]:.0f},  x1 = {state[0]:.2g}")
        return canvas.image()

    def _futures(self, x: np.ndarray) -> list[np.ndarray]:
        """The next steps (STEPS + 1, 2) of x (2,) under a copy that acts by x2 alone, and under the expert."""
        (a, _), (c, d) = self.matrices()[0]
        return [_path_of(np.array([[first, 0], [c, d]]), x) for first in (a, 0)]


def _matrix(mu: float, system: float) -> np.ndarray:
    """A_1 or A_2."""
    if system == 1:
        return np.array([[1 + mu, 1.5 * mu], [-1.5 * mu, 1 - 2 * mu]])
    return np.array([[mu / 2 - 1, 1.5 * mu], [0.0, 1 - 2 * mu]])


def _path_of(loop: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Where x (2,) goes by a closed loop (2, 2), (STEPS + 1, 2)."""
    path = [x]
    for _ in range(STEPS):
        path.append((loop @ path[-1]).clip(-CLIP, CLIP))
    return np.stack(path)


def _place(size: tuple[int, int], x: Any) -> np.ndarray:
    """Pixels (..., 2) of x (..., 2) on logarithmic scales."""
    w, h = size
    reach = np.array([0.41 * w, (h - TOP - 40) / 2])
    middle = np.array([0.53 * w, TOP + reach[1]])
    return middle + reach * squeezed(x, 0.01, CLIP) * (1, -1)


def _plane(canvas: Canvas, place: Any) -> None:
    """The scales of x1, to the right, and x2, upwards, and the line where all demonstrations lie."""
    canvas.line(place([[0, -CLIP], [0, CLIP]]), LINE, 9)
    for mark in marks(canvas):
        colour = RULE if mark else SOFT
        across, along = place([[-CLIP, mark], [CLIP, mark]]), place([[mark, -CLIP], [mark, CLIP]])
        canvas.line(across, colour)
        canvas.line(along, colour)
        canvas.text(f"{mark:g}", across[0] - (4, 0), SOFT, 9, part=1)
        canvas.text(f"{mark:g}", along[0] + (0, 8), SOFT, 9, part=0.5)
    right, top = place([CLIP, 0]), place([0, CLIP])
    canvas.text("x1", right - (2, 8), SOFT, 10, part=1)
    canvas.text("x2", top - (8, -7), SOFT, 10, part=1)
    canvas.text("all demonstrations", top + np.array([8, 7]), colour_of(0), lettering(canvas))


def _path(canvas: Canvas, points: np.ndarray, colour: str) -> None:
    canvas.line(points, colour, 1.5)
    for point in points[1:]:
        canvas.circle(point, 2.5, colour)


def _legend(canvas: Canvas, colours: dict[str, str]) -> None:
    """Who takes which path, at the foot."""
    row, size = canvas.size[1] - 10, lettering(canvas)
    column = 10 + canvas.text("from here:", (10, row), SOFT, size)
    for words, colour in colours.items():
        canvas.circle((column + 12, row), 4, colour)
        column += 20 + canvas.text(words, (column + 20, row), INK, size)

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

CLIP = 10.0  # where each coordinate of x is stopped
# What full action moves; cancelling the first row at the clip takes 10 (1 + 2.5 mu) + 1 <= 23.5. A power of two, so
# that actions are scaled without rounding and the demonstrations keep to x1 = 0 exactly.
GAIN = 32.0
SQUARES = {
    10.0: "#f3f5f8",
    1.0: "#eaedf2",
    0.1: "#e0e5ec",
    0.01: "#d5dce5",
}  # of the picture: within these sizes
LINE, TOLD, BLIND = "#9fb0c2", "#56B4E9", "#e08a5b"


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
        first = [system == 1 for system in self.values("system")]
        return [
            np.array(
                [[1 + mu if one else mu / 2 - 1, 1.5 * mu], [-1.5 * mu if one else 0.0, 1 - 2 * mu]]
            )
            for mu, one in zip(self.values("mu"), first, strict=True)
        ]

    @cached_property
    def entries(self) -> tuple[Values, ...]:
        """The entries of A_i row by row; each one number, or one for each run (R,)."""
        columns = [tuple(column) for column in np.stack(self.matrices()).reshape(-1, 4).T.tolist()]
        return tuple(column if len(set(column)) > 1 else column[0] for column in columns)

    def missing(self, state: Any) -> Any:
        """Where x1 goes, (A x)_1 - g(c), (R, E), if nobody acts, and what the expert cancels."""
        xp, (a, b, _, _) = namespace(state), self.entries
        free = self.per_run(a) * state[..., 0] + self.per_run(b) * state[..., 1]
        return free - xp.sin(state[..., 2])

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """x1 = 0; x2 and the context uniform in -1 to 1."""
        draw = 2 * streams.uniform("initial", episodes, 2) - 1
        return torch.cat((torch.zeros_like(draw[..., :1]), draw), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        xp, (_, _, c, d) = namespace(state), self.entries
        free = self.per_run(c) * state[..., 0] + self.per_run(d) * state[..., 1]
        x = xp.stack((self.missing(state), free), -1) + GAIN * action.clip(-1, 1)
        x = (x + self.per_run(self.noise, 3) * noise).clip(-CLIP, CLIP)
        return xp.concatenate((x, 0 * state[..., 2:]), -1)

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
        matrices, mus = self.matrices(), self.values("mu")
        loops = [matrix * [[0], [1]] for matrix in matrices]
        zero = torch.zeros(self.runs, 1, 3, dtype=torch.float64)
        other = zero.clone()
        other[:, 0, :2] = torch.from_numpy(
            np.stack([np.linalg.svd(matrix)[2][0] for matrix in matrices])
        )
        return Certificate(
            value=tuple(float(np.linalg.norm(matrix, 2)) for matrix in matrices),
            metric="Euclidean over (x1, x2)",
            kind="exact",
            pair=(zero, other),
            closed_loop=tuple(float(np.linalg.norm(loop, 2)) for loop in loops),
            radius=tuple(1 - mu / 2 for mu in mus),
            diameter=(2 * CLIP * math.sqrt(2),) * self.runs,
            note="the context is exogenous and excluded; the expert's loop has spectral radius 1 - 2 mu",
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The plane on logarithmic scales, the line that the demonstrations keep to, and two futures from here.

        Blue is the expert's, red that of a copy that looks at x2 alone: it does beside the line what is right on it.
        """
        (w, h), canvas, radius = size, Canvas(size), 0.028 * size[1] + 2

        def place(x: Any) -> np.ndarray:
            return np.array([w / 2, 0.47 * h]) + squeezed(x, 0.01, CLIP) * [0.45 * w, -0.37 * h]

        for mark in (10.0, 1.0, 0.1, 0.01):
            (left, low), (right, high) = place([-mark, -mark]), place([mark, mark])
            canvas.polygon([(left, low), (right, low), (right, high), (left, high)], SQUARES[mark])
            canvas.text(f"{mark:g}", (right - 3, low - 7), SOFT, 9, part=1.0)
        canvas.line(place([[0, -CLIP], [0, CLIP]]), LINE, 0.012 * w)
        for path, colour in zip(self._futures(state[:2]), (TOLD, BLIND), strict=True):
            points = place(path)
            canvas.line(points, colour, 1.5)
            for point in points[1:]:
                canvas.circle(point, 0.3 * radius, colour)
        for who, colour, alpha in ((ghost, colour_of(0), 0.6), (state, colour_of(1), 1.0)):
            if who is not None:
                at = place(who[:2])
                with canvas.layer(alpha, [at - radius, at + radius]):
                    canvas.circle(at, radius, colour)
        along = 0.03 * w
        for label, colour in (
            ("demonstrations", LINE),
            ("expert", TOLD),
            ("copy blind to x1", BLIND),
        ):
            canvas.circle((along, 0.94 * h), 5, colour)
            along += 19 + canvas.text(label, (along + 9, 0.94 * h), INK, 10)
        canvas.text(
            f"system {self.values('system')[0]:.0f},  x1 = {state[0]:.2g}",
            (10, 36),
            INK,
            12,
            bold=True,
        )
        return canvas.image()

    def _futures(self, x: np.ndarray, steps: int = 15) -> list[np.ndarray]:
        """Where x (2,) goes under the expert, and under a copy that takes its action from x2 alone; (steps + 1, 2)."""
        (a, _), (c, d) = self.matrices()[0]
        paths = []
        for loop in ([[0, 0], [c, d]], [[a, 0], [c, d]]):
            path = [x]
            for _ in range(steps):
                path.append((np.array(loop) @ path[-1]).clip(-CLIP, CLIP))
            paths.append(np.stack(path))
        return paths

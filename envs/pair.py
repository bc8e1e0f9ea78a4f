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

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.canvas import INK, RULE, SOFT, Canvas, bodies, colour_of
from il_bench.paint.panel import TOP, balls, headline, marks, note, scaled, trail

CLIP = 10.0  # where each coordinate of x is stopped
# What full action moves; cancelling the first row at the clip takes 10 (1 + 2.5 mu) + 1 <= 23.5. A power of two, so
# that actions are scaled without rounding and the demonstrations keep to x1 = 0 exactly.
GAIN = 32.0
STEPS = 15  # how far the picture looks ahead
FOOT = 40  # of the picture: rows beneath it
LINE = "#cbe5f7"  # of it: the line that demonstrations keep to


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
        mus = self.values("mu")
        systems = self.values("system")
        return [_matrix(mu, system) for mu, system in zip(mus, systems, strict=True)]

    @cached_property
    def entries(self) -> tuple[Values, ...]:
        """The entries of A_i row by row; each one number, or one for each run (R,)."""
        flat = np.stack(self.matrices()).reshape(-1, 4)
        columns = [tuple(column) for column in flat.T.tolist()]
        return tuple(column if len(set(column)) > 1 else column[0] for column in columns)

    def missing(self, state: Any) -> Any:
        """Where x1 goes, (A x)_1 - g(c), (R, E), if nobody acts, and what the expert cancels."""
        a, b, _, _ = self.entries
        context = state[..., 2]
        pull = namespace(state).sin(context)
        return self._row(a, b, state) - pull

    def _row(self, first: Values, second: Values, state: Any) -> Any:
        """A row of A_i times x, (R, E)."""
        one = self.per_run(first) * state[..., 0]
        two = self.per_run(second) * state[..., 1]
        return one + two

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """x1 = 0; x2 and the context uniform in -1 to 1."""
        chance = streams.uniform("initial", episodes, 2)
        rest = 2 * chance - 1
        x1 = torch.zeros_like(rest[..., :1])
        return torch.cat((x1, rest), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        xp = namespace(state)
        _, _, c, d = self.entries
        first = self.missing(state)
        second = self._row(c, d, state)
        push = GAIN * action.clip(-1, 1)
        sigma = self.per_run(self.noise, 3)
        x = xp.stack((first, second), -1)
        x = x + push
        x = x + sigma * noise
        context = 0 * state[..., 2:]
        kept = x.clip(-CLIP, CLIP)
        return xp.concatenate((kept, context), -1)

    def observation(self, state: Any) -> Any:
        """The state itself."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the origin, 0 in a corner."""
        x = next_state[..., :2]
        square = (x * x).sum(-1)
        most = 2 * CLIP**2
        return 1 - square / most

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of x; the context is the same for both."""
        apart = state - other
        return apart[..., :2]

    def certificate(self) -> Certificate:
        """The spectral norm of A_i, attained between the origin and a step along its top singular vector."""
        matrices = self.matrices()
        expert = [_by_expert(matrix) for matrix in matrices]
        top = [np.linalg.svd(matrix)[2][0] for matrix in matrices]
        zero = torch.zeros(self.runs, 1, 3, dtype=torch.float64)
        other = zero.clone()
        directions = np.stack(top)
        other[:, 0, :2] = torch.from_numpy(directions)
        across = 2 * CLIP * math.sqrt(2)
        mus = self.values("mu")
        radius = tuple(1 - mu / 2 for mu in mus)
        loop_radius = tuple(1 - 2 * mu for mu in mus)
        return Certificate(
            value=_norms(matrices),
            metric="Euclidean over (x1, x2)",
            kind="exact",
            pair=(zero, other),
            closed_loop=_norms(expert),
            radius=radius,
            loop_radius=loop_radius,
            diameter=(across,) * self.runs,
            note="the context is exogenous and excluded",
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
        _plane(canvas)
        x = state[:2]
        self._futures(canvas, x)
        paint = colour or colour_of(1)
        drawn = bodies(state, ghost, paint, faint=0.6)
        balls(canvas, drawn, lambda one: _place(canvas, one[:2]))
        _legend(canvas)
        system = self.values("system")[0]
        headline(canvas, f"system {system:g},  x1 = {x[0]:.2g}")
        return canvas.image()

    def _futures(self, canvas: Canvas, x: np.ndarray) -> None:
        """The next steps of x (2,) under a copy that acts by x2 alone, and under the expert."""
        blind = self.matrices()[0]
        blind[0, 1] = 0.0
        sighted = _by_expert(blind)
        lost = _place(canvas, _path(blind, x))
        home = _place(canvas, _path(sighted, x))
        trail(canvas, lost, INK)
        trail(canvas, home, colour_of(0))


def _matrix(mu: float, system: float) -> np.ndarray:
    """A_1 or A_2."""
    kept = 1 - 2 * mu
    cross = 1.5 * mu
    if system == 1:
        first = [1 + mu, cross]
        second = [-1.5 * mu, kept]
    else:
        first = [mu / 2 - 1, cross]
        second = [0.0, kept]
    return np.array([first, second])


def _by_expert(matrix: np.ndarray) -> np.ndarray:
    """What the expert leaves of A_i: it cancels the first row."""
    return matrix * [[0], [1]]


def _norms(matrices: list[np.ndarray]) -> tuple[float, ...]:
    """Spectral norms."""
    norms = [np.linalg.norm(matrix, 2) for matrix in matrices]
    return tuple(float(norm) for norm in norms)


def _path(loop: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Where a closed loop (2, 2) takes x (2,), (STEPS + 1, 2)."""
    path = [x]
    for _ in range(STEPS):
        after = loop @ path[-1]
        path.append(after.clip(-CLIP, CLIP))
    return np.stack(path)


def _place(canvas: Canvas, x: Any) -> np.ndarray:
    """Pixels (..., 2) of x (..., 2) on logarithmic scales."""
    width, height = canvas.size
    up = (height - TOP - FOOT) / 2
    middle = np.array([0.53 * width, TOP + up])
    reach = np.array([0.41 * width, -up])
    away = reach * scaled(x)
    return middle + away


def _plane(canvas: Canvas) -> None:
    """The scales of x1, to the right, and x2, upwards, and the line where all demonstrations lie."""
    axis = _place(canvas, [[0, -CLIP], [0, CLIP]])
    canvas.line(axis, LINE, 9)
    for mark in marks(canvas):
        _cross(canvas, mark)
    right, top = _place(canvas, [[CLIP, 0], [0, CLIP]])
    below = right - (2, 8)
    left = top - (8, -7)
    beside = top - (-8, -7)
    note(canvas, "x1", below, part=1)
    note(canvas, "x2", left, part=1)
    note(canvas, "all demonstrations", beside, colour_of(0))


def _cross(canvas: Canvas, mark: float) -> None:
    """The two lines of the grid that stand for a number."""
    level = _place(canvas, [[-CLIP, mark], [CLIP, mark]])
    upright = _place(canvas, [[mark, -CLIP], [mark, CLIP]])
    left = np.array([-4, 0])
    below = np.array([0, 8])
    _grid_line(canvas, level, mark, left, 1.0)
    _grid_line(canvas, upright, mark, below, 0.5)


def _grid_line(
    canvas: Canvas, line: np.ndarray, mark: float, shift: np.ndarray, part: float
) -> None:
    """A line of the grid, its number beside its beginning."""
    colour = RULE if mark else SOFT
    canvas.line(line, colour)
    start = line[0] + shift
    canvas.text(f"{mark:g}", start, SOFT, 9, part=part)


def _legend(canvas: Canvas) -> None:
    """Who takes which path, at the foot."""
    row = canvas.size[1] - 10
    column = 10 + note(canvas, "from here:", (10, row))
    names = {"expert": colour_of(0), "copy blind to x1": INK}
    for words, colour in names.items():
        middle = column + 12, row
        canvas.circle(middle, 4, colour)
        column += 20
        column += note(canvas, words, (column, row), INK)

"""x' = x + eta (h(x) + b a - x |x|^p) / (1 + |x|^p): p-power plants, whose stability at the origin is tuned by p.

Pfrommer, Zhang, Tu & Matni (TaSIL, 2022): x' = x - eta x|x|^p/(1+|x|^p) + eta/(1+|x|^p) (h(x) + u) in ten dimensions,
eta = 0.3, x0 standard normal, T = 100, h a tanh network of widths 32-32. The arithmetic is coordinate by coordinate, as
in the code that the authors published (|x| is no norm there), and so is `eta < 4/(5+p)`, their condition for
incremental stability. As there, h ends in a tanh; unlike there it has no biases, so that the origin rests. Its weights
are drawn once, from a fixed key, and are the same for every run.

The expert -h(x) leaves x' = x - eta x|x|^p/(1+|x|^p), whose slope lies in (0, 1] and is 1 at the origin alone: it
comes to rest, but ever more slowly. A constant error d of u then moves each coordinate to |d|^(1/(p+1)), where
x|x|^p = d: small errors no longer give small drift, and the less so the larger p. Nothing leaves |x| <= 3.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, affine, require
from il_bench.paint.canvas import INK, SOFT, Canvas
from il_bench.paint.panel import TOP, Body, balls, bodies, headline, lettering

SIZE, HIDDEN = 10, (32, 32)
REACH = 3.0  # where starts are cut off, and what nothing leaves: |x| + eta (1 + b - |x|^(p+1))/(1 + |x|^p) stays below
GAIN = 2.0  # b: what full action moves; |h| < 1
KEY = 2022  # of the generator that draws h
BASIN, RIM = ("#dfe6ee", "#d0dae5"), "#aab4c0"  # of the picture


def weights() -> list[np.ndarray]:
    """The matrices of h, (in, out), normal with variance 1/in."""
    draw = np.random.Generator(np.random.Philox(key=KEY))
    sizes = (SIZE, *HIDDEN, SIZE)
    return [draw.standard_normal((n, m)) / n**0.5 for n, m in itertools.pairwise(sizes)]


WEIGHTS = weights()


@dataclass(frozen=True, kw_only=True)
class Power(Env):
    """x' = x + eta (h(x) + u - x|x|^p) / (1 + |x|^p): an error d of u moves each coordinate by |d|^(1/(p+1))."""

    horizon: int = 100
    """Steps in an episode, T."""
    p: Values = 3.0
    """The power: how flat the basin is at its bottom; at least 1."""
    eta: Values = 0.3
    """The size of a step; below 4/(5+p)."""

    arrays: ClassVar = "any"
    states: ClassVar = {f"x{i}": "" for i in range(SIZE)}

    def validate(self) -> None:
        """Refuse p below 1, and eta outside the published condition."""
        for p, eta in zip(self.values("p"), self.values("eta"), strict=True):
            require(p >= 1, f"p: expected at least 1, got {p:g}; try 3")
            most = 4 / (5 + p)
            require(
                0 < eta < most,
                f"eta: expected above 0 and below 4/(5+p) = {most:.3g}, got {eta:g}; try 0.3",
            )

    @property
    def observation_space(self) -> spaces.Box:
        """The ten coordinates."""
        return spaces.Box(-REACH, REACH, (SIZE,))

    @property
    def action_space(self) -> spaces.Box:
        """Push on each coordinate, -1 to 1, in units of `GAIN`."""
        return spaces.Box(-1.0, 1.0, (SIZE,))

    def pull(self, state: Any) -> Any:
        """h(x), (R, E, X)."""
        for matrix in WEIGHTS:
            if isinstance(state, np.ndarray):
                state = np.tanh(state @ matrix)
            else:  # a product for each run, so that a run is the same alone and among others, bit for bit
                weight = torch.as_tensor(matrix, device=state.device).expand(len(state), -1, -1)
                state = affine(state.new_zeros(1, 1, 1), state, weight).tanh()
        return state

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Standard normal, cut off at `REACH`."""
        return streams.normal("initial", episodes, SIZE).clamp(-REACH, REACH)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        slack = abs(state) ** self.per_run(self.p, 3)
        push = self.pull(state) + GAIN * action.clip(-1, 1)
        return state + self.per_run(self.eta, 3) * (push - state * slack) / (1 + slack)

    def observation(self, state: Any) -> Any:
        """The state itself."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the origin, 0 in a corner."""
        return 1 - (next_state * next_state).sum(-1) / (SIZE * REACH**2)

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of all coordinates."""
        return state - other

    def certificate(self) -> Certificate:
        """A bound: 1 of the basin, eta Lip(h) of the pull, and the largest push times the steepest 1/(1 + |x|^p)."""
        dials = zip(self.values("p"), self.values("eta"), strict=True)
        pull, reach = lipschitz_of_pull(), 1 + GAIN
        return Certificate(
            value=tuple(1 + eta * (pull + reach * steepest(p)) for p, eta in dials),
            metric="Euclidean",
            kind="upper",
            closed_loop=(1.0,) * self.runs,
            radius=tuple(radius_at_rest(eta) for eta in self.values("eta")),
            diameter=(2 * REACH * SIZE**0.5,) * self.runs,
            note="the radius is at the origin: the open loop is unstable there, the expert's is marginal",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """A half-pipe, flatter at its bottom the larger p, with a lane for each coordinate, and ten balls."""
        canvas, p = Canvas(size), self.values("p")[0]
        lanes = [partial(_place, size, p, lane) for lane in range(SIZE)]
        for lane, place in enumerate(lanes):
            _pipe(canvas, place, BASIN[lane % 2])
        canvas.line([place(0.0) for place in lanes], SOFT)
        drawn = bodies(state, ghost, colour)
        for lane, place in enumerate(lanes):
            _balls(canvas, place, [body._replace(state=body.state[lane]) for body in drawn])
        _words(canvas, lanes[-1])
        headline(canvas, f"p = {p:g},  |x| = {np.linalg.norm(state):.2g}")
        return canvas.image()


def steepest(p: float) -> float:
    """The largest slope of 1/(1 + r^p), where r^p = (p-1)/(p+1)."""
    return (p + 1) ** 2 / (4 * p) * ((p - 1) / (p + 1)) ** (1 - 1 / p)


def lipschitz_of_pull() -> float:
    """A bound on Lip(h): tanh's slopes are (1 + s)/2 with |s| <= 1, which is multiplied out (Combettes & Pesquet 2020).

    |W1 D1 W2 D2 W3| <= (|W1 W2 W3| + |W1| |W2 W3| + |W1 W2| |W3| + |W1| |W2| |W3|) / 4, all spectral norms.
    """
    one, two, three = WEIGHTS
    parts = ((one @ two @ three,), (one, two @ three), (one @ two, three), (one, two, three))
    products = [np.prod([np.linalg.norm(matrix, 2) for matrix in part]) for part in parts]
    return float(sum(products)) / 4


def radius_at_rest(eta: float) -> float:
    """The spectral radius of the open loop's Jacobian at the origin."""
    one, two, three = WEIGHTS
    jacobian = one @ two @ three  # of h
    eigenvalues = np.linalg.eigvals(np.eye(SIZE) + eta * jacobian)
    return float(np.abs(eigenvalues).max())


@lru_cache(maxsize=16)
def _profile(p: float) -> tuple[np.ndarray, np.ndarray]:
    """Places across the basin and how high it is there, 0 to 1: the slope x|x|^p/(1 + |x|^p), summed."""
    x = np.linspace(-REACH, REACH, 121)
    slope = x * np.abs(x) ** p / (1 + np.abs(x) ** p)
    depth = np.cumsum(slope)
    return x, (depth - depth.min()) / np.ptp(depth)


def _place(size: tuple[int, int], p: float, lane: int, x: Any) -> np.ndarray:
    """Pixels (..., 2) of x (...) on a lane; the first is the farthest, highest and smallest."""
    w, h = size
    near = lane / (SIZE - 1)
    scale = 0.72 + 0.28 * near
    wall = 0.3 * h
    farthest, nearest = TOP + wall - 8, h - 40
    height = np.interp(x, *_profile(p))
    column = w / 2 + 0.155 * w * scale * x
    row = farthest + (nearest - farthest) * near - wall * scale * height
    return np.stack((column, row), -1)


def _pipe(canvas: Canvas, place: Any, colour: str) -> None:
    """A lane from wall to wall."""
    edge = place(np.linspace(-REACH, REACH, 61))
    foot = canvas.size[1]
    canvas.polygon([*edge, (edge[-1, 0], foot), (edge[0, 0], foot)], colour)
    canvas.line(edge, RIM)


def _balls(canvas: Canvas, place: Any, drawn: list[Body]) -> None:
    """One coordinate: the ball, its twin, and the way from the one to the other."""
    radius = 0.014 * canvas.size[1] + 1.5
    if len(drawn) == 2:
        way = place(np.linspace(drawn[0].state, drawn[1].state, 9))
        canvas.line(way - (0, radius), drawn[0].colour, 2)
    balls(canvas, lambda x: place(x) - (0, radius), drawn, radius)


def _words(canvas: Canvas, place: Any) -> None:
    """A scale on the nearest lane, and what there is to see."""
    w, h = canvas.size
    for mark in (-1, 0, 1):
        column = place(mark)[0]
        canvas.text(f"{mark}", (column, h - 30), INK, 9, part=0.5)
    words = "ten coordinates roll to rest at 0 on a flat bottom"
    canvas.text(words, (w / 2, h - 12), INK, lettering(canvas), part=0.5)

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

from il_bench import Certificate, Env, Streams, Values, affine, namespace, require
from il_bench.paint.canvas import INK, SOFT, Canvas, bodies, colour_of
from il_bench.paint.panel import TOP, balls, footnote, headline

SIZE = 10
HIDDEN = 32, 32
REACH = 3.0  # where starts are cut off, and what nothing leaves: |x| + eta (1 + b - |x|^(p+1))/(1 + |x|^p) stays below
GAIN = 2.0  # b: what full action moves; |h| < 1
KEY = 2022  # of the generator that draws h
LEAST = 1e-300  # |x| below which its logarithm is not asked for
# Of the picture.
BASIN = "#dfe6ee", "#d0dae5"
RIM = "#aab4c0"


def weights() -> list[np.ndarray]:
    """The matrices of h, (in, out), normal with variance 1/in."""
    philox = np.random.Philox(key=KEY)
    generator = np.random.Generator(philox)
    sizes = (SIZE, *HIDDEN, SIZE)
    matrices = []
    for n, m in itertools.pairwise(sizes):
        normal = generator.standard_normal((n, m))
        matrices.append(normal / n**0.5)
    return matrices


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
        dials = zip(self.values("p"), self.values("eta"), strict=True)
        for p, eta in dials:
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
        numpy = isinstance(state, np.ndarray)
        for matrix in WEIGHTS:
            state = np.tanh(state @ matrix) if numpy else _layer(state, matrix)
        return state

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Standard normal, cut off at `REACH`."""
        x = streams.normal("initial", episodes, SIZE)
        return x.clamp(-REACH, REACH)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        eta = self.per_run(self.eta, 3)
        slack = self.slack(state)
        push = GAIN * action.clip(-1, 1)
        force = self.pull(state) + push
        force = force - state * slack
        step = eta * force
        return state + step / (1 + slack)

    def slack(self, state: Any) -> Any:
        """|x|^p, (R, E, X), by exp and log: torch's own power of a number rounds otherwise than that of a number a run."""
        xp = namespace(state)
        size = abs(state).clip(LEAST)
        power = self.per_run(self.p, 3) * xp.log(size)
        return xp.exp(power)

    def observation(self, state: Any) -> Any:
        """The state itself."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at the origin, 0 in a corner."""
        square = (next_state * next_state).sum(-1)
        return 1 - square / (SIZE * REACH**2)

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of all coordinates."""
        return state - other

    def certificate(self) -> Certificate:
        """A bound: 1 of the basin, eta Lip(h) of the pull, and the largest push times the steepest 1/(1 + |x|^p)."""
        etas = self.values("eta")
        dials = zip(self.values("p"), etas, strict=True)
        across = 2 * REACH * SIZE**0.5
        return Certificate(
            value=tuple(bound(p, eta) for p, eta in dials),
            metric="Euclidean",
            kind="upper",
            closed_loop=(1.0,) * self.runs,
            radius=tuple(radius_at_rest(eta) for eta in etas),
            diameter=(across,) * self.runs,
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
        canvas = Canvas(size)
        p = self.values("p")[0]
        lanes = [partial(_place, size, p, lane) for lane in range(SIZE)]
        for lane, place in enumerate(lanes):
            _pipe(canvas, place, BASIN[lane % 2])
        canvas.line([place(0.0) for place in lanes], SOFT)
        drawn = bodies(state, ghost, colour or colour_of(1), faint=0.6)
        for lane, place in enumerate(lanes):
            _balls(canvas, place, drawn, lane)
        _words(canvas, lanes[-1])
        length = np.linalg.norm(state)
        headline(canvas, f"p = {p:g},  |x| = {length:.2g}")
        return canvas.image()


def bound(p: float, eta: float) -> float:
    """What no transition stretches by more."""
    reach = 1 + GAIN
    slope = lipschitz_of_pull() + reach * steepest(p)
    return 1 + eta * slope


def steepest(p: float) -> float:
    """The largest slope of 1/(1 + r^p), where r^p = (p-1)/(p+1)."""
    power = (p - 1) / (p + 1)
    top = (p + 1) ** 2 / (4 * p)
    return top * power ** (1 - 1 / p)


def _layer(state: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
    """A layer of h: a product for each run, so that a run is the same alone and among others, bit for bit."""
    weight = torch.as_tensor(matrix, device=state.device)
    none = state.new_zeros(1, 1, 1)
    return affine(none, state, weight.expand(len(state), -1, -1)).tanh()


def lipschitz_of_pull() -> float:
    """A bound on Lip(h): tanh's slopes are (1 + s)/2 with |s| <= 1, which is multiplied out (Combettes & Pesquet 2020).

    |W1 D1 W2 D2 W3| <= (|W1 W2 W3| + |W1| |W2 W3| + |W1 W2| |W3| + |W1| |W2| |W3|) / 4, all spectral norms.
    """
    one, two, three = WEIGHTS
    parts = (
        (one @ two @ three,),
        (one, two @ three),
        (one @ two, three),
        (one, two, three),
    )
    total = 0.0
    for part in parts:
        norms = [np.linalg.norm(matrix, 2) for matrix in part]
        total += np.prod(norms)
    return float(total) / 4


def radius_at_rest(eta: float) -> float:
    """The spectral radius of the open loop's Jacobian at the origin."""
    one, two, three = WEIGHTS
    jacobian = one @ two @ three  # of h
    loop = np.eye(SIZE) + eta * jacobian
    eigenvalues = np.linalg.eigvals(loop)
    return float(np.abs(eigenvalues).max())


@lru_cache(maxsize=16)
def _profile(p: float) -> tuple[np.ndarray, np.ndarray]:
    """Places across the basin and how high it is there, 0 to 1: the slope x|x|^p/(1 + |x|^p), summed."""
    x = np.linspace(-REACH, REACH, 121)
    slack = np.abs(x) ** p
    slope = x * slack / (1 + slack)
    summed = np.cumsum(slope)
    height = summed - summed.min()
    return x, height / height.max()


def _place(size: tuple[int, int], p: float, lane: int, x: Any) -> np.ndarray:
    """Pixels (..., 2) of x (...) on a lane; the first is the farthest, highest and smallest."""
    width, height = size
    near = lane / (SIZE - 1)
    scale = 0.72 + 0.28 * near
    wall = 0.3 * height
    farthest = TOP + wall - 8
    nearest = height - 40
    depth = nearest - farthest
    bottom = farthest + depth * near
    rise = np.interp(x, *_profile(p))
    metre = 0.155 * width * scale
    column = width / 2 + metre * x
    row = bottom - wall * scale * rise
    return np.stack((column, row), -1)


def _pipe(canvas: Canvas, place: Any, colour: str) -> None:
    """A lane from wall to wall."""
    x = np.linspace(-REACH, REACH, 61)
    edge = place(x)
    foot = canvas.size[1]
    left, right = edge[[0, -1], 0]
    corners = [*edge, (right, foot), (left, foot)]
    canvas.polygon(corners, colour)
    canvas.line(edge, RIM)


def _balls(canvas: Canvas, place: Any, drawn: list[Any], lane: int) -> None:
    """One coordinate: the ball, its twin, and the way from the one to the other."""
    radius = 0.014 * canvas.size[1] + 1.5
    lift = np.array([0, radius])

    def spot(x: Any) -> np.ndarray:
        above: np.ndarray = place(x) - lift
        return above

    first, paint, _ = drawn[0]
    last, _, _ = drawn[-1]
    between = np.linspace(first[lane], last[lane], 9)
    canvas.line(spot(between), paint, 2)
    balls(canvas, drawn, lambda one: spot(one[lane]), radius)


def _words(canvas: Canvas, place: Any) -> None:
    """A scale on the nearest lane, and what there is to see."""
    row = canvas.size[1] - 30
    for mark in (-1, 0, 1):
        column, _ = place(mark)
        canvas.text(f"{mark}", (column, row), INK, 9, part=0.5)
    footnote(canvas, "ten coordinates roll to rest at 0 on a flat bottom")

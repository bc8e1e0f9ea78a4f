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
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench.core.arrays import affine
from il_bench.core.env import Certificate, Env
from il_bench.core.settings import Values, require
from il_bench.core.streams import Streams
from il_bench.paint.canvas import INK, Canvas, colour_of

SIZE, HIDDEN = 10, (32, 32)
REACH = 3.0  # where starts are cut off, and what nothing leaves: |x| + eta (1 + b - |x|^(p+1))/(1 + |x|^p) stays below
GAIN = 2.0  # b: what full action moves; |h| < 1
KEY = 2022  # of the generator that draws h
SKY, BASIN, RIM = "#f4f7fb", ("#dfe6ee", "#d3dce6"), "#aab4c0"  # of the picture


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
        dials, reach, one = (
            zip(self.values("p"), self.values("eta"), strict=True),
            1 + GAIN,
            np.eye(SIZE),
        )
        jacobian = WEIGHTS[0] @ WEIGHTS[1] @ WEIGHTS[2]  # of h at the origin
        return Certificate(
            value=tuple(1 + eta * (lipschitz_of_pull() + reach * steepest(p)) for p, eta in dials),
            metric="Euclidean",
            kind="upper",
            closed_loop=(1.0,) * self.runs,
            radius=tuple(
                float(np.abs(np.linalg.eigvals(one + eta * jacobian)).max())
                for eta in self.values("eta")
            ),
            diameter=(2 * REACH * SIZE**0.5,) * self.runs,
            note="the radius is at the origin: the open loop is unstable there, the expert's is marginal",
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The basin seen along its bottom, flatter the larger p, with a lane for each coordinate, and the ten balls."""
        (w, h), canvas, p = size, Canvas(size, SKY), self.values("p")[0]
        x = np.linspace(-REACH, REACH, 121)
        depth = np.cumsum(np.abs(x) * np.abs(x) ** p / (1 + np.abs(x) ** p) * np.sign(x)) * (
            x[1] - x[0]
        )
        depth = (depth - depth.min()) / np.ptp(depth)

        def place(value: Any, lane: int) -> np.ndarray:
            near = 0.72 + 0.28 * lane / (SIZE - 1)  # the lanes come nearer and lie lower
            across, up = w / 2 + near * 0.155 * w * value, np.interp(value, x, depth)
            return np.stack(
                (across, h * (0.6 + 0.3 * (near - 0.72) / 0.28) - near * 0.5 * h * up), -1
            )

        for lane in range(SIZE):
            edge = place(x, lane)
            canvas.polygon([*edge, (edge[-1, 0], h), (edge[0, 0], h)], BASIN[lane % 2])
            canvas.line(edge, RIM, 1)
            for who, colour, alpha in ((ghost, colour_of(0), 0.6), (state, colour_of(1), 1.0)):
                if who is not None:
                    at, radius = place(who[lane], lane), 0.014 * h + 1
                    with canvas.layer(alpha, [at - 3 * radius, at + 3 * radius]):
                        canvas.circle(at - (0, radius), radius, colour)
        canvas.text(f"p = {p:g},  |x| = {np.linalg.norm(state):.2g}", (10, 36), INK, 12, bold=True)
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
    return float(sum(np.prod([np.linalg.norm(matrix, 2) for matrix in part]) for part in parts)) / 4

"""off' = max(off - 1, 0) if a is right, else k: an error puts one k steps off, and every right step leads one back.

On the path the right action is its next turn, off it the action BACK. Each step that ends off the path costs 1, so an
error costs min(k, what is left): u = k in the bound u T epsilon (Ross, Gordon & Bagnell 2011, theorem 2.2), and with
errors of chance e at every step the loss goes from T e at k = 1 to the T**2 e / 2 of an absorbing error at k = T. In
fog the turn cannot be read, and who learns can only guess. Demonstrations never leave the path: cloning has not seen
the way back, DAgger has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, FiniteEnv, Streams, Values, coordinates, namespace, require
from il_bench.paint.actors import paint_walker
from il_bench.paint.canvas import BANNER, INK, SOFT, Canvas, bodies, colour_of

BACK = 2  # the action that leads back; 0 and 1 are the turns
FAR = 40.0  # a number so large that the chance made of it is 0
# Noise that stands for left and right, without fog and in it.
OUTCOMES = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (-1.0, FAR, 0.0), (1.0, FAR, 0.0)
SYMBOLS = 4  # what is seen: on the path left, right, unreadable; off the path
# Of the picture.
SKY = "#eaf2fb"
ROCK = "#a39a8c"
EDGE = "#8b8272"
TRAIL = "#e6d3a8"
MIST = "#cfd7df"
BOARD = "#fbfcfd"
SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])


@dataclass(frozen=True, kw_only=True)
class Recover(FiniteEnv):
    """A path with turns, k steps beside it for every error, and a way back: the dial is how long it takes."""

    horizon: int = 80
    """Steps in an episode, T."""
    k: Values = 8.0
    """Steps off the path that an error puts one, a whole number: 1 forgives at once, T never."""
    fog: Values = 0.05
    """Chance, at each step, that the next turn cannot be read; twice the error on the expert's path."""

    arrays: ClassVar = "any"
    states: ClassVar = {
        "off": "steps off the path",
        "turn": "the right action on it",
        "fog": "1 where it hides it",
    }
    noise_size: ClassVar = 3

    def validate(self) -> None:
        """Whole numbers of steps from 1, and a chance."""
        steps = self.values("k")
        require(
            all(k >= 1 and k == round(k) for k in steps),
            f"k: expected a whole number of steps, at least 1, got {self.k}; try 8",
        )
        fog = self.values("fog")
        require(
            min(fog) >= 0 and max(fog) <= 1,
            f"fog: expected a chance from 0 to 1, got {self.fog}; try 0.05",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """What is seen, one-hot."""
        return spaces.Box(0.0, 1.0, (SYMBOLS,))

    @property
    def action_space(self) -> spaces.Discrete:
        """Left, right, back."""
        return spaces.Discrete(3)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """On the path, before a turn."""
        chances = streams.uniform("initial", episodes, 2)
        turn, fog = coordinates(chances.to(self.device))
        one = torch.ones_like(turn)
        is_right = (turn < 0.5) * one
        is_fog = (fog < self.per_run(self.fog)) * one
        return torch.stack((0 * one, is_right, is_fog), -1)

    def all_states(self) -> torch.Tensor:
        """As many steps off the path as the largest k, two turns, fog or none."""
        ends = torch.arange(2.0, dtype=torch.float64)
        most = max(self.values("k"))
        off = torch.arange(most + 1, dtype=torch.float64)
        states = torch.cartesian_prod(off, ends, ends)
        return states.to(self.device).expand(self.runs, -1, -1)

    def all_noise(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Left or right, each as likely as not, in fog or not."""
        fog = self.per_run(self.values("fog"))
        clear = 1 - fog
        chance = torch.cat((clear, clear, fog, fog), 1)
        noise = torch.tensor(OUTCOMES, dtype=torch.float64, device=self.device)
        return noise.expand(self.runs, -1, -1), chance / 2

    def on_path(self, state: Any) -> Any:
        """Whether one is on the path, (R, E) bool."""
        return state[..., 0] < 0.5

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """A right step, or k steps off; then the path's next turn."""
        xp = namespace(state)
        off, _, _ = coordinates(state)
        one = 1 + 0 * off
        nearer = (xp.round(off) - 1).clip(0)
        farther = self.per_run(self.k) * one
        off = xp.where(self.right(state, action), nearer, farther)
        # A turn is as likely as not; exp(-(x**2 + y**2) / 2) of two normal numbers is uniform (Box & Muller 1958).
        turn, x, y = coordinates(noise)
        square = x**2 + y**2
        chance = xp.exp(-0.5 * square)
        fog = chance < self.per_run(self.fog)
        is_right = turn < 0
        return xp.stack((off, is_right * one, fog * one), -1)

    def right(self, state: Any, action: Any) -> Any:
        """Whether the action is the next turn on the path, or leads back to it, (R, E) bool."""
        act = action[..., 0]
        turn = act == state[..., 1]
        back = act == BACK
        return namespace(state).where(self.on_path(state), turn, back)

    def observation(self, state: Any) -> Any:
        """The next turn, unless fog hides it, or that one is off the path; one-hot."""
        xp = namespace(state)
        off, turn, fog = coordinates(state)
        one = 1 + 0 * off
        ahead = xp.where(fog == 1, 2 * one, turn)
        symbol = xp.where(self.on_path(state), ahead, 3 * one)
        bits = [one * (symbol == k) for k in range(SYMBOLS)]
        return xp.stack(bits, -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for a step that ends on the path."""
        one = 1 + 0 * state[..., 0]
        return self.on_path(next_state) * one

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of the steps off the path, which are whole; turns and fog are the same for both."""
        xp = namespace(state)
        own = xp.round(state[..., :1])
        return own - xp.round(other[..., :1])

    def certificate(self) -> Certificate:
        """K, attained by a step off and none: the same action is an error for one of them."""
        on = torch.zeros(self.runs, 1, 3, dtype=torch.float64)
        off = on.clone()
        off[..., 0] = 1
        k = self.values("k")
        return Certificate(
            value=k,
            metric="difference of the steps off the path",
            kind="exact",
            pair=(on, off),
            closed_loop=(1.0,) * self.runs,
            diameter=k,
            note="turns and fog are exogenous and excluded; under the expert two walkers come no further apart",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The path on a ridge, the steps below it, the sign of the next turn or fog; the walker and its twin."""
        width, height = size
        off, turn, fog = state
        canvas = Canvas(size, SKY)
        stairs = self._stairs(size)
        _ridge(canvas, stairs)
        way = "↱" if turn else "↰"
        post = np.array([0.09 * width, stairs[0, 1]])
        sign = "?" if fog else way
        unit = 0.001 * height
        _board(canvas, post, unit, sign)
        own = colour or colour_of(1)
        for who, paint, alpha in bodies(state, ghost, own):
            step = round(float(who[0]))
            foot = _foot(stairs, step, size)
            paint_walker(canvas, foot, 0.045 * height, paint, alpha)
        steps = round(float(off))
        most = len(stairs) - 1
        _caption(canvas, steps, most)
        return canvas.image()

    def _stairs(self, size: tuple[int, int]) -> np.ndarray:
        """Pixels (k + 1, 2) of the path's edge and of the outer edge of each step below it."""
        k = round(self.values("k")[0])
        edge = np.array([0.34, 0.42])
        end = np.array([0.96, 0.9])
        numbers = np.arange(k + 1)
        share = numbers[:, None] / k
        places = edge + (end - edge) * share
        return places * size


def _caption(canvas: Canvas, off: int, most: int) -> None:
    """Where one is, in words."""
    width, height = canvas.size
    words = f"{off} of {most} steps off the path" if off else "on the path"
    ink = INK if off else SOFT
    at = 0.97 * width, BANNER + 0.07 * height
    bold = off > 0
    canvas.text(words, at, ink, 13, bold=bold, part=1)


def _ridge(canvas: Canvas, stairs: np.ndarray) -> None:
    """The rock with its stairs, and the path to their edge."""
    width, height = canvas.size
    edge, top = stairs[0]
    _, lowest = stairs[-1]
    x, y = stairs.repeat(2, 0).T
    across = x[:-1]
    down = y[1:]
    outline = np.column_stack((across, down))
    surface = [*outline, (width, lowest)]
    left = [(0, height), (0, top)]
    right = [(width, height)]
    canvas.polygon([*left, *surface, *right], ROCK)
    canvas.line(surface, EDGE, 2)
    path = [(0, top), (edge, top)]
    canvas.line(path, TRAIL, 0.03 * height)


def _foot(stairs: np.ndarray, off: int, size: tuple[int, int]) -> tuple[float, float]:
    """Where one stands who is so many steps off the path, pixels."""
    width, height = size
    _, top = stairs[0]
    if off == 0:
        return 0.25 * width, top - 0.015 * height
    inner, _ = stairs[off - 1]
    outer, level = stairs[off]
    return (inner + outer) / 2, level


def _board(canvas: Canvas, foot: np.ndarray, unit: float, sign: str) -> None:
    """A board on a post that shows the next turn, or nothing in fog."""
    hidden = sign == "?"
    up = np.array([0, unit])
    top = foot - 110 * up
    canvas.line([foot, top], EDGE, 12 * unit)
    at = foot - 170 * up
    half = 75 * unit
    paint = MIST if hidden else BOARD
    ink = SOFT if hidden else INK
    corners = at + half * SQUARE
    canvas.polygon(corners, paint)
    size = max(9, round(110 * unit))
    canvas.text(sign, at, ink, size, bold=True, part=0.5)

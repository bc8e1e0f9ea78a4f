"""y' = a, truth' = truth xor bit: say the next symbol of a sequence, from one's own last symbol and a bit.

The cleanest exposure bias there is. Fed the true last symbol, who says y xor bit errs only where fog hides the bit,
with chance epsilon; fed its own, one wrong symbol makes every later one wrong until the next error, and the chance to
be wrong goes to 1/2. The state forgets y at every step (its Lipschitz constant is 0): what drifts, drifts through the
policy alone. The truth is exogenous context, which the expert sees and no observation tells; so an expert's label
after a wrong symbol contradicts its label after the right one, and DAgger learns from a mixture of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, FiniteEnv, Streams, Values, coordinates, namespace, require
from il_bench.paint.canvas import BANNER, INK, PAPER, SOFT, Canvas, colour_of

FAR = 40.0  # a number so large that the chance made of it is 0
# Noise that stands for a bit that is 1 and 0, without fog and in it.
OUTCOMES = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (-1.0, FAR, 0.0), (1.0, FAR, 0.0)
SYMBOLS = 6  # what is seen: the last symbol, 0 or 1, with a bit that is 0, 1 or unreadable
# Of the picture.
LIT = "#ffd54a"
DARK = "#c3c9d1"
GLOW = "#fff3c4"
WALL = "#eef1f5"
CARD = "#ffffff"
MIST = "#cfd7df"


@dataclass(frozen=True, kw_only=True)
class Parity(FiniteEnv):
    """y_t = y_{t-1} xor bit_t: one wrong symbol makes all later ones wrong, until another makes them right."""

    horizon: int = 100
    """Steps in an episode, T."""
    fog: Values = 0.02
    """Chance, at each step, that the bit cannot be read; twice the teacher-forced error epsilon."""

    indicator: ClassVar = True
    arrays: ClassVar = "any"
    states: ClassVar = {
        "own": "last symbol said",
        "truth": "last true one",
        "bit": "",
        "fog": "1 where it hides it",
    }
    noise_size: ClassVar = 3

    def validate(self) -> None:
        """A chance."""
        fog = self.values("fog")
        require(
            min(fog) >= 0 and max(fog) <= 1,
            f"fog: expected a chance from 0 to 1, got {self.fog}; try 0.02",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """The last symbol said and the bit as one symbol, one-hot."""
        return spaces.Box(0.0, 1.0, (SYMBOLS,))

    @property
    def action_space(self) -> spaces.Discrete:
        """The next symbol."""
        return spaces.Discrete(2)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """A true first symbol, and a bit."""
        chances = streams.uniform("initial", episodes, 3)
        symbol, bit, fog = coordinates(chances.to(self.device))
        one = torch.ones_like(symbol)
        first = (symbol < 0.5) * one
        is_one = (bit < 0.5) * one
        is_fog = (fog < self.per_run(self.fog)) * one
        return torch.stack((first, first, is_one, is_fog), -1)

    def all_states(self) -> torch.Tensor:
        """Two symbols said, two true ones, two bits, fog or none."""
        ends = torch.arange(2.0, dtype=torch.float64)
        states = torch.cartesian_prod(ends, ends, ends, ends)
        return states.to(self.device).expand(self.runs, -1, -1)

    def all_noise(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A bit, 0 as likely as 1, in fog or not."""
        fog = self.per_run(self.values("fog"))
        clear = 1 - fog
        chance = torch.cat((clear, clear, fog, fog), 1)
        noise = torch.tensor(OUTCOMES, dtype=torch.float64, device=self.device)
        return noise.expand(self.runs, -1, -1), chance / 2

    def answer(self, state: Any) -> Any:
        """The true next symbol, truth xor bit, (R, E)."""
        _, truth, bit, _ = coordinates(state)
        return abs(truth - bit)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The symbol said, the true one, and the next bit."""
        xp = namespace(state)
        one = 1 + 0 * state[..., 0]
        # A bit is as likely as not; exp(-(x**2 + y**2) / 2) of two normal numbers is uniform (Box & Muller 1958).
        bit, x, y = coordinates(noise)
        square = x**2 + y**2
        chance = xp.exp(-0.5 * square)
        is_one = bit < 0
        is_fog = chance < self.per_run(self.fog)
        said = action[..., 0] * one
        truth = self.answer(state)
        parts = said, truth, is_one * one, is_fog * one
        return xp.stack(parts, -1)

    def observation(self, state: Any) -> Any:
        """The last symbol said with the bit, unless fog hides it; one-hot."""
        xp = namespace(state)
        own, _, bit, fog = coordinates(state)
        one = 1 + 0 * own
        shown = xp.where(fog == 1, 2 * one, bit)
        symbol = 3 * own + shown
        bits = [one * (symbol == k) for k in range(SYMBOLS)]
        return xp.stack(bits, -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for the true symbol."""
        one = 1 + 0 * state[..., 0]
        right = action[..., 0] == self.answer(state)
        return right * one

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """0 where the symbols said are the same, 1 where they are not; truth and bit are the same for both."""
        own = state[..., :1]
        apart = own != other[..., :1]
        return apart * (1 + 0 * own)

    def certificate(self) -> Certificate:
        """0, attained by every pair: the next state depends on the last symbol through the action alone."""
        zero = torch.zeros(self.runs, 1, 4, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = 1
        none = (0.0,) * self.runs
        return Certificate(
            value=none,
            metric="0/1 over the symbols said",
            kind="exact",
            pair=(zero, other),
            closed_loop=none,
            diameter=(1.0,) * self.runs,
            note="truth and bit are exogenous and excluded; under y xor bit instead of the expert the constant is 1",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The true symbol and the one said as two lamps, lit or dark, and the bit as the order to switch or not."""
        canvas = Canvas(size, WALL)
        own, truth, bit, fog = state
        mine = colour or colour_of(1)
        true_lamp = truth if ghost is None else ghost[0]
        _lamp(canvas, 0.24, true_lamp == 1, f"true symbol: {true_lamp:.0f}", colour_of(0))
        _lamp(canvas, 0.76, own == 1, f"symbol said: {own:.0f}", mine)
        right = own == truth
        sign = "=" if right else "≠"
        tone = SOFT if right else mine
        middle, _ = _line(size)
        at = 0.5 * size[0], middle
        canvas.text(sign, at, tone, 30, bold=True, part=0.5)
        _order(canvas, bit == 1, fog == 1)
        return canvas.image()


def _line(size: tuple[int, int]) -> tuple[float, float]:
    """The row of the lamps and their radius, pixels."""
    width, height = size
    tall = height - BANNER
    middle = BANNER + 0.26 * tall
    return middle, 0.15 * min(width, tall)


def _order(canvas: Canvas, switch: bool, hidden: bool) -> None:
    """A card that says what the bit is."""
    at = np.array([0.5, 0.83]) * canvas.size
    half = np.array([0.34, 0.08]) * canvas.size
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    corners = at + square * half
    canvas.polygon(corners, MIST if hidden else CARD)
    order = "switch  (bit 1)" if switch else "leave  (bit 0)"
    words = "?  (bit in fog)" if hidden else order
    canvas.text(f"next: {words}", at, INK, 13, part=0.5)


def _lamp(canvas: Canvas, share: float, lit: bool, words: str, colour: str) -> None:
    """A bulb in a socket of its owner's colour, at a share of the picture's width, and words beneath it."""
    middle, radius = _line(canvas.size)
    at = np.array([share * canvas.size[0], middle])
    if lit:
        canvas.circle(at, 1.45 * radius, GLOW)
    corners = np.array([(-0.5, 0.7), (0.5, 0.7), (0.42, 1.65), (-0.42, 1.65)])
    socket = at + radius * corners
    canvas.polygon(socket, colour)
    canvas.circle(at, radius, LIT if lit else DARK)
    shine = at - 0.35 * radius
    canvas.circle(shine, 0.18 * radius, PAPER)
    below = np.array([0, 2.15 * radius])
    canvas.text(words, at + below, INK, 13, bold=True, part=0.5)

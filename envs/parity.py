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

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.canvas import BANNER, INK, PAPER, SOFT, Canvas, colour_of

SYMBOLS = 6  # what is seen: the last symbol, 0 or 1, with a bit that is 0, 1 or unreadable
# Of the picture.
LIT, DARK, GLOW = "#ffd54a", "#c3c9d1", "#fff3c4"
WALL, CARD, MIST = "#eef1f5", "#ffffff", "#cfd7df"


@dataclass(frozen=True, kw_only=True)
class Parity(Env):
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
        draws = streams.uniform("initial", episodes, 3).to(self.device)
        chances = 0.5, 0.5, self.per_run(self.fog)
        first, bit, fog = (
            (draws[..., i] < chance).to(draws.dtype) for i, chance in enumerate(chances)
        )
        return torch.stack((first, first, bit, fog), -1)

    def answer(self, state: Any) -> Any:
        """The true next symbol, truth xor bit, (R, E)."""
        return abs(state[..., 1] - state[..., 2])

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The symbol said, the true one, and the next bit."""
        xp = namespace(state)
        one = 1 + 0 * state[..., 0]
        # A bit is as likely as not; exp(-(x**2 + y**2) / 2) of two normal numbers is uniform (Box & Muller 1958).
        bit, x, y = (noise[..., i] for i in range(3))
        chance = xp.exp(-0.5 * (x**2 + y**2))
        fog = chance < self.per_run(self.fog)
        said = action[..., 0] * one
        truth = self.answer(state)
        return xp.stack((said, truth, (bit < 0) * one, fog * one), -1)

    def observation(self, state: Any) -> Any:
        """The last symbol said with the bit, unless fog hides it; one-hot."""
        xp = namespace(state)
        own, bit, fog = (state[..., i] for i in (0, 2, 3))
        one = 1 + 0 * own
        symbol = 3 * own + xp.where(fog == 1, 2 * one, bit)
        return xp.stack([one * (symbol == k) for k in range(SYMBOLS)], -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for the true symbol."""
        return (action[..., 0] == self.answer(state)) * (1 + 0 * state[..., 0])

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """0 where the symbols said are the same, 1 where they are not; truth and bit are the same for both."""
        return (state[..., :1] != other[..., :1]) * (1 + 0 * state[..., :1])

    def certificate(self) -> Certificate:
        """0, attained by every pair: the next state depends on the last symbol through the action alone."""
        zero = torch.zeros(self.runs, 1, 4, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = 1
        none, one = (0.0,) * self.runs, (1.0,) * self.runs
        return Certificate(
            none, "0/1 over the symbols said", "exact", (zero, other), closed_loop=none, diameter=one,
            note="truth and bit are exogenous and excluded; under y xor bit instead of the expert the constant is 1",
        )  # fmt: skip

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The true symbol and the one said as two lamps, lit or dark, and the bit as the order to switch or not."""
        width, height = size
        canvas = Canvas(size, WALL)
        own, truth, bit, fog = state
        mine = colour or colour_of(1)
        true_lamp = truth if ghost is None else ghost[0]
        lamps = (
            (0.24, true_lamp, "true symbol", colour_of(0)),
            (0.76, own, "symbol said", mine),
        )
        middle = BANNER + 0.26 * (height - BANNER)
        radius = 0.15 * min(width, height - BANNER)
        for x, lit, words, owner in lamps:
            _lamp(canvas, np.array([x * width, middle]), radius, lit == 1, owner)
            under = x * width, middle + 2.15 * radius
            canvas.text(f"{words}: {lit:.0f}", under, INK, 13, bold=True, part=0.5)
        right = own == truth
        sign, tone = ("=", SOFT) if right else ("≠", mine)
        canvas.text(sign, (0.5 * width, middle), tone, 30, bold=True, part=0.5)
        _order(canvas, bit == 1, fog == 1)
        return canvas.image()


def _order(canvas: Canvas, switch: bool, hidden: bool) -> None:
    """A card that says what the bit is."""
    at = np.array([0.5, 0.83]) * canvas.size
    wide, tall = np.array([0.34, 0.08]) * canvas.size
    corners = np.array([(-wide, -tall), (wide, -tall), (wide, tall), (-wide, tall)])
    canvas.polygon(at + corners, MIST if hidden else CARD)
    order = "switch  (bit 1)" if switch else "leave  (bit 0)"
    words = "?  (bit in fog)" if hidden else order
    canvas.text(f"next: {words}", at, INK, 13, part=0.5)


def _lamp(canvas: Canvas, at: np.ndarray, radius: float, lit: bool, colour: str) -> None:
    """A bulb in a socket of its owner's colour."""
    if lit:
        canvas.circle(at, 1.45 * radius, GLOW)
    socket = np.array([(-0.5, 0.7), (0.5, 0.7), (0.42, 1.65), (-0.42, 1.65)])
    canvas.polygon(at + radius * socket, colour)
    canvas.circle(at, radius, LIT if lit else DARK)
    canvas.circle(at - 0.35 * radius, 0.18 * radius, PAPER)

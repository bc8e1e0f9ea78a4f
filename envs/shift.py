"""s' = A s + e_1 (b a - g(z) + sigma w), A e_i = L e_{i+1}, A e_n = L e_1: a register that hands its numbers on.

Each step multiplies every number by L and moves it one place on; what leaves the last place comes back into the
first, where the action, the known pull g of an exogenous phase z and the noise enter. The expert subtracts what comes
back: its closed loop is nilpotent, so that a kick grows to L^(n-1) and is then forgotten completely, n steps after it
came. In every single step the closed loop stretches by L, like the open one; only n of them show what the expert is
worth. With sigma = 0 every demonstration lies at s = 0: at L = 1.2 cloning then drifts to the clip at +-10, by 1.25 a
step, while DAgger on the same labels stays near 0.03; with sigma = 0.05 both stay below 0.01.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.canvas import INK, RULE, SOFT, Canvas, squeezed
from il_bench.paint.panel import TOP, Body, bodies, headline, lettering, marks

CLIP = 10.0  # where each number is stopped
GAIN = 32.0  # b: what full action moves; a power of two, so that the expert's cancelling is exact in floating point
TURN = 0.3  # of the phase, radians a step
PULL = 1.0, 0.5  # amplitudes of g(z) = sin(z) + 0.5 sin(2 z + 1)
BOX, PIPE = "#f3f5f8", "#b9c3ce"  # of the picture


@dataclass(frozen=True, kw_only=True)
class Shift(Env):
    """s' = A s + e_1 (b a - g(z) + sigma w): a shift register; L exact, a kick is forgotten in exactly n steps."""

    horizon: int = 150
    """Steps in an episode, T."""
    lipschitz: Values = 1.2
    """L of the transition: what a number grows by from one place to the next."""
    pull: Values = 1.0
    """Strength of the known pull on the first place, which is what there is to imitate."""
    noise: Values = 0.0
    """Standard deviation sigma of the noise on the first place, which also spreads the demonstrations."""
    size: int = 4
    """Places of the register, n, 2 to 16: the steps after which the expert has forgotten a kick."""

    arrays: ClassVar = "any"
    excitation: ClassVar = {"noise": 0.05}

    def validate(self) -> None:
        """L above 0, pull and sigma at least 0, 2 to 16 places."""
        require(
            min(self.values("lipschitz")) > 0,
            f"lipschitz: expected L > 0, got {self.lipschitz}; try 1.2",
        )
        require(min(self.values("pull")) >= 0, f"pull: expected at least 0, got {self.pull}; try 1")
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.05",
        )
        require(2 <= self.size <= 16, f"size: expected 2 to 16 places, got {self.size}; try 4")

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """Places, then the phase."""
        return {f"s{i + 1}": "" for i in range(self.size)} | {"phase": "rad"}

    @property
    def observation_space(self) -> spaces.Box:
        """Places, and the phase as a point on the circle."""
        high = np.array([CLIP] * self.size + [1, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """What is added to the first place, -1 to 1, in units of `GAIN`."""
        return spaces.Box(-1.0, 1.0, (1,))

    def drag(self, state: Any) -> Any:
        """g(z), (R, E)."""
        sin, z = namespace(state).sin, state[..., -1]
        slow, fast = PULL
        return self.per_run(self.pull) * (slow * sin(z) + fast * sin(2 * z + 1))

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Empty, at any phase."""
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1)
        return torch.cat((torch.zeros_like(phase).expand(-1, -1, self.size), phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """Every number moves one place on and grows by L."""
        xp = namespace(state)
        moved = self.per_run(self.lipschitz, 3) * state[..., :-1]
        push = GAIN * action[..., 0].clip(-1, 1)
        shake = self.per_run(self.noise) * noise[..., 0]
        first = moved[..., -1] + (push - self.drag(state) + shake)
        s = xp.concatenate((first[..., None], moved[..., :-1]), -1)
        phase = state[..., -1:] + TURN
        return xp.concatenate((s.clip(-CLIP, CLIP), phase), -1)

    def observation(self, state: Any) -> Any:
        """Places and point on the circle."""
        xp, phase = namespace(state), state[..., -1:]
        return xp.concatenate((state[..., :-1], xp.cos(phase), xp.sin(phase)), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 when empty, 0 when every place is at the clip."""
        s = next_state[..., :-1] / CLIP
        return 1 - (s * s).sum(-1) / self.size

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of the places; the phase is the same for both."""
        return state[..., :-1] - other[..., :-1]

    def certificate(self) -> Certificate:
        """L, attained by every pair whose images stay off the clip; the expert changes the radius alone, to 0."""
        zero = torch.zeros(self.runs, 1, self.size + 1, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = 0.5
        return Certificate(
            value=self.values("lipschitz"),
            metric="Euclidean over s",
            kind="exact",
            pair=(zero, other),
            closed_loop=self.values("lipschitz"),
            radius=self.values("lipschitz"),
            diameter=(2 * CLIP * math.sqrt(self.size),) * self.runs,
            note=f"the expert's loop is nilpotent: constant L in a step, nothing left after {self.size}",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The places as boxes that hand their numbers on to the right; the last comes back, and the action cancels it."""
        canvas = Canvas(size)
        columns = size[0] * (0.22 + 0.7 * (np.arange(self.size) + 0.5) / self.size)
        half = 0.24 * size[0] / self.size
        _boxes(canvas, columns, half)
        for body in bodies(state, ghost, colour):
            _bars(canvas, columns, half, body)
        _arrows(canvas, columns, half)
        words = f"each step: one place on, × {self.values('lipschitz')[0]:g}; last to first"
        foot = 0.5 * size[0], size[1] - 12
        canvas.text(words, foot, INK, lettering(canvas), part=0.5)
        headline(canvas, f"{self.size} places,  |s| = {np.linalg.norm(state[:-1]):.2g}")
        return canvas.image()


def _height(size: tuple[int, int], value: Any) -> Any:
    """Rows of numbers, upwards on a logarithmic scale."""
    reach = (size[1] - TOP - 46) / 2
    return TOP + reach * (1 - squeezed(value, 0.01, CLIP))


def _boxes(canvas: Canvas, columns: np.ndarray, half: float) -> None:
    """The places and their scale."""
    left, right = columns[0] - half, columns[-1] + half
    bottom, top = _height(canvas.size, np.array([-CLIP, CLIP]))
    for column in columns:
        canvas.polygon(_rectangle(column, half, bottom, top), BOX)
    for mark in marks(canvas):
        row = _height(canvas.size, mark)
        canvas.line([(left, row), (right, row)], RULE)
        if mark:
            canvas.text(f"{mark:g}", (left - 5, row), SOFT, 9, part=1)


def _arrows(canvas: Canvas, columns: np.ndarray, half: float) -> None:
    """How numbers go: from place to place, from the last back to the first, where the action enters."""
    bottom, middle, top = _height(canvas.size, np.array([-CLIP, 0, CLIP]))
    left, right = 0.09 * canvas.size[0], 0.97 * canvas.size[0]
    start, end, foot = columns[-1] + half, columns[0] - half, bottom + 14
    back = [(start, middle), (right, middle), (right, foot), (left, foot), (left, middle)]
    canvas.line([*back, (end - 4, middle)], PIPE, 2)
    canvas.line([(left, top + 14), (left, middle - 6)], INK, 2)
    canvas.text("action", (left, top + 5), INK, lettering(canvas), part=0.5)
    _arrow(canvas, (left, middle - 1), (0, 7), INK)
    _arrow(canvas, (end, middle), (7, 0), SOFT)
    _arrow(canvas, ((left + right) / 2, foot), (-7, 0), SOFT)
    for column in (columns[1:] + columns[:-1]) / 2:
        _arrow(canvas, (column + 4, middle), (7, 0), SOFT)


def _bars(canvas: Canvas, columns: np.ndarray, half: float, body: Body) -> None:
    """A bar for each number; of the twin, who comes first, a mark."""
    zero = _height(canvas.size, 0.0)
    for column, row in zip(columns, _height(canvas.size, body.state[:-1]), strict=True):
        if body.alpha == 1:
            canvas.polygon(_rectangle(column, 0.7 * half, zero, row), body.colour)
            canvas.line([(column - 0.7 * half, row), (column + 0.7 * half, row)], body.colour, 2)
        else:
            canvas.line([(column - half, row), (column + half, row)], body.colour, 5)


def _rectangle(column: float, half: float, low: float, high: float) -> list[tuple[float, float]]:
    left, right = column - half, column + half
    return [(left, low), (right, low), (right, high), (left, high)]


def _arrow(canvas: Canvas, tip: tuple[float, float], way: tuple[float, float], colour: str) -> None:
    """An arrow's head: where its tip is, and where it points."""
    along = np.array(way)
    aside = along[::-1] * (0.7, -0.7)
    canvas.polygon([tip, tip - along + aside, tip - along - aside], colour)

"""s' = A s + e_1 (b a - g(z) + sigma w), A e_i = L e_{i+1}, A e_n = L e_1: a register that hands its numbers on.

Each step multiplies every number by L and moves it one place on; what leaves the last place comes back into the first,
where the action, the known pull g of an exogenous phase z and the noise enter. The expert subtracts what comes back:
its closed loop is nilpotent, so that a kick grows to L^(n-1) and is then forgotten completely, n steps after it came.
Its push is bounded: it takes away whatever comes back, from anywhere within the clip, as long as 10 L + 1.5 pull is no
more than b = 32, which is up to L = 3.05 at the default pull; beyond that L a number above (32 - 1.5 pull) / L is taken
away in part, and what is left may grow again. In every single step the closed loop stretches by L, like the open one;
only n of them show what the expert is worth. With sigma = 0 every demonstration lies at s = 0: at L = 1.2 cloning then
drifts to the clip at +-10, by 1.25 a step, while DAgger on the same labels stays near 0.03; with sigma = 0.05 both stay
below 0.01.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.canvas import INK, Canvas, colour_of
from il_bench.paint.panel import TOP, arrow, block, footnote, headline, ladder, note, rows, stroke

CLIP = 10.0  # where each number is stopped
GAIN = 32.0  # b: what full action moves; a power of two, so that the expert's cancelling is exact in floating point
TURN = 0.3  # of the phase, radians a step
PULL = 1.0, 0.5  # amplitudes of g(z) = sin(z) + 0.5 sin(2 z + 1)
# Of the picture: colours, rows beneath the scale, and the column where the action enters.
BOX = "#f3f5f8"
PIPE = "#b9c3ce"
FOOT = 46
ENTRY = 0.09


@dataclass(frozen=True, kw_only=True)
class Shift(Env):
    """s' = A s + e_1 (b a - g(z) + sigma w): a shift register; L exact, a kick is forgotten in exactly n steps.

    That is so wherever the expert's push suffices, see `reach`: everywhere up to L = 3.05.
    """

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
        numbers = range(1, self.size + 1)
        places = {f"s{number}": "" for number in numbers}
        return places | {"phase": "rad"}

    @property
    def observation_space(self) -> spaces.Box:
        """Places, and the phase as a point on the circle."""
        limits = [CLIP] * self.size
        high = np.array([*limits, 1, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """What is added to the first place, -1 to 1, in units of `GAIN`."""
        return spaces.Box(-1.0, 1.0, (1,))

    def drag(self, state: Any) -> Any:
        """g(z), (R, E)."""
        sin = namespace(state).sin
        z = state[..., -1]
        first, second = PULL
        slow = first * sin(z)
        fast = second * sin(2 * z + 1)
        wave = slow + fast
        return self.per_run(self.pull) * wave

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Empty, at any phase."""
        chance = streams.uniform("initial", episodes, 1)
        phase = 2 * math.pi * chance
        nothing = torch.zeros_like(phase)
        places = nothing.expand(-1, -1, self.size)
        return torch.cat((places, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """Every number moves one place on and grows by L."""
        xp = namespace(state)
        places = state[..., :-1]
        phase = state[..., -1:]
        grown = self.per_run(self.lipschitz, 3) * places
        last = grown[..., -1:]
        others = grown[..., :-1]
        full = action.clip(-1, 1)
        push = GAIN * full[..., 0]
        push = push - self.drag(state)
        shake = noise[..., 0]
        push = push + self.per_run(self.noise) * shake
        first = last + push[..., None]
        s = xp.concatenate((first, others), -1)
        kept = s.clip(-CLIP, CLIP)
        return xp.concatenate((kept, phase + TURN), -1)

    def observation(self, state: Any) -> Any:
        """Places and point on the circle."""
        xp = namespace(state)
        places = state[..., :-1]
        phase = state[..., -1:]
        point = xp.cos(phase), xp.sin(phase)
        return xp.concatenate((places, *point), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 when empty, 0 when every place is at the clip."""
        share = next_state[..., :-1] / CLIP
        square = (share * share).sum(-1)
        return 1 - square / self.size

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of the places; the phase is the same for both."""
        apart = state - other
        return apart[..., :-1]

    def certificate(self) -> Certificate:
        """L, attained by every pair whose images stay off the clip; the expert changes the radius alone, to 0."""
        numbers = self.size + 1
        zero = torch.zeros(self.runs, 1, numbers, dtype=torch.float64)
        other = zero.clone()
        other[..., 0] = 0.5
        dials = self.values("lipschitz")
        across = 2 * CLIP * math.sqrt(self.size)
        return Certificate(
            value=dials,
            metric="Euclidean over s",
            kind="exact",
            pair=(zero, other),
            closed_loop=dials,
            radius=dials,
            diameter=(across,) * self.runs,
            note=f"the expert's loop is nilpotent: constant L in a step, nothing left after {self.size}, as long as its "
            f"push suffices: for all states where 10 L + 1.5 pull <= {GAIN:g}",
        )

    @property
    def reach(self) -> tuple[float, ...]:
        """What may leave the last place and still be taken away by the expert at any phase, (R,); at CLIP, everything."""
        dials = zip(self.values("lipschitz"), self.values("pull"), strict=True)
        most_pull = sum(PULL)
        most = [(GAIN - most_pull * pull) / big for big, pull in dials]
        return tuple(min(CLIP, reach) for reach in most)

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The places as boxes that hand their numbers on to the right; the last comes back to where the action enters."""
        canvas = Canvas(size)
        columns = _columns(size[0], self.size)
        half = 0.24 * size[0] / self.size
        _boxes(canvas, columns, half)
        if ghost is not None:
            others = ghost[:-1]
            _levels(canvas, columns, half, others, colour_of(0))
        paint = colour or colour_of(1)
        places = state[:-1]
        _bars(canvas, columns, half, places, paint)
        _way(canvas, columns, half)
        _action(canvas)
        big = self.values("lipschitz")[0]
        length = np.linalg.norm(places)
        footnote(canvas, f"each step: one place on, × {big:g}; last to first")
        headline(canvas, f"{self.size} places,  |s| = {length:.2g}")
        return canvas.image()


def _columns(width: int, places: int) -> np.ndarray:
    """The middle of each place's box, pixels (n,)."""
    numbers = np.arange(places)
    share = (numbers + 0.5) / places
    return width * (0.22 + 0.7 * share)


def _boxes(canvas: Canvas, columns: np.ndarray, half: float) -> None:
    """The places and their scale."""
    limits = np.array([CLIP, -CLIP])
    ends = rows(canvas, limits, FOOT)
    for column in columns:
        block(canvas, column, half, ends, BOX)
    left = columns[0] - half
    right = columns[-1] + half
    ladder(canvas, left, right, FOOT)


def _bars(canvas: Canvas, columns: np.ndarray, half: float, values: np.ndarray, paint: str) -> None:
    """A bar for each number."""
    zero = rows(canvas, 0.0, FOOT)
    bar = 0.7 * half
    ends = rows(canvas, values, FOOT)
    for column, row in zip(columns, ends, strict=True):
        block(canvas, column, bar, (row, zero), paint)
        stroke(canvas, (column, row), bar, paint, 2)


def _levels(
    canvas: Canvas, columns: np.ndarray, half: float, values: np.ndarray, paint: str
) -> None:
    """A mark for each number of the twin."""
    ends = rows(canvas, values, FOOT)
    for middle in zip(columns, ends, strict=True):
        stroke(canvas, middle, half, paint, 5)


def _way(canvas: Canvas, columns: np.ndarray, half: float) -> None:
    """How numbers go: from place to place, and from the last back to the first."""
    limits = np.array([0, -CLIP])
    middle, bottom = rows(canvas, limits, FOOT)
    width = canvas.size[0]
    below = bottom + 14
    left = ENTRY * width
    right = 0.97 * width
    last = columns[-1] + half
    first = columns[0] - half
    turns = last, right, right, left, left, first
    levels = middle, middle, below, below, middle, middle
    back = np.column_stack((turns, levels))
    canvas.line(back, PIPE, 2)
    halfway = width / 2, below
    arrow(canvas, halfway, (-7, 0))
    pairs = columns[1:] + columns[:-1]
    between = pairs / 2
    starts = first - 18, *between
    for column in starts:
        arrow(canvas, (column + 4, middle), (7, 0))


def _action(canvas: Canvas) -> None:
    """The action enters before the first place."""
    column = ENTRY * canvas.size[0]
    middle = rows(canvas, 0, FOOT)
    start = np.array([column, TOP + 14])
    end = np.array([column, middle])
    above = start - (0, 9)
    tail = end - (0, 6)
    note(canvas, "action", above, INK, part=0.5)
    canvas.line([start, tail], INK, 2)
    arrow(canvas, end, (0, 7), INK)

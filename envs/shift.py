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

from il_bench.core.arrays import namespace
from il_bench.core.env import Certificate, Env
from il_bench.core.settings import Values, require
from il_bench.core.streams import Streams
from il_bench.paint.canvas import INK, SOFT, Canvas, colour_of, squeezed

CLIP = 10.0  # where each number is stopped
GAIN = 32.0  # b: what full action moves; a power of two, so that the expert's cancelling is exact in floating point
TURN = 0.3  # of the phase, radians a step
PULL = 1.0, 0.5  # amplitudes of g(z) = sin(z) + 0.5 sin(2 z + 1)
LINE, PIPE, FUNNEL = "#dfe4ea", "#b9c3ce", "#9cc4e8"  # of the picture


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
        xp, z = namespace(state), state[..., -1]
        return self.per_run(self.pull) * (PULL[0] * xp.sin(z) + PULL[1] * xp.sin(2 * z + 1))

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Empty, at any phase."""
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1)
        return torch.cat((torch.zeros_like(phase).expand(-1, -1, self.size), phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """Every number moves one place on and grows by L."""
        xp, moved = namespace(state), self.per_run(self.lipschitz, 3) * state[..., :-1]
        push = (
            GAIN * action[..., 0].clip(-1, 1)
            - self.drag(state)
            + self.per_run(self.noise) * noise[..., 0]
        )
        first = moved[..., -1] + push
        s = xp.concatenate((first[..., None], moved[..., :-1]), -1).clip(-CLIP, CLIP)
        return xp.concatenate((s, state[..., -1:] + TURN), -1)

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
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The places from left to right as bars on a logarithmic scale, marks for the twin's, and the way back."""
        (w, h), canvas, n = size, Canvas(size), self.size
        x, half, middle = w * (0.17 + 0.72 * (np.arange(n) + 0.5) / n), 0.22 * w / n, 0.5 * h
        foot, left, right = 0.93 * h, 0.08 * w, 0.95 * w

        def height(value: Any) -> Any:
            return middle - 0.31 * h * squeezed(value, 0.01, CLIP)

        for mark in (-10.0, -1.0, -0.1, -0.01, 0.01, 0.1, 1.0, 10.0):
            canvas.line([(x[0] - half, height(mark)), (x[-1] + half, height(mark))], LINE, 1)
            canvas.text(f"{mark:g}" * (mark > 0.01), (right, height(mark)), SOFT, 10, part=0.7)
        canvas.line(
            [(left, middle), (right, middle), (right, foot), (left, foot), (left, middle)], PIPE, 2
        )
        for at in (*((x[:-1] + x[1:]) / 2), x[0] - 2.1 * half):
            canvas.polygon([(at - 3, middle - 5), (at - 3, middle + 5), (at + 5, middle)], SOFT)
        for k, (at, value) in enumerate(zip(x, state, strict=False)):
            rows = middle, middle, height(value), height(value)
            canvas.polygon(
                np.column_stack(((at - half, at + half, at + half, at - half), rows)), colour_of(1)
            )
            if ghost is not None:
                mark = height(ghost[k])
                canvas.line([(at - 1.5 * half, mark), (at + 1.5 * half, mark)], colour_of(0), 2.5)
        canvas.polygon(
            [(left - 16, middle - 10), (left + 16, middle - 10), (left, middle + 12)], FUNNEL
        )
        canvas.text("a − g", (left, middle - 19), INK, 11, part=0.5)
        canvas.text(
            f"× {self.values('lipschitz')[0]:g} at every step",
            (w / 2, foot - 11),
            SOFT,
            11,
            part=0.5,
        )
        canvas.text(f"|s| = {np.linalg.norm(state[:-1]):.2g}", (10, 36), INK, 12, bold=True)
        return canvas.image()

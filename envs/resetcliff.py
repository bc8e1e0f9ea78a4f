"""S-1 good states and a bad one: the expert's action in a good state leads to a fresh good state, any other to the bad.

After Rajaraman et al. (2020). Fresh states are drawn from rho = (zeta, ..., zeta, 1 - (S-2) zeta) with zeta = 1/(N+1):
each rare state is likely to be missed by N demonstrations, and one wrong guess there loses the rest of the episode.
The absorbing cliff never returns; the recoverable one returns to rho iff the expert's action is taken in the bad
state. Under the 0/1 metric every map is 1-Lipschitz, so there is no L to dial; the dial is whether one can come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, require
from il_bench.paint.actors import paint_walker
from il_bench.paint.canvas import PAPER, Canvas, bodies, colour_of

EXPERT = 0  # the expert's action, in every state
# Of the picture: colours, and the cliff's edge and top as shares of its width and height.
SKY, ROCK, SEA, PLACE, DEEP = "#eaf2fb", "#a39a8c", "#3f6f9f", "#7f7667", "#2c5378"
EDGE, TOP = 0.74, 0.52


@dataclass(frozen=True, kw_only=True)
class ResetCliff(Env):
    """S-1 good states, one bad: a wrong action falls; absorbing, or recoverable by the expert's action."""

    horizon: int = 40
    """Steps in an episode, T."""
    size: int = 10
    """States, S; the last one is the bad one."""
    actions: int = 20
    """Actions, A; the first is the expert's."""
    rarity: Values = 200.0
    """N of zeta = 1/(N+1), the chance of each rare state; that of the demonstrations makes cloning hardest."""
    recoverable: bool = True
    """Whether the expert's action leads out of the bad state."""

    indicator: ClassVar = True
    states: ClassVar = {"state": "number of the state"}

    def validate(self) -> None:
        """At least three states, two actions, and a distribution."""
        require(self.size >= 3, f"size: expected at least 3 states, got {self.size}; try 10")
        require(self.actions >= 2, f"actions: expected at least 2, got {self.actions}; try 20")
        least = self.size - 3
        require(
            min(self.values("rarity")) > least,
            f"rarity: expected more than {least} for {self.size} states, got {self.rarity}",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """The state, one-hot."""
        return spaces.Box(0.0, 1.0, (self.size,))

    @property
    def action_space(self) -> spaces.Discrete:
        """A actions."""
        return spaces.Discrete(self.actions)

    def fresh(self, uniform: torch.Tensor) -> torch.Tensor:
        """Good states (R, E) drawn from rho at uniform numbers (R, E)."""
        rare = 1 / (self.per_run(self.rarity) + 1)
        return torch.clamp(torch.floor(uniform / rare), max=self.size - 2)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """A fresh good state."""
        return self.fresh(streams.uniform("initial", episodes, 1)[..., 0])[..., None]

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The expert's action leads to a fresh state, any other to the bad one."""
        bad = float(self.size - 1)
        right = action[..., 0] == EXPERT
        safe = right & ((state[..., 0] != bad) | self.recoverable)
        # Noise is standard normal everywhere; its distribution function makes it uniform.
        fresh = self.fresh(torch.special.ndtr(noise[..., 0]))
        return torch.where(safe, fresh, bad)[..., None]

    def observation(self, state: Any) -> Any:
        """One-hot."""
        return torch.nn.functional.one_hot(state[..., 0].long(), self.size).to(state.dtype)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for the expert's action in a good state."""
        good = state[..., 0] != self.size - 1
        return ((action[..., 0] == EXPERT) & good).to(state.dtype)

    def terminal(self, state: Any) -> Any:
        """Never: the bad state is where one waits."""
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def difference(self, state: Any, other: Any) -> Any:
        """0 where the states are the same, 1 where they are not."""
        return (state != other).to(state.dtype)

    def certificate(self) -> Certificate:
        """1: under the 0/1 metric no map stretches."""
        return Certificate(
            (1.0,) * self.runs,
            "0/1",
            "upper",
            diameter=(1.0,) * self.runs,
            note="the dial is recoverability",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The good states on the cliff, as large as they are likely, the bad one below; the walker and its twin."""
        width, height = size
        canvas = Canvas(size, SKY)
        _cliff(canvas)
        places = self._places(size)
        *radii, low = self._radii(size)
        for place, radius in zip(places[:-1], radii, strict=True):
            canvas.circle(place, radius, PLACE)
        canvas.circle(places[-1], low, DEEP)
        for who, paint, alpha in bodies(state, ghost, colour or colour_of(1)):
            paint_walker(canvas, places[int(who[0])], 0.045 * height, paint, alpha)
        words = "one can come back" if self.recoverable else "no way back"
        canvas.text(words, (EDGE / 2 * width, 0.76 * height), PAPER, 13, part=0.5)
        return canvas.image()

    def _places(self, size: tuple[int, int]) -> np.ndarray:
        """Pixels (S, 2) of the states."""
        good = self.size - 1
        on_cliff = (np.arange(good) + 0.5) * EDGE / good
        x = np.append(on_cliff, (EDGE + 1) / 2)
        y = np.append(np.full(good, TOP - 0.06), 0.84)
        return np.column_stack((x, y)) * size

    def _radii(self, size: tuple[int, int]) -> np.ndarray:
        """Pixels (S,): a good state's discs are the larger, the likelier it is."""
        good = self.size - 1
        rare = 1 / (self.values("rarity")[0] + 1)
        others = np.full(good - 1, rare)
        likely = np.append(others, 1 - others.sum())
        widest = 0.4 * EDGE * size[0] / good
        radii = widest * (0.5 + 0.5 * likely**0.25)
        return np.append(radii, 0.05 * size[1])


def _cliff(canvas: Canvas) -> None:
    """Rock as far as the edge, and the sea."""
    width, height = canvas.size
    edge = EDGE * width
    top = TOP * height
    shore = 0.9 * height
    foot = edge, height
    canvas.polygon([(0, top), (edge, top), foot, (0, height)], ROCK)
    canvas.polygon([(edge, shore), (width, shore), canvas.size, foot], SEA)

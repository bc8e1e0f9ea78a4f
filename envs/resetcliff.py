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
from il_bench.paint.canvas import PAPER, Canvas, colour_of

SKY, ROCK, SEA, PLACE, DEEP = (
    "#eaf2fb",
    "#a39a8c",
    "#3f6f9f",
    "#7f7667",
    "#2c5378",
)  # of the picture
EXPERT = 0  # the expert's action, in every state


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
        bad, right = float(self.size - 1), action[..., 0] == EXPERT
        safe = right & ((state[..., 0] != bad) | self.recoverable)
        # Noise is standard normal everywhere; its distribution function makes it uniform.
        return torch.where(safe, self.fresh(torch.special.ndtr(noise[..., 0])), bad)[..., None]

    def observation(self, state: Any) -> Any:
        """One-hot."""
        return torch.nn.functional.one_hot(state[..., 0].long(), self.size).to(state.dtype)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for the expert's action in a good state."""
        return ((action[..., 0] == EXPERT) & (state[..., 0] != self.size - 1)).to(state.dtype)

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
        (w, h), canvas, good = size, Canvas(size, SKY), self.size - 1
        rare = 1 / (self.values("rarity")[0] + 1)
        edge, top = 0.74 * w, 0.52 * h
        canvas.polygon([(0, top), (edge, top), (edge, h), (0, h)], ROCK)
        canvas.polygon([(edge, 0.9 * h), (w, 0.9 * h), (w, h), (edge, h)], SEA)
        x = np.append((np.arange(good) + 0.5) * edge / good, (edge + w) / 2)
        y = np.append(np.full(good, top - 0.06 * h), 0.84 * h)
        for k in range(self.size):
            likely = rare if k < good - 1 else 1 - (good - 1) * rare
            radius = 0.4 * edge / good * (0.5 + 0.5 * likely**0.25) if k < good else 0.05 * h
            canvas.circle((x[k], y[k]), radius, PLACE if k < good else DEEP)
        for who, colour, alpha in ((ghost, colour_of(0), 0.5), (state, colour_of(1), 1.0)):
            if who is not None:
                at, reach = (x[int(who[0])], y[int(who[0])]), 0.045 * h
                with canvas.layer(alpha):
                    canvas.circle((at[0], at[1] - 2.1 * reach), 0.6 * reach, colour)
                    canvas.polygon(
                        [
                            (at[0] - reach, at[1]),
                            (at[0] + reach, at[1]),
                            (at[0], at[1] - 2.2 * reach),
                        ],
                        colour,
                    )
        words = "one can come back" if self.recoverable else "no way back"
        canvas.text(words, (edge / 2, 0.76 * h), PAPER, 13, part=0.5)
        return canvas.image()

"""S-1 good states and a bad one: the expert's action in a good state leads to a fresh good state, any other to the bad.

After Rajaraman et al. (2020). Fresh states are drawn from rho = (zeta, ..., zeta, 1 - (S-2) zeta) with zeta = 1/(N+1):
each rare state is likely to be missed by N demonstrations, and one wrong guess there loses the rest of the episode.
The absorbing cliff never returns; the recoverable one returns to rho iff the expert's action is taken in the bad
state. Whether one can come back is the dial, and under the 0/1 metric it is L, exactly: where one can, the next state
depends on the action alone, L = 0; where one cannot, the expert's action keeps good states good and the bad one bad,
L = 1. Drift that L = 0 shows nevertheless goes through the policy: it acts in the bad state as it never saw the expert
act.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, FiniteEnv, Streams, Values, require
from il_bench.paint.actors import paint_walker
from il_bench.paint.canvas import PAPER, Canvas, bodies, colour_of

EXPERT = 0  # the expert's action, in every state
# Of the picture: colours, and the cliff's edge and top as shares of its width and height.
SKY = "#eaf2fb"
ROCK = "#a39a8c"
SEA = "#3f6f9f"
PLACE = "#7f7667"
DEEP = "#2c5378"
EDGE = 0.74
TOP = 0.52


@dataclass(frozen=True, kw_only=True)
class ResetCliff(FiniteEnv):
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
        number = torch.floor(uniform / rare)
        return torch.clamp(number, max=self.size - 2)

    def all_states(self) -> torch.Tensor:
        """S of them."""
        numbers = torch.arange(self.size, dtype=torch.float64, device=self.device)
        return numbers[:, None].expand(self.runs, -1, -1)

    def all_noise(self) -> tuple[torch.Tensor, torch.Tensor]:
        """One number for each good state: the middle of those that lead to it."""
        rare = 1 / (self.per_run(self.values("rarity")) + 1)
        count = self.size - 2
        chance = torch.cat((rare.expand(-1, count), 1 - count * rare), 1)
        above = chance.cumsum(1)
        middle = above - chance / 2
        return torch.special.ndtri(middle)[..., None], chance

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """A fresh good state."""
        uniform = streams.uniform("initial", episodes, 1)
        fresh = self.fresh(uniform[..., 0])
        return fresh[..., None]

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The expert's action leads to a fresh state, any other to the bad one."""
        bad = float(self.size - 1)
        good = state[..., 0] != bad
        right = action[..., 0] == EXPERT
        safe = right & (good | self.recoverable)
        # Noise is standard normal everywhere; its distribution function makes it uniform.
        uniform = torch.special.ndtr(noise[..., 0])
        fresh = self.fresh(uniform)
        after = torch.where(safe, fresh, bad)
        return after[..., None]

    def observation(self, state: Any) -> Any:
        """One-hot."""
        number = state[..., 0].long()
        hot = torch.nn.functional.one_hot(number, self.size)
        return hot.to(state.dtype)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for the expert's action in a good state."""
        good = state[..., 0] != self.size - 1
        right = action[..., 0] == EXPERT
        return (right & good).to(state.dtype)

    def terminal(self, state: Any) -> Any:
        """Never: the bad state is where one waits."""
        return torch.zeros_like(state[..., 0], dtype=torch.bool)

    def difference(self, state: Any, other: Any) -> Any:
        """0 where the states are the same, 1 where they are not."""
        apart = state != other
        return apart.to(state.dtype)

    def certificate(self) -> Certificate:
        """Of the expert's action in a good state and the bad one: 1 where the bad one absorbs, 0 where one can come back."""
        good = torch.zeros(self.runs, 1, 1, dtype=torch.float64)
        bad = good + (self.size - 1)
        one = (1.0,) * self.runs
        value = (0.0,) * self.runs if self.recoverable else one
        return Certificate(
            value=value,
            metric="0/1",
            kind="exact",
            pair=(good, bad),
            action=(float(EXPERT),),
            closed_loop=value,
            diameter=one,
            note="the dial is recoverability; under any other action both fall, whatever the state",
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
        *good, bad = places = self._places(size)
        *radii, low = self._radii(size)
        for place, radius in zip(good, radii, strict=True):
            canvas.circle(place, radius, PLACE)
        canvas.circle(bad, low, DEEP)
        for who, paint, alpha in bodies(state, ghost, colour or colour_of(1)):
            foot = places[int(who[0])]
            paint_walker(canvas, foot, 0.045 * height, paint, alpha)
        words = "one can come back" if self.recoverable else "no way back"
        at = EDGE / 2 * width, 0.76 * height
        canvas.text(words, at, PAPER, 13, part=0.5)
        return canvas.image()

    def _places(self, size: tuple[int, int]) -> np.ndarray:
        """Pixels (S, 2) of the states."""
        good = self.size - 1
        numbers = np.arange(good)
        on_cliff = (numbers + 0.5) * EDGE / good
        x = np.append(on_cliff, (EDGE + 1) / 2)
        above = np.full(good, TOP - 0.06)
        y = np.append(above, 0.84)
        return np.column_stack((x, y)) * size

    def _radii(self, size: tuple[int, int]) -> np.ndarray:
        """Pixels (S,): a good state's discs are the larger, the likelier it is."""
        width, height = size
        good = self.size - 1
        rarity = self.values("rarity")[0]
        others = np.full(good - 1, 1 / (rarity + 1))
        common = 1 - others.sum()
        likely = np.append(others, common)
        widest = 0.4 * EDGE * width / good
        shares = 0.5 + 0.5 * likely**0.25
        radii = widest * shares
        return np.append(radii, 0.05 * height)


def _cliff(canvas: Canvas) -> None:
    """Rock as far as the edge, and the sea."""
    width, height = canvas.size
    edge = EDGE * width
    top = TOP * height
    shore = 0.9 * height
    foot = edge, height
    rock = [(0, top), (edge, top), foot, (0, height)]
    sea = [(edge, shore), (width, shore), canvas.size, foot]
    canvas.polygon(rock, ROCK)
    canvas.polygon(sea, SEA)

"""fork -> path if a = side, else pit; path -> path if a = side, else pit; pit -> pit: one error is never made good.

The chain of Ross & Bagnell (2010) on which their bound T**2 epsilon is attained: whoever errs at the fork with chance
epsilon T, and nowhere else, errs with chance epsilon a step on the expert's path and loses T, epsilon T times. Which
side is safe is drawn anew for each episode and can be read at the fork, except in fog: then nobody who learns does
better than chance there. No label given in the pit leads out of it, so that DAgger has nothing to offer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.actors import paint_walker
from il_bench.paint.canvas import INK, Canvas, bodies, colour_of
from il_bench.paint.scenery import circle

FORK, PATH, PIT = 0, 1, 2  # places
SYMBOLS = 6  # what is seen: at the fork left, right, unreadable; on the path left, right; the pit
# Of the picture.
GRASS, TRAIL, LAWN, HOLE, RIM = "#a9c98a", "#e6d3a8", "#c4dfa4", "#2b2a33", "#6b5a4a"
POST, BOARD, MIST, FLAG = "#6b4f3a", "#f3e3bd", "#e9eef3", "#009e73"
PUFFS = (-95, 20, 75), (-35, -35, 90), (45, -30, 85), (105, 15, 75), (10, 45, 90)  # x, y, radius


@dataclass(frozen=True, kw_only=True)
class Trap(Env):
    """A fork, a path and a pit without a way out: what errs at the fork loses the whole episode."""

    horizon: int = 40
    """Steps in an episode, T."""
    fog: Values = 0.2
    """Chance that the safe side cannot be read at the fork; half of these episodes are lost, 2 epsilon T of them."""

    indicator: ClassVar = True
    arrays: ClassVar = "any"
    states: ClassVar = {
        "place": "0 fork, 1 path, 2 pit",
        "side": "the safe action",
        "fog": "1 where it hides the side",
    }

    def validate(self) -> None:
        """A chance."""
        fog = self.values("fog")
        require(
            min(fog) >= 0 and max(fog) <= 1,
            f"fog: expected a chance from 0 to 1, got {self.fog}; try 0.2",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """What is seen, one-hot."""
        return spaces.Box(0.0, 1.0, (SYMBOLS,))

    @property
    def action_space(self) -> spaces.Discrete:
        """Left or right."""
        return spaces.Discrete(2)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At the fork."""
        side, fog = streams.uniform("initial", episodes, 2).unbind(-1)
        kind = side.dtype
        is_right = (side < 0.5).to(kind)
        is_fog = (fog < self.per_run(self.fog)).to(kind)
        parts = torch.zeros_like(side), is_right, is_fog
        return torch.stack([part.to(self.device) for part in parts], -1)

    def right(self, state: Any, action: Any) -> Any:
        """Whether the action is the safe one and not too late, (R, E) bool."""
        return (action[..., 0] == state[..., 1]) & (state[..., 0] != PIT)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The safe action leads along the path, any other into the pit."""
        xp, one = namespace(state), 1 + 0 * state[..., 0]
        place = xp.where(self.right(state, action), PATH * one, PIT * one)
        return xp.stack((place, state[..., 1], state[..., 2]), -1)

    def observation(self, state: Any) -> Any:
        """Place and safe side as one symbol, one-hot; at the fork fog hides the side, in the pit there is none."""
        xp = namespace(state)
        place, side, fog = (state[..., i] for i in range(3))
        one = 1 + 0 * place
        at_fork = xp.where(fog == 1, 2 * one, side)
        symbol = xp.where(place == FORK, at_fork, 3 + side)
        symbol = xp.where(place == PIT, 5 * one, symbol)
        return xp.stack([one * (symbol == k) for k in range(SYMBOLS)], -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for the safe action, 0 for the one that errs and for every step in the pit."""
        return self.right(state, action) * (1 + 0 * state[..., 0])

    def terminal(self, state: Any) -> Any:
        """Never: the pit is where one waits."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """0 where the places are the same, 1 where they are not; side and fog are the same for both."""
        return (state[..., :1] != other[..., :1]) * (1 + 0 * state[..., :1])

    def certificate(self) -> Certificate:
        """1, attained by fork and pit: under the 0/1 metric no map stretches."""
        fork = torch.zeros(self.runs, 1, 3, dtype=torch.float64)
        pit = fork.clone()
        pit[..., 0] = PIT
        one = (1.0,) * self.runs
        return Certificate(
            one,
            "0/1 over places",
            "exact",
            (fork, pit),
            closed_loop=one,
            diameter=one,
            note="the dial is the fog",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The fork from above, its sign or the fog around it, the path's end and the pit; the walker and its twin."""
        width, height = size
        canvas = Canvas(size, GRASS)
        unit = min(width, height)
        start = np.array([0.5 * width, 0.9 * height])
        left, right = ends = [np.array([x * width, 0.32 * height]) for x in (0.2, 0.8)]
        safe, pit = (left, right) if state[1] == 0 else (right, left)
        for end in ends:
            _trail(canvas, start, end, unit)
        _places(canvas, safe, pit, unit)
        way = -1 if state[1] == 0 else 1
        _sign(canvas, np.array([0.5, 0.52]) * size, 0.001 * unit, way, state[2] == 1)
        spots = {
            FORK: start,
            PATH: np.add(safe, (0, 0.04 * unit)),
            PIT: np.add(pit, (0, 0.09 * unit)),
        }
        for who, paint, alpha in bodies(state, ghost, colour or colour_of(1)):
            paint_walker(canvas, spots[int(who[0])], 0.055 * unit, paint, alpha)
        return canvas.image()


def _trail(canvas: Canvas, start: np.ndarray, end: np.ndarray, unit: float) -> None:
    """A trail from where one starts, and behind it, to an end."""
    aside = np.array([unit, 0.0])
    foot = np.array([start[0], canvas.size[1]])
    here = [start - 0.1 * aside, start + 0.1 * aside]
    there = [end + 0.055 * aside, end - 0.055 * aside]
    behind = [foot + 0.12 * aside, foot - 0.12 * aside]
    canvas.polygon(here + there, TRAIL)
    canvas.polygon(here + behind, TRAIL)


def _places(canvas: Canvas, safe: np.ndarray, pit: np.ndarray, unit: float) -> None:
    """Where the path goes on, and the pit, each with its words."""
    oval = circle(60) * (unit, 0.55 * unit)
    canvas.polygon(safe + 0.19 * oval, LAWN)
    canvas.polygon(pit + 0.19 * oval, RIM)
    canvas.polygon(pit + 0.165 * oval, HOLE)
    aside = np.array([0.09 * unit, 0.0])
    _flag(canvas, np.add(safe, aside), 0.001 * unit)
    for place, words in ((safe, "the path goes on"), (pit, "no way out")):
        canvas.text(words, np.add(place, (0, 0.16 * unit)), INK, 12, part=0.5)


def _flag(canvas: Canvas, foot: np.ndarray, unit: float) -> None:
    """A flag where the path goes on."""
    canvas.line([foot, np.add(foot, (0, -150 * unit))], POST, 9 * unit)
    canvas.polygon(foot + unit * np.array([(0, -150), (90, -122), (0, -94)]), FLAG)


def _sign(canvas: Canvas, at: np.ndarray, unit: float, way: int, hidden: bool) -> None:
    """A signpost that points left (-1) or right (1), or the fog around it."""
    foot = np.add(at, (0, 150 * unit))
    canvas.line([foot, at], POST, 14 * unit)
    arrow = np.array([(-70, -34), (60, -34), (110, 0), (60, 34), (-70, 34)])
    canvas.polygon(at + way * unit * arrow, BOARD)
    if not hidden:
        size = max(8, round(46 * unit))
        middle = np.add(at, (way * 10 * unit, 0))
        canvas.text("safe", middle, INK, size, bold=True, part=0.5)
        return
    with canvas.layer(0.95):
        for x, y, radius in PUFFS:
            canvas.circle(at + unit * np.array([x, y]), radius * unit, MIST)
    canvas.text("?", at, INK, max(9, round(90 * unit)), bold=True, part=0.5)

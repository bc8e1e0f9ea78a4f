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

from il_bench import Certificate, FiniteEnv, Streams, Values, coordinates, namespace, require
from il_bench.paint.actors import paint_walker
from il_bench.paint.canvas import INK, Canvas, bodies, colour_of
from il_bench.paint.scenery import circle

# Places.
FORK = 0
PATH = 1
PIT = 2
SYMBOLS = 6  # what is seen: at the fork left, right, unreadable; on the path left, right; the pit
# Of the picture.
GRASS = "#a9c98a"
TRAIL = "#e6d3a8"
LAWN = "#c4dfa4"
HOLE = "#2b2a33"
RIM = "#6b5a4a"
POST = "#6b4f3a"
BOARD = "#f3e3bd"
MIST = "#e9eef3"
FLAG = "#009e73"
# Where one starts and both ways end, shares of the picture; how much lower who is there stands, by place.
START = 0.5, 0.9
LEFT = 0.2, 0.32
RIGHT = 0.8, 0.32
FEET = np.array([[0, 0], [0, 0.04], [0, 0.09]])
# The board of the sign, to the right of its post.
ARROW = np.array([(-70, -34), (60, -34), (110, 0), (60, 34), (-70, 34)])
# x, y and radius of the fog's puffs.
PUFFS = (
    (-95, 20, 75),
    (-35, -35, 90),
    (45, -30, 85),
    (105, 15, 75),
    (10, 45, 90),
)


@dataclass(frozen=True, kw_only=True)
class Trap(FiniteEnv):
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
        chances = streams.uniform("initial", episodes, 2)
        side, fog = coordinates(chances.to(self.device))
        fork = torch.zeros_like(side)
        is_right = (side < 0.5).to(side.dtype)
        is_fog = (fog < self.per_run(self.fog)).to(side.dtype)
        return torch.stack((fork, is_right, is_fog), -1)

    def all_states(self) -> torch.Tensor:
        """Three places, two sides, fog or none."""
        ends = torch.arange(2.0, dtype=torch.float64)
        places = torch.arange(3.0, dtype=torch.float64)
        states = torch.cartesian_prod(places, ends, ends)
        return states.to(self.device).expand(self.runs, -1, -1)

    def all_noise(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Nothing happens by chance."""
        nothing = torch.zeros(self.runs, 1, 1, dtype=torch.float64, device=self.device)
        return nothing, nothing[..., 0] + 1

    def right(self, state: Any, action: Any) -> Any:
        """Whether the action is the safe one and not too late, (R, E) bool."""
        place, side, _ = coordinates(state)
        safe = action[..., 0] == side
        return safe & (place != PIT)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The safe action leads along the path, any other into the pit."""
        xp = namespace(state)
        place, side, fog = coordinates(state)
        one = 1 + 0 * place
        right = self.right(state, action)
        place = xp.where(right, PATH * one, PIT * one)
        return xp.stack((place, side, fog), -1)

    def observation(self, state: Any) -> Any:
        """Place and safe side as one symbol, one-hot; at the fork fog hides the side, in the pit there is none."""
        xp = namespace(state)
        place, side, fog = coordinates(state)
        one = 1 + 0 * place
        at_fork = xp.where(fog == 1, 2 * one, side)
        on_path = 3 + side
        symbol = xp.where(place == FORK, at_fork, on_path)
        symbol = xp.where(place == PIT, 5 * one, symbol)
        bits = [one * (symbol == k) for k in range(SYMBOLS)]
        return xp.stack(bits, -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for the safe action, 0 for the one that errs and for every step in the pit."""
        one = 1 + 0 * state[..., 0]
        return self.right(state, action) * one

    def terminal(self, state: Any) -> Any:
        """Never: the pit is where one waits."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """0 where the places are the same, 1 where they are not; side and fog are the same for both."""
        place = state[..., :1]
        apart = place != other[..., :1]
        return apart * (1 + 0 * place)

    def certificate(self) -> Certificate:
        """1, attained by fork and pit: under the 0/1 metric no map stretches."""
        fork = torch.zeros(self.runs, 1, 3, dtype=torch.float64)
        pit = fork.clone()
        pit[..., 0] = PIT
        one = (1.0,) * self.runs
        return Certificate(
            value=one,
            metric="0/1 over places",
            kind="exact",
            pair=(fork, pit),
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
        _, side, fog = state
        canvas = Canvas(size, GRASS)
        unit = min(size)
        left_is_safe = side == 0
        spots = _spots(size, left_is_safe)
        _trails(canvas, unit)
        _places(canvas, spots[PATH], spots[PIT], unit)
        way = -1 if left_is_safe else 1
        post = np.array([0.5, 0.52]) * size
        _sign(canvas, post, 0.001 * unit, way, fog == 1)
        for who, paint, alpha in bodies(state, ghost, colour or colour_of(1)):
            place = int(who[0])
            foot = spots[place] + FEET[place] * unit
            paint_walker(canvas, foot, 0.055 * unit, paint, alpha)
        return canvas.image()


def _spots(size: tuple[int, int], left_is_safe: bool) -> dict[int, np.ndarray]:
    """Pixels (2,) of the places."""
    sides = LEFT, RIGHT
    safe, pit = sides if left_is_safe else reversed(sides)
    return {
        FORK: np.array(START) * size,
        PATH: np.array(safe) * size,
        PIT: np.array(pit) * size,
    }


def _trails(canvas: Canvas, unit: float) -> None:
    """Trails from where one starts, and behind it, to both ends."""
    start = np.array(START) * canvas.size
    for end in (LEFT, RIGHT):
        _trail(canvas, start, np.array(end) * canvas.size, unit)


def _trail(canvas: Canvas, start: np.ndarray, end: np.ndarray, unit: float) -> None:
    """A trail from where one starts, and behind it, to an end."""
    aside = np.array([unit, 0.0])
    foot = np.array([start[0], canvas.size[1]])
    near = 0.1 * aside
    far = 0.055 * aside
    behind = 0.12 * aside
    here = [start - near, start + near]
    there = [end + far, end - far]
    back = [foot + behind, foot - behind]
    canvas.polygon(here + there, TRAIL)
    canvas.polygon(here + back, TRAIL)


def _places(canvas: Canvas, safe: np.ndarray, pit: np.ndarray, unit: float) -> None:
    """Where the path goes on, and the pit, each with its words."""
    flat = unit, 0.55 * unit
    oval = circle(60) * flat
    canvas.polygon(safe + 0.19 * oval, LAWN)
    canvas.polygon(pit + 0.19 * oval, RIM)
    canvas.polygon(pit + 0.165 * oval, HOLE)
    aside = np.array([0.09 * unit, 0.0])
    _flag(canvas, safe + aside, 0.001 * unit)
    below = np.array([0, 0.16 * unit])
    canvas.text("the path goes on", safe + below, INK, 12, part=0.5)
    canvas.text("no way out", pit + below, INK, 12, part=0.5)


def _flag(canvas: Canvas, foot: np.ndarray, unit: float) -> None:
    """A flag where the path goes on."""
    top = foot + np.array([0, -150 * unit])
    canvas.line([foot, top], POST, 9 * unit)
    cloth = [(0, -150), (90, -122), (0, -94)]
    corners = unit * np.array(cloth)
    canvas.polygon(foot + corners, FLAG)


def _sign(canvas: Canvas, at: np.ndarray, unit: float, way: int, hidden: bool) -> None:
    """A signpost that points left (-1) or right (1), or the fog around it."""
    foot = at + np.array([0, 150 * unit])
    canvas.line([foot, at], POST, 14 * unit)
    board = way * unit * ARROW
    canvas.polygon(at + board, BOARD)
    if hidden:
        _fog(canvas, at, unit)
        return
    size = max(8, round(46 * unit))
    aside = np.array([way * 10 * unit, 0])
    canvas.text("safe", at + aside, INK, size, bold=True, part=0.5)


def _fog(canvas: Canvas, at: np.ndarray, unit: float) -> None:
    """Puffs of it, and a question."""
    with canvas.layer(0.95):
        for x, y, radius in PUFFS:
            away = unit * np.array([x, y])
            canvas.circle(at + away, radius * unit, MIST)
    size = max(9, round(90 * unit))
    canvas.text("?", at, INK, size, bold=True, part=0.5)

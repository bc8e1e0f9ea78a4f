"""y' = L y + c a + sigma w,  x' = x + h: a boat on a river that an island divides; its expert takes either way round.

The offset y from the middle of the river is a number, stopped at the banks; the boat drifts h a step along the river,
whoever steers. The way round the island is chosen by a coin when an episode begins. It is part of the state, so that the
expert is a function of that, but nobody can observe it: half of the demonstrations turn left at the same place where the
other half turn right. Whoever learns the mean of their actions, as squared error does, goes straight ahead and hits the
island; what is to be learned is a distribution. For a fixed place two offsets are stretched by exactly L. A learner may
well choose the other way than its twin: what tells here is who hits the island, and whether both ways are used.

An expert that is asked on a learner's path may find itself on the other side. One that keeps to its coin then says "across",
into the island, where another coin says "go on": labels that contradict each other, for the coin is hidden. One that
`yields` goes on where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, coordinates, namespace, require
from il_bench.paint.canvas import BANNER, Canvas, bodies, colour_of
from il_bench.paint.panel import footnote, headline
from il_bench.paint.scenery import circle

BANK = 4.0  # where the river ends, metres from its middle
DRIFT = 1.0  # h, metres a step
PUSH = 1.6  # c, metres a step at full action: the expert goes to one side, and back, in one step
START = -5.0  # where an episode begins, metres from the middle of the island
ISLAND = 1.2  # its radius, metres
BERTH = 1.6  # how far from the middle of the river the expert passes, metres
FORK = -2.0  # where the expert turns to one side,
REUNION = 2.0  # and where it turns back, metres
# Of the picture: metres across it, the boat's column as metres, colours, the outline of a boat in metres.
ACROSS = 13.0
LEFT = -5.7
GRASS = "#8fbf63"
WATER = "#bcdcf0"
WAY = "#e4f2fb"
SAND = "#ead9a8"
TREES = "#5f8f4a"
GROVE = ((-0.35, 0.3, 0.4), (0.3, -0.25, 0.45), (0.35, 0.5, 0.3))
HULL = np.array([(-0.5, -0.22), (0.15, -0.22), (0.55, 0), (0.15, 0.22), (-0.5, 0.22)])


@dataclass(frozen=True, kw_only=True)
class Fork(Env):
    """y' = L y + c a + sigma w: two ways round an island, and an expert that takes either; L exact."""

    horizon: int = 12
    """Steps in an episode, T; the island lies between the 4th and the 6th."""
    lipschitz: Values = 1.0
    """L of the transition in y: above 1 the river parts by itself, below it pulls to its middle."""
    noise: Values = 0.02
    """Standard deviation sigma of the noise on y, metres."""
    spread: Values = 0.2
    """Half-width of the uniform start about the middle of the river, metres."""
    yields: bool = False
    """Whether an expert that finds itself on the other side of the island goes on there; else it wants to cross over."""

    arrays: ClassVar = "any"
    states: ClassVar = {"offset": "m", "place": "m", "side": "1 left, -1 right"}
    excitation: ClassVar = {"noise": 0.05}
    ending: ClassVar = "on the island"

    def validate(self) -> None:
        """L above 0 and so small that the expert keeps its berth, a start in the river, sigma at least 0."""
        limit = 1 + PUSH / BERTH
        dials = self.values("lipschitz")
        wanted = f"expected 0 < L < {limit:.3g}, where the expert keeps its way"
        fits = min(dials) > 0 and max(dials) < limit
        require(fits, f"lipschitz: {wanted}, got {self.lipschitz}; try 1")
        sigma = min(self.values("noise"))
        require(sigma >= 0, f"noise: expected sigma >= 0, got {self.noise}; try 0.02")
        spreads = self.values("spread")
        in_river = min(spreads) >= 0 and max(spreads) <= BANK
        wanted = f"expected 0 to {BANK:g}, the banks"
        require(in_river, f"spread: {wanted}, got {self.spread}; try 0.2")

    @property
    def observation_space(self) -> spaces.Box:
        """Offset and place; nothing tells which way the expert will take."""
        end = START + DRIFT * self.horizon
        far = max(abs(START), abs(end))
        high = np.array([BANK, far], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """To the left, -1 to 1, in units of c."""
        return spaces.Box(-1.0, 1.0, (1,))

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Near the middle of the river, above the island, either side alike."""
        chance = streams.uniform("initial", episodes, 2)
        aside, coin = coordinates(chance)
        offset = self.per_run(self.spread) * (2 * aside - 1)
        place = torch.full_like(offset, START)
        side = torch.where(coin < 0.5, 1.0, -1.0).to(offset)
        return torch.stack((offset, place, side), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step down the river."""
        offset, place, side = coordinates(state)
        offset = self.per_run(self.lipschitz) * offset
        offset = offset + PUSH * action[..., 0].clip(-1, 1)
        offset = offset + self.per_run(self.noise) * noise[..., 0]
        kept = offset.clip(-BANK, BANK)
        return namespace(state).stack((kept, place + DRIFT, side), -1)

    def observation(self, state: Any) -> Any:
        """Offset and place."""
        return state[..., :2]

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 for a step in the water."""
        one = 1 + 0 * state[..., 0]
        return one * ~self.terminal(next_state)

    def terminal(self, state: Any) -> Any:
        """On the island."""
        offset, place, _ = coordinates(state)
        away = offset * offset + place * place
        return away < ISLAND**2

    def difference(self, state: Any, other: Any) -> Any:
        """Of the offsets; place and side are the same for both."""
        apart = state - other
        return apart[..., :1]

    def certificate(self) -> Certificate:
        """L, attained by any two offsets whose images stay off the banks."""
        value = self.values("lipschitz")
        one = torch.tensor([[[0.0, START, 1.0]]], dtype=torch.float64)
        other = torch.tensor([[[1.0, START, 1.0]]], dtype=torch.float64)
        pair = one.repeat(self.runs, 1, 1), other.repeat(self.runs, 1, 1)
        return Certificate(
            value=value,
            metric="absolute difference of the offsets",
            kind="exact",
            pair=pair,
            closed_loop=(0.0,) * self.runs,
            radius=value,
            diameter=(2 * BANK,) * self.runs,
            note="under the expert L where its push is exhausted; place and side are exogenous and excluded",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The river from above, flowing to the right, the island, the expert's two ways, the boat and its twin."""
        canvas = Canvas(size, GRASS)
        _river(canvas)
        _island(canvas)
        own = colour or colour_of(1)
        for who, paint, alpha in bodies(state, ghost, own, faint=0.6):
            _boat(canvas, who, paint, alpha)
        offset, _, side = state
        headline(canvas, f"y = {offset:.2g} m")
        way = "left" if side > 0 else "right"
        footnote(canvas, f"this time the expert passes on its {way}")
        return canvas.image()


def _place(canvas: Canvas, points: Any) -> np.ndarray:
    """Pixels (n, 2) of points (n, 2): metres along the river, and to the left of its middle, which is up."""
    width, height = canvas.size
    metre = width / ACROSS
    along, aside = np.transpose(points)
    column = metre * (along - LEFT)
    row = (height + BANNER) / 2 - metre * aside
    return np.stack((column, row), -1)


def _river(canvas: Canvas) -> None:
    """The water between its banks, and the two ways."""
    end = LEFT + ACROSS
    corners = [(LEFT, -BANK), (LEFT, BANK), (end, BANK), (end, -BANK)]
    canvas.polygon(_place(canvas, corners), WATER)
    turn = DRIFT * BERTH / PUSH
    for side in (BERTH, -BERTH):
        out = [(LEFT, 0), (FORK, 0), (FORK + turn, side)]
        back = [(REUNION, side), (REUNION + turn, 0), (end, 0)]
        canvas.line(_place(canvas, out + back), WAY, 3)


def _island(canvas: Canvas) -> None:
    """Sand and trees."""
    shore = ISLAND * circle(40)
    canvas.polygon(_place(canvas, shore), SAND)
    for along, aside, reach in GROVE:
        tree = reach * circle(20) + (along, aside)
        canvas.polygon(_place(canvas, tree), TREES)


def _boat(canvas: Canvas, state: np.ndarray, paint: str, alpha: float) -> None:
    """A boat seen from above."""
    offset, place, _ = state
    middle = np.array([place, offset])
    hull = _place(canvas, HULL + middle)
    with canvas.layer(alpha, hull):
        canvas.polygon(hull, paint)

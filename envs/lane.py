"""e' = e + h sin(psi) + wind,  psi' = g psi + c a - h kappa + wind: a car on a winding road, L exact.

A car advances h a step along a road of curvature kappa; e is its offset from the centre line, psi its heading error.
With h = sqrt((L^2-1)(L^2-g^2))/L the transition's Lipschitz constant in the Euclidean metric over (e, psi) is exactly
L, attained at psi = 0: the Jacobian there is [[1, h], [0, g]], whose singular values are L and g/L. The road is
exogenous: its two phases turn at constant rates whatever the car does, so its derivative does not enter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import (
    Certificate,
    Env,
    Streams,
    Values,
    as_tuple,
    coordinates,
    namespace,
    require,
)
from il_bench.paint.actors import car
from il_bench.paint.camera import Camera
from il_bench.paint.canvas import Canvas, bodies
from il_bench.paint.road import along, beside, paint_road, paint_trees
from il_bench.paint.scenery import landscape

STEER = 0.3  # c, radians of heading a step at full steering
ROAD = 2.0  # half-width of the asphalt, metres
DITCH = 4.0  # where an episode ends, metres from the centre line
BEND = 0.14, 0.22  # curvature of the two superposed winding waves, 1/metre, relative to `bends`
RATE = 0.07, 0.19  # how fast the two waves turn, radians a step
AHEAD = 5  # steps of preview
# The picture: half-widths of the strips along the road, and the colours of their odd and even metres.
STRIPS = (
    (DITCH + 1.1, "#5f8f4a", "#5f8f4a"),  # bank
    (DITCH + 0.9, "#3d6f93", "#447aa0"),  # ditch
    (DITCH, "#8fbf63", "#86b65c"),  # verge
    (ROAD + 0.3, "#d9574a", "#f2efe9"),  # kerb
    (ROAD, "#5a5f68", "#5a5f68"),  # asphalt
    (0.07, "#e9e6da", "#5a5f68"),  # dashes
)
GRASS = "#83b759", "#74a74c"
PAINT = "#f2b705"
GRID = 0.25  # from sample to sample of the road, metres
LONGEST = 20_000  # metres from its beginning to which a road is drawn: it is summed up from there
VIEW = 75.0  # as far as it is seen, metres
CLEAR = 75.0  # what is so far is lost in the haze by two thirds, metres
# Of the camera, metres.
BACK = 12.5
HEIGHT = 4.8


@dataclass(frozen=True, kw_only=True)
class Lane(Env):
    """e' = e + h sin(psi), psi' = g psi + c a - h kappa: a car on a winding road, L exact."""

    lipschitz: Values = 1.2
    """L of the transition; at least 1 and at least `yaw`."""
    yaw: Values = 1.05
    """Yaw dial g: what becomes of a heading error in a step when nobody steers."""
    wind: Values = 0.0
    """Standard deviation of the gusts that push (metres) and turn (radians) the car at each step."""
    bends: Values = 1.0
    """How strongly the road winds; 0 is straight."""
    spread: Values = 0.0
    """Half-width of the uniform start about the centre line, metres and radians."""

    arrays: ClassVar = "any"
    states: ClassVar = {
        "offset": "m",
        "heading": "rad",
        "phase_1": "rad",
        "phase_2": "rad",
    }
    observed: ClassVar = ("offset", "heading", "bend", "bend ahead")
    noise_size: ClassVar = 2
    excitation: ClassVar = {"wind": 0.005}
    ending: ClassVar = "off the road"

    def validate(self) -> None:
        """L >= max(1, g), or h would not be real."""
        dials = zip(self.values("lipschitz"), self.values("yaw"), strict=True)
        for big, g in dials:
            _require_dials(big, g)
        spread = max(self.values("spread"))
        most = DITCH / 2
        require(
            spread < most,
            f"spread: starts up to {spread:g} m off the road; expected less than {most:g}",
        )
        for name in ("wind", "bends", "spread"):
            require(
                min(self.values(name)) >= 0,
                f"{name}: expected a number of at least 0, got {getattr(self, name)}",
            )

    @cached_property
    def advance(self) -> Values:
        """h, metres a step; one number, or one for each run (R,)."""
        dials = zip(self.values("lipschitz"), self.values("yaw"), strict=True)
        h = tuple(_advance(big, g) for big, g in dials)
        return h if len(set(h)) > 1 else h[0]

    @property
    def observation_space(self) -> spaces.Box:
        """Offset, heading error, curvature here and ahead."""
        offset, heading = np.max(self._reaches(), axis=0)
        bend = sum(BEND) * max(self.values("bends"))
        high = np.array([offset, heading, bend, bend], dtype=np.float32)
        return spaces.Box(-high, high)

    def _reaches(self) -> list[tuple[float, float]]:
        """How far offset and heading error of each run can come: one step beyond the last state."""
        dials = zip(self.values("lipschitz"), self.values("wind"), strict=True)
        steps = [big + 10 * wind for big, wind in dials]
        return [(DITCH + step, math.pi * step) for step in steps]

    @property
    def action_space(self) -> spaces.Box:
        """Steering, -1 to 1."""
        return spaces.Box(-1.0, 1.0, (1,))

    def curvature(self, state: Any, ahead: float = 0) -> Any:
        """Curvature (R, E) of the road, 1/metre, `ahead` steps from here."""
        sin = namespace(state).sin
        slow, quick = RATE
        first = state[..., 2] + ahead * slow
        second = state[..., 3] + ahead * quick
        one = sin(first) * BEND[0]
        other = sin(second) * BEND[1]
        bends = self.per_run(self.bends)
        return bends * (one + other)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Near the centre line, anywhere on the road."""
        chance = streams.uniform("initial", episodes, 4)
        aside = 2 * chance[..., :2] - 1
        car = aside * self.per_run(self.spread, 3)
        phases = 2 * math.pi * chance[..., 2:]
        return torch.cat((car, phases), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step of the road."""
        e, psi, slow, quick = coordinates(state)
        push, twist = coordinates(noise)
        h = self.per_run(self.advance)
        wind = self.per_run(self.wind)
        steer = STEER * action[..., 0].clip(-1, 1)
        bend = h * self.curvature(state)
        xp = namespace(state)
        offset = e + h * xp.sin(psi)
        offset = offset + wind * push
        heading = self.per_run(self.yaw) * psi
        heading = heading + steer - bend
        heading = heading + wind * twist
        phases = slow + RATE[0], quick + RATE[1]
        return xp.stack((offset, heading, *phases), -1)

    def observation(self, state: Any) -> Any:
        """Offset, heading error, curvature here and `AHEAD` steps on."""
        offset = state[..., 0]
        heading = state[..., 1]
        here = self.curvature(state)
        there = self.curvature(state, AHEAD)
        return namespace(state).stack((offset, heading, here, there), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 on the centre line, 0 at the ditch."""
        off = next_state[..., 0] / DITCH
        square = off * off
        return 1 - square.clip(0, 1)

    def terminal(self, state: Any) -> Any:
        """In the ditch, or across the road."""
        in_ditch = abs(state[..., 0]) > DITCH
        across = abs(state[..., 1]) > math.pi / 2
        return in_ditch | across

    def difference(self, state: Any, other: Any) -> Any:
        """Offset and heading error; the road is the same for both."""
        apart = state - other
        return apart[..., :2]

    def jacobians(self) -> list[np.ndarray]:
        """Of the transition in (offset, heading) on the centre line, one (2, 2) for each run."""
        steps = as_tuple(self.advance)
        if len(steps) == 1:
            steps = steps * self.runs
        dials = zip(steps, self.values("yaw"), strict=True)
        return [np.array([[1, h], [0, g]]) for h, g in dials]

    def certificate(self) -> Certificate:
        """L, attained between the centre line and a small step along the top singular vector."""
        zero = torch.zeros(self.runs, 1, 4, dtype=torch.float64)
        tops = [np.linalg.svd(jacobian)[2][0] for jacobian in self.jacobians()]
        other = zero.clone()
        other[:, 0, :2] = 1e-6 * torch.from_numpy(np.stack(tops))
        reaches = np.array(self._reaches(), dtype=np.float32)
        return Certificate(
            value=self.values("lipschitz"),
            metric="Euclidean over (offset, heading)",
            kind="exact",
            pair=(zero, other),
            radius=tuple(max(1.0, g) for g in self.values("yaw")),
            diameter=tuple(2 * float(np.linalg.norm(reach)) for reach in reaches),
            note="the road's phases are exogenous and excluded",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The road from behind the car; the camera keeps to the road, so that drift is what moves the car in it."""
        scene, camera, road = _scene(self, *state[2:].tolist(), tuple(size))
        canvas = scene.copy()
        for who, paint, alpha in bodies(state, ghost, colour or PAINT, faint=0.6):
            pose, tilt = self._pose(road, who)
            canvas.solid(camera, car(paint), pose, tilt, alpha)
        return canvas.image()

    def _pose(
        self, road: np.ndarray, who: np.ndarray
    ) -> tuple[tuple[float, float, float, float], float]:
        """Where a car (X,) stands and looks, (x, y, z, angle), and how it tilts: the verge slopes down to the ditch."""
        offset, psi, phase, _ = who
        pose = along(road, self._metres(phase))
        slope = abs(offset) - DITCH + 1
        roll = 0.25 * min(max(slope, 0), 1)
        drop = np.array([0, 0, 0.7 * roll])
        x, y, z = beside(pose, offset) - drop
        angle = pose[2] + psi
        tilt = math.copysign(roll, -offset)
        return (x, y, z, angle), tilt

    def _step(self) -> float:
        """Metres a step of the one run that is drawn, at least a little."""
        return max(*as_tuple(self.advance), 0.02)

    def _metres(self, phase: float) -> float:
        return phase / RATE[0] * self._step()

    def _road(self, phase_1: float, phase_2: float) -> np.ndarray:
        """The road (n, 4) from its beginning, where phase_1 is 0, to beyond what is seen: metres, x, y, heading."""
        here = self._metres(phase_1)
        drawable = abs(here) <= LONGEST
        limit = f"{LONGEST:,} m of road, got {here:g} m"
        require(drawable, f"draw: expected a state within {limit}; no rollout leads there")
        h = self._step()
        first = min(here, 0) // 1 - 40
        last = here + VIEW + 40
        metres = np.arange(first, last, GRID)
        away = metres - here
        now = np.array([[phase_1], [phase_2]])
        phases = now + np.outer(RATE, away) / h
        sizes = h * (np.array(BEND) / RATE)
        swings = sizes @ np.cos(phases)
        heading = -self.values("bends")[0] * swings
        x = np.cumsum(np.cos(heading)) * GRID
        y = np.cumsum(np.sin(heading)) * GRID
        return np.stack((metres, x, y, heading), -1)


def _advance(big: float, g: float) -> float:
    """Metres a step, h, on a road with a constant L and a yaw dial g."""
    square = big * big
    room = (square - 1) * (square - g * g)
    return math.sqrt(room) / big


def _require_dials(big: float, g: float) -> None:
    """Refuse values of L and of the yaw dial that no road has."""
    need = max(1.0, g)
    require(
        big <= 10,
        f"lipschitz: a step of {big:g} m would leave the road at once; expected at most 10, got {big:g}",
    )
    require(
        big >= need,
        f"lipschitz: lane needs L >= max(1, yaw) = {need:g}, got {big:g}; raise L or lower --yaw",
    )
    require(g > 0, f"yaw: expected a positive number, got {g:g}; try 1.05")


@lru_cache(maxsize=4)  # the twins of a film see one road
def _scene(
    env: Lane, phase_1: float, phase_2: float, size: tuple[int, int]
) -> tuple[Canvas, Camera, np.ndarray]:
    """The road without cars, who looks at it, and its line."""
    here = env._metres(phase_1)
    road = env._road(phase_1, phase_2)
    looks = here + np.array([-2, 0, 5])
    behind, middle, ahead = along(road, looks)
    x, y, _ = middle
    east, north, _ = ahead - behind
    facing = math.atan2(north, east)
    camera = Camera.behind(size, x, y, facing, BACK, HEIGHT)
    shown = _shown(road, here, camera)
    canvas = Canvas(size)
    landscape(canvas, camera, GRASS, 4, CLEAR)
    paint_road(canvas, camera, shown, STRIPS, CLEAR)
    paint_trees(canvas, camera, road, here, VIEW, CLEAR)
    return canvas, camera, road


def _shown(road: np.ndarray, here: float, camera: Camera) -> np.ndarray:
    """The samples of a road that are painted: half a metre apart, then one, then two where a metre is no row."""
    metres = road[:, 0]
    ahead = metres - here
    rows = camera.focal * camera.height / 0.4
    far = math.sqrt(rows) - BACK
    nearness = [ahead < 10, ahead < far]
    step = np.select(nearness, [0.5, 1], 2)
    in_view = (ahead > -14) & (ahead < VIEW)
    on_step = metres % step == 0
    return road[in_view & on_step]

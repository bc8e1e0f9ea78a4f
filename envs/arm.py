"""q' = q + k (b a - q), or q' = q + h w, w' = w - h s q + h c a: a two-joint arm by commanded angle or by torque.

The same arm draws the same star, each stroke by minimum jerk (Flash & Hogan 1985); only what an action means differs,
and that is a stability dial. By commanded angle a servo forgets the share k of every deviation in a step: L = 1 - k.
By torque each joint is a double integrator with a stiffness s that, if negative, pushes it away from its rest as
gravity pushes a link held upright. In the metric over (rad, rad per third of a second) L is then the norm of
[[1, 3h], [-h s / 3, 1]]: 1.12 at s = -9, where this is the spectral radius too. Without tremor the demonstrations stay
on the star: at the defaults cloning ends in the joints' stops (D = 3.7) where DAgger stays at 0.02; with --tremor 0.05
(0.009), or with --control position (0.003), cloning is as good as DAgger.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.canvas import BANNER, SOFT, Canvas, bodies, mix, packed

STEP = 0.04  # h, seconds
UNIT = 1 / 3  # the time by which the metric multiplies speeds, seconds
LIMIT = 1.6  # where joints stop, rad either way from rest
SPEED = 6.0  # where their speeds stop, rad/s
TORQUE = 30.0  # c: rad/s^2 at full action; full action by angle commands LIMIT
POLE = 0.8  # what the expert's two torque gains leave of a deviation in a step, in the long run
LINKS = 1.0, 0.8  # metres
STROKES = 5  # of the star
TURN = 2 * math.pi / 150  # radians of its phase in a step: 30 steps a stroke
MIDDLE = 0.2, 1.15  # of the star, metres
RADIUS = 0.45  # of the star, metres


def _corner(k: int) -> tuple[float, float]:
    turn = 0.8 * math.pi * k
    x, y = MIDDLE
    east = x + RADIUS * math.sin(turn)
    north = y + RADIUS * math.cos(turn)
    return east, north


CORNERS = np.array([_corner(k) for k in range(6)])

# Of the picture.
WALL = "#cfd8e2", "#eef1f5"
BOARD = "#fbfbf8"
STEEL = "#aeb6c1"
DARK = "#323a46"
PAINT = "#f2b705"
DOTS = "#33557a"
PEN = "#d5342b"


def joints(x: Any, y: Any) -> Any:
    """Angles (..., 2), counted to the left, with the hand at (x, y): upper link from upright, lower from upper."""
    xp = namespace(x)
    one, two = LINKS
    away = x * x + y * y
    bent = away - one * one - two * two
    cosine = bent / (2 * one * two)
    elbow = xp.arccos(cosine)
    # arctan2 rounds the tail of a torch array differently, and a run would depend on its neighbours; y is positive.
    bearing = xp.arctan(x / y)
    aside = two * xp.sin(elbow)
    along = one + two * xp.cos(elbow)
    inner = xp.arctan(aside / along)
    shoulder = -bearing - inner
    return xp.stack((shoulder, elbow), -1)


# Angles with the hand in the middle of the star; q counts from here.
REST = joints(*np.array(MIDDLE))


@dataclass(frozen=True, kw_only=True)
class Arm(Env):
    """Two-joint arm that draws a star: the control interface, angle or torque, is a stability dial; L exact."""

    horizon: int = 150
    """Steps in an episode, T; the star takes 150."""
    control: Literal["torque", "position"] = "torque"
    """What an action is: torques on the joints, or the angles that their servos are to reach."""
    stiffness: Values = -9.0
    """Stiffness s of each joint under torque control, 1/s^2: negative pushes it away from rest."""
    servo: Values = 0.3
    """Share k of the way to the commanded angle that a servo covers in a step, under position control."""
    tremor: Values = 0.0
    """Standard deviation of the kicks on each joint's speed at each step, rad/s."""

    arrays: ClassVar = "any"
    states: ClassVar = {
        "shoulder": "rad",
        "elbow": "rad",
        "speed_1": "rad/s",
        "speed_2": "rad/s",
        "phase": "rad",
    }
    noise_size: ClassVar = 2
    excitation: ClassVar = {"tremor": 0.05}

    def validate(self) -> None:
        """Motors can hold the joints wherever they are, servos do not overshoot."""
        require(
            self.control in ("torque", "position"),
            f"control: expected torque or position, got {self.control!r}",
        )
        least = -TORQUE / LIMIT
        stiffness = self.values("stiffness")
        require(
            min(stiffness) > least,
            f"stiffness: expected above {least:g}, got {self.stiffness}",
        )
        require(
            max(stiffness) < 1 / STEP**2,
            f"stiffness: expected below 625, got {self.stiffness}",
        )
        servo = self.values("servo")
        require(
            min(servo) > 0 and max(servo) <= 1,
            f"servo: expected above 0, at most 1, got {self.servo}; try 0.3",
        )
        require(
            min(self.values("tremor")) >= 0,
            f"tremor: expected at least 0, got {self.tremor}; try 0.05",
        )

    @property
    def observation_space(self) -> spaces.Box:
        """Errors of angles, under torque control of speeds, and the phase as a point on the circle."""
        speeds = [2 * SPEED] * 2 if self.control == "torque" else []
        high = np.array([2 * LIMIT, 2 * LIMIT, *speeds, 1, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """Torques, or commanded angles, -1 to 1."""
        return spaces.Box(-1.0, 1.0, (2,))

    def reference(self, phase: Any) -> tuple[Any, Any, Any]:
        """Angles, speeds and accelerations, each (R, E, 2), of the star at a phase (R, E), exact in steps."""
        xp = namespace(phase)
        coming = [phase + k * TURN for k in range(3)]
        turns = xp.stack(coming, -1)
        x, y = _hand(turns)
        rest = REST if xp is np else torch.as_tensor(REST, device=phase.device)
        angles = joints(x, y) - rest
        speeds = xp.diff(angles, 1, -2)
        speeds = speeds / STEP
        now = speeds[..., 0, :]
        then = speeds[..., 1, :]
        gain = then - now
        return angles[..., 0, :], now, gain / STEP

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """On the star, anywhere along it."""
        chance = streams.uniform("initial", episodes, 1)
        phase = 2 * math.pi * chance
        there = phase[..., 0]
        angles, speeds, _ = self.reference(there)
        return torch.cat((angles, speeds, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step; under position control the speeds are only what came of it."""
        kick = self.per_run(self.tremor, 3) * noise
        full = action.clip(-1, 1)
        move = self._serve if self.control == "position" else self._push
        angles, speeds = move(state, full, kick)
        phase = state[..., 4:]
        parts = angles, speeds, phase + TURN
        return namespace(state).concatenate(parts, -1)

    def _serve(self, state: Any, a: Any, kick: Any) -> tuple[Any, Any]:
        """Angles and speeds (R, E, 2) after a step towards commanded angles."""
        q = state[..., :2]
        goal = LIMIT * a
        share = self.per_run(self.servo, 3)
        way = share * (goal - q)
        reached = q + way
        reached = reached + STEP * kick
        angles = reached.clip(-LIMIT, LIMIT)
        speeds = (angles - q) / STEP
        return angles, speeds

    def _push(self, state: Any, a: Any, kick: Any) -> tuple[Any, Any]:
        """Angles and speeds (R, E, 2) after a step under torques."""
        q = state[..., :2]
        w = state[..., 2:4]
        stiffness = self.per_run(self.stiffness, 3)
        push = TORQUE * a
        push = push - stiffness * q
        faster = w + STEP * push
        faster = faster + kick
        further = q + STEP * w
        angles = further.clip(-LIMIT, LIMIT)
        speeds = faster.clip(-SPEED, SPEED)
        return angles, speeds

    @property
    def observed(self) -> tuple[str, ...]:  # type: ignore[override]
        """Angles, speeds where they are seen, and the point on the circle."""
        speeds = () if self.control == "position" else ("speed_1", "speed_2")
        return ("shoulder", "elbow", *speeds, "cos", "sin")

    def observation(self, state: Any) -> Any:
        """How far angles, and under torque control speeds, are off the star's; point on the circle."""
        xp = namespace(state)
        phase = state[..., 4:]
        angles, speeds, _ = self.reference(state[..., 4])
        off = state[..., :2] - angles
        point = xp.cos(phase), xp.sin(phase)
        if self.control == "position":
            return xp.concatenate((off, *point), -1)
        faster = state[..., 2:4] - speeds
        return xp.concatenate((off, faster, *point), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 on the star, 0 or less where a joint is `LIMIT` off."""
        phase = next_state[..., 4]
        angles, _, _ = self.reference(phase)
        apart = next_state[..., :2] - angles
        off = apart / LIMIT
        square = off * off
        return 1 - square.sum(-1)

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of angles, and of speeds times `UNIT` under torque control; the star is the same for both."""
        apart = state - other
        q = apart[..., :2]
        if self.control == "position":
            return q
        w = UNIT * apart[..., 2:4]
        return namespace(state).concatenate((q, w), -1)

    def jacobians(self) -> list[np.ndarray]:
        """Of the transition of one joint in the coordinates of `difference`, one for each run."""
        if self.control == "position":
            kept = [1 - k for k in self.values("servo")]
            return [np.array([[k]]) for k in kept]
        ahead = STEP / UNIT
        backs = [-s * STEP * UNIT for s in self.values("stiffness")]
        return [np.array([[1, ahead], [back, 1]]) for back in backs]

    def loop(self) -> np.ndarray:
        """Of a step of one joint under torque and the expert, whose gains leave `POLE` twice."""
        ahead = STEP / UNIT
        gone = 1 - POLE
        pull = -(gone**2) / ahead
        kept = 1 - 2 * gone
        angle = [1, ahead]
        speed = [pull, kept]
        return np.array([angle, speed])

    def certificate(self) -> Certificate:
        """L, attained by every pair along the top singular vector of the shoulder's transition, off the stops."""
        torque = self.control == "torque"
        each = self.jacobians()
        zero = torch.zeros(self.runs, 1, 5, dtype=torch.float64)
        fastest = torque * (UNIT * SPEED) ** 2
        square = LIMIT**2 + fastest
        spread = 2 * math.sqrt(2 * square)
        norms = [np.linalg.norm(a, 2) for a in each]
        loop = float(np.linalg.norm(self.loop(), 2))
        poles = [np.linalg.eigvals(a) for a in each]
        radius = tuple(float(abs(pole).max()) for pole in poles)
        over = "Euclidean over angles"
        return Certificate(
            value=tuple(float(norm) for norm in norms),
            metric=over + " and speeds, rad and rad per third of a second" * torque,
            kind="exact",
            pair=(zero, self._apart(each)),
            closed_loop=(loop,) * self.runs if torque else radius,
            radius=radius,
            loop_radius=(POLE,) * self.runs if torque else radius,
            diameter=(spread,) * self.runs,
            note="the star is exogenous and excluded",
        )

    def _apart(self, jacobians: list[np.ndarray]) -> torch.Tensor:
        """States (R, 1, 5) off rest along the top singular vectors of the shoulder's transition."""
        vectors = [np.linalg.svd(a)[2][0] for a in jacobians]
        stacked = np.stack(vectors)
        tops = torch.from_numpy(stacked)
        state = torch.zeros(self.runs, 1, 5, dtype=torch.float64)
        if self.control == "torque":
            units = torch.tensor([1, UNIT])
            lean = tops / units
            state[:, 0, :4:2] = 0.1 * lean
        else:
            state[:, 0, :1] = 0.1 * tops
        return state

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The arm at a board with the star in dots, the twin behind it."""
        canvas = _scene(tuple(size)).copy()
        own = colour or PAINT
        for who, paint, alpha in bodies(state, ghost, own):
            angles = who[:2]
            with canvas.layer(alpha):
                _paint_arm(canvas, angles, paint)
        return canvas.image()


def _hand(turns: Any) -> tuple[Any, Any]:
    """Where the hand is that draws the star, x and y (...), metres, at phases (...) of the star."""
    lap = turns % (2 * math.pi)
    stroke = lap * STROKES / (2 * math.pi)
    x, y = CORNERS[0]
    ways = np.diff(CORNERS, axis=0)
    for k, (east, north) in enumerate(ways.tolist()):
        share = _bell(stroke - k)
        x = x + east * share
        y = y + north * share
    return x, y


def _bell(time: Any) -> Any:
    """How much of a stroke by minimum jerk is done after some share of its time (...)."""
    s = time.clip(0, 1)
    cube = s * s * s
    square = 6 * s * s
    rest = 10 - 15 * s
    return cube * (rest + square)


def _paint_arm(canvas: Canvas, angles: np.ndarray, paint: str) -> None:
    """Two links and their three pins."""
    pins = _pins(angles)
    at = _at(canvas.size, pins)
    scale = _scale(canvas.size)
    _links(canvas, at, DARK, 0.2, scale)
    _links(canvas, at, paint, 0.15, scale)
    discs = (0.13, STEEL), (0.1, STEEL), (0.05, PEN)
    for place, (wide, colour) in zip(at, discs, strict=True):
        outer = wide * scale
        inner = 0.5 * wide * scale
        canvas.circle(place, outer, DARK)
        canvas.circle(place, inner, colour)


def _links(canvas: Canvas, at: np.ndarray, colour: str, wide: float, scale: float) -> None:
    """Upper and lower link between pins (3, 2), so many metres wide."""
    upper = at[:2]
    lower = at[1:]
    thick = wide * scale
    thin = 0.7 * wide * scale
    canvas.line(upper, colour, thick)
    canvas.line(lower, colour, thin)


def _pins(angles: np.ndarray) -> np.ndarray:
    """Shoulder, elbow and hand (3, 2), metres to the right and up from the shoulder."""
    turns = np.cumsum(angles + REST)
    east = -np.sin(turns)
    north = np.cos(turns)
    ways = np.stack((east, north), -1)
    lengths = np.array(LINKS)
    links = lengths[:, None] * ways
    shoulder = np.zeros((1, 2))
    joined = np.concatenate((shoulder, links))
    return joined.cumsum(0)


UP = sum(LINKS) + 0.05  # metres from the shoulder to the end of the arm
DOWN = 0.8  # metres from the shoulder to the lower edge of the picture


def _scale(size: tuple[int, int]) -> float:
    """Pixels a metre."""
    width, height = size
    tall = (height - BANNER) / (UP + DOWN)
    return min(width / 4, tall)


def _at(size: tuple[int, int], points: Any) -> np.ndarray:
    """Pixels (n, 2) of points (n, 2), metres to the right and up from the shoulder."""
    width, height = size
    scale = _scale(size)
    row = height - DOWN * scale
    shoulder = np.array([width / 2, row])
    metres = np.asarray(points)
    return shoulder + scale * metres * (1, -1)


@lru_cache(maxsize=4)
def _scene(size: tuple[int, int]) -> Canvas:
    """The board with its dotted star."""
    width, height = size
    canvas = Canvas(size)
    fade = np.linspace(0, 1, height)
    wall = packed(mix(*WALL, fade))
    column = wall[:, None]
    picture = np.broadcast_to(column, (height, width))
    canvas.picture(picture)
    _board(canvas, 0.04, STEEL)
    _board(canvas, 0, BOARD)
    radius = 0.014 * _scale(size) + 0.2
    for one, two in itertools.pairwise(CORNERS):
        way = two - one
        for share in np.linspace(0, 1, 19):
            point = one + share * way
            dot = _at(size, point)
            canvas.circle(dot, radius, DOTS)
    stand = [(-0.28, -0.9), (0.28, -0.9), (0.16, 0.05), (-0.16, 0.05)]
    outline = _at(size, stand)
    canvas.polygon(outline, SOFT)
    return canvas


def _board(canvas: Canvas, grow: float, colour: str) -> None:
    """The board, so many metres larger on each side."""
    left = -0.75 - grow
    right = 1.15 + grow
    top = 1.8 + grow
    foot = 0.45 - grow
    corners = [(left, top), (right, top), (right, foot), (left, foot)]
    outline = _at(canvas.size, corners)
    canvas.polygon(outline, colour)

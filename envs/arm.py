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

STEP, UNIT = 0.04, 1 / 3  # h, seconds; and the time by which the metric multiplies speeds, seconds
LIMIT, SPEED = 1.6, 6.0  # where joints and their speeds stop, rad and rad/s, either way from rest
TORQUE = 30.0  # c: rad/s^2 at full action; full action by angle commands LIMIT
POLE = 0.8  # what the expert's two torque gains leave of a deviation in a step, in the long run
LINKS = 1.0, 0.8  # metres
STROKES = 5  # of the star
TURN = 2 * math.pi / 150  # radians of its phase in a step: 30 steps a stroke
MIDDLE, RADIUS = (0.2, 1.15), 0.45  # of the star, metres


def _corner(k: int) -> tuple[float, float]:
    turn = 0.8 * math.pi * k
    return MIDDLE[0] + RADIUS * math.sin(turn), MIDDLE[1] + RADIUS * math.cos(turn)


CORNERS = np.array([_corner(k) for k in range(6)])

WALL, BOARD, STEEL = ("#cfd8e2", "#eef1f5"), "#fbfbf8", "#aeb6c1"
DARK, PAINT, DOTS, PEN = "#323a46", "#f2b705", "#33557a", "#d5342b"


def joints(x: Any, y: Any) -> Any:
    """Angles (..., 2), counted to the left, with the hand at (x, y): upper link from upright, lower from upper."""
    xp = namespace(x)
    one, two = LINKS
    away = x * x + y * y
    elbow = xp.arccos((away - one * one - two * two) / (2 * one * two))
    # arctan2 rounds the tail of a torch array differently, and a run would depend on its neighbours; y is positive.
    bearing = xp.arctan(x / y)
    inner = xp.arctan(two * xp.sin(elbow) / (one + two * xp.cos(elbow)))
    return xp.stack((-bearing - inner, elbow), -1)


# Angles with the hand in the middle of the star; q counts from here.
REST = joints(*map(np.float64, MIDDLE))


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
        require(
            min(self.values("stiffness")) > least,
            f"stiffness: expected above {least:g}, got {self.stiffness}",
        )
        require(
            max(self.values("stiffness")) < 1 / STEP**2,
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
        turns = xp.stack([phase + k * TURN for k in range(3)], -1)
        stroke = turns % (2 * math.pi) * STROKES / (2 * math.pi)
        x, y = CORNERS[0]
        for k, (east, north) in enumerate(np.diff(CORNERS, axis=0).tolist()):
            s = (stroke - k).clip(0, 1)
            bell = s * s * s * (10 - 15 * s + 6 * s * s)
            x = x + east * bell
            y = y + north * bell
        rest = REST if xp is np else torch.as_tensor(REST, device=phase.device)
        angles = joints(x, y) - rest
        speeds = xp.diff(angles, 1, -2) / STEP
        now = speeds[..., 0, :]
        coming = speeds[..., 1, :]
        return angles[..., 0, :], now, (coming - now) / STEP

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """On the star, anywhere along it."""
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1)
        return torch.cat((*self.reference(phase[..., 0])[:2], phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step; under position control the speeds are only what came of it."""
        xp = namespace(state)
        q, w = state[..., :2], state[..., 2:4]
        a = action.clip(-1, 1)
        kick = self.per_run(self.tremor, 3) * noise
        if self.control == "position":
            way = self.per_run(self.servo, 3) * (LIMIT * a - q)
            angles = (q + way + STEP * kick).clip(-LIMIT, LIMIT)
            speeds = (angles - q) / STEP
        else:
            push = TORQUE * a - self.per_run(self.stiffness, 3) * q
            angles = (q + STEP * w).clip(-LIMIT, LIMIT)
            speeds = (w + STEP * push + kick).clip(-SPEED, SPEED)
        return xp.concatenate((angles, speeds, state[..., 4:] + TURN), -1)

    def observation(self, state: Any) -> Any:
        """How far angles, and under torque control speeds, are off the star's; point on the circle."""
        xp = namespace(state)
        phase = state[..., 4:]
        angles, speeds, _ = self.reference(state[..., 4])
        parts = [state[..., :2] - angles]
        if self.control == "torque":
            parts.append(state[..., 2:4] - speeds)
        return xp.concatenate((*parts, xp.cos(phase), xp.sin(phase)), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 on the star, 0 or less where a joint is `LIMIT` off."""
        angles, _, _ = self.reference(next_state[..., 4])
        off = (next_state[..., :2] - angles) / LIMIT
        return 1 - (off * off).sum(-1)

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of angles, and of speeds times `UNIT` under torque control; the star is the same for both."""
        q = state[..., :2] - other[..., :2]
        if self.control == "position":
            return q
        w = state[..., 2:4] - other[..., 2:4]
        return namespace(state).concatenate((q, UNIT * w), -1)

    def jacobians(self) -> list[np.ndarray]:
        """Of the transition of one joint in the coordinates of `difference`, one for each run."""
        if self.control == "position":
            return [np.array([[1 - k]]) for k in self.values("servo")]
        ahead = STEP / UNIT
        return [np.array([[1, ahead], [-s * STEP * UNIT, 1]]) for s in self.values("stiffness")]

    def certificate(self) -> Certificate:
        """L, attained by every pair along the top singular vector of the shoulder's transition, off the stops."""
        torque = self.control == "torque"
        each = self.jacobians()
        zero = torch.zeros(self.runs, 1, 5, dtype=torch.float64)
        spread = 2 * math.sqrt(2 * (LIMIT**2 + torque * (UNIT * SPEED) ** 2))
        radius = tuple(float(abs(np.linalg.eigvals(a)).max()) for a in each)
        return Certificate(
            value=tuple(float(np.linalg.norm(a, 2)) for a in each),
            metric="Euclidean over angles"
            + " and speeds, rad and rad per third of a second" * torque,
            kind="exact",
            pair=(zero, self._apart(each)),
            closed_loop=(POLE,) * self.runs if torque else radius,
            radius=radius,
            diameter=(spread,) * self.runs,
            note="the star is exogenous and excluded"
            + "; closed_loop is the spectral radius" * torque,
        )

    def _apart(self, jacobians: list[np.ndarray]) -> torch.Tensor:
        """States (R, 1, 5) off rest along the top singular vectors of the shoulder's transition."""
        tops = torch.from_numpy(np.stack([np.linalg.svd(a)[2][0] for a in jacobians]))
        state = torch.zeros(self.runs, 1, 5, dtype=torch.float64)
        if self.control == "torque":
            state[:, 0, :4:2] = 0.1 * (tops / torch.tensor([1, UNIT]))
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
        for who, paint, alpha in bodies(state, ghost, colour or PAINT):
            with canvas.layer(alpha):
                _paint_arm(canvas, who[:2], paint)
        return canvas.image()


def _paint_arm(canvas: Canvas, angles: np.ndarray, paint: str) -> None:
    one, two = np.cumsum(angles + REST)
    upper, lower = LINKS
    elbow = upper * np.array([-math.sin(one), math.cos(one)])
    hand = elbow + lower * np.array([-math.sin(two), math.cos(two)])
    at = _at(canvas.size, [(0, 0), elbow, hand])
    scale = _scale(canvas.size)
    for colour, wide in ((DARK, 0.2), (paint, 0.15)):
        canvas.line(at[:2], colour, wide * scale)
        canvas.line(at[1:], colour, 0.7 * wide * scale)
    pins = (0.13, STEEL), (0.1, STEEL), (0.05, PEN)
    for place, (radius, colour) in zip(at, pins, strict=True):
        canvas.circle(place, radius * scale, DARK)
        canvas.circle(place, 0.5 * radius * scale, colour)


UP = sum(LINKS) + 0.05  # metres from the shoulder to the end of the arm
DOWN = 0.8  # metres from the shoulder to the lower edge of the picture


def _scale(size: tuple[int, int]) -> float:
    """Pixels a metre."""
    width, height = size
    return min(width / 4, (height - BANNER) / (UP + DOWN))


def _at(size: tuple[int, int], points: Any) -> np.ndarray:
    """Pixels (n, 2) of points (n, 2), metres to the right and up from the shoulder."""
    width, height = size
    scale = _scale(size)
    shoulder = np.array([width / 2, height - DOWN * scale])
    return shoulder + scale * np.asarray(points) * (1, -1)


@lru_cache(maxsize=4)
def _scene(size: tuple[int, int]) -> Canvas:
    """The board with its dotted star."""
    width, height = size
    canvas = Canvas(size)
    wall = packed(mix(*WALL, np.linspace(0, 1, height)))
    canvas.picture(np.broadcast_to(wall[:, None], (height, width)))
    for grow, colour in ((0.04, STEEL), (0, BOARD)):
        corners = [(-0.75 - grow, 1.8 + grow), (1.15 + grow, 0.45 - grow)]
        (left, top), (right, foot) = _at(size, corners)
        canvas.polygon([(left, top), (right, top), (right, foot), (left, foot)], colour)
    for one, two in itertools.pairwise(CORNERS):
        for share in np.linspace(0, 1, 19):
            dot = _at(size, one + share * (two - one))
            canvas.circle(dot, 0.014 * _scale(size) + 0.2, DOTS)
    stand = [(-0.28, -0.9), (0.28, -0.9), (0.16, 0.05), (-0.16, 0.05)]
    canvas.polygon(_at(size, stand), SOFT)
    return canvas

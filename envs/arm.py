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

from il_bench.core.arrays import namespace
from il_bench.core.env import Certificate, Env
from il_bench.core.settings import Values, require
from il_bench.core.streams import Streams
from il_bench.paint.canvas import SOFT, Canvas, colour_of, mix

STEP, UNIT = 0.04, 1 / 3  # h, seconds; and the time by which the metric multiplies speeds, seconds
LIMIT, SPEED = (
    1.6,
    6.0,
)  # where joints and their speeds are stopped, rad and rad/s, either way from rest
TORQUE = 30.0  # c: rad/s^2 at full action; full action by angle commands LIMIT
POLE = 0.8  # what the expert's two torque gains leave of a deviation in a step, in the long run
LINKS = 1.0, 0.8  # metres
STROKES, TURN = (
    5,
    2 * math.pi / 150,
)  # of the star, and radians of its phase in a step: 30 steps a stroke
CORNERS = np.array(
    [
        (0.2 + 0.45 * math.sin(0.8 * math.pi * k), 1.15 + 0.45 * math.cos(0.8 * math.pi * k))
        for k in range(6)
    ]
)
WALL, BOARD, STEEL, DARK, PAINT, DOTS = (
    ("#cfd8e2", "#eef1f5"),
    "#fbfbf8",
    "#aeb6c1",
    "#323a46",
    "#f2b705",
    "#33557a",
)


def joints(x: Any, y: Any) -> Any:
    """Angles (..., 2), counted to the left, with the hand at (x, y): upper link from upright, lower from upper."""
    xp, (one, two) = namespace(x), LINKS
    elbow = xp.arccos((x * x + y * y - one * one - two * two) / (2 * one * two))
    # arctan2 rounds the tail of a torch array differently, and a run would depend on its neighbours; y is positive.
    shoulder = -xp.arctan(x / y) - xp.arctan(two * xp.sin(elbow) / (one + two * xp.cos(elbow)))
    return xp.stack((shoulder, elbow), -1)


REST = joints(
    np.float64(0.2), np.float64(1.15)
)  # angles with the hand in the middle of the star; q counts from here


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
        turn = (
            xp.stack([phase + k * TURN for k in range(3)], -1)
            % (2 * math.pi)
            * STROKES
            / (2 * math.pi)
        )
        x, y = CORNERS[0]
        for k, (east, north) in enumerate(np.diff(CORNERS, axis=0).tolist()):
            s = (turn - k).clip(0, 1)
            bell = s * s * s * (10 - 15 * s + 6 * s * s)
            x, y = x + east * bell, y + north * bell
        angles = joints(x, y) - (REST if xp is np else torch.as_tensor(REST, device=phase.device))
        speeds = xp.diff(angles, 1, -2) / STEP
        return angles[..., 0, :], speeds[..., 0, :], (speeds[..., 1, :] - speeds[..., 0, :]) / STEP

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """On the star, anywhere along it."""
        phase = 2 * math.pi * streams.uniform("initial", episodes, 1)
        return torch.cat((*self.reference(phase[..., 0])[:2], phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step; under position control the speeds are only what came of it."""
        xp, q, w, a = namespace(state), state[..., :2], state[..., 2:4], action.clip(-1, 1)
        kick, phase = self.per_run(self.tremor, 3) * noise, state[..., 4:] + TURN
        if self.control == "position":
            after = (q + self.per_run(self.servo, 3) * (LIMIT * a - q) + STEP * kick).clip(
                -LIMIT, LIMIT
            )
            return xp.concatenate((after, (after - q) / STEP, phase), -1)
        push = TORQUE * a - self.per_run(self.stiffness, 3) * q
        after = (q + STEP * w).clip(-LIMIT, LIMIT)
        return xp.concatenate((after, (w + STEP * push + kick).clip(-SPEED, SPEED), phase), -1)

    def observation(self, state: Any) -> Any:
        """How far angles, and under torque control speeds, are off the star's; point on the circle."""
        xp, phase = namespace(state), state[..., 4:]
        angles, speeds, _ = self.reference(state[..., 4])
        errors = [state[..., :2] - angles] + [state[..., 2:4] - speeds] * (self.control == "torque")
        return xp.concatenate((*errors, xp.cos(phase), xp.sin(phase)), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 on the star, 0 or less where a joint is `LIMIT` off."""
        off = (next_state[..., :2] - self.reference(next_state[..., 4])[0]) / LIMIT
        return 1 - (off * off).sum(-1)

    def terminal(self, state: Any) -> Any:
        """Never."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Of angles, and of speeds times `UNIT` under torque control; the star is the same for both."""
        q, w = (state[..., i : i + 2] - other[..., i : i + 2] for i in (0, 2))
        return q if self.control == "position" else namespace(state).concatenate((q, UNIT * w), -1)

    def jacobians(self) -> list[np.ndarray]:
        """Of the transition of one joint in the coordinates of `difference`, one for each run."""
        if self.control == "position":
            return [np.array([[1 - k]]) for k in self.values("servo")]
        return [
            np.array([[1, STEP / UNIT], [-s * STEP * UNIT, 1]]) for s in self.values("stiffness")
        ]

    def certificate(self) -> Certificate:
        """L, attained by every pair along the top singular vector of the shoulder's transition, off the stops."""
        torque, each = self.control == "torque", self.jacobians()
        other = torch.zeros(self.runs, 1, 5, dtype=torch.float64)
        tops = torch.from_numpy(np.stack([np.linalg.svd(a)[2][0] for a in each]))
        other[:, 0, :4:2] = 0.1 * (
            tops / torch.tensor([1, UNIT]) if torque else torch.nn.functional.pad(tops, (0, 1))
        )
        spread = 2 * math.sqrt(2 * (LIMIT**2 + torque * (UNIT * SPEED) ** 2))
        radius = tuple(float(abs(np.linalg.eigvals(a)).max()) for a in each)
        return Certificate(
            value=tuple(float(np.linalg.norm(a, 2)) for a in each),
            metric="Euclidean over angles"
            + " and speeds, rad and rad per third of a second" * torque,
            kind="exact",
            pair=(torch.zeros_like(other), other),
            closed_loop=(POLE,) * self.runs if torque else radius,
            radius=radius,
            diameter=(spread,) * self.runs,
            note="the star is exogenous and excluded"
            + "; closed_loop is the spectral radius" * torque,
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The arm at a board with the star in dots, the twin behind it."""
        scene, scale = _scene(tuple(size))
        canvas = scene.copy()
        for who, alpha, paint in ((ghost, 0.5, colour_of(0)), (state, 1.0, PAINT)):
            if who is not None:
                one, two = np.cumsum(who[:2] + REST)
                elbow = LINKS[0] * np.array([-math.sin(one), math.cos(one)])
                at = _at(
                    size,
                    [(0, 0), elbow, elbow + LINKS[1] * np.array([-math.sin(two), math.cos(two)])],
                )
                with canvas.layer(alpha):
                    for colour, wide in ((DARK, 0.2), (paint, 0.15)):
                        canvas.line(at[:2], colour, wide * scale)
                        canvas.line(at[1:], colour, 0.7 * wide * scale)
                    for place, radius in zip(at, (0.13, 0.1, 0.05), strict=True):
                        canvas.circle(place, radius * scale, DARK)
                        canvas.circle(
                            place, 0.5 * radius * scale, STEEL if radius > 0.05 else "#d5342b"
                        )
        return canvas.image()


def _at(size: tuple[int, int], points: Any) -> np.ndarray:
    """Pixels (n, 2) of points (n, 2), metres to the right and up from the shoulder."""
    scale = min(size[0] / 4, size[1] / 2.75)
    return np.array([size[0] / 2, 0.7 * size[1]]) + scale * np.asarray(points) * (1, -1)


@lru_cache(maxsize=4)
def _scene(size: tuple[int, int]) -> tuple[Canvas, float]:
    """The board with its dotted star, and pixels a metre."""
    (w, h), canvas = size, Canvas(size)
    canvas.picture(np.repeat(mix(*WALL, np.linspace(0, 1, h))[:, None], w, 1))
    scale = min(w / 4, h / 2.75)
    for grow, colour in ((0.04, STEEL), (0, BOARD)):
        (left, top), (right, foot) = _at(
            size, [(-0.75 - grow, 1.8 + grow), (1.15 + grow, 0.45 - grow)]
        )
        canvas.polygon([(left, top), (right, top), (right, foot), (left, foot)], colour)
    for one, two in itertools.pairwise(CORNERS):
        for share in np.linspace(0, 1, 19):
            canvas.circle(_at(size, one + share * (two - one)), 0.014 * scale + 0.2, DOTS)
    canvas.polygon(_at(size, [(-0.28, -0.9), (0.28, -0.9), (0.16, 0.05), (-0.16, 0.05)]), SOFT)
    return canvas, scale

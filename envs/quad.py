"""v' = v + h (T (-sin tilt, cos tilt) - e_z + gust), spin' = spin + h c (right - left) / 2: a drone flies an eight.

A planar quadrotor in explicit Euler steps. Lengths are in metres; time is in units of sqrt(1 m / g), 0.32 s on Earth,
and with it speeds (sqrt(g m)) and accelerations (g): gravity then changes nothing but the length of a step, h = 0.04 s
sqrt(g / 1 m). Seen along the thrust the Jacobian is a chain of integrators, spin -> tilt -> speed -> place, whose
middle link is h T, whatever the tilt: L is its norm at full thrust, 1.157 on Earth, exactly. Its spectral radius is 1:
left alone, deviations grow as t^3; what makes them explode is a policy that answers them wrongly. In still air the
demonstrations never leave the eight and so show no answer: at the defaults cloning crashes in 80 % of its flights and
DAgger in none (16 seeds); --wind 0.05 shows cloning the way back (5 %).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from scipy.linalg import solve_discrete_are

from il_bench import Certificate, Env, Streams, Values, as_tuple, namespace, require
from il_bench.paint.actors import paint_drone, upright
from il_bench.paint.camera import Camera
from il_bench.paint.canvas import BANNER, PAPER, Canvas, bodies
from il_bench.paint.scenery import landscape

STEP = 0.04  # seconds
LEVER = 5.0  # c: angular acceleration in g/m when one rotor gives all and the other nothing
SPEED = 2.0  # where speeds are stopped, sqrt(g m)
SPIN = 4.0  # where spin is stopped, rad sqrt(g/m)
SWING = 1.8, 0.7  # half the figure eight's width and height, metres
HEIGHT = 1.7  # of its middle, metres
PACE = 0.4  # of the figure eight, radians a unit of time
CRASH = 1.2  # an episode ends so far from the eight, metres,
TILT = math.pi / 2  # or tilted so much, or on the ground
KEEP = 0.9  # of a gust from step to step
FRESH = math.sqrt(1 - KEEP**2)  # what is new in it, so that it stays as strong
COST = 1.0  # R of the regulator, whose Q is the identity
# Of the picture: half its width and the camera's distance, metres; the ground's row, a share of its height; colours.
VIEW = 3.0
FAR = 9.0
GROUND = 0.95
GRASS = "#83b759", "#78ab50"
DOTS = "#33557a"
PAINT = "#f2b705"


@dataclass(frozen=True, kw_only=True)
class Quad(Env):
    """Planar quadrotor on a figure eight: under-actuated, crashes, L exact; gravity, wind and lag of the rotors."""

    gravity: Values = 9.81
    """Gravity g, m/s^2, and with it thrust and pace: the more, the longer a step of 0.04 s is to the drone."""
    lag: Values = 0.0
    """Share of its last thrust that a rotor keeps in a step; 0 obeys at once."""
    wind: Values = 0.0
    """Standard deviation of the gusts, in units of gravity."""

    arrays: ClassVar = "any"
    states: ClassVar = {
        "x": "m",
        "z": "m",
        "tilt": "rad",
        "vx": "sqrt(g m)",
        "vz": "sqrt(g m)",
        "spin": "rad sqrt(g/m)",
        "left": "g",
        "right": "g",
        "gust_x": "g",
        "gust_z": "g",
        "phase": "rad",
    }
    observed: ClassVar = (
        *("x", "z", "vx", "vz"),
        *("tilt", "spin"),
        *("cos", "sin"),
        *("left", "right"),
    )
    noise_size: ClassVar = 2
    excitation: ClassVar = {"wind": 0.05}
    ending: ClassVar = "crashed"

    def validate(self) -> None:
        """Gravity pulls, rotors obey in the end, and wind has a strength."""
        require(
            min(self.values("gravity")) > 0,
            f"gravity: expected more than 0 m/s^2, got {self.gravity}; try 9.81",
        )
        lags = self.values("lag")
        require(
            min(lags) >= 0 and max(lags) < 1,
            f"lag: expected from 0 to below 1, got {self.lag}; try 0.5",
        )
        require(
            min(self.values("wind")) >= 0, f"wind: expected at least 0, got {self.wind}; try 0.05"
        )

    @cached_property
    def step(self) -> Values:
        """h, units of time in a step; one number, or one for each run (R,)."""
        pulls = self.values("gravity")
        h = tuple(STEP * math.sqrt(g) for g in pulls)
        return h if len(set(h)) > 1 else h[0]

    @property
    def observation_space(self) -> spaces.Box:
        """Errors of place and speed, tilt, spin, the phase on the circle, and what is left of the last thrusts."""
        h = max(as_tuple(self.step))
        # One step beyond the last state; the eight is slower than SPEED.
        near = CRASH + 2 * h * SPEED
        fast = 2 * SPEED
        tilted = TILT + h * SPIN
        errors = [near, near, fast, fast]
        others = [tilted, SPIN, 1, 1, 1, 1]
        limits = np.array(errors + others, dtype=np.float32)
        return spaces.Box(-limits, limits)

    @property
    def action_space(self) -> spaces.Box:
        """Thrust of the left and of the right rotor: 0 hovers, -1 is off, 1 is twice as much."""
        return spaces.Box(-1.0, 1.0, (2,))

    def reference(self, phase: Any) -> tuple[Any, Any]:
        """The flight (R, E, 6) along the eight at a phase (R, E), and the thrusts (R, E, 2) that continue it exactly.

        Place gives speed, speed thrust and tilt, tilt spin and torque: one difference of coming places after the other.
        """
        xp = namespace(phase)
        h = self.per_run(self.step, 3)
        x, z = _eight(self._coming(phase))
        vx = xp.diff(x) / h
        vz = xp.diff(z) / h
        push = xp.diff(vx) / h
        lift = xp.diff(vz) / h
        lift = lift + 1
        # arctan2 rounds the tail of a torch array differently: runs would depend on others.
        slope = push / lift
        tilt = -xp.arctan(slope)
        spin = xp.diff(tilt) / h
        torque = xp.diff(spin) / h
        parts = x, z, tilt, vx, vz, spin
        flight = xp.stack([part[..., 0] for part in parts], -1)
        square = push**2 + lift**2
        length = square[..., 0] ** 0.5
        both = length - 1
        apart = torque[..., 0] / LEVER
        left = both - apart
        right = both + apart
        return flight, xp.stack((left, right), -1)

    def _coming(self, phase: Any) -> Any:
        """The phase (R, E) and its next four, (R, E, 5)."""
        h = self.per_run(self.step)
        turns = [k * PACE * h for k in range(5)]
        phases = [phase + turn for turn in turns]
        return namespace(phase).stack(phases, -1)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """On the eight, anywhere along it, in whatever wind there is."""
        chance = streams.uniform("initial", episodes, 1)
        phase = 2 * math.pi * chance
        flight, thrusts = self.reference(phase[..., 0])
        normal = streams.normal("gust", episodes, 2)
        gust = self.per_run(self.wind, 3) * normal
        return torch.cat((flight, thrusts, gust, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        h = self.per_run(self.step, 3)
        pose = state[..., :3]
        speeds = state[..., 3:6]
        rotors = self._rotors(state, action)
        gust = state[..., 8:10]
        place = pose + h * speeds
        speed, spin = self._driven(state, rotors, gust)
        fresh = self.per_run(self.wind, 3) * FRESH
        blown = KEEP * gust
        blown = blown + fresh * noise
        phase = state[..., 10:]
        phase = phase + PACE * h
        parts = place, speed, spin, rotors, blown, phase
        return namespace(state).concatenate(parts, -1)

    def _driven(self, state: Any, rotors: Any, gust: Any) -> tuple[Any, Any]:
        """Speed (R, E, 2) and spin (R, E, 1) after a step in which rotors and a gust push."""
        h = self.per_run(self.step, 3)
        thrust = 1 + rotors.sum(-1) / 2
        tilt = state[..., 2]
        push = _push(tilt, thrust) + gust
        faster = state[..., 3:5] + h * push
        left = rotors[..., :1]
        right = rotors[..., 1:]
        torque = LEVER * (right - left) / 2
        turning = state[..., 5:6] + h * torque
        speed = faster.clip(-SPEED, SPEED)
        spin = turning.clip(-SPIN, SPIN)
        return speed, spin

    def _rotors(self, state: Any, action: Any) -> Any:
        """What the rotors give (R, E, 2), beyond hovering, after what they gave last."""
        lag = self.per_run(self.lag, 3)
        last = state[..., 6:8]
        wish = action.clip(-1, 1)
        given = lag * last
        given = given + (1 - lag) * wish
        return given.clip(-1, 1)

    def observation(self, state: Any) -> Any:
        """Place and speed relative to the eight's, tilt and spin, its phase, and what is left of the last thrusts."""
        xp = namespace(state)
        phase = state[..., 10]
        flight, _ = self.reference(phase)
        error = state[..., :6] - flight
        place_and_speed = error[..., [0, 1, 3, 4]]
        tilt_and_spin = state[..., [2, 5]]
        point = xp.cos(phase), xp.sin(phase)
        on_circle = xp.stack(point, -1)
        kept = self.per_run(self.lag, 3) * state[..., 6:8]
        parts = place_and_speed, tilt_and_spin, on_circle, kept
        return xp.concatenate(parts, -1)

    def off(self, state: Any) -> Any:
        """Distance (R, E) from where on the eight the drone should be, metres."""
        sin = namespace(state).sin
        wide, tall = SWING
        phase = state[..., 10]
        x = state[..., 0] - wide * sin(phase)
        up = state[..., 1] - HEIGHT
        z = up - tall * sin(2 * phase)
        square = x * x + z * z
        return square**0.5

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 on the eight, 0 where it is lost."""
        off = self.off(next_state) / CRASH
        return 1 - (off**2).clip(0, 1)

    def terminal(self, state: Any) -> Any:
        """Lost, turned over, or on the ground."""
        lost = self.off(state) > CRASH
        turned = abs(state[..., 2]) > TILT
        landed = state[..., 1] < 0
        return lost | turned | landed

    def difference(self, state: Any, other: Any) -> Any:
        """Of the flight, and of the thrusts as far as the rotors keep them; wind and eight are the same for both."""
        delta = state - other
        flight = delta[..., :6]
        thrusts = delta[..., 6:8]
        kept = self.per_run(self.lag, 3) * thrusts
        return namespace(state).concatenate((flight, kept), -1)

    def linear(self, run: int, thrust: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """A (8, 8) of one run at tilt 0 in the coordinates of `difference`, and B (8, 2) of what its rotors give."""
        gravity = self.values("gravity")[run]
        lag = self.values("lag")[run]
        h = STEP * math.sqrt(gravity)
        kept = [1.0] * 6 + [lag] * 2
        a = np.diag(kept)
        a[:3, 3:6] = h * np.eye(3)
        a[3, 2] = -h * thrust
        lift = [1, 1]
        torque = [-LEVER, LEVER]
        ways = np.array([lift, torque])
        b = np.zeros((8, 2))
        b[4:6] = h / 2 * ways
        # Without lag the last thrusts do not exist in the metric.
        if lag > 0:
            a[:, 6:] += b
        return a, b

    def regulator(self, run: int) -> tuple[np.ndarray, float]:
        """K (2, 6) from errors to thrusts, linear-quadratic about hovering, and the spectral radius that it leaves."""
        a, b = self.linear(run)
        a = a[:6, :6]
        b = b[:6]
        r = COST * np.eye(2)
        cost = solve_discrete_are(a, b, np.eye(6), r)
        pull = b.T @ cost
        weight = r + pull @ b
        gain = np.linalg.solve(weight, pull @ a)
        loop = a - b @ gain
        poles = np.linalg.eigvals(loop)
        return gain, float(abs(poles).max())

    def certificate(self) -> Certificate:
        """L, attained at full thrust between hovering and a small step along the top singular vector."""
        runs = range(self.runs)
        full = [self.linear(run, 2.0)[0] for run in runs]
        flights = [a[:6, :6] for a in full]
        tops = [np.linalg.svd(flight)[2][0] for flight in flights]
        directions = np.stack(tops)
        other = torch.zeros(self.runs, 1, 11, dtype=torch.float64)
        other[:, 0, :6] = 1e-6 * torch.from_numpy(directions)
        place = CRASH**2 + TILT**2
        speed = 2 * SPEED**2
        square = place + speed + SPIN**2
        across = 2 * math.sqrt(square)
        norms = [np.linalg.norm(a, 2) for a in full]
        left = [self.regulator(run)[1] for run in runs]
        # With lag a supremum, at the edge of what rotors give.
        lags = max(self.values("lag")) > 0
        return Certificate(
            value=tuple(float(norm) for norm in norms),
            metric="Euclidean over (m, rad) and their speeds, time in sqrt(1 m / g)",
            kind="upper" if lags else "exact",
            pair=(torch.zeros_like(other), other),
            action=(1.0, 1.0),
            radius=(1.0,) * self.runs,
            loop_radius=tuple(left),
            diameter=(across,) * self.runs,
            note="the radii are about hovering; eight and wind are exogenous and excluded",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The eight before hills, the drone, what its rotors give, its twin; dashes in the air show a gust."""
        scene, camera = _scene(tuple(size))
        canvas = scene.copy()
        gust = state[8:10]
        phase = state[10]
        _blow(canvas, camera, gust, phase)
        own = colour or PAINT
        for who, paint, alpha in bodies(state, ghost, own):
            crashed = self.terminal(who)
            thrusts = None if crashed else 1 + who[6:8]
            pose = who[:3]
            paint_drone(canvas, camera, pose, thrusts, paint, alpha)
        return canvas.image()


def _eight(phase: Any) -> tuple[Any, Any]:
    """Metres to the right and up of the eight at a phase (...)."""
    sin = namespace(phase).sin
    wide, tall = SWING
    right = wide * sin(phase)
    up = HEIGHT + tall * sin(2 * phase)
    return right, up


def _push(tilt: Any, thrust: Any) -> Any:
    """What thrust and gravity do to the speed (R, E, 2)."""
    xp = namespace(tilt)
    aside = -thrust * xp.sin(tilt)
    lift = thrust * xp.cos(tilt) - 1
    return xp.stack((aside, lift), -1)


def _blow(canvas: Canvas, camera: Camera, gust: np.ndarray, phase: float) -> None:
    """Dashes in the air where there is a gust (2,)."""
    if not np.any(gust):
        return
    for number in range(9):
        along = number * 2.9 + 4 * phase
        right = along % 8 - 4
        above = number * 1.7
        up = 0.5 + above % 4
        start = np.array([right, up])
        end = start + 9 * gust
        dash = upright(camera, (start, end))
        canvas.line(dash, PAPER, 1)


@lru_cache(maxsize=4)
def _scene(size: tuple[int, int]) -> tuple[Canvas, Camera]:
    """Landscape and dotted eight, and who looks at them."""
    canvas = Canvas(size)
    scale = _scale(size)
    ground = GROUND * size[1]
    horizon = ground - 1.1 * scale
    place = -FAR, 0, 0
    focus = scale * FAR
    camera = Camera(size, place, 1.1, focus, horizon)
    landscape(canvas, camera, GRASS, 1.5, 40)
    lap = np.linspace(0, 2 * math.pi, 73)
    phases = lap[:-1]
    eight = np.stack(_eight(phases), -1)
    radius = 0.03 * scale
    for dot in upright(camera, eight):
        canvas.circle(dot, radius, DOTS)
    return canvas, camera


def _scale(size: tuple[int, int]) -> float:
    """Pixels a metre in the drone's plane."""
    width, height = size
    ground = GROUND * height
    top = HEIGHT + SWING[1] + CRASH + 0.3  # of a drone that is all but lost, metres
    by_width = width / (2 * VIEW)
    by_height = (ground - BANNER) / top
    return min(by_width, height / 4.7, by_height)

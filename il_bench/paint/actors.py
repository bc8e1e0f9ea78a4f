"""Actors: who moves in the scenery: a car, a drone, and somebody in a cloak. Lengths are metres."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .camera import Camera
from .canvas import Canvas, Solid, mix
from .scenery import SKY, circle

Faces = list[tuple[np.ndarray, Any]]
"""Corners (n, 3) and colour of each."""

GLASS, TYRE, RIM, LAMP, SHADOW = "#2b3f55", "#15181d", "#9aa3ad", "#e5322d", "#434a4e"

# The left side of a car that looks along x, from its lower rear over the roof: x, y, z.
OUTLINE = np.array(
    [
        (-1.3, 0.7, 0.2),
        (-1.34, 0.7, 0.62),
        (-1.2, 0.7, 0.8),
        (-0.85, 0.52, 1.22),
        (0.1, 0.52, 1.24),
        (0.62, 0.7, 0.84),
        (1.25, 0.7, 0.68),
        (1.33, 0.7, 0.2),
    ]
)
LIGHT = 0.84, 1.05, 0.95, 1.15, 0.9, 1.0, 0.6  # what its faces across reflect, in that order
SIDES = 0.78, 0.7  # and what its left and its right side do
SQUARE = np.array([(0, 1, 0), (0, -1, 0), (0, -1, 1), (0, 1, 1)])  # upright, seen from behind

ARM = 0.4  # of a drone
FLAMES = (0.09, 0.45, "#ff8c2b"), (0.05, 0.27, "#ffe07a")  # half-width and length; colour
SMOKE = "#6b6f76"
PUFFS = 4


@lru_cache(maxsize=16)
def car(paint: str, size: float = 1.0) -> Solid:
    """A car on the origin, looking along x: of its faces those come first that others may hide."""
    faces = [_shadow(), *_body(paint), *_windows(), *_wheels(), *_rear()]
    scaled = [(size * face, colour) for face, colour in faces]
    return Solid.of(scaled)


def _shadow() -> tuple[np.ndarray, Any]:
    oval = circle(20) * (1.5, 0.86)
    ground = np.pad(oval, ((0, 0), (0, 1)))
    return ground, SHADOW


def _sides() -> tuple[np.ndarray, np.ndarray]:
    """The outlines (n, 3) of the left and of the right side."""
    return OUTLINE, OUTLINE * (1, -1, 1)


def _across() -> np.ndarray:
    """The faces (n, 4, 3) from side to side, from the lower rear over the roof."""
    left, right = _sides()
    corners = left[:-1], right[:-1], right[1:], left[1:]
    return np.stack(corners, 1)


def _body(paint: str) -> Faces:
    """The painted faces: the front, the sides, the back."""
    skins = list(zip(_across(), LIGHT, strict=True))
    left, right = _sides()
    outlines = left, right[::-1]
    sides = zip(outlines, SIDES, strict=True)
    front = skins[:3:-1]
    back = skins[3::-1]
    body = [*front, *sides, *back]
    return [(face, _lit(paint, light)) for face, light in body]


def _lit(paint: str, light: float) -> list[float]:
    """A paint's colour in some light; more than 1 is brighter than it is."""
    colour = mix("#000000", paint, light)
    return colour.clip(0, 255).tolist()


def _windows() -> Faces:
    left, right = _sides()
    rear = _across()[2]
    panes = left[2:6], right[5:1:-1], rear
    return [(_within(pane), GLASS) for pane in panes]


def _within(face: np.ndarray) -> np.ndarray:
    """A face (n, 3) a little smaller."""
    middle = face.mean(0)
    inwards = middle - face
    return face + 0.17 * inwards


def _wheels() -> Faces:
    plane = circle(20)
    disc = 0.28 * np.insert(plane, 1, 0, axis=1)
    faces: Faces = []
    for side, x in itertools.product((1, -1), (-0.82, 0.8)):
        hub = np.array([x, 0.71 * side, 0.28])
        rolling = disc[::-side]
        tyre = rolling + hub
        rim = 0.5 * rolling + hub
        faces += [(tyre, TYRE), (rim, RIM)]
    return faces


def _rear() -> Faces:
    """Wheels and lamps from behind."""
    tyre = SQUARE * (1, 0.13, 0.21)
    lamp = SQUARE * (1, 0.15, 0.13)
    faces: Faces = []
    for side in (1, -1):
        wheel = -1.3, 0.57 * side, 0
        light = -1.36, 0.51 * side, 0.45
        faces += [(tyre + wheel, TYRE), (lamp + light, LAMP)]
    return faces


def upright(camera: Camera, points: Any) -> np.ndarray:
    """Pixels (n, 2) of points (n, 2), metres to the right and up, in the upright plane through the origin."""
    right, up = np.transpose(points)
    ahead = 0 * right
    plane = np.stack((ahead, -right, up), -1)
    spots = camera.project(plane)
    return spots[:, :2]


def paint_walker(
    canvas: Canvas, foot: Sequence[float], reach: float, paint: str, alpha: float
) -> None:
    """Somebody in a cloak who stands at `foot`, `reach` pixels to each side."""
    x, y = foot
    left = x - reach
    right = x + reach
    neck = y - 2.2 * reach
    head = y - 2.1 * reach
    with canvas.layer(alpha):
        cloak = [(left, y), (right, y), (x, neck)]
        canvas.polygon(cloak, paint)
        canvas.circle((x, head), 0.6 * reach, paint)


@dataclass(frozen=True)
class Drone:
    """A drone in the plane of `upright`, as a camera sees it.

    Attributes:
        camera: who looks, along x.
        place: metres to the right, and up.
        tilt: how far it is tilted to the left, radians.
    """

    camera: Camera
    place: tuple[float, float]
    tilt: float

    @property
    def axes(self) -> np.ndarray:
        """Its right and its up, (2, 2)."""
        cos = np.cos(self.tilt)
        sin = np.sin(self.tilt)
        return np.array([[cos, sin], [-sin, cos]])

    @property
    def metre(self) -> float:
        """In pixels."""
        x, _, _ = self.camera.place
        return self.camera.focal / -x

    def at(self, *points: Any) -> np.ndarray:
        """Pixels (n, 2) of points of its own: metres to its right, and up; its rotors do not reach into the ground."""
        x, height = self.place
        axes = self.axes
        drop = abs(axes[0, 1])
        lowest = 0.17 + ARM * drop
        middle = x, max(height, lowest)
        turned = np.array(points) @ axes
        return upright(self.camera, turned + middle)


def paint_drone(
    canvas: Canvas, camera: Camera, pose: Any, thrusts: Any, paint: Any, alpha: float
) -> None:
    """A drone in the plane of `upright`, its shadow, a flame beneath each rotor; after a crash it smokes.

    Args:
        canvas: to paint on.
        camera: who looks, along x.
        pose: metres to the right, metres up, and how far it is tilted to the left, radians.
        thrusts: of its left and right rotor, 1 hovers; None after a crash.
        paint: its colour.
        alpha: how opaque it is, 0 to 1.
    """
    x, height, tilt = pose
    drone = Drone(camera, (x, height), tilt)
    _drone_shadow(canvas, drone, 0.3 * alpha)
    around = drone.at((-0.7, -1.2), (0.7, -1.2), (0.7, 0.3), (-0.7, 0.3))
    with canvas.layer(alpha, around):
        shown = (0, 0) if thrusts is None else thrusts
        _rotors(canvas, drone, shown)
        _hull(canvas, drone, paint)
    if thrusts is None:
        _smoke(canvas, drone, 0.5 * alpha)


def _drone_shadow(canvas: Canvas, drone: Drone, alpha: float) -> None:
    x, _ = drone.place
    (middle,) = upright(drone.camera, [(x, 0)])
    disc = circle(24) * drone.metre
    oval = disc * (1.2 * ARM, 0.06)
    shadow = middle + oval
    with canvas.layer(alpha, shadow):
        canvas.polygon(shadow, "#000000")


def _rotors(canvas: Canvas, drone: Drone, thrusts: Iterable[float]) -> None:
    blades = circle(24) * (0.25, 0.025)
    sides = -ARM, ARM
    for side, thrust in zip(sides, thrusts, strict=True):
        if thrust > 0:
            _flames(canvas, drone, side, thrust)
        hub = side, 0.15
        turning = blades + hub
        disc = drone.at(*turning)
        mast = drone.at((side, -0.04), hub)
        canvas.polygon(disc, RIM)
        canvas.line(mast, GLASS, 0.07 * drone.metre)


def _flames(canvas: Canvas, drone: Drone, side: float, thrust: float) -> None:
    for wide, long, colour in FLAMES:
        left = side - wide, 0
        right = side + wide, 0
        tip = side, -0.06 - long * thrust
        flame = drone.at(left, right, tip)
        canvas.polygon(flame, colour)


def _hull(canvas: Canvas, drone: Drone, paint: Any) -> None:
    metre = drone.metre
    beam = drone.at((-ARM, 0.02), (ARM, 0.02))
    canvas.line(beam, GLASS, 0.07 * metre)
    for side in (-0.14, 0.14):
        hip = 0.6 * side, 0
        toe = 1.4 * side, -0.2
        leg = drone.at(hip, toe)
        canvas.line(leg, GLASS, 0.035 * metre)
    oval = circle(24) * (0.2, 0.12)
    hull = drone.at(*oval)
    canvas.polygon(hull, paint)
    (lens,) = drone.at((0.06, 0.02))
    canvas.circle(lens, 0.05 * metre, SKY[1])


def _smoke(canvas: Canvas, drone: Drone, alpha: float) -> None:
    metre = drone.metre
    (source,) = drone.at((0, 0))
    for number in range(PUFFS):
        right = 0.12 * np.sin(2 * number)
        down = -0.05 - 0.25 * number
        way = np.array([right, down])
        puff = source + metre * way
        width = 0.1 + 0.05 * number
        size = width * metre
        first = puff - size
        last = puff + size
        with canvas.layer(alpha, (first, last)):
            canvas.circle(puff, size, SMOKE)

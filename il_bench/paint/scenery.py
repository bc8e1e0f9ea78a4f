"""Scenery: what lies around, in perspective: sky, hills and ground, or space with its stars and a planet.

Lengths are metres. Haze takes two thirds of every colour at `clear` metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .camera import Camera
from .canvas import Canvas, mix, packed

SKY = "#6fb1e4", "#e6f1f4"  # overhead and at the horizon
HAZE = "#bcd6c6"  # what distance fades into

NIGHT, GLOW, STAR, RING = "#0b1026", "#3a2a63", "#ffffff", "#e9c9a0"
PLANET = "#b9573f", "#e08a5a"  # in the shade and in the light
STARS = 420  # all around
BEARING, RISE = 0.35, 0.22  # where the planet stands, radians, and the tangent of its height
TILT = np.array([[1.9, -0.25], [0, 0.4]])  # of its ring, which is seen from a little above


@dataclass(frozen=True)
class Hills:
    """A chain of hills all around.

    Attributes:
        colour: theirs.
        size: the tangent of their height, on average.
        phase: where they rise.
        waves: how many there are around, superposed.
    """

    colour: str
    size: float
    phase: float
    waves: tuple[int, ...]

    def rise(self, bearing: np.ndarray) -> np.ndarray:
        """How high they rise at some bearings: 0 and more, in units of their size."""
        height: Any = 0
        for number, wave in enumerate(self.waves):
            shift = self.phase * wave * wave
            turn = wave * bearing + shift
            share = number + 1.5
            height = height + np.sin(turn) / share
        return np.maximum(1 + height, 0)


HILLS = (
    Hills("#b7d0d9", 0.09, 0.3, (2, 5, 9)),
    Hills("#a5c6b4", 0.05, 2.1, (3, 7, 16)),
)


def faded(colours: Any, depth: Any, clear: float) -> np.ndarray:
    """Colours (..., 3) as hazy air leaves them at a depth (...)."""
    ahead = np.maximum(depth, 0)
    left = np.exp(-ahead / clear)
    return mix(colours, HAZE, 1 - left)


def scattered(numbers: np.ndarray) -> np.ndarray:
    """Three numbers from 0 to 1 (3, n) for each of n whole numbers, without order but always the same."""
    rows = np.array([[1], [2], [3]])
    start = rows * 78.233
    turn = numbers * 12.9898 + start
    wave = np.sin(turn)
    return wave * 43758.5453 % 1


@lru_cache(maxsize=8)
def circle(count: int) -> np.ndarray:
    """Points (n, 2) on the unit circle, the last one the first again; not to be written on."""
    turn = np.linspace(0, 2 * np.pi, count)
    right = np.cos(turn)
    up = np.sin(turn)
    points = np.stack((right, up), -1)
    points.flags.writeable = False
    return points


def inside(camera: Camera, spots: np.ndarray, margin: Any) -> np.ndarray:
    """Which spots (n, 3) lie in the picture, or within some pixels of it."""
    size = np.array(camera.size)
    middle = size / 2
    pixels = spots[:, :2]
    from_middle = abs(pixels - middle)
    beyond = np.reshape(margin, (-1, 1))
    within = from_middle < middle + beyond
    every: np.ndarray = np.all(within, 1)
    return every


def landscape(
    canvas: Canvas, camera: Camera, colours: tuple[Any, Any], cell: float, clear: float
) -> None:
    """The sky, hills that turn with the camera, and the ground in squares of two colours."""
    _sky(canvas, camera)
    first = int(np.ceil(camera.horizon))
    _, height = camera.size
    rows = np.arange(first, height)
    below = rows + 0.5 - camera.horizon
    depth = camera.focal * camera.height / below
    both = [faded(colour, depth, clear) for colour in colours]
    pairs = np.stack(both, 1)
    tones = packed(pairs).ravel()
    # The colours of each row stand side by side: of its even squares, then of its odd ones.
    which = _odd_squares(camera, depth, cell)
    starts = 2 * np.arange(len(rows), dtype=np.int32)
    which += starts[:, None]
    ground = tones.take(which)
    canvas.picture(ground, (0, first))


def _odd_squares(camera: Camera, depth: np.ndarray, cell: float) -> np.ndarray:
    """Where the squares of the ground are odd (height, width), 1 or 0, in rows that look as far as `depth`."""
    x, y, _ = camera.place
    width, _ = camera.size
    cos, sin = camera.way
    middle = width / 2 - 0.5
    left = middle - np.arange(width)
    side = left / camera.focal
    ahead = _light(depth / cell)
    east = _light(cos - sin * side)
    north = _light(sin + cos * side)
    column = np.multiply.outer(ahead, east)
    row = np.multiply.outer(ahead, north)
    # Far from zero, so that truncating to integers rounds down everywhere.
    column += 1e4 + x / cell
    row += 1e4 + y / cell
    odd = column.astype(np.int32)
    odd ^= row.astype(np.int32)
    odd &= 1
    return odd


def _light(numbers: np.ndarray) -> np.ndarray:
    """In half the memory, which is exact enough for squares."""
    return numbers.astype(np.float32)


def _sky(canvas: Canvas, camera: Camera) -> None:
    width, _ = camera.size
    above = int(np.ceil(camera.horizon))
    blue = _blue(above)
    air = np.broadcast_to(blue[:, None], (above, width))
    canvas.picture(air)
    below = above + 1
    foot = [(width, below), (0, below)]
    column = np.linspace(0, width, 65)
    from_middle = width / 2 - column
    left = from_middle / camera.focal
    _, _, angle = camera.place
    bearing = angle + np.arctan(left)
    for hills in HILLS:
        tall = camera.focal * hills.size
        rise = tall * hills.rise(bearing)
        row = camera.horizon - rise
        ridge = np.stack((column, row), -1)
        corners = np.vstack((ridge, foot))
        canvas.polygon(corners, hills.colour)


@lru_cache(maxsize=8)
def _blue(rows: int) -> np.ndarray:
    """The sky from above down to the horizon, packed (rows,)."""
    down = np.linspace(0, 1, rows)
    share = down**1.3
    colours = mix(*SKY, share)
    return packed(colours)


def space(canvas: Canvas, camera: Camera) -> None:
    """Night on all sides: a glow along the horizon, stars that turn with the camera, and a planet with a ring."""
    width, height = camera.size
    night = _night(height, camera.horizon)
    air = np.broadcast_to(night[:, None], (height, width))
    canvas.picture(air)
    _stars(canvas, camera)
    spot = _far(camera, BEARING, RISE)
    x, y, depth = spot.tolist()
    if depth > 0.2:
        at = np.array([x, y])
        size = 0.08 * camera.focal
        _planet(canvas, at, size)


@lru_cache(maxsize=8)
def _night(rows: int, horizon: float) -> np.ndarray:
    """The glow of each row, packed (rows,)."""
    from_horizon = np.arange(rows) - horizon
    share = from_horizon / (0.3 * rows)
    light = np.exp(-(share**2))
    colours = mix(NIGHT, GLOW, light)
    return packed(colours)


def _stars(canvas: Canvas, camera: Camera) -> None:
    numbers = np.arange(STARS)
    around, up, strength = scattered(numbers)
    bearing = 2 * np.pi * around
    rise = 1.5 * up - 0.9
    spots = _far(camera, bearing, rise)
    depth = spots[:, 2]
    is_ahead = depth > 0.2
    shown = is_ahead & inside(camera, spots, 2)
    light = strength[shown]
    share = 0.3 + 0.7 * light
    tones = mix(GLOW, STAR, share)
    colours = packed(tones).tolist()
    places = spots[shown, :2].tolist()
    radii = 0.5 + light**4
    sizes = radii.tolist()
    for at, size, colour in zip(places, sizes, colours, strict=True):
        canvas.circle(at, size, colour)


def _far(camera: Camera, bearing: Any, rise: Any) -> np.ndarray:
    """Column, row and depth (..., 3) of what is infinitely far, a tangent `rise` above the horizon."""
    cos = np.cos(bearing)
    sin = np.sin(bearing)
    far = np.stack((cos, sin, rise), -1)
    x, y, _ = camera.place
    here = np.array([x, y, camera.height])
    return camera.project(here + far)


def _planet(canvas: Canvas, at: np.ndarray, size: float) -> None:
    shade, lit = PLANET
    around = size * circle(40)
    ring = at + around @ TILT
    behind = ring[19:]
    before = ring[:20]
    thick = 0.1 * size
    canvas.line(behind, RING, thick)
    canvas.circle(at, size, shade)
    sunlit = at - 0.14 * size
    canvas.circle(sunlit, 0.82 * size, lit)
    canvas.line(before, RING, thick)

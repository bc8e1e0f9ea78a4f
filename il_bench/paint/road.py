"""Road: a road in perspective, with strips along it and trees beside it.

Lengths are metres. A road is a line (n, 4) of metres along it, x, y, heading.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .camera import NEAR, Camera
from .canvas import Canvas, mix, packed, palette
from .scenery import faded, inside, scattered

TREE = "#5d8f40", "#6b4f3a", "#3f7d3c", "#55984a"  # shadow, trunk, crown, its sunlit side
EVERY, ASIDE = 2.5, 6.0  # a tree every so many metres of road, and none nearer to it than this
_TREE = palette(TREE)


def along(road: np.ndarray, metres: Any) -> np.ndarray:
    """x, y and heading (..., 3) of a road at `metres` (...)."""
    known, x, y, heading = road.T
    columns = [np.interp(metres, known, column) for column in (x, y, heading)]
    return np.stack(columns, -1)


def beside(pose: np.ndarray, left: Any) -> np.ndarray:
    """Points (..., 3) on the ground to the left of poses (..., 3) of x, y and heading."""
    x, y, angle = np.moveaxis(pose, -1, 0)
    sin = np.sin(angle)
    cos = np.cos(angle)
    east = x - left * sin
    north = y + left * cos
    ground = np.zeros_like(east)
    return np.stack((east, north, ground), -1)


class Strips(NamedTuple):
    """Strips along a road.

    Attributes:
        halves: half their widths (strip, 1).
        odd: colours (strip, 1, 3) of their odd metres.
        even: of their even ones.
    """

    halves: np.ndarray
    odd: np.ndarray
    even: np.ndarray


def paint_road(
    canvas: Canvas, camera: Camera, road: np.ndarray, strips: Sequence[Any], clear: float
) -> None:
    """Strips along a road, the widest first: half-width, and the colours of its odd and its even metres.

    Each is painted piece by piece, so that it stays whole where it folds in a bend tighter than it is wide. Pieces of
    two metres and more show neither odd nor even metres but what both look like from afar.
    """
    known = _strips(tuple(strips))
    metres = road[:, 0]
    way = road[:, 1:]
    corners = _pieces(camera, way, known.halves)
    # The widest strip hides the others where it is not seen; the farthest pieces come first.
    widest = corners[0]
    is_shown = _may_show(camera, widest)
    nearest_first = np.flatnonzero(is_shown)
    shown = nearest_first[::-1]
    depth = camera.depth(way[shown])
    own = _metre_colours(metres, known)
    tones = faded(own[:, shown], depth, clear)
    colours = packed(tones).ravel()
    spots = corners[:, shown, :, :2]
    shapes = spots.reshape(-1, 4, 2)
    canvas.polygons(shapes, colours.tolist())


@lru_cache(maxsize=8)
def _strips(rows: tuple[Any, ...]) -> Strips:
    widths, odd, even = zip(*rows, strict=True)
    halves = np.array(widths)
    odd_tones = palette(odd)
    even_tones = palette(even)
    return Strips(halves[:, None], odd_tones[:, None], even_tones[:, None])


def _metre_colours(metres: np.ndarray, strips: Strips) -> np.ndarray:
    """Colours (strip, piece, 3) of the pieces between some metres of a road, without haze."""
    lengths = np.diff(metres)
    is_short = lengths < 2
    starts = metres[:-1]
    is_even = starts % 2 < 1
    share = np.where(is_short, is_even, 0.5)
    return mix(strips.odd, strips.even, share)


def _pieces(camera: Camera, way: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Column, row and depth (strip, piece, corner, 3) of the pieces of strips along a way."""
    left = beside(way, halves)
    right = beside(way, -halves)
    ends = _cut(camera, left, right)
    edges = np.stack(ends)
    spots = camera.project(edges)
    near_left, near_right = spots[:, :, :-1]
    far_left, far_right = spots[:, :, 1:]
    corners = near_left, near_right, far_right, far_left
    return np.stack(corners, 2)


def _cut(camera: Camera, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines across a road from left to right (..., 3), without what lies beneath the picture.

    Painting takes time for every row of a polygon, seen or not, and close to the camera there are many.
    """
    nearest = _nearest(camera)
    over_left = camera.depth(left) - nearest
    over_right = camera.depth(right) - nearest
    crosses = over_left * over_right < 0
    fall = over_left - over_right
    width = np.where(crosses, fall, 1)
    part = over_left / width
    share = np.where(crosses, part, 0)
    across = right - left
    border = left + share[..., None] * across
    is_under_left = over_left < 0
    is_under_right = over_right < 0
    cuts_left = (crosses & is_under_left)[..., None]
    cuts_right = (crosses & is_under_right)[..., None]
    new_left = np.where(cuts_left, border, left)
    new_right = np.where(cuts_right, border, right)
    return new_left, new_right


def _nearest(camera: Camera) -> float:
    """Depth of ground a little nearer than the picture's last row shows, metres."""
    _, height = camera.size
    below = height - camera.horizon
    return 0.85 * camera.focal * camera.height / below


def _may_show(camera: Camera, shapes: np.ndarray) -> np.ndarray:
    """Which shapes (n, corner, 3) lie before the camera and may touch its picture."""
    width, height = camera.size
    columns = shapes[..., 0]
    right = columns.max(1)
    left, high, nearest = shapes.min(1).T
    after_left = right > -1
    before_right = left < width + 1
    above_foot = high < height + 1
    is_ahead = nearest > NEAR
    across = after_left & before_right
    return across & above_foot & is_ahead


class Upright(NamedTuple):
    """A place in the picture where something stands, and that thing's size, pixels."""

    x: float
    y: float
    size: float

    def at(self, right: float, up: float) -> tuple[float, float]:
        """The pixel some parts of its size to the right, and up."""
        return self.x + right * self.size, self.y - up * self.size


def paint_trees(
    canvas: Canvas, camera: Camera, road: np.ndarray, here: float, reach: float, clear: float
) -> None:
    """Trees beside a road from `here` as far as `reach`: the same ones wherever they are seen from."""
    places, tall = _trees(road, here, reach)
    spots = camera.project(places)
    x, y, ahead = spots.T
    depth = np.maximum(ahead, NEAR)
    sizes = tall * camera.focal / depth
    is_ahead = ahead > NEAR
    is_inside = inside(camera, spots, sizes)
    shown = _off_road(places, road) & is_ahead & is_inside
    farthest_first = np.argsort(-depth)
    order = farthest_first[shown[farthest_first]]
    distances = depth[order, None]
    tones = faded(_TREE, distances, clear)
    colours_of_each = packed(tones).tolist()
    feet = np.stack((x, y, sizes), -1)
    in_order = feet[order].tolist()
    for foot, colours in zip(in_order, colours_of_each, strict=True):
        _tree(canvas, Upright(*foot), colours)


def _trees(road: np.ndarray, here: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Where trees stand (n, 3), and how tall they are (n,), metres."""
    first = here // EVERY
    last = (here + reach) // EVERY
    number = np.arange(first, last)
    side, aside, tall = scattered(number)
    way = np.where(side < 0.5, -1, 1)
    off = ASIDE + 0.5 + 14 * aside**1.5
    middle = along(road, number * EVERY)
    places = beside(middle, way * off)
    return places, 2 + 2.4 * tall


def _off_road(places: np.ndarray, road: np.ndarray) -> np.ndarray:
    """Which places (n, 3) have no road within `ASIDE` of them."""
    _, x, y, _ = road[::4].T
    east = places[:, :1] - x
    north = places[:, 1:2] - y
    square = east * east + north * north
    nearest = square.min(1)
    return nearest > ASIDE**2


def _tree(canvas: Canvas, foot: Upright, tones: list[int]) -> None:
    shadow, trunk, crown, light = tones
    size = foot.size
    left = foot.at(-0.28, 0)
    right = foot.at(0.28, 0)
    bottom = foot.at(0, 0)
    top = foot.at(0, 0.4)
    middle = foot.at(0, 0.63)
    sunlit = foot.at(-0.07, 0.69)
    canvas.line([left, right], shadow, 0.16 * size)
    canvas.line([bottom, top], trunk, 0.1 * size)
    canvas.circle(middle, 0.37 * size, crown)
    canvas.circle(sunlit, 0.28 * size, light)

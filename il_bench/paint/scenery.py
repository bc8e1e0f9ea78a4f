"""Scenery: what roads lead through, in perspective: sky, hills, ground or space, roads, trees, a car, and a drone.

Lengths are metres. A road is a line (n, 4) of metres along it, x, y, heading. Haze takes two thirds of every colour at
`clear` metres.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .camera import NEAR, Camera
from .canvas import Canvas, Solid, mix, packed, rgb

SKY = "#6fb1e4", "#e6f1f4"  # overhead and at the horizon
HAZE = "#bcd6c6"  # what distance fades into

# Of the hills: colour, size, phase, and how many waves around.
HILLS = (
    ("#b7d0d9", 0.09, 0.3, (2, 5, 9)),
    ("#a5c6b4", 0.05, 2.1, (3, 7, 16)),
)

TREE = "#5d8f40", "#6b4f3a", "#3f7d3c", "#55984a"  # shadow, trunk, crown, its sunlit side
EVERY, ASIDE = 2.5, 6.0  # a tree every so many metres of road, and none nearer to it than this

GLASS, TYRE, RIM, LAMP, SHADOW = "#2b3f55", "#15181d", "#9aa3ad", "#e5322d", "#434a4e"

NIGHT, GLOW, STAR, RING = "#0b1026", "#3a2a63", "#ffffff", "#e9c9a0"
PLANET = "#b9573f", "#e08a5a"  # in the shade and in the light
STARS = 420  # all around
BEARING, RISE = 0.35, 0.22  # where the planet stands, radians, and the tangent of its height

ARM = 0.4  # of a drone, metres
FLAMES = (0.09, 0.45, "#ff8c2b"), (0.05, 0.27, "#ffe07a")  # half-width and length, metres; colour
SMOKE = "#6b6f76"


def faded(colours: Any, depth: Any, clear: float) -> np.ndarray:
    """Colours (..., 3) as hazy air leaves them at a depth (...)."""
    return mix(colours, HAZE, 1 - np.exp(-np.maximum(depth, 0) / clear))


def along(road: np.ndarray, metres: Any) -> np.ndarray:
    """x, y and heading (..., 3) of a road at `metres` (...)."""
    return np.stack([np.interp(metres, road[:, 0], column) for column in road[:, 1:].T], -1)


def beside(pose: np.ndarray, left: Any) -> np.ndarray:
    """Points (..., 3) on the ground to the left of poses (..., 3) of x, y and heading."""
    x, y, angle = np.moveaxis(pose, -1, 0)
    east = x - left * np.sin(angle)
    north = y + left * np.cos(angle)
    return np.stack((east, north, np.zeros_like(east)), -1)


def scattered(numbers: np.ndarray) -> np.ndarray:
    """Three numbers from 0 to 1 (3, n) for each of n whole numbers, without order but always the same."""
    rows = np.array([[1], [2], [3]])
    return np.sin(numbers * 12.9898 + rows * 78.233) * 43758.5453 % 1


def circle(count: int) -> np.ndarray:
    """Points (n, 2) on the unit circle, the last one the first again."""
    turn = np.linspace(0, 2 * np.pi, count)
    return np.stack((np.cos(turn), np.sin(turn)), -1)


def landscape(
    canvas: Canvas, camera: Camera, colours: tuple[Any, Any], cell: float, clear: float
) -> None:
    """The sky, hills that turn with the camera, and the ground in squares of two colours."""
    _sky(canvas, camera)
    first = int(np.ceil(camera.horizon))
    rows = np.arange(first, camera.size[1])
    depth = camera.focal * camera.height / (rows + 0.5 - camera.horizon)
    tones = packed(np.stack([faded(colour, depth, clear) for colour in colours], 1))
    which = _odd_squares(camera, depth, cell)
    which += 2 * np.arange(len(rows), dtype=np.int32)[:, None]
    canvas.picture(tones.ravel().take(which), (0, first))


def _odd_squares(camera: Camera, depth: np.ndarray, cell: float) -> np.ndarray:
    """Where the squares of the ground are odd (height, width), 1 or 0, in rows that look as far as `depth`."""
    x, y, angle = camera.place
    width = camera.size[0]
    side = (width / 2 - 0.5 - np.arange(width)) / camera.focal
    ahead = (depth / cell).astype(np.float32)
    east = (np.cos(angle) - np.sin(angle) * side).astype(np.float32)
    north = (np.sin(angle) + np.cos(angle) * side).astype(np.float32)
    # Far from zero, so that truncating to integers rounds down everywhere.
    column = np.multiply.outer(ahead, east)
    column += 1e4 + x / cell
    row = np.multiply.outer(ahead, north)
    row += 1e4 + y / cell
    odd = column.astype(np.int32)
    odd ^= row.astype(np.int32)
    odd &= 1
    return odd


def _sky(canvas: Canvas, camera: Camera) -> None:
    width = camera.size[0]
    above = int(np.ceil(camera.horizon))
    canvas.picture(np.broadcast_to(_blue(above)[:, None], (above, width)))
    column = np.linspace(0, width, 65)
    bearing = camera.place[2] + np.arctan((width / 2 - column) / camera.focal)
    foot = [(width, above + 1), (0, above + 1)]
    for colour, size, phase, waves in HILLS:
        row = camera.horizon - camera.focal * size * _rise(bearing, phase, waves)
        canvas.polygon(np.vstack((np.stack((column, row), -1), foot)), colour)


@lru_cache(maxsize=8)
def _blue(rows: int) -> np.ndarray:
    """The sky from above down to the horizon, packed (rows,)."""
    return packed(mix(*SKY, np.linspace(0, 1, rows) ** 1.3))


def _rise(bearing: np.ndarray, phase: float, waves: tuple[int, ...]) -> np.ndarray:
    """How high a chain of hills rises at some bearings, 0 and more."""
    swings = [np.sin(n * bearing + phase * n * n) / (i + 1.5) for i, n in enumerate(waves)]
    return np.maximum(1 + sum(swings), 0)


def space(canvas: Canvas, camera: Camera) -> None:
    """Night on all sides: a glow along the horizon, stars that turn with the camera, and a planet with a ring."""
    width, height = camera.size
    from_horizon = (np.arange(height) - camera.horizon) / (0.3 * height)
    night = packed(mix(NIGHT, GLOW, np.exp(-(from_horizon**2))))
    canvas.picture(np.broadcast_to(night[:, None], (height, width)))
    _stars(canvas, camera)
    x, y, depth = _far(camera, BEARING, RISE).tolist()
    if depth > 0.2:
        _planet(canvas, np.array([x, y]), 0.08 * camera.focal)


def _stars(canvas: Canvas, camera: Camera) -> None:
    around, rise, light = scattered(np.arange(STARS))
    spots = _far(camera, 2 * np.pi * around, 1.5 * rise - 0.9)
    ahead = spots[:, 2] > 0.2
    shown = ahead & _inside(camera, spots, 2)
    light = light[shown]
    colours = packed(mix(GLOW, STAR, 0.3 + 0.7 * light))
    stars = zip(spots[shown, :2].tolist(), (0.5 + light**4).tolist(), colours.tolist(), strict=True)
    for at, size, colour in stars:
        canvas.circle(at, size, colour)


def _inside(camera: Camera, spots: np.ndarray, margin: Any) -> np.ndarray:
    """Which spots (n, 3) lie in the picture, or within some pixels of it."""
    middle = np.array(camera.size) / 2
    from_middle = abs(spots[:, :2] - middle)
    beyond = np.reshape(margin, (-1, 1))
    within = np.asarray(from_middle < middle + beyond)
    return np.asarray(within.all(1))


def _far(camera: Camera, bearing: Any, rise: Any) -> np.ndarray:
    """Column, row and depth (..., 3) of what is infinitely far, a tangent `rise` above the horizon."""
    far = np.stack((np.cos(bearing), np.sin(bearing), rise), -1)
    here = np.array([*camera.place[:2], camera.height])
    return camera.project(here + far)


def _planet(canvas: Canvas, at: np.ndarray, size: float) -> None:
    shade, lit = PLANET
    tilted = np.array([[1.9, -0.25], [0, 0.4]])  # of the ring, which is seen from a little above
    ring = at + size * circle(40) @ tilted
    canvas.line(ring[19:], RING, 0.1 * size)
    canvas.circle(at, size, shade)
    canvas.circle(at - 0.14 * size, 0.82 * size, lit)
    canvas.line(ring[:20], RING, 0.1 * size)


def paint_road(
    canvas: Canvas, camera: Camera, road: np.ndarray, strips: Sequence[Any], clear: float
) -> None:
    """Strips along a road, the widest first: half-width, and the colours of its odd and its even metres.

    Each is painted piece by piece, so that it stays whole where it folds in a bend tighter than it is wide. Pieces of
    two metres and more show neither odd nor even metres but what both look like from afar.
    """
    tones, halves = _strips(tuple(strips))
    way = road[:, 1:]
    edges = _cut(camera, beside(way, halves), beside(way, -halves))
    left, right = camera.project(np.stack(edges))  # (strip, sample, 3)
    corners = left[:, :-1], right[:, :-1], right[:, 1:], left[:, 1:]
    # The widest strip hides the others where it is not seen; the farthest pieces come first.
    widest = np.stack([corner[0] for corner in corners], 1)
    shown = _may_show(camera, widest).nonzero()[0][::-1]
    pieces = np.stack([corner[:, shown, :2] for corner in corners], 2)
    depth = camera.depth(way[:-1])
    tones = faded(_metre_colours(road[:, 0], tones), depth, clear)
    colours = packed(tones)[:, shown]
    canvas.polygons(pieces.reshape(-1, 4, 2), colours.ravel().tolist())


@lru_cache(maxsize=8)
def _strips(strips: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Colours (2, strip, 1, 3) of odd and even metres, and half-widths (strip, 1)."""
    halves, odd, even = zip(*strips, strict=True)
    colours = [[rgb(colour) for colour in tones] for tones in (odd, even)]
    return np.array(colours)[:, :, None], np.array(halves)[:, None]


def _metre_colours(metres: np.ndarray, tones: np.ndarray) -> np.ndarray:
    """Colours (strip, piece, 3) of the pieces between some metres of a road, without haze."""
    is_even = metres[:-1] % 2 < 1
    odd, even = tones
    return mix(odd, even, np.where(np.diff(metres) < 2, is_even, 0.5))


def _cut(camera: Camera, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines across a road from left to right (..., 3), without what lies beneath the picture.

    Painting takes time for every row of a polygon, seen or not, and close to the camera there are many.
    """
    nearest = _nearest(camera)
    over_left = camera.depth(left) - nearest
    over_right = camera.depth(right) - nearest
    crosses = over_left * over_right < 0
    width = np.where(crosses, over_left - over_right, 1)
    share = np.where(crosses, over_left / width, 0)
    border = left + share[..., None] * (right - left)
    cuts_left = crosses & (over_left < 0)
    cuts_right = crosses & (over_right < 0)
    left = np.where(cuts_left[..., None], border, left)
    right = np.where(cuts_right[..., None], border, right)
    return left, right


def _nearest(camera: Camera) -> float:
    """Depth of ground a little nearer than the picture's last row shows, metres."""
    return 0.85 * camera.focal * camera.height / (camera.size[1] - camera.horizon)


def _may_show(camera: Camera, shapes: np.ndarray) -> np.ndarray:
    """Which shapes (n, corner, 3) lie before the camera and may touch its picture."""
    width, height = camera.size
    right = shapes[..., 0].max(1)
    left, high, nearest = shapes.min(1).T
    across = (right > -1) & (left < width + 1)
    above_foot = high < height + 1
    return across & above_foot & (nearest > NEAR)


def paint_trees(
    canvas: Canvas, camera: Camera, road: np.ndarray, here: float, reach: float, clear: float
) -> None:
    """Trees beside a road from `here` as far as `reach`: the same ones wherever they are seen from."""
    number = np.arange(here // EVERY, (here + reach) // EVERY)
    side, aside, tall = scattered(number)
    left = np.where(side < 0.5, -1, 1) * (ASIDE + 0.5 + 14 * aside**1.5)
    places = beside(along(road, number * EVERY), left)
    spots = camera.project(places)
    depth = np.maximum(spots[:, 2], NEAR)
    sizes = (2 + 2.4 * tall) * camera.focal / depth
    shown = _off_road(places, road) & (spots[:, 2] > NEAR) & _inside(camera, spots, sizes)
    order = np.argsort(-depth)
    order = order[shown[order]]
    tones = packed(faded(_TREE, depth[order, None], clear)).tolist()
    trees = zip(spots[order, :2].tolist(), sizes[order].tolist(), tones, strict=True)
    for foot, size, colours in trees:
        _tree(canvas, foot, size, colours)


_TREE = np.stack([rgb(colour) for colour in TREE])


def _off_road(places: np.ndarray, road: np.ndarray) -> np.ndarray:
    """Which places (n, 3) have no road within `ASIDE` of them."""
    east = places[:, :1] - road[::4, 1]
    north = places[:, 1:2] - road[::4, 2]
    return (east * east + north * north).min(1) > ASIDE**2


def _tree(canvas: Canvas, foot: list[float], size: float, tones: list[int]) -> None:
    shadow, trunk, crown, light = tones
    x, y = foot
    wide = 0.28 * size
    ground = [(x - wide, y), (x + wide, y)]
    canvas.line(ground, shadow, 0.16 * size)
    canvas.line([foot, (x, y - 0.4 * size)], trunk, 0.1 * size)
    canvas.circle((x, y - 0.63 * size), 0.37 * size, crown)
    sunlit = x - 0.07 * size, y - 0.69 * size
    canvas.circle(sunlit, 0.28 * size, light)


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


@lru_cache(maxsize=16)
def car(paint: str, size: float = 1.0) -> Solid:
    """A car on the origin, looking along x: of its faces those come first that others may hide."""
    left = OUTLINE
    right = OUTLINE * (1, -1, 1)
    across = np.stack((left[:-1], right[:-1], right[1:], left[1:]), 1)
    skins = list(zip(across, LIGHT, strict=True))
    front = skins[:3:-1]
    back = skins[3::-1]
    outlines = left, right[::-1]
    sides = zip(outlines, SIDES, strict=True)
    body = [*front, *sides, *back]
    panels = [(face, _lit(paint, light)) for face, light in body]
    windows = left[2:6], right[5:1:-1], across[2]
    panes = [(_within(face), GLASS) for face in windows]
    oval = circle(20) * (1.5, 0.86)
    ground = np.pad(oval, ((0, 0), (0, 1)))
    shadow = ground, SHADOW
    faces = [shadow, *panels, *panes, *_wheels(), *_rear()]
    scaled = [(size * face, colour) for face, colour in faces]
    return Solid.of(scaled)


def _within(face: np.ndarray) -> np.ndarray:
    """A face (n, 3) a little smaller."""
    return face + 0.17 * (face.mean(0) - face)


def _lit(paint: str, light: float) -> list[float]:
    """A paint's colour in some light; more than 1 is brighter than it is."""
    return mix("#000000", paint, light).clip(0, 255).tolist()


def _wheels() -> list[tuple[np.ndarray, Any]]:
    disc = 0.28 * np.insert(circle(20), 1, 0, axis=1)
    faces: list[tuple[np.ndarray, Any]] = []
    for side, x in itertools.product((1, -1), (-0.82, 0.8)):
        hub = np.array([x, 0.71 * side, 0.28])
        rolling = disc[::-side]
        faces += [(rolling + hub, TYRE), (0.5 * rolling + hub, RIM)]
    return faces


def _rear() -> list[tuple[np.ndarray, Any]]:
    """Wheels and lamps from behind."""
    square = np.array([(0, 1, 0), (0, -1, 0), (0, -1, 1), (0, 1, 1)])
    faces: list[tuple[np.ndarray, Any]] = []
    tyre = square * (1, 0.13, 0.21)
    lamp = square * (1, 0.15, 0.13)
    for side in (1, -1):
        wheel = -1.3, 0.57 * side, 0
        light = -1.36, 0.51 * side, 0.45
        faces += [(tyre + wheel, TYRE), (lamp + light, LAMP)]
    return faces


def upright(camera: Camera, points: Any) -> np.ndarray:
    """Pixels (n, 2) of points (n, 2), metres to the right and up, in the upright plane through the origin."""
    right, up = np.transpose(points)
    return camera.project(np.stack((0 * right, -right, up), -1))[:, :2]


def paint_walker(
    canvas: Canvas, foot: Sequence[float], reach: float, paint: str, alpha: float
) -> None:
    """Somebody in a cloak who stands at `foot`, `reach` pixels to each side."""
    x, y = foot
    with canvas.layer(alpha):
        canvas.polygon([(x - reach, y), (x + reach, y), (x, y - 2.2 * reach)], paint)
        canvas.circle((x, y - 2.1 * reach), 0.6 * reach, paint)


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
    x, z, tilt = pose
    axes = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    middle = x, max(z, 0.17 + ARM * abs(axes[0, 1]))
    metre = camera.focal / -camera.place[0]

    def at(*points: Any) -> np.ndarray:
        return upright(camera, np.array(points) @ axes + middle)

    shadow = upright(camera, [(x, 0)])[0] + circle(24) * metre * (1.2 * ARM, 0.06)
    with canvas.layer(0.3 * alpha, shadow):
        canvas.polygon(shadow, "#000000")
    with canvas.layer(alpha, at((-0.7, -1.2), (0.7, -1.2), (0.7, 0.3), (-0.7, 0.3))):
        _rotors(canvas, at, metre, (0, 0) if thrusts is None else thrusts)
        _hull(canvas, at, metre, paint)
    if thrusts is None:
        _smoke(canvas, at((0, 0))[0], metre, 0.5 * alpha)


def _rotors(canvas: Canvas, at: Any, metre: float, thrusts: Any) -> None:
    for side, thrust in zip((-ARM, ARM), thrusts, strict=True):
        for wide, long, colour in FLAMES if thrust > 0 else ():
            left, right = (side - wide, 0), (side + wide, 0)
            canvas.polygon(at(left, right, (side, -0.06 - long * thrust)), colour)
        blades = circle(24) * (0.25, 0.025)
        hub = side, 0.15
        canvas.polygon(at(*(blades + hub)), RIM)
        canvas.line(at((side, -0.04), hub), GLASS, 0.07 * metre)


def _hull(canvas: Canvas, at: Any, metre: float, paint: Any) -> None:
    beam = at((-ARM, 0.02), (ARM, 0.02))
    canvas.line(beam, GLASS, 0.07 * metre)
    for side in (-0.14, 0.14):
        leg = at((0.6 * side, 0), (1.4 * side, -0.2))
        canvas.line(leg, GLASS, 0.035 * metre)
    oval = circle(24) * (0.2, 0.12)
    canvas.polygon(at(*oval), paint)
    (lens,) = at((0.06, 0.02))
    canvas.circle(lens, 0.05 * metre, SKY[1])


def _smoke(canvas: Canvas, source: np.ndarray, metre: float, alpha: float) -> None:
    for i in range(4):
        puff = source + metre * np.array([0.12 * np.sin(2 * i), -0.05 - 0.25 * i])
        size = (0.1 + 0.05 * i) * metre
        with canvas.layer(alpha, (puff - size, puff + size)):
            canvas.circle(puff, size, SMOKE)

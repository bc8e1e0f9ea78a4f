"""Scenery: what roads lead through, in perspective: sky, hills, ground or space, roads, trees, a car, and a drone.

Lengths are metres. A road is a line (n, 4) of metres along it, x, y, heading. Haze takes two thirds of every colour at
`clear` metres.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .camera import NEAR, Camera
from .canvas import Canvas, mix, rgb

SKY, HAZE = (
    ("#6fb1e4", "#e6f1f4"),
    "#bcd6c6",
)  # overhead and at the horizon; what distance fades into


HILLS = (
    ("#b7d0d9", 0.09, 0.3, (2, 5, 9)),
    ("#a5c6b4", 0.05, 2.1, (3, 7, 16)),
)  # colour, size, phase, waves around


TREE = (
    "#5d8f40",
    "#6b4f3a",
    "#3f7d3c",
    "#55984a",
)  # shadow, trunk, crown, the sunlit side of the crown


EVERY, ASIDE = 2.5, 6.0  # a tree every so many metres of road, and none nearer to it than this


GLASS, TYRE, RIM, LAMP, SHADOW = "#2b3f55", "#15181d", "#9aa3ad", "#e5322d", "#434a4e"


NIGHT, GLOW, STAR, PLANET, RING = "#0b1026", "#3a2a63", "#ffffff", ("#b9573f", "#e08a5a"), "#e9c9a0"


STARS, BEARING, RISE = (
    420,
    0.35,
    0.22,
)  # how many all around; where the planet stands, radians and its tangent


ARM, FLAMES, SMOKE = (
    0.4,
    ((0.09, 0.45, "#ff8c2b"), (0.05, 0.27, "#ffe07a")),
    "#6b6f76",
)  # of a drone; metres


def faded(colours: Any, depth: Any, clear: float) -> np.ndarray:
    """Colours (..., 3) as hazy air leaves them at a depth (...)."""
    return mix(colours, HAZE, 1 - np.exp(-np.maximum(depth, 0) / clear))


def along(road: np.ndarray, metres: Any) -> np.ndarray:
    """x, y and heading (..., 3) of a road at `metres` (...)."""
    return np.stack([np.interp(metres, road[:, 0], column) for column in road[:, 1:].T], -1)


def beside(pose: np.ndarray, left: Any) -> np.ndarray:
    """Points (..., 3) on the ground to the left of poses (..., 3) of x, y and heading."""
    x, y, angle = np.moveaxis(pose, -1, 0)
    return np.stack((x - left * np.sin(angle), y + left * np.cos(angle), 0 * angle), -1)


def landscape(
    canvas: Canvas, camera: Camera, colours: tuple[Any, Any], cell: float, clear: float
) -> None:
    """The sky, hills that turn with the camera, and the ground in squares of two colours."""
    _sky(canvas, camera)
    (w, h), first = camera.size, int(np.ceil(camera.horizon))
    depth = camera.focal * camera.height / (np.arange(first, h) + 0.5 - camera.horizon)
    (x, y, angle), side = camera.place, (w / 2 - 0.5 - np.arange(w)) / camera.focal
    ahead = (depth / cell).astype(np.float32)
    # Far from zero, so that truncating to integers rounds down everywhere.
    east = np.multiply.outer(ahead, (np.cos(angle) - np.sin(angle) * side).astype(np.float32)) + (
        1e4 + x / cell
    )
    north = np.multiply.outer(ahead, (np.sin(angle) + np.cos(angle) * side).astype(np.float32)) + (
        1e4 + y / cell
    )
    odd = (east.astype(np.int32) ^ north.astype(np.int32)) & 1
    tones = (
        np.stack([faded(colour, depth, clear) for colour in colours], 1)
        .astype(np.uint8)
        .reshape(-1, 3)
    )
    canvas.picture(tones.take(odd + 2 * np.arange(h - first)[:, None], axis=0), (0, first))


def _sky(canvas: Canvas, camera: Camera) -> None:
    w, above = camera.size[0], int(np.ceil(camera.horizon))
    canvas.picture(np.repeat(mix(*SKY, np.linspace(0, 1, above) ** 1.3)[:, None], w, 1))
    column = np.linspace(0, w, 65)
    bearing = camera.place[2] + np.arctan((w / 2 - column) / camera.focal)
    for colour, size, phase, waves in HILLS:
        rise = 1 + sum(np.sin(n * bearing + phase * n * n) / (i + 1.5) for i, n in enumerate(waves))
        row = camera.horizon - camera.focal * size * np.maximum(rise, 0)
        canvas.polygon([*zip(column, row, strict=True), (w, above + 1), (0, above + 1)], colour)


def space(canvas: Canvas, camera: Camera) -> None:
    """Night on all sides: a glow along the horizon, stars that turn with the camera, and a planet with a ring."""
    (w, h), n = camera.size, np.arange(STARS)
    glow = np.exp(-(((np.arange(h) - camera.horizon) / (0.3 * h)) ** 2))
    canvas.picture(np.repeat(mix(NIGHT, GLOW, glow)[:, None], w, 1))
    chance = np.sin(n * 12.9898 + np.array([[1], [2], [3]]) * 78.233) * 43758.5453 % 1
    spots = _far(camera, 2 * np.pi * chance[0], 1.5 * chance[1] - 0.9)
    for (x, y, depth), light in zip(spots.tolist(), chance[2].tolist(), strict=True):
        if depth > 0.2:
            canvas.circle((x, y), 0.5 + light**4, mix(GLOW, STAR, 0.3 + 0.7 * light).tolist())
    x, y, depth = _far(camera, BEARING, RISE).tolist()
    if depth > 0.2:
        _planet(canvas, x, y, 0.08 * camera.focal)


def _far(camera: Camera, bearing: Any, rise: Any) -> np.ndarray:
    """Column, row and depth (..., 3) of what is infinitely far, a tangent `rise` above the horizon."""
    far = np.stack((np.cos(bearing), np.sin(bearing), rise), -1)
    here = np.array([*camera.place[:2], camera.height])
    return camera.project(here + far)


def _planet(canvas: Canvas, x: float, y: float, size: float) -> None:
    turn, (shade, lit) = np.linspace(0, 2 * np.pi, 40), PLANET
    ring = np.stack(
        (x + 1.9 * size * np.cos(turn), y + 0.4 * size * np.sin(turn) - 0.25 * size * np.cos(turn)),
        -1,
    )
    canvas.line(ring[19:], RING, 0.1 * size)
    canvas.circle((x, y), size, shade)
    canvas.circle((x - 0.14 * size, y - 0.14 * size), 0.82 * size, lit)
    canvas.line(ring[:20], RING, 0.1 * size)


def paint_road(canvas: Canvas, camera: Camera, road: np.ndarray, strips: Any, clear: float) -> None:
    """Strips along a road, the widest first: half-width, and the colours of its odd and its even metres.

    Each is painted piece by piece, so that it stays whole where it folds in a bend tighter than it is wide.
    """
    depth = camera.project(road[:, 1:] * (1, 1, 0))[:, 2]
    for half, odd, even in strips:
        left, right = (camera.project(beside(road[:, 1:], side * half)) for side in (1, -1))
        pieces = np.stack((left[:-1], right[:-1], right[1:], left[1:]), 1)
        seen = np.flatnonzero(pieces[..., 2].min(1) > NEAR)[::-1]
        colours = faded(np.where(road[:, :1] % 2 < 1, rgb(even), rgb(odd)), depth, clear)
        canvas.polygons(pieces[seen, :, :2], colours[seen].tolist())


def paint_trees(
    canvas: Canvas, camera: Camera, road: np.ndarray, here: float, reach: float, clear: float
) -> None:
    """Trees beside a road from `here` as far as `reach`: the same ones wherever they are seen from."""
    n = np.arange(here // EVERY, (here + reach) // EVERY)
    chance = np.sin(n * 12.9898 + np.array([[1], [2], [3]]) * 78.233) * 43758.5453 % 1
    places = beside(
        along(road, n * EVERY),
        np.where(chance[0] < 0.5, -1, 1) * (ASIDE + 0.5 + 14 * chance[1] ** 1.5),
    )
    free = np.hypot(*(places[:, None, :2] - road[::4, 1:3]).transpose(2, 0, 1)).min(1) > ASIDE
    spots, height = camera.project(places[free]), 2 + 2.4 * chance[2, free]
    for i in np.argsort(-spots[:, 2])[: (spots[:, 2] > NEAR).sum()]:
        _tree(
            canvas,
            spots[i, 0],
            spots[i, 1],
            height[i] * camera.focal / spots[i, 2],
            faded(_TREE, spots[i, 2], clear),
        )


_TREE = np.stack([rgb(colour) for colour in TREE])


def _tree(canvas: Canvas, x: float, y: float, size: float, tones: np.ndarray) -> None:
    shadow, trunk, crown, light = tones.tolist()
    canvas.line([(x - 0.28 * size, y), (x + 0.28 * size, y)], shadow, 0.16 * size)
    canvas.line([(x, y), (x, y - 0.4 * size)], trunk, 0.1 * size)
    canvas.circle((x, y - 0.63 * size), 0.37 * size, crown)
    canvas.circle((x - 0.07 * size, y - 0.69 * size), 0.28 * size, light)


@lru_cache(maxsize=8)
def car(paint: str) -> list[tuple[np.ndarray, Any]]:
    """The faces of a car on the origin, looking along x, for `Canvas.solid`: what others may hide comes first."""
    ahead = (
        -1.3,
        -1.34,
        -1.2,
        -0.85,
        0.1,
        0.62,
        1.25,
        1.33,
    )  # its outline, from the lower rear over the roof
    aside, up = (
        (0.7, 0.7, 0.7, 0.52, 0.52, 0.7, 0.7, 0.7),
        (0.2, 0.62, 0.8, 1.22, 1.24, 0.84, 0.68, 0.2),
    )
    left = np.stack((ahead, aside, up), -1)
    right = left * (1, -1, 1)
    across = [np.stack((left[i], right[i], right[i + 1], left[i + 1])) for i in range(7)]
    body, tones = (
        (*across[:3:-1], left, right[::-1], *across[3::-1]),
        (0.6, 1, 0.9, 0.78, 0.7, 1.15, 0.95, 1.05, 0.84),
    )
    turn = np.linspace(0, 2 * np.pi, 20)
    shadow = np.stack((1.5 * np.cos(turn), 0.86 * np.sin(turn), 0 * turn), -1)
    panels = [
        (c, mix("#000000", paint, tone).clip(0, 255).tolist())
        for c, tone in zip(body, tones, strict=True)
    ]
    panes = [(c + 0.17 * (c.mean(0) - c), GLASS) for c in (left[2:6], right[5:1:-1], across[2])]
    return [(shadow, SHADOW), *panels, *panes, *_wheels_and_lamps()]


def _wheels_and_lamps() -> list[tuple[np.ndarray, Any]]:
    turn = np.linspace(0, 2 * np.pi, 20)
    disc = np.stack((0.28 * np.cos(turn), 0 * turn, 0.28 * np.sin(turn)), -1)
    square = np.array([(0, 1, 0), (0, -1, 0), (0, -1, 1), (0, 1, 1)])
    faces: list[tuple[np.ndarray, Any]] = []
    for side in (1, -1):
        for x in (-0.82, 0.8):
            hub = np.array([x, 0.71 * side, 0.28])
            faces += [(disc[::-side] + hub, TYRE), (0.5 * disc[::-side] + hub, RIM)]
        faces.append((square * (1, 0.13, 0.21) + (-1.3, 0.57 * side, 0), TYRE))
        faces.append((square * (1, 0.15, 0.13) + (-1.36, 0.51 * side, 0.45), LAMP))
    return faces


def upright(camera: Camera, points: Any) -> np.ndarray:
    """Pixels (n, 2) of points (n, 2), metres to the right and up, in the upright plane through the origin."""
    right, up = np.transpose(points)
    return camera.project(np.stack((0 * right, -right, up), -1))[:, :2]


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
    (x, z, tilt), turn = pose, np.linspace(0, 2 * np.pi, 24)
    ring = np.stack((np.cos(turn), np.sin(turn)), -1)
    axes = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    foot, metre = upright(camera, [(x, 0)])[0], camera.focal / -camera.place[0]

    def at(*points: Any) -> np.ndarray:
        return upright(camera, np.array(points) @ axes + (x, max(z, 0.17 + ARM * abs(axes[0, 1]))))

    shadow = foot + ring * metre * (1.2 * ARM, 0.06)
    with canvas.layer(0.3 * alpha, shadow):
        canvas.polygon(shadow, "#000000")
    with canvas.layer(alpha, at((-0.7, -1.2), (0.7, -1.2), (0.7, 0.3), (-0.7, 0.3))):
        _drone(canvas, at, ring, metre, thrusts, paint)
    for i in range(4 if thrusts is None else 0):
        puff, size = (
            at((0, 0))[0] + metre * np.array([0.12 * np.sin(2 * i), -0.05 - 0.25 * i]),
            (0.1 + 0.05 * i) * metre,
        )
        with canvas.layer(0.5 * alpha, (puff - size, puff + size)):
            canvas.circle(puff, size, SMOKE)


def _drone(
    canvas: Canvas, at: Any, ring: np.ndarray, metre: float, thrusts: Any, paint: Any
) -> None:
    for side, thrust in zip((-ARM, ARM), (0, 0) if thrusts is None else thrusts, strict=True):
        for wide, long, colour in FLAMES if thrust > 0 else ():
            canvas.polygon(
                at((side - wide, 0), (side + wide, 0), (side, -0.06 - long * thrust)), colour
            )
        canvas.polygon(at(*(ring * (0.25, 0.025) + (side, 0.15))), RIM)
        canvas.line(at((side, -0.04), (side, 0.15)), GLASS, 0.07 * metre)
    canvas.line(at((-ARM, 0.02), (ARM, 0.02)), GLASS, 0.07 * metre)
    for foot in (-0.14, 0.14):
        canvas.line(at((0.6 * foot, 0), (1.4 * foot, -0.2)), GLASS, 0.035 * metre)
    canvas.polygon(at(*(ring * (0.2, 0.12))), paint)
    canvas.circle(at((0.06, 0.02))[0], 0.05 * metre, SKY[1])

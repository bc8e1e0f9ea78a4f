"""Canvas: what environments and films paint on, antialiased, in memory; no display is ever opened.

Everything is painted at twice its size and averaged down, which smooths every edge alike. pygame is imported when the
first canvas is made, so that importing this module costs nothing. Colours are "#rrggbb", or three numbers to 255.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .camera import NEAR, Camera

FINE = 2  # painted pixels for each shown one, along each axis

BANNER = 24
"""Rows at the top of a picture, pixels, on which a film may write: nothing that tells anything lies there."""

COLOURS = "#56B4E9", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#555555"
"""Okabe & Ito's colours, which the colour-blind tell apart too: the expert's, then the learners' in their order."""

INK, SOFT, RULE, PAPER = "#1d2430", "#68707d", "#e4e7ec", "#ffffff"

FAR = 1e5  # fine pixels; pygame walks to what lies farther row by row, and to what is not finite for ever

EVERYWHERE = (-np.inf, -np.inf), (np.inf, np.inf)


def colour_of(learner: int) -> str:
    """The colour of a learner by its place in a record; 0 is the expert."""
    expert, *learners = COLOURS
    return learners[(learner - 1) % len(learners)] if learner else expert


def bodies(
    state: np.ndarray, ghost: np.ndarray | None, colour: str, faint: float = 0.5
) -> list[tuple[np.ndarray, str, float]]:
    """Whose bodies a picture shows, each with its colour and opacity: the twin's, then what lies upon it."""
    twin = [] if ghost is None else [(ghost, colour_of(0), faint)]
    return [*twin, (state, colour, 1.0)]


def rgb(colour: Any) -> np.ndarray:
    """A colour as three numbers from 0 to 255; an array of colours (..., 3) is passed on."""
    numbers = [*bytes.fromhex(colour[1:])] if isinstance(colour, str) else colour
    return np.array(numbers, dtype=float)


def mix(one: Any, other: Any, share: Any) -> np.ndarray:
    """Colours (..., 3) that are `one` where the share (...) is 0 and `other` where it is 1."""
    start = rgb(one)
    return start + (rgb(other) - start) * np.asarray(share)[..., None]


def packed(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) as one number each (...), uint32: what `Canvas.picture` and `Canvas.polygons` take fastest."""
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    return (red << 16) | (green << 8) | blue


def _fine(points: Any) -> list[Any]:
    """Points (..., 2) in fine pixels, none of them farther than FAR."""
    fine = np.asarray(points, dtype=float) * FINE
    return np.nan_to_num(fine, nan=FAR).clip(-FAR, FAR).tolist()


@lru_cache(maxsize=1)
def _pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame.font
    import pygame.surfarray

    pygame.font.init()
    return pygame


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> Any:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", name)
    return _pygame().font.Font(path, size * FINE)


@lru_cache(maxsize=256)  # most words of a film stand in all of its frames
def _lettering(words: str, colour: str, size: int, bold: bool) -> Any:
    try:
        return _font(size, bold).render(words, True, colour)
    except _pygame().error:  # somebody's close() has ended pygame meanwhile, and all its fonts
        _pygame().font.init()
        _font.cache_clear()
        return _font(size, bold).render(words, True, colour)


@dataclass(frozen=True)
class Solid:
    """Flat faces with corners in metres, anticlockwise as seen from outside.

    Attributes:
        corners: of all faces, (n, 3).
        first: the number of each face's first corner, and behind them n, (m + 1,).
        colours: of the faces (m,).
    """

    corners: np.ndarray
    first: np.ndarray
    colours: list[Any]

    @classmethod
    def of(cls, faces: Sequence[tuple[np.ndarray, Any]]) -> Solid:
        """From the corners (n, 3) and the colour of each face."""
        corners = [part for part, _ in faces]
        first = np.cumsum([0, *map(len, corners)])
        return cls(np.concatenate(corners), first, [colour for _, colour in faces])


class Canvas:
    """A surface to paint on; coordinates are pixels from the upper left corner, and may be fractions.

    Args:
        size: width and height, pixels.
        background: what it is filled with.
    """

    # `_shown` is the picture as it was when it was last averaged down; `_stale` are rectangles painted since, in fine
    # pixels: a car on a finished landscape costs no more than the car.

    def __init__(self, size: tuple[int, int], background: Any = PAPER):
        width, height = size
        self.size = size
        self._surface = _pygame().Surface((width * FINE, height * FINE), 0, 32)
        self._stale = [self._surface.fill(background)]
        self._shown = np.empty((height, width, 3), np.uint8)

    def copy(self) -> Canvas:
        """The same picture, to be painted on apart."""
        self._average()
        other = copy.copy(self)
        other._surface = _pygame().Surface(self._surface.get_size(), 0, 32)
        other._pixels()[:] = self._pixels()  # four times as fast as SDL's own copy
        other._shown = self._shown.copy()
        other._stale = []
        return other

    def _pixels(self) -> np.ndarray:
        """The fine pixels (height, width), packed; the surface cannot be painted on while they are held."""
        return _pygame().surfarray.pixels2d(self._surface).T

    @contextlib.contextmanager
    def layer(self, alpha: float, corners: Any = EVERYWHERE) -> Iterator[None]:
        """What is painted inside appears as one translucent whole: its overlapping parts do not add up.

        Args:
            alpha: 0 leaves nothing of it, 1 all.
            corners: points (n, 2) around what is painted, if they are known: the smaller, the faster.
        """
        if alpha == 1:
            yield
            return
        area = self._around(corners)
        before = self._surface.subsurface(area).copy()
        yield
        before.set_alpha(round(255 * (1 - alpha)))
        self._stale.append(self._surface.blit(before, area))

    def _around(self, corners: Any) -> Any:
        """The rectangle of fine pixels around points (n, 2), with a pixel to spare."""
        first = np.min(corners, 0) - 1
        last = np.max(corners, 0) + 2
        first, last = np.clip([first, last], 0, self.size).astype(int) * FINE
        return _pygame().Rect(first.tolist(), (last - first).tolist())

    def polygon(self, points: Any, colour: Any) -> None:
        """A filled polygon with corners (n, 2)."""
        self._fill([_fine(points)], [colour])

    def polygons(self, points: np.ndarray, colours: Sequence[Any]) -> None:
        """Filled polygons (m, n, 2) in m colours, one after the other."""
        self._fill(_fine(points), colours)

    def _fill(self, polygons: Sequence[Any], colours: Sequence[Any]) -> None:
        """Filled polygons, their corners in fine pixels."""
        fill = _pygame().draw.polygon
        surface = self._surface
        self._stale += [
            fill(surface, colour, corners)
            for corners, colour in zip(polygons, colours, strict=True)
        ]

    def line(self, points: Any, colour: Any, width: float = 1.0) -> None:
        """A line through points (n, 2); a broad one is round at its joints and ends."""
        draw = _pygame().draw
        corners = _fine(points)
        thick = max(1, round(width * FINE))
        self._stale.append(draw.lines(self._surface, colour, False, corners, thick))
        if thick > 2 * FINE:
            self._stale += [draw.circle(self._surface, colour, at, thick / 2) for at in corners]

    def circle(self, centre: Any, radius: float, colour: Any) -> None:
        """A filled disc."""
        x, y = centre
        disc = _pygame().draw.circle
        self._stale.append(disc(self._surface, colour, (x * FINE, y * FINE), radius * FINE))

    def text(
        self,
        words: str,
        at: Any,
        colour: str = INK,
        size: int = 12,
        bold: bool = False,
        part: float = 0,
    ) -> float:
        """Write words at the height of `at`, with `part` of their width to the left of it; returns their width."""
        lettering = _lettering(words, colour, size, bold)
        width, height = lettering.get_size()
        left = at[0] * FINE - part * width
        top = at[1] * FINE - height / 2
        self._stale.append(self._surface.blit(lettering, (left, top)))
        return width / FINE

    def picture(self, pixels: np.ndarray, at: tuple[int, int] = (0, 0)) -> None:
        """Lay RGB pixels (height, width, 3), or packed ones (height, width), with the upper left corner at `at`."""
        numbers = pixels if pixels.ndim == 2 else packed(pixels)
        left, top = at
        numbers = numbers[max(-top, 0) :, max(-left, 0) :]
        x = max(left, 0) * FINE
        y = max(top, 0) * FINE
        rows, columns = numbers.shape
        area = self._pixels()[y : y + rows * FINE, x : x + columns * FINE]
        tall, wide = area.shape
        _magnify(numbers[: tall // FINE, : wide // FINE], area)
        self._stale.append(_pygame().Rect(x, y, wide, tall))

    def inset(self, pixels: np.ndarray, words: str, colour: str) -> None:
        """A small RGB picture (height, width, 3), magnified in a frame in the upper right corner, words beneath it."""
        width = self.size[0]
        zoom = max(1, round(0.23 * width / pixels.shape[1]))
        large = np.pad(pixels.repeat(zoom, 0).repeat(zoom, 1), ((2, 2), (2, 2), (0, 0)))
        edge = [0, 1, -2, -1]
        large[edge] = rgb(colour)
        large[:, edge] = rgb(colour)
        left = width - large.shape[1] - 6
        top = BANNER + 6
        self.picture(large, (left, top))
        self.text(words, (width - 6, top + large.shape[0] + 8), colour, 10, part=1)

    def solid(self, camera: Camera, solid: Solid, pose: Any, roll: float, alpha: float) -> None:
        """A solid's faces, in their order, those that look away left out.

        Args:
            camera: who looks.
            solid: its faces.
            pose: where the origin of the corners is put, (x, y, z), and how it is turned about z, radians.
            roll: how it is turned about its own x before, radians.
            alpha: how opaque it is, 0 to 1.
        """
        *place, angle = pose
        corners = solid.corners @ _turn(angle, roll).T + place
        spots = camera.project(corners)
        fine = (spots[:, :2] * FINE).tolist()
        faces = np.flatnonzero(_faces_us(spots, solid.first)).tolist()
        colours = [solid.colours[k] for k in faces]
        ends = solid.first.tolist()
        shapes = [fine[ends[k] : ends[k + 1]] for k in faces]
        with self.layer(alpha, spots[:, :2]):
            self._fill(shapes, colours)

    def image(self) -> np.ndarray:
        """What has been painted, RGB (height, width, 3), uint8."""
        self._average()
        return self._shown.copy()

    def _average(self) -> None:
        """Bring `_shown` up to date."""
        if not self._stale:
            return
        area = self._stale[0].unionall(self._stale[1:]).clip(self._surface.get_rect())
        self._stale = []
        left, top = area.x // FINE, area.y // FINE
        wide = -(-area.right // FINE) - left
        tall = -(-area.bottom // FINE) - top
        fine = self._surface.subsurface((left * FINE, top * FINE, wide * FINE, tall * FINE))
        small = _pygame().transform.smoothscale(fine, (wide, tall))
        pixels = np.frombuffer(_pygame().image.tobytes(small, "RGB"), np.uint8)
        self._shown[top : top + tall, left : left + wide] = pixels.reshape(tall, wide, 3)


def _magnify(numbers: np.ndarray, area: np.ndarray) -> None:
    """Write numbers (height, width) into an area that is `FINE` times as high and wide."""
    # A row becomes fine column after column, and then its copies: without large arrays in between.
    for column in range(FINE):
        area[::FINE, column::FINE] = numbers
    for row in range(1, FINE):
        area[row::FINE] = area[::FINE]


def _turn(angle: float, roll: float) -> np.ndarray:
    """The matrix (3, 3) of a turn by `roll` about x, and then by `angle` about z."""
    about_z = np.eye(3)
    about_z[:2, :2] = _rotation(angle)
    about_x = np.eye(3)
    about_x[1:, 1:] = _rotation(roll)
    return about_z @ about_x


def _rotation(angle: float) -> np.ndarray:
    """The matrix (2, 2) of a turn to the left."""
    cos = np.cos(angle)
    sin = np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _faces_us(spots: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Which faces (m,) look at the camera and lie before it: columns, rows and depths (n, 3), `Solid.first` (m + 1,)."""
    start = first[:-1]
    a, b, _ = (spots[start + 1] - spots[start]).T
    c, d, _ = (spots[start + 2] - spots[start]).T
    # Rows grow downwards, which turns the sense round.
    facing = a * d < b * c
    nearest = np.minimum.reduceat(spots[:, 2], start)
    return facing & (nearest > NEAR)


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Somebody's RGB picture (height, width, 3) as large as fits into `size` undistorted, in the middle of paper."""
    pygame = _pygame()
    tall, wide = pixels.shape[:2]
    scale = min(size[0] / wide, size[1] / tall)
    inner = max(1, round(wide * scale)), max(1, round(tall * scale))
    whole = np.ascontiguousarray(pixels, dtype=np.uint8)
    picture = pygame.image.frombuffer(whole, (wide, tall), "RGB")
    small = pygame.surfarray.array3d(pygame.transform.smoothscale(picture, inner))
    width, height = size
    out = np.full((height, width, 3), rgb(PAPER), np.uint8)
    columns, rows = inner
    left = (width - columns) // 2
    top = (height - rows) // 2
    out[top : top + rows, left : left + columns] = small.swapaxes(0, 1)
    return out


def bars(
    state: np.ndarray, ghost: np.ndarray | None, space: Any, size: tuple[int, int]
) -> np.ndarray:
    """A state (X,) of which nothing is known but the limits in `space`: a bar for each number, its twin's a mark."""
    canvas = Canvas(size, "#f4f6f9")
    wide, tall = size
    step = wide / (len(state) + 1)
    half = 0.2 * step
    middle = tall / 2
    columns = step * np.arange(1, len(state) + 1)
    for x, row in zip(columns, middle - 0.4 * tall * _shares(state, space), strict=True):
        left, right = x - half, x + half
        canvas.polygon([(left, middle), (right, middle), (right, row), (left, row)], SOFT)
    if ghost is not None:
        for x, row in zip(columns, middle - 0.4 * tall * _shares(ghost, space), strict=True):
            ends = [(x - 1.6 * half, row), (x + 1.6 * half, row)]
            canvas.line(ends, COLOURS[0], max(2, tall / 80))
    canvas.line([(0, middle), (wide, middle)], INK)
    return canvas.image()


def _shares(values: np.ndarray, space: Any) -> np.ndarray:
    """Where in their limits numbers (X,) lie, -1 to 1; their hyperbolic tangents where there are none."""
    low, high = space.low, space.high
    known = np.isfinite(low) & np.isfinite(high)
    width = np.where(known, high - low, 1)
    scaled = 2 * (values - low) / width - 1
    return np.where(known, scaled, np.tanh(values)).clip(-1, 1)


def squeezed(value: Any, unit: float, limit: float) -> Any:
    """A signed scale from -1 to 1 for deviations of every size: linear below `unit`, logarithmic up to `limit`."""
    return np.arcsinh(np.asarray(value) / unit) / np.arcsinh(limit / unit)

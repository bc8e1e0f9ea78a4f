"""Canvas: what environments and films paint on, antialiased, in memory; no display is ever opened.

Everything is painted at twice its size and averaged down, which smooths every edge alike. pygame is imported when the
first canvas is made, so that importing this module costs nothing. Colours are "#rrggbb", or three numbers to 255.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .camera import NEAR, Camera

FINE = 2  # painted pixels for each shown one, along each axis

BANNER = 24
"""Rows at the top of a picture, pixels, on which a film may write: nothing that tells anything lies there."""

COLOURS = "#56B4E9", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#555555"
"""Okabe & Ito's colours, which the colour-blind tell apart too: the expert's, then the learners' in their order."""

INK, SOFT, RULE, PAPER = "#1d2430", "#68707d", "#e4e7ec", "#ffffff"

UNPRINTABLE = "\ufffd"  # what a font has no sign for, and some refuse

DEPTH = 32  # bits of a painted pixel

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
    own = state, colour, 1.0
    if ghost is None:
        return [own]
    twin = ghost, colour_of(0), faint
    return [twin, own]


def rgb(colour: Any) -> np.ndarray:
    """A colour as three numbers from 0 to 255; an array of colours (..., 3) is passed on."""
    if not isinstance(colour, str):
        return np.array(colour, dtype=float)
    digits = colour[1:]
    return np.array([*bytes.fromhex(digits)], dtype=float)


def palette(colours: Iterable[Any]) -> np.ndarray:
    """Colours as rows (n, 3) of numbers from 0 to 255."""
    return np.stack([rgb(colour) for colour in colours])


def mix(one: Any, other: Any, share: Any) -> np.ndarray:
    """Colours (..., 3) that are `one` where the share (...) is 0 and `other` where it is 1."""
    start = rgb(one)
    way = rgb(other) - start
    part = np.asarray(share)[..., None]
    return start + way * part


def packed(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) as one number each (...), uint32: what `Canvas.picture` and `Canvas.polygons` take fastest."""
    whole = colours.astype(np.uint32)
    red, green, blue = np.moveaxis(whole, -1, 0)
    high = red << 16
    middle = green << 8
    return high | middle | blue


def _fine(points: Any) -> list[Any]:
    """Points (n, 2) in fine pixels, none of them farther than FAR."""
    # Most shapes have few corners: an array of them would cost more than it saves.
    plain = points.tolist() if isinstance(points, np.ndarray) else points
    return [(_near(x), _near(y)) for x, y in plain]


def _near(pixels: Any) -> float:
    """A column or row in fine pixels; what is not a number is far to the right, or below."""
    return max(-FAR, min(FAR, FINE * pixels))


def _all_fine(points: np.ndarray) -> list[Any]:
    """Many points (..., 2) at once, as `_fine` has them."""
    fine = np.nan_to_num(FINE * points, nan=FAR)
    near: list[Any] = fine.clip(-FAR, FAR).tolist()
    return near


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
def _lettering(text: str, colour: str, size: int, bold: bool) -> Any:
    words = "".join(letter if letter.isprintable() else UNPRINTABLE for letter in text)
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

    @cached_property
    def parts(self) -> list[slice]:
        """Which corners are those of each face (m,)."""
        ends = self.first.tolist()
        return [slice(start, end) for start, end in itertools.pairwise(ends)]

    @classmethod
    def of(cls, faces: Sequence[tuple[np.ndarray, Any]]) -> Solid:
        """From the corners (n, 3) and the colour of each face."""
        corners, colours = zip(*faces, strict=True)
        lengths = [len(face) for face in corners]
        first = np.cumsum([0, *lengths])
        together = np.concatenate(corners)
        return cls(together, first, list(colours))


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
        fine = width * FINE, height * FINE
        self.size = size
        self._surface = _pygame().Surface(fine, 0, DEPTH)
        whole = self._surface.fill(background)
        self._stale = [whole]
        self._shown = np.empty((height, width, 3), np.uint8)

    def copy(self) -> Canvas:
        """The same picture, to be painted on apart."""
        self._average()
        other = copy.copy(self)
        fine = self._surface.get_size()
        other._surface = _pygame().Surface(fine, 0, DEPTH)
        other._pixels()[:] = self._pixels()  # four times as fast as SDL's own copy
        other._shown = self._shown.copy()
        other._stale = []
        return other

    def _pixels(self) -> np.ndarray:
        """The fine pixels (height, width), packed; the surface cannot be painted on while they are held."""
        return _packed_pixels(self._surface)

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
        part = self._surface.subsurface(area)
        before = part.copy()
        yield
        opacity = 255 * (1 - alpha)
        before.set_alpha(round(opacity))
        blended = self._surface.blit(before, area)
        self._stale.append(blended)

    def _around(self, corners: Any) -> Any:
        """The rectangle of fine pixels around points (n, 2), with a pixel to spare."""
        first = np.min(corners, 0) - 1
        last = np.max(corners, 0) + 2
        within = np.clip([first, last], 0, self.size)
        fine = within.astype(int) * FINE
        (left, top), (right, bottom) = fine.tolist()
        width = right - left
        height = bottom - top
        return _pygame().Rect(left, top, width, height)

    def polygon(self, points: Any, colour: Any) -> None:
        """A filled polygon with corners (n, 2)."""
        self._fill([_fine(points)], [colour])

    def polygons(self, points: np.ndarray, colours: Sequence[Any]) -> None:
        """Filled polygons (m, n, 2) in m colours, one after the other."""
        self._fill(_all_fine(points), colours)

    def _fill(self, polygons: Sequence[Any], colours: Sequence[Any]) -> None:
        """Filled polygons, their corners in fine pixels."""
        fill = _pygame().draw.polygon
        surface = self._surface
        shapes = zip(polygons, colours, strict=True)
        areas = [fill(surface, colour, corners) for corners, colour in shapes]
        self._stale += areas

    def line(self, points: Any, colour: Any, width: float = 1.0) -> None:
        """A line through points (n, 2); a broad one is round at its joints and ends."""
        draw = _pygame().draw
        surface = self._surface
        corners = _fine(points)
        thick = max(1, round(width * FINE))
        area = draw.lines(surface, colour, False, corners, thick)
        self._stale.append(area)
        if thick > 2 * FINE:
            half = thick / 2
            self._stale += [draw.circle(surface, colour, at, half) for at in corners]

    def circle(self, centre: Any, radius: float, colour: Any) -> None:
        """A filled disc."""
        x, y = centre
        at = x * FINE, y * FINE
        fine = radius * FINE
        draw = _pygame().draw
        area = draw.circle(self._surface, colour, at, fine)
        self._stale.append(area)

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
        x, y = at
        left = x * FINE - part * width
        top = y * FINE - height / 2
        area = self._surface.blit(lettering, (left, top))
        self._stale.append(area)
        return width / FINE

    def picture(self, pixels: np.ndarray, at: tuple[int, int] = (0, 0)) -> None:
        """Lay RGB pixels (height, width, 3), or packed ones (height, width), with the upper left corner at `at`."""
        numbers = pixels if pixels.ndim == 2 else packed(pixels)
        left, top = at
        above = max(-top, 0)
        before = max(-left, 0)
        inner = numbers[above:, before:]
        x = max(left, 0) * FINE
        y = max(top, 0) * FINE
        rows, columns = inner.shape
        foot = y + rows * FINE
        end = x + columns * FINE
        area = self._pixels()[y:foot, x:end]
        tall, wide = area.shape
        visible = inner[: tall // FINE, : wide // FINE]
        _magnify(visible, area)
        part = _pygame().Rect(x, y, wide, tall)
        self._stale.append(part)

    def inset(self, pixels: np.ndarray, words: str, colour: str) -> None:
        """A small RGB picture (height, width, 3), magnified in a frame in the upper right corner, words beneath it."""
        width, _ = self.size
        columns = pixels.shape[1]
        share = round(0.23 * width / columns)
        zoom = max(1, share)
        high = pixels.repeat(zoom, 0)
        large = high.repeat(zoom, 1)
        picture = _framed(large, colour)
        tall, wide, _ = picture.shape
        right = width - 6
        top = BANNER + 6
        foot = top + tall
        left = right - wide
        row = foot + 8
        self.picture(picture, (left, top))
        self.text(words, (right, row), colour, 10, part=1)

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
        turn = _turn(angle, roll)
        turned = solid.corners @ turn.T
        spots = camera.project(turned + place)
        pixels = spots[:, :2]
        fine = (pixels * FINE).tolist()
        visible = _faces_us(spots, solid.first)
        faces = np.flatnonzero(visible).tolist()
        parts = solid.parts
        shapes = [fine[parts[k]] for k in faces]
        colours = [solid.colours[k] for k in faces]
        with self.layer(alpha, pixels):
            self._fill(shapes, colours)

    def image(self) -> np.ndarray:
        """What has been painted, RGB (height, width, 3), uint8."""
        self._average()
        return self._shown.copy()

    def _average(self) -> None:
        """Bring `_shown` up to date."""
        if not self._stale:
            return
        left, top, right, bottom = self._stale_part()
        wide = right - left
        tall = bottom - top
        part = left * FINE, top * FINE, wide * FINE, tall * FINE
        fine = self._surface.subsurface(part)
        small = _pygame().transform.smoothscale(fine, (wide, tall))
        numbers = _packed_pixels(small)
        shown = self._shown[top:bottom, left:right]
        _unpack(numbers, shown)
        self._stale = []

    def _stale_part(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what has been painted on, in whole pixels."""
        first, *others = self._stale
        whole = self._surface.get_rect()
        area = first.unionall(others).clip(whole)
        left = area.x // FINE
        top = area.y // FINE
        right = -(-area.right // FINE)
        bottom = -(-area.bottom // FINE)
        return left, top, right, bottom


def _packed_pixels(surface: Any) -> np.ndarray:
    """A surface's pixels (height, width), not copied."""
    return _pygame().surfarray.pixels2d(surface).T


def _unpack(numbers: np.ndarray, out: np.ndarray) -> None:
    """Write packed colours (height, width) as RGB (height, width, 3), uint8."""
    out[..., 0] = (numbers >> 16) & 255
    out[..., 1] = (numbers >> 8) & 255
    out[..., 2] = numbers & 255


def _framed(pixels: np.ndarray, colour: str) -> np.ndarray:
    """A picture (height, width, 3) in a frame two pixels broad."""
    around = (2, 2), (2, 2), (0, 0)
    framed = np.pad(pixels, around)
    edge = [0, 1, -2, -1]
    framed[edge] = rgb(colour)
    framed[:, edge] = rgb(colour)
    return framed


def _magnify(numbers: np.ndarray, area: np.ndarray) -> None:
    """Write numbers (height, width) into an area that is `FINE` times as high and wide."""
    # A row becomes fine column after column, and then its copies: without large arrays in between.
    for column in range(FINE):
        area[::FINE, column::FINE] = numbers
    for row in range(1, FINE):
        area[row::FINE] = area[::FINE]


def _turn(angle: float, roll: float) -> np.ndarray:
    """The matrix (3, 3) of a turn by `roll` about x, and then by `angle` about z."""
    cos, sin = np.cos(angle), np.sin(angle)
    level, tilt = np.cos(roll), np.sin(roll)
    return np.array(
        [
            [cos, -sin * level, sin * tilt],
            [sin, cos * level, -cos * tilt],
            [0, tilt, level],
        ]
    )


def _faces_us(spots: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Which faces (m,) look at the camera and lie before it: columns, rows and depths (n, 3), `Solid.first` (m + 1,)."""
    start = first[:-1]
    corner = spots[start]
    to_second = spots[start + 1] - corner
    to_third = spots[start + 2] - corner
    a, b, _ = to_second.T
    c, d, _ = to_third.T
    # Rows grow downwards, which turns the sense round.
    facing = a * d < b * c
    nearest = np.minimum.reduceat(spots[:, 2], start)
    return facing & (nearest > NEAR)


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Somebody's RGB picture (height, width, 3) as large as fits into `size` undistorted, in the middle of paper."""
    tall, wide, _ = pixels.shape
    width, height = size
    scale = min(width / wide, height / tall)
    columns = max(1, round(wide * scale))
    rows = max(1, round(tall * scale))
    left = (width - columns) // 2
    top = (height - rows) // 2
    out = np.full((height, width, 3), rgb(PAPER), np.uint8)
    out[top : top + rows, left : left + columns] = _scaled(pixels, (columns, rows))
    return out


def _scaled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An RGB picture (height, width, 3) in another size."""
    pygame = _pygame()
    tall, wide, _ = pixels.shape
    whole = np.ascontiguousarray(pixels, dtype=np.uint8)
    picture = pygame.image.frombuffer(whole, (wide, tall), "RGB")
    scaled = pygame.transform.smoothscale(picture, size)
    columns: np.ndarray = pygame.surfarray.array3d(scaled)
    return columns.swapaxes(0, 1)


def bars(
    state: np.ndarray, ghost: np.ndarray | None, space: Any, size: tuple[int, int]
) -> np.ndarray:
    """A state (X,) of which nothing is known but the limits in `space`: a bar for each number, its twin's a mark."""
    canvas = Canvas(size, "#f4f6f9")
    wide, tall = size
    count = len(state)
    step = wide / (count + 1)
    columns = step * np.arange(1, count + 1)
    middle = tall / 2
    reach = 0.4 * tall
    for x, share in zip(columns, _shares(state, space), strict=True):
        _bar(canvas, x, 0.2 * step, middle - reach * share)
    if ghost is not None:
        for x, share in zip(columns, _shares(ghost, space), strict=True):
            _mark(canvas, x, 0.32 * step, middle - reach * share)
    canvas.line([(0, middle), (wide, middle)], INK)
    return canvas.image()


def _bar(canvas: Canvas, x: float, half: float, row: float) -> None:
    """A bar from the middle of the picture to a row."""
    middle = canvas.size[1] / 2
    left = x - half
    right = x + half
    foot = [(left, middle), (right, middle)]
    head = [(right, row), (left, row)]
    canvas.polygon([*foot, *head], SOFT)


def _mark(canvas: Canvas, x: float, half: float, row: float) -> None:
    """Where the twin's bar ends."""
    width = max(2, canvas.size[1] / 80)
    canvas.line([(x - half, row), (x + half, row)], colour_of(0), width)


def _shares(values: np.ndarray, space: Any) -> np.ndarray:
    """Where in their limits numbers (X,) lie, -1 to 1; their hyperbolic tangents where there are none."""
    low = space.low
    high = space.high
    known = np.isfinite(low) & np.isfinite(high)
    width = np.where(known, high - low, 1)
    scaled = 2 * (values - low) / width - 1
    shares = np.where(known, scaled, np.tanh(values))
    return shares.clip(-1, 1)


def squeezed(value: Any, unit: float, limit: float) -> Any:
    """A signed scale from -1 to 1 for deviations of every size: linear below `unit`, logarithmic up to `limit`."""
    length = np.arcsinh(limit / unit)
    return np.arcsinh(np.asarray(value) / unit) / length

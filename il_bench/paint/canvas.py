"""Canvas: what environments and films paint on, antialiased, in memory; no display is ever opened.

Everything is painted at twice its size and averaged down, which smooths every edge alike. pygame is imported when the
first canvas is made, so that importing this module costs nothing. Colours are "#rrggbb", or three numbers to 255.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from .camera import NEAR, Camera

FINE = 2  # painted pixels for each shown one, along each axis


COLOURS = "#56B4E9", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#555555"
"""Okabe & Ito's colours, which the colour-blind tell apart too: the expert's, then the learners' in their order."""


INK, SOFT, RULE, PAPER = "#1d2430", "#68707d", "#e4e7ec", "#ffffff"


def colour_of(learner: int) -> str:
    """The colour of a learner by its place in a record; 0 is the expert."""
    return COLOURS[1 + (learner - 1) % (len(COLOURS) - 1)] if learner else COLOURS[0]


def rgb(colour: Any) -> np.ndarray:
    """A colour as three numbers from 0 to 255; an array of colours (..., 3) is passed on."""
    return np.array(
        [*bytes.fromhex(colour[1:])] if isinstance(colour, str) else colour, dtype=float
    )


def mix(one: Any, other: Any, share: Any) -> np.ndarray:
    """Colours (..., 3) that are `one` where the share (...) is 0 and `other` where it is 1."""
    return rgb(one) + (rgb(other) - rgb(one)) * np.asarray(share)[..., None]


@lru_cache(maxsize=1)
def _pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame.font

    pygame.font.init()
    return pygame


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> Any:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return _pygame().font.Font(
        os.path.join(matplotlib.get_data_path(), "fonts", "ttf", name), size * FINE
    )


class Canvas:
    """A surface to paint on; coordinates are pixels from the upper left corner, and may be fractions.

    Args:
        size: width and height, pixels.
        background: what it is filled with.
    """

    def __init__(self, size: tuple[int, int], background: Any = PAPER):
        self.size = size
        self._surface = _pygame().Surface((size[0] * FINE, size[1] * FINE), 0, 32)
        self._surface.fill(background)

    def copy(self) -> Canvas:
        """The same picture, to be painted on apart."""
        other = Canvas((0, 0))
        other.size, other._surface = self.size, self._surface.copy()
        return other

    @contextlib.contextmanager
    def layer(
        self, alpha: float, corners: Any = ((-np.inf, -np.inf), (np.inf, np.inf))
    ) -> Iterator[None]:
        """What is painted inside appears as one translucent whole: its overlapping parts do not add up.

        Args:
            alpha: 0 leaves nothing of it, 1 all.
            corners: points (n, 2) around what is painted, if they are known: the smaller, the faster.
        """
        first, last = (
            np.clip([np.min(corners, 0) - 1, np.max(corners, 0) + 2], 0, self.size).astype(int)
            * FINE
        )
        area = self._surface.get_rect().clip(*first.tolist(), *(last - first).tolist())
        before = self._surface.subsurface(area).copy()
        yield
        before.set_alpha(round(255 * (1 - alpha)))
        self._surface.blit(before, area)

    def polygon(self, points: Any, colour: Any) -> None:
        """A filled polygon with corners (n, 2)."""
        self.polygons(np.asarray(points, dtype=float)[None], [colour])

    def polygons(self, points: np.ndarray, colours: list[Any]) -> None:
        """Filled polygons (m, n, 2) in m colours, one after the other."""
        polygon, surface = _pygame().draw.polygon, self._surface
        for corners, colour in zip((points * FINE).tolist(), colours, strict=True):
            polygon(surface, colour, corners)

    def line(self, points: Any, colour: Any, width: float = 1.0) -> None:
        """A line through points (n, 2); a broad one is round at its joints and ends."""
        corners, thick = (
            (np.asarray(points, dtype=float) * FINE).tolist(),
            max(1, round(width * FINE)),
        )
        _pygame().draw.lines(self._surface, colour, False, corners, thick)
        for corner in corners if thick > 2 * FINE else ():
            _pygame().draw.circle(self._surface, colour, corner, thick / 2)

    def circle(self, centre: Any, radius: float, colour: Any) -> None:
        """A filled disc."""
        _pygame().draw.circle(
            self._surface, colour, (centre[0] * FINE, centre[1] * FINE), radius * FINE
        )

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
        written = _font(size, bold).render(words, True, colour)
        w, h = written.get_size()
        self._surface.blit(written, (at[0] * FINE - part * w, at[1] * FINE - h / 2))
        return w / FINE

    def picture(self, pixels: np.ndarray, at: tuple[int, int] = (0, 0)) -> None:
        """Lay RGB pixels (height, width, 3) on the canvas, the upper left corner at `at`."""
        pygame, pixels = _pygame(), np.ascontiguousarray(pixels, dtype=np.uint8)
        small = pygame.image.frombuffer(pixels, pixels.shape[1::-1], "RGB")
        self._surface.blit(pygame.transform.scale_by(small, FINE), (at[0] * FINE, at[1] * FINE))

    def inset(self, pixels: np.ndarray, words: str, colour: str) -> None:
        """A small RGB picture (height, width, 3), magnified in a frame in the upper right corner, words beneath it."""
        zoom = max(1, round(0.23 * self.size[0] / pixels.shape[1]))
        large = np.pad(pixels.repeat(zoom, 0).repeat(zoom, 1), ((2, 2), (2, 2), (0, 0)))
        large[[0, 1, -2, -1]] = large[:, [0, 1, -2, -1]] = rgb(colour)
        left, top = (
            self.size[0] - large.shape[1] - 6,
            30,
        )  # beneath what a film may write at the top
        self.picture(large, (left, top))
        self.text(words, (self.size[0] - 6, top + large.shape[0] + 8), colour, 10, part=1)

    def solid(
        self,
        camera: Camera,
        faces: list[tuple[np.ndarray, Any]],
        pose: Any,
        roll: float,
        alpha: float,
    ) -> None:
        """Flat faces, in their order, those that look away left out.

        Args:
            camera: who looks.
            faces: corners (n, 3) in metres, anticlockwise as seen from outside, and colours.
            pose: where the origin of the corners is put, (x, y, z), and how it is turned about z, radians.
            roll: how it is turned about its own x before, radians.
            alpha: how opaque it is, 0 to 1.
        """
        (*place, angle), sizes = pose, np.cumsum([len(corners) for corners, _ in faces])
        about_z = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        about_x = [[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]]
        corners = (
            np.concatenate([c for c, _ in faces]) @ np.transpose(np.dot(about_z, about_x)) + place
        )
        seen = camera.project(corners)
        with self.layer(alpha, seen[:, :2]):
            for part, (_, colour) in zip(np.split(seen, sizes[:-1]), faces, strict=True):
                (a, b, _), (c, d, _) = part[1] - part[0], part[2] - part[0]
                if (
                    a * d < b * c and part[:, 2].min() > NEAR
                ):  # rows grow downwards, which turns the sense round
                    self.polygon(part[:, :2], colour)

    def image(self) -> np.ndarray:
        """What has been painted, RGB (height, width, 3), uint8."""
        pixels = _pygame().image.tobytes(
            _pygame().transform.smoothscale(self._surface, self.size), "RGB"
        )
        return np.frombuffer(pixels, np.uint8).reshape(self.size[1], self.size[0], 3).copy()


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Somebody's RGB picture (height, width, 3) as large as fits into `size` undistorted, in the middle of paper."""
    pygame, pixels = _pygame(), np.ascontiguousarray(pixels, dtype=np.uint8)
    h, w = pixels.shape[:2]
    inner = tuple(max(1, round(n * min(size[0] / w, size[1] / h))) for n in (w, h))
    small = pygame.transform.smoothscale(pygame.image.frombuffer(pixels, (w, h), "RGB"), inner)
    out = np.full((size[1], size[0], 3), rgb(PAPER), np.uint8)
    left, top = ((np.array(size) - inner) // 2).tolist()
    out[top : top + inner[1], left : left + inner[0]] = pygame.surfarray.array3d(small).swapaxes(
        0, 1
    )
    return out


def bars(
    state: np.ndarray, ghost: np.ndarray | None, space: Any, size: tuple[int, int]
) -> np.ndarray:
    """A state (X,) of which nothing is known but the limits in `space`: a bar for each number, its twin's a mark."""
    canvas, (w, h) = Canvas(size, "#f4f6f9"), size
    known, wide = np.isfinite(space.low) & np.isfinite(space.high), w / (len(state) + 1)

    def height(values: np.ndarray) -> np.ndarray:
        scaled = 2 * (values - space.low) / np.where(known, space.high - space.low, 1) - 1
        return h / 2 - 0.4 * h * np.where(known, scaled, np.tanh(values)).clip(-1, 1)

    for i, row in enumerate(height(np.asarray(state))):
        x, half = wide * (i + 1), 0.2 * wide
        canvas.polygon(
            [(x - half, h / 2), (x + half, h / 2), (x + half, row), (x - half, row)], SOFT
        )
        if ghost is not None:
            mark = height(np.asarray(ghost))[i]
            canvas.line(
                [(x - 1.6 * half, mark), (x + 1.6 * half, mark)], COLOURS[0], max(2, h / 80)
            )
    canvas.line([(0, h / 2), (w, h / 2)], INK)
    return canvas.image()


def squeezed(value: Any, unit: float, limit: float) -> Any:
    """A signed scale from -1 to 1 for deviations of every size: linear below `unit`, logarithmic up to `limit`."""
    return np.arcsinh(np.asarray(value) / unit) / np.arcsinh(limit / unit)

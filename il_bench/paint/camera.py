"""Camera: where a point in space lies in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

NEAR = 1.0  # metres; what lies closer to a camera is not painted


@dataclass(frozen=True)
class Camera:
    """A pinhole above a plane: x and y along it, z up, in metres. It looks level, so that uprights stay upright.

    Attributes:
        size: width and height of the picture, pixels.
        place: where it stands, (x, y), and where it looks, in radians from x towards y, which is to its left.
        height: above the plane, metres.
        focal: focal length, pixels.
        horizon: the picture's row of the horizon, pixels.
    """

    size: tuple[int, int]
    place: tuple[float, float, float]
    height: float
    focal: float
    horizon: float

    @classmethod
    def behind(
        cls, size: tuple[int, int], x: float, y: float, angle: float, back: float, height: float
    ) -> Camera:
        """Looks along `angle` towards (x, y), from behind and above; a wide picture shows more to the sides."""
        east = x - back * np.cos(angle)
        north = y - back * np.sin(angle)
        width, tall = size
        focal = 0.9 * min(width, 4 / 3 * tall)
        return cls(size, (east, north, angle), height, focal, 0.34 * tall)

    @cached_property
    def way(self) -> tuple[Any, Any]:
        """Where it looks, as a step of one metre along x and y."""
        angle = self.place[2]
        return np.cos(angle), np.sin(angle)

    def _offset(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far points (..., 2 or more) are from it along x and y, metres."""
        x, y, _ = self.place
        east = points[..., 0] - x
        north = points[..., 1] - y
        return east, north

    def depth(self, points: np.ndarray) -> np.ndarray:
        """How far ahead points (..., 2 or more) are, metres."""
        east, north = self._offset(points)
        cos, sin = self.way
        depth: np.ndarray = cos * east + sin * north
        return depth

    def project(self, points: np.ndarray) -> np.ndarray:
        """Column, row (pixels) and depth (metres) of points (..., 3) in front of the camera."""
        east, north = self._offset(points)
        cos, sin = self.way
        depth = cos * east + sin * north
        left = cos * north - sin * east
        drop = self.height - points[..., 2]
        scale = self.focal / np.maximum(depth, 1e-6)
        middle = self.size[0] / 2
        column = middle - scale * left
        row = self.horizon + scale * drop
        return np.stack((column, row, depth), -1)

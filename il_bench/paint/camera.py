"""Camera: where a point in space lies in the picture."""

from __future__ import annotations

from dataclasses import dataclass

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
        place = (x - back * np.cos(angle), y - back * np.sin(angle), angle)
        width, tall = size
        focal = 0.9 * min(width, 4 / 3 * tall)
        return cls(size, place, height, focal, 0.34 * tall)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """How far ahead points (..., 2 or more) are, metres."""
        x, y, angle = self.place
        return np.cos(angle) * (points[..., 0] - x) + np.sin(angle) * (points[..., 1] - y)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Column, row (pixels) and depth (metres) of points (..., 3) in front of the camera."""
        x, y, angle = self.place
        depth = self.depth(points)
        left = np.cos(angle) * (points[..., 1] - y) - np.sin(angle) * (points[..., 0] - x)
        drop = self.height - points[..., 2]
        scale = self.focal / np.maximum(depth, 1e-6)
        column = self.size[0] / 2 - scale * left
        row = self.horizon + scale * drop
        return np.stack((column, row, depth), -1)

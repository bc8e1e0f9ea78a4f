"""The picture of a Gymnasium environment: what its renderer shows of a state, or bars where it shows nothing."""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import PendulumEnv

from ..paint.canvas import bars, resized
from .gymnasium_copies import Copies, Origin
from .gymnasium_spaces import is_image


class Camera:
    """A copy that is put into states and shows them.

    Args:
        origin: where the copy comes from.
    """

    def __init__(self, origin: Origin):
        self._copies = Copies(origin, **({} if origin.lent else {"render_mode": "rgb_array"}))
        self._space = origin.facts.observation_space
        self._blind = False

    def close(self) -> None:
        """Close the copy."""
        self._copies.close()

    def picture(
        self, state: np.ndarray, ghost: np.ndarray | None, box: spaces.Box, size: tuple[int, int]
    ) -> np.ndarray:
        """One RGB frame (height, width, 3) of a flat observation (O,); `box` holds the limits of its numbers."""
        image = is_image(self._space)
        frame = self._observed(state) if image else self._frame(state)
        if frame is None:
            return bars(state, ghost, box, size)
        return resized(frame, size)

    def _observed(self, state: np.ndarray) -> np.ndarray:
        """The observation itself, where it is an image."""
        numbers = np.reshape(state, self._space.shape or ())
        pixels = numbers.clip(0, 255)
        return coloured(pixels.astype(np.uint8))

    def _frame(self, state: np.ndarray) -> np.ndarray | None:
        """What the renderer shows; None where it shows nothing, or cannot be put into the state.

        A stranger's renderer may be missing or fail in whatever words: bars will do.
        """
        if self._blind:
            return None
        with contextlib.suppress(Exception), warnings.catch_warnings(), no_display():
            warnings.simplefilter("ignore")
            copy = self._copies.one()
            if _put(copy, state):
                return coloured(copy.render())
        self._blind = True
        self.close()
        return None


def _put(copy: gymnasium.Env, state: np.ndarray) -> bool:
    """Put a copy into the state that an observation shows; False where it holds none of that shape."""
    inner: Any = copy.unwrapped
    if getattr(inner, "state", None) is None:
        copy.reset(seed=0)
    if isinstance(inner, PendulumEnv):
        state = np.array([math.atan2(state[1], state[0]), state[2]])
    own = getattr(inner, "state", None)
    if own is None or np.shape(own) != np.shape(state):
        return False
    inner.state = np.asarray(state)
    return True


def coloured(frame: Any) -> np.ndarray:
    """A frame (height, width), or with 1, 3 or 4 channels, as RGB (height, width, 3).

    Raises:
        ValueError: when it is no picture.
    """
    pixels = np.asarray(frame)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise ValueError(f"frame: expected (height, width, 3) numbers, got {pixels.shape}")
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return pixels[..., :3]


@contextlib.contextmanager
def no_display() -> Iterator[None]:
    """Within, SDL looks neither for a screen nor for a loudspeaker: frames are drawn into arrays."""
    names = ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "dummy"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

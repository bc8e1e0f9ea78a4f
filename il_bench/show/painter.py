"""Painter: an environment's picture of a learner, in the learner's colour, with the expert's twin in it."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import numpy as np

from ..paint.canvas import colour_of, mix
from .take import Take

KEPT = 64  # pictures: what does not move, and a twin in several panels, is drawn once
TRIALS = 8  # times at which the twin's own states are tried in a picture
LIKE = 24  # difference, of 255, below which two pixels count as alike
FULL = 64  # distance from the background, of 255, from which on a pixel is all body
OPACITY = 0.7  # of a twin's body that lies over a learner's picture


class Painter:
    """Pictures (height, width, 3) of one rollout; what an environment's `draw` can do is found out once.

    Args:
        take: the rollout.
        size: width and height, pixels.
    """

    def __init__(self, take: Take, size: tuple[int, int]):
        self._take, self._size = take, size
        self._kept = lru_cache(maxsize=KEPT)(self._drawn)
        self._coloured = _takes_colour(take.env.draw)
        first = self._kept(take.state[0, 0].tobytes(), None, colour_of(0))
        self._background = np.median(first, axis=(0, 1)).astype(np.int16)
        self._shows_twin = self._heeds_twin(first)

    def picture(self, learner: int, time: int) -> np.ndarray:
        """A learner at a time, not to be written on."""
        colour = colour_of(learner)
        state, twin = (self._take.state[k, time].tobytes() for k in (learner, 0))
        if learner == 0:
            return self._kept(state, None, colour)
        if self._shows_twin:
            return self._kept(state, twin, colour)
        own = self._kept(state, None, colour)
        other = self._kept(twin, None, colour_of(0))
        return laid_over(own, other, self._background, colour_of(0))

    def _drawn(self, state: bytes, twin: bytes | None, colour: str) -> np.ndarray:
        kind = self._take.state.dtype
        ghost = None if twin is None else np.frombuffer(twin, kind)
        how: dict[str, Any] = {"colour": colour} if self._coloured else {}
        return self._take.env.draw(np.frombuffer(state, kind), self._size, ghost, **how)

    def _heeds_twin(self, first: np.ndarray) -> bool:
        """Whether the picture of the first state depends on the twin's, wherever that may be."""
        take = self._take
        furthest = [take.state[k, time] for k, time in enumerate(take.drift.argmax(1))]
        along = take.state[0, np.linspace(0, take.horizon, TRIALS).astype(int)]
        state = take.state[0, 0].tobytes()
        twins = (twin.tobytes() for twin in [*furthest[::-1], *along])
        pictures = (self._drawn(state, twin, colour_of(0)) for twin in twins)
        return any(not np.array_equal(picture, first) for picture in pictures)


def _takes_colour(draw: Any) -> bool:
    """Whether `draw` has the keyword `colour`: environments written before it existed do not."""
    parameters = inspect.signature(draw).parameters.values()
    return any(p.name == "colour" or p.kind is p.VAR_KEYWORD for p in parameters)


def laid_over(own: np.ndarray, twin: np.ndarray, background: np.ndarray, colour: str) -> np.ndarray:
    """A picture with the twin's body laid over it, translucent and in the twin's colour.

    The body is where the two pictures differ and the twin's is further from the background.

    Args:
        own: the learner's picture (height, width, 3), uint8.
        twin: the twin's.
        background: colour (3,), int16.
        colour: of the twin.
    """
    out = own.copy()
    rows = np.flatnonzero((own != twin).any((1, 2)))
    if len(rows) == 0:
        return out
    part = slice(rows[0], rows[-1] + 1)
    ours, theirs = own[part].astype(np.int16), twin[part].astype(np.int16)
    near, far = _distance(ours, background), _distance(theirs, background)
    body = (_distance(ours, theirs) > LIKE) & (far > near)
    strength = OPACITY * np.clip(far[body] / FULL, 0, 1)
    out[part][body] = mix(own[part][body], colour, strength)
    return out


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest difference of colours (..., 3) in a channel, (...)."""
    red, green, blue = np.moveaxis(np.abs(one - other), -1, 0)
    return np.maximum(np.maximum(red, green), blue)

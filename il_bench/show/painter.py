"""Painter: an environment's picture of a learner, in the learner's colour, with the expert's twin in it."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import numpy as np

from ..core import strangers
from ..core.registry import name_of
from ..paint.canvas import colour_of, mix
from .style import looks
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
        self._env = take.env
        self._state = take.state
        self._size = size
        self._looks = looks(take.names)
        self._coloured = _takes(take.env.draw, "colour")
        self._kl = take.kl if _takes(take.env.draw, "kl") else None
        self._kept = lru_cache(maxsize=KEPT)(self._drawn)
        first = self._kept(self._bytes(0, 0), None, colour_of(0))
        background = np.median(first, axis=(0, 1))
        self._background = background.astype(np.int16)
        self._shows_twin = self._heeds_twin(first, take.drift)

    def picture(self, learner: int, time: int) -> np.ndarray:
        """A learner at a time, not to be written on."""
        colour = colour_of(self._looks[learner])
        state = self._bytes(learner, time)
        kl = self._kl_bytes(learner, time)
        if learner == 0:
            return self._kept(state, None, colour, kl)
        twin = self._bytes(0, time)
        if self._shows_twin:
            return self._kept(state, twin, colour, kl)
        own = self._kept(state, None, colour)
        other = self._kept(twin, None, colour_of(0))
        return laid_over(own, other, self._background, colour_of(0))

    def _bytes(self, learner: int, time: int) -> bytes:
        """A state as what it can be remembered by."""
        whole = self._state[learner]
        state = whole[: time + 1] if self._env.draws_path else whole[time]
        return bytes(state.tobytes())

    def _kl_bytes(self, learner: int, time: int) -> bytes | None:
        """A learner's divergences so far, likewise; None where they are not known."""
        if self._kl is None or np.isnan(self._kl[learner]).any():
            return None
        so_far = self._kl[learner, :time]
        return bytes(so_far.tobytes())

    def _restored(self, state: bytes) -> np.ndarray:
        """The way back from `_bytes`."""
        numbers = np.frombuffer(state, self._state.dtype)
        return numbers.reshape(-1, self._state.shape[-1]) if self._env.draws_path else numbers

    def _drawn(
        self, state: bytes, twin: bytes | None, colour: str, kl: bytes | None = None
    ) -> np.ndarray:
        here = self._restored(state)
        ghost = None if twin is None else self._restored(twin)
        own: dict[str, Any] = {"colour": colour} if self._coloured else {}
        if kl is not None:
            own["kl"] = np.frombuffer(kl)
        try:
            return self._env.draw(here, self._size, ghost, **own)
        except Exception as error:
            # Of a stranger's `draw` whoever calls says whose it was.
            if strangers.blame(error):
                raise
            name = name_of(self._env)
            coordinates = f"{here.tolist()}"[:80]
            words = strangers.in_words(error)
            reason = f"{name} has no picture of the state {coordinates} ({words})"
            raise ValueError(f"film: {reason}; is it one of its states?") from error

    def _heeds_twin(self, first: np.ndarray, drift: np.ndarray) -> bool:
        """Whether the picture of the first state depends on the twin's, wherever that may be."""
        state = self._bytes(0, 0)
        for learner, time in _trials(drift):
            twin = self._bytes(learner, time)
            picture = self._drawn(state, twin, colour_of(0))
            if not np.array_equal(picture, first):
                return True
        return False


def _trials(drift: np.ndarray) -> list[tuple[int, int]]:
    """Whose states, and of when, are tried as a twin: where each is furthest away, then the expert's own along the way."""
    furthest = drift.argmax(1).tolist()
    places = list(enumerate(furthest))
    last = drift.shape[1] - 1
    times = np.linspace(0, last, TRIALS).astype(int)
    along = [(0, time) for time in times.tolist()]
    return [*reversed(places), *along]


def _takes(draw: Any, keyword: str) -> bool:
    """Whether `draw` has a keyword: environments written before it existed do not, others have no use for it."""
    parameters = inspect.signature(draw).parameters.values()
    return any(p.name == keyword or p.kind is p.VAR_KEYWORD for p in parameters)


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
    part = _differing_rows(own, twin)
    ours = own[part].astype(np.int16)
    theirs = twin[part].astype(np.int16)
    far = _distance(theirs, background)
    differs = _distance(ours, theirs) > LIKE
    stands_out = far > _distance(ours, background)
    body = differs & stands_out
    weight = np.clip(far[body] / FULL, 0, 1)
    out[part][body] = mix(ours[body], colour, OPACITY * weight)
    return out


def _differing_rows(one: np.ndarray, other: np.ndarray) -> slice:
    """From the first to the last row in which two pictures differ; none where they do nowhere."""
    differs = (one != other).any((1, 2))
    rows = np.flatnonzero(differs).tolist()
    return slice(rows[0], rows[-1] + 1) if rows else slice(0)


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest difference of colours (..., 3) in a channel, (...)."""
    differences = np.abs(one - other)
    red, green, blue = np.moveaxis(differences, -1, 0)
    larger = np.maximum(red, green)
    return np.maximum(larger, blue)

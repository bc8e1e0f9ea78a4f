"""The picture of a Gymnasium environment: what its renderer shows, or bars where it shows nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def _no_display() -> Iterator[None]:
    """Within, SDL looks neither for a screen nor for a loudspeaker: frames are drawn into arrays."""
    names = ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "dummy"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

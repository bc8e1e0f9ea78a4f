"""The generators of the process, from which stable-baselines3 draws: lent to it, and put back as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


class Chance:
    """Where Python's, NumPy's and torch's own generators stand for somebody who draws from them now and then.

    Args:
        seed: of all three.
    """

    def __init__(self, seed: int):
        python = random.Random(seed)
        numpy = np.random.RandomState(seed)
        network = torch.Generator().manual_seed(seed)
        self._places = python.getstate(), numpy.get_state(), network.get_state()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Within, they go on from where the last such use ended; for everybody else nothing has happened."""
        before = _places()
        _put(self._places)
        try:
            yield
        finally:
            self._places = _places()
            _put(before)


def _places() -> tuple[Any, ...]:
    """Where the three stand."""
    numpy = np.random.get_state()  # noqa: NPY002 (it is stable-baselines3 that draws from it)
    return random.getstate(), numpy, torch.get_rng_state()


def _put(places: tuple[Any, ...]) -> None:
    """Put the three where they stood."""
    python, numpy, network = places
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
    torch.set_rng_state(network)

"""The random generators that an environment of others' keeps among its attributes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np

KINDS = (np.random.Generator, np.random.RandomState, random.Random)


def place(copy: gymnasium.Env) -> int:
    """Where all generators of an environment and its wrappers stand, as a number that differs when they do."""
    states = tuple(_state(generator) for generator in _generators(copy))
    return hash(states)


def _generators(copy: Any) -> Iterator[Any]:
    """The generators that are attributes of an environment or one of its wrappers, from the outside in."""
    layer = copy
    while True:
        yield from (value for value in vars(layer).values() if isinstance(value, KINDS))
        if not isinstance(layer, gymnasium.Wrapper):
            return
        layer = layer.env


def _state(generator: Any) -> str:
    """Its state in characters: NumPy shortens a long array, and not the place in it that the next number is taken from."""
    if isinstance(generator, np.random.Generator):
        return str(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return str(generator.get_state(legacy=False))
    return str(hash(generator.getstate()))

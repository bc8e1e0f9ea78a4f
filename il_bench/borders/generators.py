"""The random generators that an environment of others' keeps among its attributes."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator
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


def _state(generator: Any) -> Hashable:
    """Its state, the place in a long array from which the next number is taken included."""
    if isinstance(generator, np.random.Generator):
        return _fixed(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return _fixed(generator.get_state(legacy=False))
    state: Hashable = generator.getstate()
    return state


def _fixed(state: Any) -> Hashable:
    """A state of NumPy's that no later draw changes: its numbers in their order, an array as its bytes."""
    if isinstance(state, dict):
        parts = map(_fixed, state.values())
        return tuple(parts)
    return state.tobytes() if isinstance(state, np.ndarray) else state

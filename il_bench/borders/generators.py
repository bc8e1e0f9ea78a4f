"""The random generators of an environment of others': its own, wherever it keeps them, and those of the process."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from functools import partial
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

KINDS = (
    np.random.Generator,
    np.random.RandomState,
    np.random.BitGenerator,
    random.Random,
)
"""Generators of NumPy's and the standard library's; torch's are known by their names, for torch is not imported here."""

MOST = 2_000
"""Things that are looked into; a simulator with more keeps its generators near the top."""

LONGEST = 64
"""Items of a container that are looked into: a long one holds data."""

LEAVES = (
    str,
    bytes,
    int,
    float,
    complex,
    np.ndarray,
    type,
    spaces.Space,
    FunctionType,
    ModuleType,
)
"""What holds no generator that an environment draws from; a space has one, for whoever samples it."""


def direct(copy: gymnasium.Env) -> list[Any]:
    """The generators that are attributes of an environment or its wrappers, which a step may exchange for others."""
    found: list[Any] = []
    for layer in _layers(copy):
        found += _generators(vars(layer)).values()
    return found


def within(copy: gymnasium.Env) -> list[Any]:
    """All generators that an environment and its wrappers keep, in the order in which they are found.

    As attributes, in containers, in objects of theirs, and behind methods of these.
    """
    found: list[Any] = []
    queue: deque[Any] = deque([copy])
    seen = {id(copy)}
    looked = 0
    while queue and looked < MOST:
        looked += 1
        for part in _parts(queue.popleft()):
            if id(part) in seen:
                continue
            seen.add(id(part))
            if _is_generator(part):
                found.append(part)
            elif part is not None and not isinstance(part, LEAVES):
                queue.append(part)
    return found


def shared(copy: gymnasium.Env) -> list[Any]:
    """The generators of the classes of an environment and its wrappers, and of their modules: others may use them, too."""
    found: dict[int, Any] = {}
    for layer in _layers(copy):
        for cls in type(layer).__mro__:
            if cls.__module__.partition(".")[0] in ("gymnasium", "builtins", "typing", "abc"):
                continue
            module = sys.modules.get(cls.__module__)
            names = {**(vars(module) if module else {}), **vars(cls)}
            for generator in _generators(names).values():
                found[id(generator)] = generator
    return list(found.values())


def _layers(copy: Any) -> Iterator[Any]:
    """An environment and its wrappers, from the outside in."""
    yield copy
    while isinstance(copy, gymnasium.Wrapper):
        copy = copy.env
        yield copy


def _generators(names: Any) -> dict[str, Any]:
    """Those among names that are generators."""
    return {name: value for name, value in dict(names).items() if _is_generator(value)}


def _is_generator(thing: Any) -> bool:
    """Whether numbers are drawn from it."""
    return isinstance(thing, KINDS) or _is_torchs(thing)


def _is_torchs(thing: Any) -> bool:
    """Whether it is a generator of torch's."""
    kind = type(thing)
    return kind.__name__ == "Generator" and kind.__module__.startswith("torch")


def _parts(thing: Any) -> Iterable[Any]:
    """What a thing is made of."""
    if isinstance(thing, dict):
        return list(thing.values())[:LONGEST]
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return list(thing)[:LONGEST]
    if isinstance(thing, MethodType | BuiltinMethodType):
        return [thing.__self__]
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    own = getattr(thing, "__dict__", None)
    parts = list(own.values()) if isinstance(own, dict) else []
    for name in _slots(thing):
        parts.append(getattr(thing, name, None))
    return parts


def _slots(thing: Any) -> Iterator[str]:
    """Names of the attributes that a thing's classes declare without a dictionary, as Python keeps them."""
    for cls in type(thing).__mro__:
        declared = cls.__dict__.get("__slots__", ())
        for name in (declared,) if isinstance(declared, str) else declared:
            private = name.startswith("__") and not name.endswith("__")
            yield f"_{cls.__name__.lstrip('_')}{name}" if private else name


def place(generators: Iterable[Any]) -> int:
    """Where generators stand, as a number that differs when they do."""
    return hash(tuple(map(_state, generators)))


def common() -> int:
    """Where Python's and NumPy's generators of the process stand, from which everybody may draw."""
    numpys = np.random.get_state(legacy=False)  # noqa: NPY002
    return hash((random.getstate(), _fixed(numpys)))


def _state(generator: Any) -> Hashable:
    """Its state, the place in a long array from which the next number is taken included."""
    if isinstance(generator, np.random.Generator):
        return _fixed(generator.bit_generator.state)
    if isinstance(generator, np.random.BitGenerator):
        return _fixed(generator.state)
    if isinstance(generator, np.random.RandomState):
        return _fixed(generator.get_state(legacy=False))
    if _is_torchs(generator):
        return bytes(generator.get_state().cpu().numpy())
    state: Hashable = generator.getstate()
    return state


def _fixed(state: Any) -> Hashable:
    """A state of NumPy's that no later draw changes: its numbers in their order, an array as its bytes."""
    if isinstance(state, dict):
        parts = map(_fixed, state.values())
        return tuple(parts)
    return state.tobytes() if isinstance(state, np.ndarray) else state

"""Hiding: an environment shows all but the coordinates that its setting `hide` names; its expert sees the whole state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from gymnasium import spaces

from .settings import require

T = TypeVar("T")


def hides(cls: type) -> None:
    """Make what a class of environments shows lose what `hide` names, where the class itself says what it shows."""
    own = vars(cls)
    if "observation" in own:
        type.__setattr__(cls, "observation", _less(own["observation"]))
    if "observation_space" in own:
        space = _less_space(own["observation_space"])
        type.__setattr__(cls, "observation_space", space)
        if isinstance(space, functools.cached_property):
            space.__set_name__(cls, "observation_space")


def whole(env: T) -> T:
    """The same environment with nothing hidden."""
    some: Any = env
    return dataclasses.replace(some, hide=()) if some.hide else env


def _less(observation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A method `observation` that leaves out what is hidden."""

    @functools.wraps(observation)
    def shown(self: Any, state: Any) -> Any:
        everything = observation(self, state)
        if not self.hide:
            return everything
        size = everything.shape[-1]
        return everything[..., _kept(self, size)]

    return shown


def _less_space(space: Any) -> Any:
    """An attribute `observation_space` that leaves out what is hidden, of whatever kind the attribute is."""
    if isinstance(space, spaces.Space):
        return property(_narrowed(lambda self: space))
    if isinstance(space, functools.cached_property):
        return functools.cached_property(_narrowed(space.func))
    if isinstance(space, property) and space.fget is not None:
        return property(_narrowed(space.fget))
    return space


def _narrowed(space: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A getter of a space that leaves out what is hidden."""

    @functools.wraps(space)
    def shown(self: Any) -> Any:
        everything = space(self)
        if not self.hide:
            return everything
        kept = _kept(self, everything.shape[0])
        if isinstance(everything, spaces.MultiDiscrete):
            return spaces.MultiDiscrete(everything.nvec[kept])
        low, high = everything.low[kept], everything.high[kept]
        return spaces.Box(low, high, dtype=everything.dtype)

    return shown


def _kept(env: Any, size: int) -> list[int]:
    """The coordinates that are left of so many."""
    names = tuple(env.observed)
    left = visible(env.hide, names, size)
    return list(left)


@functools.lru_cache(maxsize=256)
def visible(hide: tuple[str, ...], names: tuple[str, ...], size: int) -> tuple[int, ...]:
    """The coordinates of an observation that are not hidden.

    Args:
        hide: names or numbers of those that are.
        names: of all of them; those beyond have numbers alone.
        size: how many there are.

    Raises:
        ValueError: for one that there is not, or when none is left.
    """
    left = list(range(size))
    numbers = {_number(one, names, size) for one in hide}
    for number in numbers:
        left.remove(number)
    wanted = "expected at least one coordinate that can still be seen"
    require(len(left) > 0, f"hide: {wanted}, got all {size} hidden; name fewer")
    return tuple(left)


def _number(name: str, names: tuple[str, ...], size: int) -> int:
    """The number of a coordinate by its name, or by its number as text."""
    if name in names:
        return names.index(name)
    known = name.isdecimal() and int(name) < size
    choice = " or ".join(filter(None, (", ".join(names), "a number")))
    wanted = f"expected {choice} from 0 to {size - 1}"
    require(known, f"hide: {wanted}, got {name!r}; name one of them")
    return int(name)

"""Light: help and lists are read from classes whose files import torch, and do not wait for it.

What a command needs for its work alone it imports after its arguments were read. Where the arguments name classes (an
environment has its own flags), those are read with torch postponed.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any


def for_help(args: list[str]) -> AbstractContextManager[None]:
    """Within, torch is postponed where these arguments ask for help alone."""
    helping = "-h" in args or "--help" in args
    return postponed("torch") if helping else contextlib.nullcontext()


class Postponed(types.ModuleType):
    """Stands in for a module that is imported when an attribute of it is first asked for."""

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system looking around
            raise AttributeError(attribute)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), attribute)


@contextlib.contextmanager
def postponed(name: str) -> Iterator[None]:
    """Within, `import name` succeeds at once and does its work when an attribute is first asked for.

    Importing torch takes 1.5 s; help has half a second.
    """
    standing_in = sys.modules.setdefault(name, Postponed(name))
    try:
        yield
    finally:
        if isinstance(standing_in, Postponed) and sys.modules.get(name) is standing_in:
            del sys.modules[name]


@contextlib.contextmanager
def nothing_postponed() -> Iterator[None]:
    """Within, no module stands in for another: who looks for torch, as tyro does, finds that it is not there."""
    standing_in = {n: m for n, m in sys.modules.items() if isinstance(m, Postponed)}
    for name in standing_in:
        del sys.modules[name]
    try:
        yield
    finally:
        for name, module in standing_in.items():
            sys.modules.setdefault(name, module)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Within, who asks typeguard whether a default is of its field's type, as tyro does, is told that it is.

    Importing it, and with it asyncio and unittest, takes longer than to read all flags.
    """
    checker = types.ModuleType("typeguard")
    checker.__dict__.update(check_type=_accept, TypeCheckError=TypeError)
    standing_in = sys.modules.setdefault("typeguard", checker)
    try:
        yield
    finally:
        if standing_in is checker:
            sys.modules.pop("typeguard", None)


def _accept(value: Any, kind: Any) -> Any:
    """The value, whatever its type should be."""
    return value

"""Light: help and lists are read from classes whose files import torch, and do not wait for it.

What a command needs for its work alone it imports after its arguments were read. Where the arguments name classes (an
environment has its own flags), those are read with torch postponed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import sys
import types
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib.machinery import ModuleSpec
from typing import Any


def for_help(args: list[str]) -> AbstractContextManager[None]:
    """Within, torch is postponed where these arguments ask for help alone."""
    helping = "-h" in args or "--help" in args
    return postponed("torch") if helping else contextlib.nullcontext()


class Postponed(types.ModuleType):
    """Stands in for a module, or a part of one, that is imported when an attribute of it is first asked for."""

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system looking around
            raise AttributeError(attribute)
        _step_aside(self.__name__.partition(".")[0])
        return getattr(importlib.import_module(self.__name__), attribute)


class _Parts(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds parts of what is postponed, which are postponed as well: `import torch.nn`."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        whole = sys.modules.get(name.partition(".")[0])
        return ModuleSpec(name, self, is_package=True) if isinstance(whole, Postponed) else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """See `importlib.abc.Loader`."""
        return Postponed(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """See `importlib.abc.Loader`: nothing yet."""


def _step_aside(name: str) -> None:
    """Nothing stands in for a module of this name any more, nor for its parts."""
    for other, module in list(sys.modules.items()):
        if isinstance(module, Postponed) and other.partition(".")[0] == name:
            del sys.modules[other]


@contextlib.contextmanager
def postponed(name: str) -> Iterator[None]:
    """Within, `import name` succeeds at once and does its work when an attribute is first asked for.

    Importing torch takes 1.5 s; help has half a second.
    """
    standing_in = sys.modules.setdefault(name, Postponed(name))
    if isinstance(standing_in, Postponed):
        standing_in.__path__ = []  # it has parts
    parts = _Parts()
    sys.meta_path.insert(0, parts)
    try:
        yield
    finally:
        sys.meta_path.remove(parts)
        _step_aside(name)


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

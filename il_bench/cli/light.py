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


@contextlib.contextmanager
def postponed(name: str) -> Iterator[None]:
    """Within, `import name` succeeds at once and does its work when an attribute is first asked for.

    Importing torch takes 1.5 s; help has half a second.
    """

    class Postponed(types.ModuleType):
        def __getattr__(self, attribute: str) -> Any:
            if attribute.startswith("__"):  # the import system looking around
                raise AttributeError(attribute)
            if sys.modules.get(name) is self:
                del sys.modules[name]
            return getattr(importlib.import_module(name), attribute)

    standing_in = sys.modules.setdefault(name, Postponed(name))
    try:
        yield
    finally:
        if isinstance(standing_in, Postponed) and sys.modules.get(name) is standing_in:
            del sys.modules[name]

"""Threads of torch: one for many small runs, whatever the caller's own work uses.

Two torch processes with default threads on two cores run 47 times slower than with one thread each. Fitting and rolling
out limit the threads while they last, and give back what was set before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

import torch

_allowed: ContextVar[int] = ContextVar("threads", default=1)

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within, fitting and rolling out may use so many threads of torch, and torch does."""
    token, before = _allowed.set(count), torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _allowed.reset(token)


def few_threads(work: Callable[P, T]) -> Callable[P, T]:
    """A function that uses no more threads than are allowed, one by default, and restores their number."""

    @functools.wraps(work)
    def outer(*args: P.args, **kwargs: P.kwargs) -> T:
        before, allowed = torch.get_num_threads(), _allowed.get()
        if before <= allowed:
            return work(*args, **kwargs)
        torch.set_num_threads(allowed)
        try:
            return work(*args, **kwargs)
        finally:
            torch.set_num_threads(before)

    return outer

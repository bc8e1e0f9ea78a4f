"""Progress: the one way in which a command shows how far its work is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from ..core.printable import harmless
from .console import console as plain_console

if TYPE_CHECKING:
    from rich.console import Console

Report: TypeAlias = "Callable[[float, str], None]"
"""Called with what is done, and a few words; empty words leave those that stand there."""


@contextmanager
def progress(
    console: Console | None = None, counted: bool = False
) -> Iterator[Callable[[str, float], Report]]:
    """Bars below one another: what is yielded adds one, for a name and a total, and returns who moves it.

    Args:
        console: where; a new one unless given.
        counted: show how many of how many, and the time that is left, not the share that is done.
    """
    from rich import progress as rich

    share = rich.TextColumn("{task.percentage:>3.0f} %")
    amount = [rich.MofNCompleteColumn()] if counted else [share]
    left = [rich.TimeRemainingColumn()] if counted else []
    columns = [
        rich.TextColumn("{task.description:>8}", markup=False),
        rich.BarColumn(),
        *amount,
        rich.TimeElapsedColumn(),
        *left,
        rich.TextColumn("{task.fields[words]}", markup=False),
    ]
    where = console or plain_console()
    with rich.Progress(*columns, console=where, transient=not counted) as bars:

        def add(name: str, total: float = 1.0) -> Report:
            bar = bars.add_task(harmless(name), total=total, words="")

            def report(done: float, words: str) -> None:
                bars.update(bar, completed=min(done, total))
                if words:
                    bars.update(bar, words=harmless(words))

            return report

        yield add

"""`python -m il_bench.table results/ --by lipschitz,algo --at 100`: what a sweep found, a line for each group of runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import tyro

from .cli.command import command
from .cli.console import console, say
from .cli.flags import parsed
from .cli.output import require_new, write_csv

Cells: TypeAlias = dict[str, tuple[str, str]]
"""A line of the table: value and interval by title."""


@dataclass(frozen=True)
class TableOptions:
    """Show what a sweep found."""

    results: Annotated[Path, tyro.conf.Positional]
    """Folder of the results."""
    by: str = ""
    """Coordinates that make a line each, such as lipschitz,algo; by default all that differ, seeds apart."""
    at: tuple[int, ...] = ()
    """Times of the divergence; by default the last one of each line."""
    csv: Path | None = None
    """Where to write the lines as CSV as well: a new file."""
    plot: Path | None = None
    """Where to draw the last divergence over the settings, as curves or as a map, a new file: grid.png."""


@command
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(TableOptions, args, "python -m il_bench.table")
    require_new("csv", options.csv)
    require_new("plot", options.plot)
    from .jobs import store
    from .show.sweep_table import lines, pooled, remarks

    names = [name.strip() for name in options.by.split(",")]
    by = tuple(name for name in names if name)
    data = store.open(options.results)
    cells = lines(data, by, options.at)
    _show(cells)
    for sentence in remarks(data):
        say(sentence)
    if bad := store.failures(options.results):
        say(f"{len(bad):,} runs failed and are not in the table; sweep --retry tries them again")
    if several := pooled(data, by):
        counts = [f"{count} values of {name}" for name, count in several.items()]
        words = ", ".join(counts)
        say(f"a line pools up to {words}; add them to --by to keep them apart")
    if options.csv is not None:
        _write(options.csv, cells)
        say(options.csv)
    if options.plot is not None:
        from .show.plots import plot

        path = plot(data, options.plot, by)
        say(path.absolute())


def _show(cells: list[Cells]) -> None:
    """Print the lines, in as many tables as fit the terminal."""
    from .show import terminal

    out = console()
    for table in terminal.tables_of(cells, out.width):
        out.print(table, "", highlight=False)


def _write(path: Path, cells: list[Cells]) -> None:
    """Write the lines as CSV, whole or not at all."""
    lines = []
    for line in cells:
        lines.append([" ".join(cell).strip() for cell in line.values()])
    write_csv(path, cells[0], lines)


if __name__ == "__main__":
    main(sys.argv[1:])

"""`python -m il_bench.table results/ --by lipschitz,algo --at 100`: what a sweep found, a line for each group of runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .cli.command import command
from .cli.flags import parsed


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
    """Where to write the lines as CSV as well."""
    plot: Path | None = None
    """Where to draw the last divergence over the settings, as curves or as a map: grid.png."""


@command
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(TableOptions, args, "python -m il_bench.table")
    from rich.console import Console

    from .jobs import store
    from .show import terminal
    from .show.sweep_table import lines, pooled

    by = tuple(name.strip() for name in options.by.split(",") if name.strip())
    data = store.open(options.results)
    found = lines(data, by, options.at)
    console = Console()
    for table in terminal.tables_of(found, console.width):
        console.print(table, "", highlight=False)
    if several := pooled(data, by):
        words = ", ".join(f"{count} values of {name}" for name, count in several.items())
        print(f"a line pools up to {words}; add them to --by to keep them apart")
    if options.csv is not None:
        import csv

        with options.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(found[0])
            writer.writerows([" ".join(cell).strip() for cell in line.values()] for line in found)
        print(options.csv)
    if options.plot is not None:
        from .show.plots import plot

        print(plot(data, options.plot, by).absolute())


if __name__ == "__main__":
    main(sys.argv[1:])

"""Tables for a terminal: one, or as many as their columns need, with each learner in its colour."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..core.printable import harmless
from ..paint.canvas import colour_of
from ..records.record import Record
from ..records.rows import cell_texts
from .style import looks

Cells: TypeAlias = dict[str, tuple[str, str]]
"""A line of a table: value and interval by title."""


def rich_tables(record: Record, width: int) -> list[Any]:
    """The Record's rows for a terminal `width` characters wide: one table, or as many as their columns need."""
    colours = {}
    for name, look in zip(record.learners, looks(record.learners), strict=True):
        colours[name] = colour_of(look)
    rows = record.rows()
    cells = [cell_texts(row) for row in rows]
    return tables_of(cells, width, colours)


def tables_of(rows: list[Cells], width: int, colours: dict[str, str] | None = None) -> list[Any]:
    """Lines of cells as tables for a terminal.

    Args:
        rows: value and interval by title; what identifies a line stands before "D at", or first where there is none.
        width: of the terminal, characters.
        colours: of the learners, by name: the same as in every figure and film.
    """
    if not rows:
        return []
    rows = [_harmless(row) for row in rows]
    titles = list(rows[0])
    known = colours or {}
    if _whole_width(titles, rows, beside=True) <= width:
        return [_rich_table(titles, rows, True, known)]
    drift = [title.startswith("D at") for title in titles]
    first = drift.index(True) if any(drift) else 1
    keys = _keys(titles[:first], rows)
    parts = _split(keys, titles[first:], rows, width)
    return [_rich_table(keys + part, rows, False, known) for part in parts]


def _harmless(row: Cells) -> Cells:
    """The same with nothing in it that would act, and be as wide as it is not."""
    shown = {}
    for title, (value, interval) in row.items():
        shown[harmless(title)] = (harmless(value), harmless(interval))
    return shown


def _keys(titles: list[str], rows: list[Cells]) -> list[str]:
    """What identifies a line in every table: the first column, and those in which the lines differ."""
    first, *others = titles
    telling = [title for title in others if _differs(title, rows)]
    return [first, *telling]


def _differs(title: str, rows: list[Cells]) -> bool:
    cells = {row[title] for row in rows}
    return len(cells) > 1


def _split(keys: list[str], titles: list[str], rows: list[Cells], width: int) -> list[list[str]]:
    """Columns in their order, for as few tables as have room for them beside the keys."""
    lead = _whole_width(keys, rows, beside=False)
    parts: list[list[str]] = [[]]
    room = width - lead
    for title in titles:
        needs = _width(title, rows, beside=False)
        if needs > room and parts[-1]:
            parts.append([])
            room = width - lead
        parts[-1].append(title)
        room -= needs
    return parts


def _whole_width(titles: list[str], rows: list[Cells], beside: bool) -> int:
    """Characters that some columns need side by side."""
    return sum(_width(title, rows, beside) for title in titles)


def _width(title: str, rows: list[Cells], beside: bool) -> int:
    """Characters that a column needs, its gap to the next included."""
    texts = [title]
    for row in rows:
        texts += _lines(row[title], beside)
    return max(map(len, texts)) + 2


def _lines(cell: tuple[str, str], beside: bool) -> list[str]:
    """A cell's value and its interval, `beside` each other or beneath; what is said after the interval stays above."""
    value, interval = cell
    if not interval:
        return [value]
    if beside:
        return [f"{value} {interval}"]
    spread, bracket, after = interval.rpartition("]")
    above = f"{value} {after.strip()}".strip()
    return [above, spread + bracket] if spread else [above]


def _rich_table(titles: list[str], rows: list[Cells], beside: bool, colours: dict[str, str]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        side: Any = "left" if title == "learner" else "right"
        heading = Text(title)  # as it is: a title in plain text would be read as markup
        table.add_column(heading, justify=side, no_wrap=True)
    for row in rows:
        cells = [_cell(title, row[title], beside, colours) for title in titles]
        table.add_row(*cells)
    return table


def _cell(title: str, cell: tuple[str, str], beside: bool, colours: dict[str, str]) -> Any:
    """What stands in a cell: a learner's name in its colour, an interval in a softer tone than its value."""
    from rich.text import Text

    value, interval = cell
    if title == "learner":
        return Text(value, style=colours.get(value, ""))
    text = Text("\n".join(_lines(cell, beside)))
    if interval:
        text.stylize("dim", len(value))
    return text

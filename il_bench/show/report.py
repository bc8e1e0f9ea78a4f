"""What a comparison says, in a few words and one table, from a Record alone."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from ..paint.canvas import colour_of
from ..records.record import Record
from ..records.rows import cell_texts
from ..stats.intervals import contrast
from .words import settings_text

Row: TypeAlias = dict[str, Any]
"""What `Record.rows` says of a learner in a setting."""
Cells: TypeAlias = dict[str, tuple[str, str]]
"""A line of a table: value and interval by title."""

RARE = 0.005  # share of rollouts below which ends are not worth a word
TIMES = 10.0  # factor from which on a difference between settings is worth a sentence
LARGEST_RATIO = 1e12
GAP = 3.0  # factor by which errors on own states exceed those on the expert's, where that explains something


def sentence(record: Record) -> str:
    """What a newcomer should take away: who drifted, by how much, why, and what to try next.

    It speaks of the setting in which the copies drifted furthest.
    """
    rows = record.rows()
    last = max(rows[0]["drift"])
    worst = max(rows, key=lambda row: _drift(row, last))
    beside = [row for row in rows if row["settings"] == worst["settings"] and row is not worst]
    best = min(beside, key=lambda row: _drift(row, last), default=None)
    parts = [
        _opening(worst, last) + _comparison(record, worst, best, last),
        _elsewhere(rows, worst, last),
        _why(record, worst),
    ]
    return " ".join(part for part in parts if part)


def _drift(row: Row, at: int) -> float:
    return float(row["drift"][at].value)


def _opening(worst: Row, last: int) -> str:
    """Who drifted furthest, where, and how far."""
    where = settings_text(worst["settings"].items())
    when = f"At {where}, after" if where else "After"
    share, broke = worst["falls"], worst["broke"]
    fell = f" and ended early in {share:.0%} of the rollouts" if share > RARE else ""
    lost = f" ({broke} runs became NaN or infinite)" if broke else ""
    steps = f"{last} step{'s' * (last > 1)}"
    drift = worst["drift"][last]
    return f"{when} {steps} {worst['learner']} has drifted {drift} from its expert{fell}{lost}"


def _comparison(record: Record, worst: Row, best: Row | None, last: int) -> str:
    """How the best of the others did."""
    if best is None:
        return "."
    name, drift = best["learner"], best["drift"][last]
    if worst["drift"][last].value == drift.value:
        return f", and so has {name}."
    said = _verdict(record, worst, best, last)
    if said == "cannot tell":
        runs = worst["runs"]
        return f", {name} {drift}: {runs} run{'s' * (runs > 1)} cannot tell them apart."
    alike = ", which is the same within a quarter"
    factor = alike if said == "same" else _times_less(_drift(worst, last), drift.value)
    return f"; {name}{_budget(best, worst)} has drifted {drift}{factor}."


def _times_less(larger: float, smaller: float) -> str:
    ratio = larger / smaller if smaller > 0 else math.inf
    if ratio >= LARGEST_RATIO:
        return ""
    digits = 1 if ratio < 10 else 0
    return f", {ratio:,.{digits}f} times less"


def _verdict(record: Record, worst: Row, best: Row, last: int) -> str:
    """The paired verdict, run by run; runs in which both are apart by nothing are the same."""
    runs = record.groups()[tuple(worst["settings"].items())]
    ours, theirs = (
        record.drift(record.learners.index(row["learner"]), last)[runs] for row in (best, worst)
    )
    return contrast(ours, theirs).verdict


def _budget(best: Row, worst: Row) -> str:
    """What the better one was given, where that makes the comparison fair."""
    if best["updates"] == worst["updates"] and best["labels"] <= worst["labels"]:
        labels = "the same" if best["labels"] == worst["labels"] else "no more"
        return f", on {labels} labels and the same updates,"
    one, two = (f"{row['labels']:,} labels and {row['updates']:,} updates" for row in (best, worst))
    return f", on {one} against {two},"


def _elsewhere(rows: list[Row], worst: Row, last: int) -> str:
    """The setting in which the same learner did best, where that made a difference."""
    same = [row for row in rows if row["learner"] == worst["learner"]]
    best = min(same, key=lambda row: _drift(row, last))
    if _drift(best, last) * TIMES >= _drift(worst, last):
        return ""
    settings = best["settings"].items()
    changed = [(name, value) for name, value in settings if worst["settings"][name] != value]
    return f"At {settings_text(changed)} {worst['learner']} stays at {best['drift'][last]}."


def _why(record: Record, row: Row) -> str:
    """The reason that the numbers point to, and the flag that would test it."""
    off, on = row["error_off"].value, row["error_on"].value
    if not on > GAP * off:
        return ""
    errs = f"{row['learner']} errs by {off:.2g} on the expert's states but by {on:.2g} on its own"
    name, strength = next(iter(record.index.excitation.items()), ("", 0))
    if not name or _is_pushed(record, row, name):
        return f"{errs}: the states it meets are not those it learned on."
    hint = "" if name in row["settings"] else f" Push them: try --{name} {strength:g}."
    reason = "nothing pushed its demonstrations off the expert's path"
    return f"{errs}: {reason}, so they never showed the way back.{hint}"


def _is_pushed(record: Record, row: Row, name: str) -> bool:
    """Whether noise of that name made the demonstrations leave the expert's path."""
    everywhere = max(record.index.runs.get(name, [1]))
    return bool(row["settings"].get(name, everywhere) > 0)


def rich_tables(record: Record, width: int) -> list[Any]:
    """The Record's rows for a terminal `width` characters wide: one table, or as many as their columns need."""
    colours = {name: colour_of(k) for k, name in enumerate(record.learners)}
    return tables_of([cell_texts(row) for row in record.rows()], width, colours)


def tables_of(rows: list[Cells], width: int, colours: dict[str, str] | None = None) -> list[Any]:
    """Lines of cells as tables for a terminal.

    Args:
        rows: value and interval by title; what identifies a line stands before "D at".
        width: of the terminal, characters.
        colours: of the learners, by name: the same as in every figure and film.
    """
    if not rows:
        return []
    titles = list(rows[0])
    if sum(_width(title, rows, beside=True) for title in titles) <= width:
        return [_rich_table(titles, rows, True, colours or {})]
    first = titles.index(next(title for title in titles if title.startswith("D at")))
    keys = [title for title in titles[:first] if title == titles[0] or _differs(title, rows)]
    parts = _split(keys, titles[first:], rows, width)
    return [_rich_table(keys + part, rows, False, colours or {}) for part in parts]


def _differs(title: str, rows: list[Cells]) -> bool:
    return len({row[title] for row in rows}) > 1


def _split(keys: list[str], titles: list[str], rows: list[Cells], width: int) -> list[list[str]]:
    """Columns in their order, for as few tables as have room for them beside the keys."""
    lead = sum(_width(title, rows, beside=False) for title in keys)
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


def _width(title: str, rows: list[Cells], beside: bool) -> int:
    """Characters that a column needs, its gap to the next included."""
    texts = [text for row in rows for text in _lines(row[title], beside)]
    return max(len(text) for text in [title, *texts]) + 2


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

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="left" if title == "learner" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(title, row[title], beside, colours) for title in titles))
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

"""Table: everything that was measured, five lines in words first, then each quantity under its heading."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

from ..core.html import html_table
from ..stats.intervals import Contrast, Interval
from .headings import ALL
from .words import Circumstances, Row, five_lines, place

Matrix: TypeAlias = "dict[str, dict[str, Interval]]"
"""e[i][j], the mean action error of i on the states of j."""

WIDTH = 44
"""Characters of the longest name of a quantity."""

MATRIX = "action error of i (rows) on the states of j (columns)"


@dataclass(frozen=True, repr=False)
class Measures:
    """The table of one Record; printed, it begins with five lines in words.

    Attributes:
        rows: for each learner and setting "learner", "settings", "classes" of growth with their runs, "class" in words,
            "why_not_linear": the reason of a run that is of that class, else "",
            "values": quantity to interval or reason, "counted": whether the bounds on the loss hold,
            "contrasts" with the first learner, "reference": quantity to contrast, and "stopped": whether their D tells where
            they were stopped.
        errors: the action error matrix, or the reason why there is none.
        broken: who became NaN or infinite, in which run and at which step, a sentence each.
        circumstances: what the words need to know besides.
        notes: what a reader should know first, a sentence each.
    """

    rows: list[Row]
    errors: Matrix | str
    broken: list[str]
    circumstances: Circumstances
    notes: Sequence[str] = ()

    @property
    def summary(self) -> dict[str, str]:
        """Five lines in words, by heading."""
        return five_lines(self.rows, self.circumstances)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        rows = []
        for row in self.rows:
            values = _plain_values(row["values"])
            contrasts = _plain_contrasts(row["contrasts"])
            rows.append({**row, "values": values, "contrasts": contrasts})
        errors: Any = self.errors
        if not isinstance(errors, str):
            errors = {name: _plain_values(part) for name, part in errors.items()}
        return {
            "summary": self.summary,
            "notes": list(self.notes),
            "rows": rows,
            "action_error_matrix": errors,
            "became_nan_or_infinite": self.broken,
        }

    def __str__(self) -> str:
        words = [f"{heading:<8}{line}" for heading, line in self.summary.items()]
        blocks = ["\n".join(words)]
        remarks = self._remarks()
        if remarks:
            blocks.append("\n".join(remarks))
        blocks += [_block(row) for row in self.rows]
        blocks.append(_matrix(self.errors))
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        """What is in it, not all of it."""
        learners = dict.fromkeys(row["learner"] for row in self.rows)
        names = ", ".join(learners)
        count = max((len(row["values"]) for row in self.rows), default=0)
        rows = len(self.rows)
        return f"Measures({names}; {count} quantities in {rows} rows; print it)"

    def __rich_repr__(self) -> Iterator[tuple[str, str]]:
        """The five lines."""
        yield from self.summary.items()

    def _repr_html_(self) -> str:
        """What a notebook shows: the five lines, then a table under each heading."""
        parts = [html_table("In words", self.summary)]
        parts += [f"<p>{escape(line)}</p>" for line in self._remarks()]
        for row in self.rows:
            quantities = _under_headings(row)
            parts.append(html_table(_title(row), quantities))
        matrix = escape(_matrix(self.errors))
        parts.append(f"<pre>{matrix}</pre>")
        return "".join(parts)

    def _remarks(self) -> list[str]:
        """What a reader should know first, and who became NaN or infinite."""
        return [*self.notes, *self.broken]


def class_text(classes: Mapping[str, int]) -> str:
    """Classes of growth and their runs, such as "explosive 7, marginal 1"."""
    return ", ".join(f"{kind} {runs}" for kind, runs in classes.items())


def _title(row: Row) -> str:
    return f"{row['learner']}  {place(row['settings'])}".strip()


def _block(row: Row) -> str:
    """One learner in one setting: its quantities under their headings."""
    lines = [_title(row)]
    for heading, texts in _texts(row).items():
        lines += ["", f"  {heading}"]
        lines += [f"    {name:<{WIDTH}} {text}" for name, text in texts.items()]
    return "\n".join(lines)


def _texts(row: Row) -> dict[str, dict[str, str]]:
    """What is shown of a row, by heading and quantity; the class of growth is the first of its heading."""
    values = row["values"]
    texts: dict[str, dict[str, str]] = {}
    for heading, quantities in ALL.items():
        names = [name for name in quantities if name in values]
        lead = _of_growth(row) if heading == "growth" else {}
        if names:
            texts[heading] = lead | {name: _text(name, values[name]) for name in names}
    if row["contrasts"]:
        title = f"against {row['reference']}, run by run"
        texts[title] = _contrast_texts(row["contrasts"])
    return texts


def _of_growth(row: Row) -> dict[str, str]:
    """The class of growth, and why there may be no other."""
    texts = {"growth class": row["class"]}
    if row["why_not_linear"]:
        texts["not linear, because"] = row["why_not_linear"]
    return texts


def _contrast_texts(contrasts: Mapping[str, Contrast]) -> dict[str, str]:
    return {name: contrast_text(pair) for name, pair in contrasts.items()}


def contrast_text(pair: Contrast) -> str:
    """How a learner stands to another: a ratio or a difference with its interval, and the verdict."""
    return f"{pair}, {pair.verdict}"


def _plain_contrasts(contrasts: Mapping[str, Contrast]) -> dict[str, Any]:
    plain = {}
    for name, pair in contrasts.items():
        numbers = _plain(pair.by)
        plain[name] = {**numbers, "ratio": pair.ratio, "verdict": pair.verdict}
    return plain


def _under_headings(row: Row) -> dict[str, str]:
    """The same in one flat table, an empty value behind each heading."""
    flat: dict[str, str] = {}
    for heading, texts in _texts(row).items():
        flat |= {heading.upper(): "", **texts}
    return flat


def _text(name: str, value: Interval | str) -> str:
    if isinstance(value, str):
        return value
    digits = 3 if "growth" in name else 2
    return " ".join(value.texts(digits)).strip()


def _matrix(errors: Matrix | str) -> str:
    """The action error matrix as text."""
    if isinstance(errors, str):
        return f"action error matrix: {errors}"
    columns = list(next(iter(errors.values()), {}))
    lines = [MATRIX, _matrix_line("", columns)]
    for name, part in errors.items():
        cells = [str(part[column]) for column in columns]
        line = _matrix_line(name, cells)
        lines.append(line)
    return "\n".join(lines)


def _matrix_line(name: str, cells: Sequence[str]) -> str:
    padded = [f"{cell:>28}" for cell in cells]
    return f"  {name:<10}" + "".join(padded)


def _plain_values(values: Mapping[str, Interval | str]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Interval | str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"none_because": value}
    numbers = dataclasses.asdict(value)
    return {name: _finite_or_text(number) for name, number in numbers.items()}


def _finite_or_text(number: float) -> float | str:
    """JSON knows neither NaN nor infinity."""
    return number if math.isfinite(number) else str(number)

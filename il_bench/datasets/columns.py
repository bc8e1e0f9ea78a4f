"""Columns: a user's own table, CSV or Parquet, of which whatever is wrong is named with its line.

Nothing is guessed: no column is found by its position, no empty cell is filled in, no row is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.settings import require

PARQUET = (".parquet", ".pq")
"""Endings of files that pyarrow reads."""
NAMED = 5
"""Lines that a complaint names, at most."""


@dataclass(frozen=True)
class Columns:
    """Some columns of a table.

    Attributes:
        path: where it lies.
        line: (n,) of the file, the header is 1; of Parquet numbers of the rows, from 1.
        texts: (n,) cells of each column, as they are written.
        unit: what is numbered, "line" or "row".
    """

    path: Path
    line: np.ndarray
    texts: dict[str, np.ndarray]
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.line)

    def labels(self, name: str) -> np.ndarray:
        """Cells (n,) as they are written; empty ones are refused."""
        cells = self.texts[name]
        stripped = np.char.strip(cells)
        self.refuse(stripped == "", f"{name}: expected a name", stripped)
        return stripped

    def numbers(self, name: str) -> np.ndarray:
        """Cells (n,) as finite numbers; others are refused."""
        cells = self.texts[name]
        try:
            numbers = cells.astype(float)
        except ValueError:
            each = [_number(cell) for cell in cells]
            numbers = np.array(each)
        wrong = ~np.isfinite(numbers)
        self.refuse(wrong, f"{name}: expected a number", cells)
        return numbers

    def refuse(self, wrong: np.ndarray, expected: str, cells: Any) -> None:
        """Refuse the table where any row (n,) is wrong, in a sentence with the lines.

        Args:
            wrong: which rows are.
            expected: how the sentence begins: the column, and what was expected there.
            cells: (n,) what came.

        Raises:
            ValueError: unless no row is wrong.
        """
        rows = np.flatnonzero(wrong)
        if not len(rows):
            return
        first = rows[0]
        came = _text(cells[first])
        where = self.where(rows)
        raise ValueError(f"{expected}, got {came} on {where} of {self.path}; mend or drop it")

    def where(self, rows: np.ndarray) -> str:
        """The lines of some rows in words: "line 5", "lines 5, 9 and 12", "lines 5, 9, ... (1,204 in all)"."""
        lines = [f"{line}" for line in self.line[rows[:NAMED]]]
        if len(rows) == 1:
            return f"{self.unit} {lines[0]}"
        if len(rows) > NAMED:
            return f"{self.unit}s {', '.join(lines)}, ... ({len(rows):,} in all)"
        *before, last = lines
        return f"{self.unit}s {', '.join(before)} and {last}"


def _number(cell: str) -> float:
    """The number that a cell holds; NaN where it holds none."""
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _text(cell: Any) -> str:
    """A cell in words."""
    if isinstance(cell, str):
        return repr(str(cell)) if cell.strip() else "nothing"
    return f"{cell:g}"


def read(path: Path, names: Sequence[str]) -> Columns:
    """Some columns of a CSV file with a header, or of a Parquet file.

    Args:
        path: the file; `.parquet` and `.pq` are read by pyarrow, anything else as CSV with commas.
        names: of the columns.

    Raises:
        ValueError: in one sentence, for a file that cannot be read, columns that are not there, lines of other lengths.
    """
    if path.suffix.lower() in PARQUET:
        return _from_parquet(path, names)
    return _from_csv(path, names)


def _from_csv(path: Path, names: Sequence[str]) -> Columns:
    """Columns of a CSV file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            places = _places(path, header, names)
            lines, rows = _rows(path, reader, len(header))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); name a table") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected text in UTF-8; save it as such, as CSV") from None
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as CSV ({error}); save it as such") from None
    require(len(rows) > 0, f"{path}: expected lines below the header, got none; add some")
    texts = {}
    for name, place in places.items():
        cells = [row[place] for row in rows]
        texts[name] = np.array(cells)
    return Columns(path, np.array(lines), texts)


def _rows(path: Path, reader: Any, width: int) -> tuple[list[int], list[list[str]]]:
    """The lines that hold something, with their numbers."""
    lines = []
    rows = []
    for row in reader:
        if not row:
            continue
        here = reader.line_num
        alike = len(row) == width
        fields = f"expected {width} fields as in the header, got {len(row)}"
        require(alike, f"{path}: {fields} on line {here}; mend that line")
        lines.append(here)
        rows.append(row)
    return lines, rows


def _places(path: Path, header: list[str], names: Sequence[str]) -> dict[str, int]:
    """Where each column stands."""
    missing = [name for name in names if name not in header]
    has = ", ".join(header) or "nothing"
    wanted = ", ".join(missing)
    advice = "name one that is there"
    require(not missing, f"{path}: expected a column {wanted}, its header has {has}; {advice}")
    twice = [name for name in names if header.count(name) > 1]
    both = ", ".join(twice)
    require(not twice, f"{path}: the header has {both} more than once; rename all but one")
    return {name: header.index(name) for name in names}


def _from_parquet(path: Path, names: Sequence[str]) -> Columns:
    """Columns of a Parquet file."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        advice = "pip install pyarrow, or save the table as CSV"
        raise ValueError(
            f"{path}: pyarrow is not installed, which Parquet needs; {advice}"
        ) from None
    try:
        file = parquet.ParquetFile(path)
        places = _places(path, file.schema_arrow.names, names)
        table = file.read(columns=list(places))
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"{path} cannot be read ({reason}); name a table") from None
    except ArrowException as error:
        raise ValueError(f"{path} cannot be read as Parquet ({error}); name a table") from None
    require(table.num_rows > 0, f"{path}: expected rows, got none; add some")
    texts = {}
    for name in places:
        cells = table[name].to_pylist()
        texts[name] = np.array(["" if cell is None else str(cell) for cell in cells])
    numbers = np.arange(1, table.num_rows + 1)
    return Columns(path, numbers, texts, "row")

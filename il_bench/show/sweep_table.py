"""The table of a sweep: its results, grouped and pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.settings import require
from ..records.rows import line, line_texts, title_of
from ..stats.intervals import interval
from .words import value_text

if TYPE_CHECKING:
    import xarray


def lines(
    data: xarray.Dataset, by: tuple[str, ...] = (), at: tuple[int, ...] = ()
) -> list[dict[str, tuple[str, str]]]:
    """The cells of each line by their titles, value and interval: medians over runs.

    Args:
        data: what `il.open` gives.
        by: coordinates whose values make a line each; all but the seed unless given.
        at: times of the divergence; the last one of each line unless given.

    Raises:
        ValueError: for a coordinate or a time that the results do not have.
    """
    known = [str(name) for name in data.coords if name != "seed"]
    unknown = [name for name in by if name not in known]
    require(
        not unknown,
        f"by: expected coordinates among {', '.join(known)}, got {', '.join(unknown)}; choose of these",
    )
    last = data.sizes["time"] - 1
    late = [t for t in at if not 0 <= t <= last]
    require(
        not late,
        f"at: expected times from 0 to {last}, got {', '.join(map(str, late))}; choose within the horizon",
    )
    names = by or tuple(known)
    return [
        _line(data, names, tuple(data[n].values[runs[0]] for n in names), runs, at)
        for runs in _groups(data, names)
    ]


def pooled(data: xarray.Dataset, by: tuple[str, ...]) -> dict[str, int]:
    """Coordinates, seeds apart, of which one line holds several values, and how many at most: versions of the code too."""
    rest = [str(name) for name in data.coords if name not in ("seed", *by)] if by else []
    groups = _groups(data, by)
    most = {
        n: max(len(set(data[n].values[runs].astype(str)) - {"nan", ""}) for runs in groups)
        for n in rest
    }
    return {name: count for name, count in most.items() if count > 1}


def _groups(data: xarray.Dataset, names: tuple[str, ...]) -> list[list[int]]:
    """The runs of each line, in the lines' order."""
    columns = (data[name].values.tolist() for name in names)
    rows = zip(*columns, strict=True)
    lines: dict[tuple[Any, ...], list[int]] = {}
    for run, row in enumerate(rows):
        rank = _rank(row)
        runs = lines.setdefault(rank, [])
        runs.append(run)
    ranks = sorted(lines)
    return [lines[rank] for rank in ranks]


def _rank(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numbers by size, NaN first, texts by letter."""
    return tuple(
        (0, -np.inf if v != v else v, "") if isinstance(v, int | float) else (1, 0, str(v))
        for v in row
    )


def _line(
    data: xarray.Dataset,
    names: tuple[str, ...],
    key: tuple[Any, ...],
    runs: list[int],
    at: tuple[int, ...],
) -> dict[str, tuple[str, str]]:
    part = data.isel(run=runs)
    drift = part["drift"].values
    ends = np.isfinite(drift).cumsum(1).argmax(1)
    times = {f"D at t={t}": drift[:, t] for t in at} or {
        "D at the end": drift[np.arange(len(runs)), ends]
    }
    cells = {
        title_of(name): (value_text(value), "") for name, value in zip(names, key, strict=True)
    }
    cells |= {title: interval(values).texts() for title, values in times.items()}
    numbers = {str(name): variable.values for name, variable in part.data_vars.items()}
    return cells | line_texts(line(numbers)) | {"runs": (f"{len(runs):,}", "")}

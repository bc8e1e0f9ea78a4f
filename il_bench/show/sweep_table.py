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
    _require_known(by, known)
    _require_within(at, data.sizes["time"] - 1)
    names = by or tuple(known)
    return [_line(data.isel(run=runs), names, at) for runs in _groups(data, names)]


def _require_known(by: tuple[str, ...], known: list[str]) -> None:
    unknown = [name for name in by if name not in known]
    choice, wrong = ", ".join(known), ", ".join(unknown)
    require(
        not unknown,
        f"by: expected coordinates among {choice}, got {wrong}; choose of these",
    )


def _require_within(at: tuple[int, ...], last: int) -> None:
    late = [str(t) for t in at if not 0 <= t <= last]
    wrong = ", ".join(late)
    require(
        not late,
        f"at: expected times from 0 to {last}, got {wrong}; choose within the horizon",
    )


def pooled(data: xarray.Dataset, by: tuple[str, ...]) -> dict[str, int]:
    """Coordinates, seeds apart, of which one line holds several values, and how many at most: versions of the code too."""
    if not by:
        return {}
    groups = _groups(data, by)
    most = {}
    for coordinate in data.coords:
        name = str(coordinate)
        if name not in ("seed", *by):
            texts = data[name].values.astype(str)
            counts = [_different(texts[runs]) for runs in groups]
            most[name] = max(counts)
    return {name: count for name, count in most.items() if count > 1}


def _different(texts: np.ndarray) -> int:
    """How many different values there are, unknown ones apart."""
    known = set(texts) - {"nan", ""}
    return len(known)


def _groups(data: xarray.Dataset, names: tuple[str, ...]) -> list[list[int]]:
    """The runs of each line, in the lines' order."""
    columns = [data[name].values.tolist() for name in names]
    lines: dict[tuple[Any, ...], list[int]] = {}
    for run, values in enumerate(zip(*columns, strict=True)):
        ranks = tuple(map(_rank, values))
        runs = lines.setdefault(ranks, [])
        runs.append(run)
    return [lines[ranks] for ranks in sorted(lines)]


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers by size, NaN first, texts by letter."""
    if not isinstance(value, int | float):
        return 1, 0, str(value)
    return 0, -np.inf if value != value else value, ""


def _line(
    part: xarray.Dataset, names: tuple[str, ...], at: tuple[int, ...]
) -> dict[str, tuple[str, str]]:
    """The cells of one line, whose runs are the part."""
    cells = {}
    for name in names:
        value = part[name].values[0]
        cells[title_of(name)] = (value_text(value), "")
    for title, drift in _drift(part, at).items():
        cells[title] = interval(drift).texts()
    numbers = {str(name): variable.values for name, variable in part.data_vars.items()}
    pooled = line(numbers)
    count = part.sizes["run"]
    return cells | line_texts(pooled) | {"runs": (f"{count:,}", "")}


def _drift(part: xarray.Dataset, at: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The divergence (n,) at some times, or where each run ends: runs of a shorter horizon are filled with NaN."""
    drift = part["drift"].values
    if at:
        return {f"D at t={t}": drift[:, t] for t in at}
    ends = np.isfinite(drift).cumsum(1).argmax(1)
    runs = np.arange(len(drift))
    return {"D at the end": drift[runs, ends]}

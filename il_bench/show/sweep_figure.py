"""The figure of a sweep: how far the copies are apart at the end, over one setting or two, laid out as its grid."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..core.settings import require
from ..paint.canvas import colour_of
from ..records.rows import drift_of, title_of
from ..stats.intervals import Interval, short
from .figure import (
    INK,
    SOFT,
    as_chance,
    by_decades,
    decades,
    headline,
    legend,
    lettering,
    line_of,
    panels,
    without_nan,
)
from .style import looks
from .sweep_table import indicators, last_divergence, remarks
from .words import counted, settings_text, value_text

if TYPE_CHECKING:
    import xarray

MOST_PANELS = 36
MAP = "YlOrRd"
DARK = 0.6  # part of the colours from which on letters are white


@dataclass(frozen=True)
class Grid:
    """How the runs of a sweep are laid out.

    Attributes:
        data: what `il.open` gives.
        last: the last known divergence of each run (R,).
        indicators: whether D is 0 or 1 in each (R,).
        axes: names of the settings along the axes of a panel: none, one, or the horizontal and the vertical one.
        facets: names of the other coordinates of which there are several values, seeds and learners apart.
        algos: names of the learners, in their order.
    """

    data: xarray.Dataset
    last: np.ndarray
    indicators: np.ndarray
    axes: tuple[str, ...]
    facets: tuple[str, ...]
    algos: tuple[str, ...]

    def values(self, name: str) -> list[Any]:
        """Values of a coordinate in their order, those that are unknown left out."""
        return _values(self.data, name)

    @property
    def chance(self) -> bool:
        """Whether every divergence is one: the chance to be apart."""
        return bool(self.indicators.all())

    def parts(self) -> list[dict[str, Any]]:
        """The facets: each combination of their values that has runs."""
        if not self.facets:
            return [{}]
        columns = [self.data[name].values.tolist() for name in self.facets]
        rows = dict.fromkeys(zip(*columns, strict=True))
        return [dict(zip(self.facets, row, strict=True)) for row in rows]

    def summary(self, **where: Any) -> Interval:
        """Median over the runs at some coordinates, of chances the mean, and its interval."""
        chosen = np.ones(len(self.last), dtype=bool)
        for name, value in where.items():
            chosen &= _equal(self.data[name].values, value)
        return drift_of(self.last[chosen], bool(self.indicators[chosen].all()))


def drawn(data: xarray.Dataset, by: tuple[str, ...] = ()) -> Figure:
    """The figure; see `plots.plot`."""
    grid = grid_of(data, by)
    figure = _maps(grid) if len(grid.axes) == 2 else _curves(grid)
    names = [str(name) for name in grid.values("env")]
    seeds = set(data["seed"].values.tolist())
    note = f"medians over {counted(len(seeds), 'seed')}, at the end"
    headline(figure, ", ".join(names), note)
    return figure


def grid_of(data: xarray.Dataset, by: tuple[str, ...] = ()) -> Grid:
    """Lay the runs of a sweep out.

    Args:
        data: what `il.open` gives.
        by: the one or two settings along the axes; those with the most values unless given.

    Raises:
        ValueError: for a setting that has no numbers, or more panels than a picture can hold.
    """
    several = _several(data)
    numeric = [name for name in several if data[name].dtype.kind in "if"]
    wanted = tuple(name for name in by if name not in ("env", "algo"))
    _require_numbers(wanted, numeric)
    most_first = sorted(numeric, key=lambda name: -len(_values(data, name)))
    axes = wanted or tuple(most_first[:2])
    facets = tuple(name for name in several if name not in (*axes, "algo"))
    algos = tuple(str(name) for name in _values(data, "algo"))
    last = without_nan(last_divergence(data))
    grid = Grid(data, last, indicators(data), axes, facets, algos)
    _require_room(grid)
    return grid


def _several(data: xarray.Dataset) -> list[str]:
    """Coordinates of which there are several values, seeds apart."""
    names = [str(name) for name in data.coords]
    return [name for name in names if name != "seed" and len(_values(data, name)) > 1]


def _require_numbers(wanted: tuple[str, ...], numeric: list[str]) -> None:
    wrong = [name for name in wanted if name not in numeric]
    known = ", ".join(numeric) or "none"
    require(
        not wrong,
        f"by: expected settings of which there are several numbers ({known}), "
        f"got {', '.join(wrong)}; choose of these",
    )
    count = len(wanted)
    require(count <= 2, f"by: expected two settings at most, got {count}; leave some out")


def _require_room(grid: Grid) -> None:
    each = len(grid.algos) if len(grid.axes) == 2 else 1
    count = len(grid.parts()) * each
    require(
        count <= MOST_PANELS,
        f"plot: expected at most {MOST_PANELS} panels, these results need {count}; "
        "pick some of them, as in il.open(folder).isel(run=...)",
    )


def _values(data: xarray.Dataset, name: str) -> list[Any]:
    values = set(data[name].values.tolist())
    known = [value for value in values if value == value and value != ""]
    return sorted(known)


def _equal(values: np.ndarray, value: Any) -> np.ndarray:
    """Where a coordinate has a value; what is unknown equals what is unknown."""
    if value != value:
        return np.isnan(values)
    return np.asarray(values == value)


def _curves(grid: Grid) -> Figure:
    """A panel for each facet: the last divergence over one setting, a curve a learner with its interval over runs."""
    parts = grid.parts()
    columns = min(len(parts), 3)
    rows = math.ceil(len(parts) / columns)
    figure, axes = panels(rows, columns, sharey=True)
    used, idle = np.split(axes.flatten(), [len(parts)])
    summaries = [_summaries(grid, part) for part in parts]
    infinity = _scale(grid, used[0], summaries)
    own = looks(grid.algos)
    for axis, part, table in zip(used, parts, summaries, strict=True):
        for place, row in enumerate(table):
            _curve(axis, place, own[place], row, infinity)
        _label_positions(axis, grid)
        words = lettering(settings_text(part.items()))
        axis.set_title(words, loc="left", fontsize=11, color=INK)
    for axis in idle:
        axis.set_visible(False)
    figure.supylabel(_quantity(grid), fontsize=9.5, color=INK)
    handles = [_handle(name, look) for name, look in zip(grid.algos, own, strict=True)]
    legend(figure, [*handles, _band_handle(grid)], remarks(grid.data))
    return figure


def _band_handle(grid: Grid) -> Any:
    """What the bands are; bars, where there is one place alone."""
    words = "interval of the median over runs"
    if len(_places(grid)) == 1:
        return Line2D([], [], label=words, color="0.5", ls="none", marker="|", ms=12, mew=2)
    return Patch(color="0.5", alpha=0.25, lw=0, label=words)


def _handle(name: str, look: int) -> Line2D:
    return Line2D([], [], label=lettering(name), marker="o", **line_of(look))


def _quantity(grid: Grid) -> str:
    if grid.chance:
        return "chance to be apart from the expert's twin at the end"
    words = "divergence $D$ from the expert's twin at the end"
    return f"{words} (a chance where it is 0 or 1)" if grid.indicators.any() else words


def _scale(grid: Grid, axis: Any, summaries: list[list[list[Interval]]]) -> float:
    """Scale the vertical axis, which all panels share; returns where infinity stands."""
    if grid.chance:
        as_chance(axis)
        return 1.0
    rows = itertools.chain(*summaries)
    points = itertools.chain(*rows)
    shown = np.array([(point.low, point.value, point.high) for point in points])
    known = ~np.isnan(shown)
    return by_decades(axis, shown[known])


def _summaries(grid: Grid, part: dict[str, Any]) -> list[list[Interval]]:
    """For each learner, the medians along the axis."""
    table = []
    for algo in grid.algos:
        where = {**part, "algo": algo}
        table.append([grid.summary(**where, **place) for place in _places(grid)])
    return table


def _places(grid: Grid) -> list[dict[str, Any]]:
    """Where there are points along the axis."""
    if not grid.axes:
        return [{}]
    (name,) = grid.axes
    return [{name: value} for value in grid.values(name)]


def _curve(axis: Any, place: int, look: int, row: list[Interval], infinity: float) -> None:
    """One learner's, which stands at its own place where there is one value alone."""
    points = [(point.low, point.value, point.high) for point in row]
    low, middle, high = np.minimum(points, infinity).T
    if len(row) == 1:
        spread = [(middle - low).tolist(), (high - middle).tolist()]
        line = {**line_of(look), "ls": "none"}
        axis.errorbar([place], middle, spread, marker="o", capsize=4, **line)
        return
    places = np.arange(len(row))
    colour = colour_of(look)
    axis.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
    axis.plot(places, middle, marker="o", ms=4.5, **line_of(look))


def _label_positions(axis: Any, grid: Grid) -> None:
    """Values stand side by side, equally far apart: a sweep may go by steps or by powers."""
    name = grid.axes[0] if grid.axes else ""
    labels = _labels(grid, name) if name else []
    if len(labels) <= 1:
        labels = [lettering(algo) for algo in grid.algos]
    count = len(labels)
    axis.set_xlim(-0.5, count - 0.5)
    axis.set_xticks(range(count), labels)
    axis.set_xlabel(lettering(title_of(name)), fontsize=10, color=INK)


def _labels(grid: Grid, name: str) -> list[str]:
    return [lettering(value_text(value)) for value in grid.values(name)]


def _maps(grid: Grid) -> Figure:
    """A row for each facet, a column for each learner: the last divergence over two settings, as numbers and colours."""
    parts = grid.parts()
    across, up = grid.axes
    figure, axes = panels(len(parts), len(grid.algos), sharex=True, sharey=True)
    tables = [_tables(grid, part) for part in parts]
    norm = _norm(grid, np.array(tables))
    image: Any = None
    for row, part, line in zip(axes, parts, tables, strict=True):
        for k, table in enumerate(line, start=1):
            axis = row[k - 1]
            image = _map(axis, table, norm)
            _map_title(axis, grid, k, part)
        row[0].set_ylabel(lettering(title_of(up)), fontsize=10, color=INK)
    for axis in axes[-1]:
        axis.set_xlabel(lettering(title_of(across)), fontsize=10, color=INK)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.01)
    bar.set_label(_quantity(grid), fontsize=9.5, color=INK)
    bar.outline.set_visible(False)
    if words := remarks(grid.data):
        legend(figure, [], words)
    return figure


def _tables(grid: Grid, part: dict[str, Any]) -> list[np.ndarray]:
    """For each learner, the medians over two settings."""
    return [_table(grid, {**part, "algo": algo}) for algo in grid.algos]


def _norm(grid: Grid, values: np.ndarray) -> Normalize:
    return Normalize(0, 1) if grid.chance else LogNorm(*decades(values, np.inf))


def _table(grid: Grid, where: dict[str, Any]) -> np.ndarray:
    """Medians over two settings, the second one downwards; NaN where there are no runs."""
    across, up = grid.axes
    rows = []
    for height in grid.values(up):
        row = {**where, up: height}
        points = [grid.summary(**row, **{across: value}) for value in grid.values(across)]
        rows.append([point.value for point in points])
    return np.array(rows)


def _map(axis: Any, table: np.ndarray, norm: Normalize) -> Any:
    shown = np.clip(table, norm.vmin, norm.vmax)
    image = axis.imshow(shown, cmap=MAP, norm=norm, aspect="auto", origin="lower")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    size = 8.5 if table.shape[1] <= 8 else 6.5
    look = {"ha": "center", "va": "center", "fontsize": size}
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            is_dark = norm(shown[row, column]) > DARK
            colour = "white" if is_dark else INK
            words = "∞" if np.isinf(value) else short(value)
            axis.text(column, row, words, color=colour, **look)
    return image


def _map_title(axis: Any, grid: Grid, learner: int, part: dict[str, Any]) -> None:
    """The learner in its colour, the facet after it, and the values along the axes."""
    x, y = grid.axes
    across = _labels(grid, x)
    up = _labels(grid, y)
    axis.set_xticks(range(len(across)), across)
    axis.set_yticks(range(len(up)), up)
    name = grid.algos[learner - 1]
    look = looks(grid.algos)[learner - 1]
    bold = {"fontsize": 11, "fontweight": "bold", "color": colour_of(look)}
    axis.set_title(lettering(name), loc="left", **bold)
    facet = lettering(settings_text(part.items()))
    axis.set_title(facet, loc="right", fontsize=9.5, color=SOFT)

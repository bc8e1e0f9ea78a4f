"""The figure of a Record: how far the copies drift over time, in each setting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker
from matplotlib.patches import Patch

from ..paint.canvas import colour_of
from ..records.record import Record
from ..stats.intervals import Interval, interval
from ..stats.theory import envelope
from .figure import (
    INK,
    SOFT,
    as_chance,
    by_decades,
    headline,
    legend,
    line_of,
    panels,
    without_nan,
)
from .words import settings_text

QUANTILES = 0.1, 0.5, 0.9
CROWD = 4
"""Learners of whom bands and theory are drawn; of more, the medians alone, or nobody would see anything."""
CEILING: dict[str, Any] = {"color": "0.6", "lw": 0.9, "ls": ":"}
THEORY: dict[str, Any] = {"lw": 1.0, "ls": (0, (4, 3))}
SMALL = {"fontsize": 8.5}
A_LINE = 6  # learners whose growth stands in one line above a panel


@dataclass(frozen=True)
class Curve:
    """What one learner's divergences are in one setting.

    Attributes:
        learner: its place in the Record.
        band: 10 %, 50 % and 90 % of the divergences from t = 1 on (3, T).
        growth: the fitted growth a step, median over runs.
        theory: what a constant growth says of the middle (T,); None where no growth is known.
    """

    learner: int
    band: np.ndarray
    growth: Interval
    theory: np.ndarray | None


def drawn(record: Record) -> Figure:
    """The figure; see `plots.plot`."""
    groups = record.groups()
    settings = [_curves(record, runs) for runs in groups.values()]
    ceilings = [_ceiling(record, runs) for runs in groups.values()]
    rows, columns = _shape(list(groups))
    figure, grid = panels(rows, columns, sharex=True, sharey=True)
    used, idle = np.split(grid.flatten(), [len(groups)])
    head = _scale(record, used[0], settings, ceilings)
    for axis, key, curves, ceiling in zip(used, groups, settings, ceilings, strict=True):
        _panel(axis, curves, ceiling, head)
        above = curves if len(groups) > 1 else []
        _title(axis, settings_text(key), above)
    for axis in idle:
        axis.set_visible(False)
    for axis in used[-columns:]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("time t (steps)", fontsize=9.5, color=INK)
    _words(figure, record)
    legend(figure, _handles(record, settings, ceilings))
    return figure


def _shape(keys: list[Any]) -> tuple[int, int]:
    """Rows and columns of the panels: the values of two settings against each other, else nearly a square."""
    count = len(keys)
    values = [len(set(column)) for column in zip(*keys, strict=True)]
    if len(values) == 2 and min(values) > 1 and math.prod(values) == count:
        return values[0], values[1]
    columns = min(count, 3)
    if count > 3:
        columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def _words(figure: Figure, record: Record) -> None:
    runs, episodes, _ = record.arrays["reward"].shape[1:]
    each = runs // len(record.groups())
    note = f"{each} run{'s' * (each > 1)}, {episodes} twin rollout{'s' * (episodes > 1)} of each"
    headline(figure, record.config["env"]["name"], note)
    what = "divergence $D_t$ from the expert's twin"
    if record.indicator:
        what = "chance to be apart from the expert's twin"
    metric = record.config["metric"]
    figure.supylabel(f"{what}\n{metric}", fontsize=9.5, color=INK)


def _curves(record: Record, runs: np.ndarray) -> list[Curve]:
    """Of every learner but the expert."""
    return [_curve(record, k, runs) for k in range(1, len(record.learners))]


def _curve(record: Record, learner: int, runs: np.ndarray) -> Curve:
    band = _band(record, learner, runs)
    alphas = np.array([fit.alpha for fit in record.growth(learner)])
    growth = interval(alphas[runs])
    start = float(band[1, 0])
    grows = not record.indicator and _is_known(growth) and math.isfinite(start)
    theory = None
    if grows:
        unbounded = envelope(start, growth.value, band.shape[1])[1:]
        theory = np.minimum(unbounded, _ceiling(record, runs))
    return Curve(learner, band, growth, theory)


def _is_known(growth: Interval) -> bool:
    return bool(np.isfinite(growth.value)) and 2 * growth.known >= growth.runs


def _band(record: Record, learner: int, runs: np.ndarray) -> np.ndarray:
    """10 %, 50 % and 90 % from t = 1 on, (3, T): of all rollouts; of each run's mean under 0/1."""
    drift = without_nan(record.arrays["divergence"][learner, runs][..., 1:])
    each = drift.mean(1) if record.indicator else drift.reshape(-1, drift.shape[-1])
    return np.quantile(each, QUANTILES, axis=0, method="inverted_cdf")


def _ceiling(record: Record, runs: np.ndarray) -> float:
    """As far as states come apart; a chance needs no such line."""
    return np.inf if record.indicator else max(record.ceiling(int(r)) for r in runs)


def _scale(record: Record, axis: Any, curves: list[list[Curve]], ceilings: list[float]) -> float:
    """Scale the axes, which all panels share; returns where infinity stands."""
    horizon = record.arrays["reward"].shape[-1]
    axis.set_xlim(0, horizon)
    if record.indicator:
        as_chance(axis)
        return 1.0
    values = np.stack([curve.band for part in curves for curve in part])
    known = [c for c in ceilings if np.isfinite(c)]
    return by_decades(axis, values, max(known, default=np.inf))


def _panel(axis: Any, curves: list[Curve], ceiling: float, head: float) -> None:
    """Bands and theory beneath, so that no median is covered."""
    if np.isfinite(ceiling):
        axis.axhline(ceiling, **CEILING)
    if len(curves) <= CROWD:
        _surroundings(axis, curves, head)
    for curve in curves:
        middle = np.minimum(curve.band[1], head)
        axis.plot(np.arange(1, len(middle) + 1), middle, **line_of(curve.learner))


def _surroundings(axis: Any, curves: list[Curve], head: float) -> None:
    for curve in curves:
        low, _, high = np.minimum(curve.band, head)
        time = np.arange(1, len(low) + 1)
        colour = colour_of(curve.learner)
        axis.fill_between(time, low, high, color=colour, alpha=0.18, lw=0)
        if curve.theory is not None:
            theory = np.minimum(curve.theory, head)
            axis.plot(time, theory, color=colour, **THEORY)


def _title(axis: Any, words: str, curves: list[Curve]) -> None:
    """The setting, and beneath it each learner's growth in its colour."""
    known = [curve for curve in curves if curve.theory is not None]
    rows = [_growths(known[:A_LINE], "growth a step")] if known else []
    for first in range(A_LINE, len(known), A_LINE):
        rows.append(_growths(known[first : first + A_LINE], ""))
    axis.set_title(words, loc="left", fontsize=11, color=INK, pad=6 + 13 * len(rows))
    if not rows:
        return
    children: list[Any] = list(rows)
    box = VPacker(children=children, align="left", pad=0, sep=2)
    place = {"bbox_to_anchor": (0, 1), "bbox_transform": axis.transAxes, "borderpad": 0}
    strip = AnchoredOffsetbox("lower left", child=box, frameon=False, pad=0.15, **place)
    axis.add_artist(strip)


def _growths(curves: list[Curve], lead: str) -> HPacker:
    parts: list[Any] = [TextArea(lead, textprops={"color": SOFT, **SMALL})]
    for curve in curves:
        look = {"color": colour_of(curve.learner), **SMALL}
        parts.append(TextArea(f"{curve.growth.value:.3g}", textprops=look))
    return HPacker(children=parts, align="baseline", pad=0, sep=7)


def _handles(record: Record, settings: list[list[Curve]], ceilings: list[float]) -> list[Any]:
    """What the legend explains: the learners, and what else is drawn."""
    alone = len(settings) == 1
    handles: list[Any] = []
    for curve in settings[0]:
        label = _label(record, curve, alone)
        handles.append(Line2D([], [], label=label, **line_of(curve.learner)))
    if len(settings[0]) <= CROWD:
        handles += _surrounding_handles(record, settings)
    if np.isfinite(ceilings).any():
        words = "ceiling: as far as states part"
        handles.append(Line2D([], [], label=words, **CEILING))
    return handles


def _surrounding_handles(record: Record, settings: list[list[Curve]]) -> list[Any]:
    whose = "runs" if record.indicator else "rollouts"
    handles: list[Any] = [Patch(color="0.5", alpha=0.25, lw=0, label=f"10 to 90 % of {whose}")]
    if any(curve.theory is not None for curves in settings for curve in curves):
        words = r"small gain: $y' = \mathrm{growth}\cdot y + D_1$"
        handles.append(Line2D([], [], color="0.4", label=words, **THEORY))
    return handles


def _label(record: Record, curve: Curve, alone: bool) -> str:
    """A learner's name, with its growth where no panel says it."""
    name = record.learners[curve.learner]
    if not alone or curve.theory is None:
        return name
    return f"{name}, growth {curve.growth.value:.3g} a step"

"""The figure of a Record: how far the copies drift over time, in each setting."""

from __future__ import annotations

import itertools
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
from ..records.rows import warnings
from ..stats.intervals import Interval, interval
from ..stats.theory import envelope
from .figure import (
    INK,
    SOFT,
    as_chance,
    by_decades,
    headline,
    legend,
    lettering,
    line_of,
    panels,
    without_nan,
)
from .style import looks
from .words import counted, settings_text

QUANTILES = 0.1, 0.5, 0.9
CROWD = 4
"""Learners of whom bands and theory are drawn; of more, the medians alone, or nobody would see anything."""
CEILING: dict[str, Any] = {"color": "0.6", "lw": 0.9, "ls": ":"}
THEORY: dict[str, Any] = {"lw": 1.0, "ls": (0, (4, 3))}
A_LINE = 6  # learners whose growth stands in one line above a panel


@dataclass(frozen=True)
class Curve:
    """What one learner's divergences are in one setting.

    Attributes:
        learner: its place in the Record.
        look: the number of its colour and pattern.
        band: 10 %, 50 % and 90 % of the divergences from t = 1 on (3, T).
        growth: the fitted growth a step, median over runs.
        theory: what a constant growth says of the middle (T,); None where no growth is known.
    """

    learner: int
    look: int
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
        _title(axis, lettering(settings_text(key)), above)
    for axis in idle:
        axis.set_visible(False)
    for axis in used[-columns:]:
        _label_time(axis)
    _words(figure, record)
    handles = _handles(record, settings, ceilings)
    legend(figure, handles, warnings(record))
    return figure


def _label_time(axis: Any) -> None:
    axis.tick_params(labelbottom=True)
    axis.set_xlabel("time t (steps)", fontsize=9.5, color=INK)


def _shape(keys: list[Any]) -> tuple[int, int]:
    """Rows and columns of the panels: the values of two settings against each other, else nearly a square."""
    count = len(keys)
    settings = zip(*keys, strict=True)
    values = [len(set(column)) for column in settings]
    is_table = len(values) == 2 and math.prod(values) == count
    if is_table and min(values) > 1:
        rows, columns = values
        return rows, columns
    columns = min(count, 3)
    if count > 3:
        columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def _words(figure: Figure, record: Record) -> None:
    _, runs, episodes, _ = record.arrays["reward"].shape
    each = runs // len(record.groups())
    amount = counted(each, "run")
    note = f"{amount}, {counted(episodes, 'twin rollout')} of each"
    headline(figure, record.config["env"]["name"], note)
    what = "divergence $D_t$ from the expert's twin"
    if record.indicator:
        what = "chance to be apart from the expert's twin"
    metric = record.config["metric"]
    figure.supylabel(f"{what}\n{lettering(metric)}", fontsize=9.5, color=INK)


def _curves(record: Record, runs: np.ndarray) -> list[Curve]:
    """Of every learner but the expert."""
    return [_curve(record, k, runs) for k in range(1, len(record.learners))]


def _curve(record: Record, learner: int, runs: np.ndarray) -> Curve:
    band = _band(record, learner, runs)
    alphas = np.array([fit.alpha for fit in record.growth(learner)])
    growth = interval(alphas[runs])
    theory = None
    if _is_known(growth) and not record.indicator:
        theory = _theory(band[1], growth.value, _ceiling(record, runs))
    look = looks(record.learners)[learner]
    return Curve(learner, look, band, growth, theory)


def _theory(middle: np.ndarray, growth: float, ceiling: float) -> np.ndarray | None:
    """What a constant growth makes of the first of some divergences (T,); None where that is infinite."""
    start = float(middle[0])
    if not math.isfinite(start):
        return None
    unbounded = envelope(start, growth, len(middle))
    return np.minimum(unbounded[1:], ceiling)


def _is_known(growth: Interval) -> bool:
    return bool(np.isfinite(growth.value)) and 2 * growth.known >= growth.runs


def _band(record: Record, learner: int, runs: np.ndarray) -> np.ndarray:
    """10 %, the middle and 90 % from t = 1 on, (3, T): the median of all rollouts; under 0/1 the chance, of runs."""
    own = record.arrays["divergence"][learner, runs]
    drift = without_nan(own[..., 1:])
    if not record.indicator:
        return _quantiles(drift.reshape(-1, drift.shape[-1]))
    each = drift.mean(1)
    band = _quantiles(each)
    # No median tells of a chance: table and sentence give its mean, too.
    band[1] = each.mean(0)
    return band


def _quantiles(values: np.ndarray) -> np.ndarray:
    """The three of values (n, T)."""
    return np.quantile(values, QUANTILES, axis=0, method="inverted_cdf")


def _ceiling(record: Record, runs: np.ndarray) -> float:
    """As far as states come apart; a chance needs no such line."""
    if record.indicator:
        return np.inf
    return max(record.ceiling(run) for run in runs.tolist())


def _scale(record: Record, axis: Any, curves: list[list[Curve]], ceilings: list[float]) -> float:
    """Scale the axes, which all panels share; returns where infinity stands."""
    horizon = record.arrays["reward"].shape[-1]
    axis.set_xlim(0, horizon)
    if record.indicator:
        as_chance(axis)
        return 1.0
    bands = [curve.band for curve in itertools.chain(*curves)]
    known = [ceiling for ceiling in ceilings if np.isfinite(ceiling)]
    highest = max(known, default=np.inf)
    return by_decades(axis, np.stack(bands), highest)


def _panel(axis: Any, curves: list[Curve], ceiling: float, head: float) -> None:
    """Bands and theory beneath, so that no median is covered."""
    if np.isfinite(ceiling):
        axis.axhline(ceiling, **CEILING)
    if len(curves) <= CROWD:
        _surroundings(axis, curves, head)
    for curve in curves:
        middle = np.minimum(curve.band[1], head)
        times = np.arange(1, len(middle) + 1)
        axis.plot(times, middle, **line_of(curve.look))


def _surroundings(axis: Any, curves: list[Curve], head: float) -> None:
    for curve in curves:
        low, _, high = np.minimum(curve.band, head)
        time = np.arange(1, len(low) + 1)
        colour = colour_of(curve.look)
        axis.fill_between(time, low, high, color=colour, alpha=0.18, lw=0)
        if curve.theory is not None:
            theory = np.minimum(curve.theory, head)
            axis.plot(time, theory, color=colour, **THEORY)


def _title(axis: Any, words: str, curves: list[Curve]) -> None:
    """The setting, and beneath it each learner's growth in its colour."""
    rows = _growth_rows(curves)
    room = 6 + 13 * len(rows)
    axis.set_title(words, loc="left", fontsize=11, color=INK, pad=room)
    if not rows:
        return
    box = VPacker(children=rows, align="left", pad=0, sep=2)
    place = {"bbox_to_anchor": (0, 1), "bbox_transform": axis.transAxes, "borderpad": 0}
    strip = AnchoredOffsetbox("lower left", child=box, frameon=False, pad=0.15, **place)
    axis.add_artist(strip)


def _growth_rows(curves: list[Curve]) -> list[Any]:
    """Growths of those of whom one is known, some in each line."""
    known = [curve for curve in curves if curve.theory is not None]
    rows = []
    for first in range(0, len(known), A_LINE):
        lead = "" if first else "growth a step"
        line = known[first : first + A_LINE]
        rows.append(_growths(line, lead))
    return rows


def _growths(curves: list[Curve], lead: str) -> HPacker:
    parts = [_small(lead, SOFT)]
    for curve in curves:
        words = f"{curve.growth.value:.3g}"
        parts.append(_small(words, colour_of(curve.look)))
    return HPacker(children=parts, align="baseline", pad=0, sep=7)


def _small(words: str, colour: str) -> Any:
    return TextArea(words, textprops={"color": colour, "fontsize": 8.5})


def _handles(record: Record, settings: list[list[Curve]], ceilings: list[float]) -> list[Any]:
    """What the legend explains: the learners, and what else is drawn."""
    alone = len(settings) == 1
    handles: list[Any] = []
    for curve in settings[0]:
        label = _label(record, curve, alone)
        handles.append(Line2D([], [], label=label, **line_of(curve.look)))
    if len(settings[0]) <= CROWD:
        handles += _surrounding_handles(record, settings)
    if np.isfinite(ceilings).any():
        words = "ceiling: as far as states part"
        handles.append(Line2D([], [], label=words, **CEILING))
    return handles


def _surrounding_handles(record: Record, settings: list[list[Curve]]) -> list[Any]:
    whose = "runs" if record.indicator else "rollouts"
    band = Patch(color="0.5", alpha=0.25, lw=0, label=f"10 to 90 % of {whose}")
    curves = itertools.chain(*settings)
    if all(curve.theory is None for curve in curves):
        return [band]
    words = r"small gain: $y' = \mathrm{growth}\cdot y + D_1$"
    line = Line2D([], [], color="0.4", label=words, **THEORY)
    return [band, line]


def _label(record: Record, curve: Curve, alone: bool) -> str:
    """A learner's name, with its growth where no panel says it."""
    name = lettering(record.learners[curve.learner])
    if not alone or curve.theory is None:
        return name
    return f"{name}, growth {curve.growth.value:.3g} a step"

"""Figures, drawn from a Record alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..paint.canvas import colour_of
from ..records.record import Record
from ..stats.intervals import interval
from ..stats.theory import envelope

FLOOR = 1e-9
"""Divergences below this are drawn at it: a logarithm has no zero."""


def plot(record: Record, path: str | Path) -> Path:
    """Divergence over time on a log axis: medians over rollouts with 10-90 % bands, one panel for each setting.

    Dashed: the small-gain recursion y' = growth * y + epsilon with the fitted growth and the deviation of the first
    step as epsilon, up to the ceiling. Where a band leaves its dashed line, a constant growth does not explain it.

    Args:
        record: the comparison.
        path: where the picture goes; its ending chooses the format.
    """
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    groups = record.groups()
    columns = min(len(groups), 3)
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(1.5 + 5 * columns, 0.7 + 3.6 * rows), layout="constrained", dpi=130)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    for axis, (key, runs) in zip(axes, groups.items(), strict=False):
        _panel(axis, record, runs)
        words = ", ".join(
            f"{'L' if name == 'lipschitz' else name} = {value:g}" for name, value in key
        )
        axis.set_title(f"{record.config['env']['name']}   {words}", loc="left", fontsize=11)
    for axis in axes[len(groups) :]:
        axis.set_visible(False)
    figure.supxlabel("time t (steps)", fontsize=10)
    what = (
        "mean divergence of each run"
        if record.indicator
        else "divergence $D_t$ from the expert's twin"
    )
    figure.supylabel(f"{what}\n{record.config['metric']}", fontsize=9)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    figure.savefig(draft, format=path.suffix.lstrip(".") or "png")
    os.replace(draft, path)
    return path


def _panel(axis: Any, record: Record, runs: np.ndarray) -> None:
    horizon = record.arrays["reward"].shape[-1]
    time, ceiling = np.arange(1, horizon + 1), max(record.ceiling(int(r)) for r in runs)
    bands = {k: _band(record, k, runs) for k in range(1, len(record.learners))}
    positive = np.concatenate([band[band > 0] for band in bands.values()] or [np.ones(1)])
    floor = 10 ** np.floor(np.log10(max(positive.min(initial=1), FLOOR)))
    for k, band in bands.items():
        low, middle, high = np.clip(band, floor, 1e12)
        growth = interval(np.array([record.growth(k)[r].alpha for r in runs]))
        known = np.isfinite(growth.value) and 2 * growth.known >= growth.runs
        told = f", growth {growth.value:.3g} a step" if known else ""
        axis.fill_between(time, low, high, color=colour_of(k), alpha=0.18, lw=0)
        axis.plot(time, middle, color=colour_of(k), lw=2, label=f"{record.learners[k]}{told}")
        if known:
            theory = np.minimum(envelope(float(middle[0]), growth.value, horizon), ceiling)[1:]
            axis.plot(time, np.maximum(theory, floor), "--", color=colour_of(k), lw=1.1)
    axis.plot(
        [], [], "--", color="0.4", lw=1.1, label=r"small gain: $y' = \mathrm{growth}\cdot y + D_1$"
    )
    axis.fill_between([], [], [], color="0.5", alpha=0.25, lw=0, label="10 to 90 % of rollouts")
    axis.axhline(ceiling, color="0.6", lw=0.8, ls=":", label="ceiling: as far as states come apart")
    axis.set(yscale="log", xlim=(0, horizon))
    axis.set_ylim(
        floor, max(ceiling if np.isfinite(ceiling) else 0, float(positive.max(initial=1))) * 3
    )
    axis.grid(True, which="major", color="0.9", lw=0.7)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, loc="best")


def _band(record: Record, learner: int, runs: np.ndarray) -> np.ndarray:
    """10 %, 50 % and 90 % of the divergences from t = 1 on, (3, T): of all rollouts; of each run's mean under 0/1."""
    drift = record.arrays["divergence"][learner, runs][..., 1:]
    each = drift.mean(1) if record.indicator else drift.reshape(-1, drift.shape[-1])
    return np.quantile(each, (0.1, 0.5, 0.9), axis=0, method="inverted_cdf")

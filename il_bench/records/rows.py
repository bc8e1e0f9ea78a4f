"""Rows: what is said of a run, defined once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..stats import intervals

if TYPE_CHECKING:
    from .record import Record

if TYPE_CHECKING:
    pass


def cell_texts(row: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """A row's cells by their titles: value and interval."""
    swept = {"L" if k == "lipschitz" else k: (f"{v:g}", "") for k, v in row["settings"].items()}
    drift = {f"D at t={t}": d.texts() for t, d in row["drift"].items()}
    gaps = {"on/off error": row["exposure"].texts(), "cost gap": row["cost_gap"].texts()}
    counts = {k: (f"{row[k]:,}", "") for k in ("labels", "steps", "updates")}
    rest = {
        "falls": (f"{row['falls']:.0%}", ""),
        **counts,
        "seconds": (f"{row['seconds']:.1f}", ""),
    }
    return {
        "learner": (row["learner"], ""),
        **swept,
        **drift,
        "growth": row["growth"].texts(3),
        **gaps,
        **rest,
    }


def broken(record: Record, most: int = 3) -> list[str]:
    """For each learner that left the finite numbers, in its rollouts or in training: in which runs and when, a line."""
    lines = []
    for name, steps in zip(record.learners, record.arrays["broke"], strict=True):
        runs = (steps >= 0).any(-1).nonzero()[0].tolist()
        firsts = {
            r: min((step, e) for e, step in enumerate(steps[r].tolist()) if step >= 0) for r in runs
        }
        where = [f"run {r} (episode {e}, step {step})" for r, (step, e) in firsts.items()]
        trained = record.config["budgets"].get(name, {}).get("broke", {})
        when = [f"run {r} (update {update})" for r, update in trained.items()]
        for places, what in (
            (when, "in training, and learned no more"),
            (where, "and is frozen there, with D infinite"),
        ):
            more = f" and {len(places) - most} more" if len(places) > most else ""
            if places:
                lines.append(
                    f"{name} left the finite numbers in {', '.join(places[:most])}{more} {what}."
                )
    return lines


VARIABLES: dict[str, tuple[tuple[str, ...], str]] = {
    "drift": (
        ("run", "time"),
        "typical distance from the expert's twin: median over rollouts, mean under 0/1",
    ),
    "drift_10": (("run", "time"), "its 10 % quantile over rollouts"),
    "drift_90": (("run", "time"), "its 90 % quantile over rollouts"),
    "drift_mean": (("run", "time"), "its arithmetic mean over rollouts"),
    "growth": (("run",), "fitted growth a step"),
    "error_off": (("run",), "mean action error on the expert's states"),
    "error_on": (("run",), "mean action error on the learner's own states"),
    "cost_gap": (("run",), "what is lost of the expert's return"),
    "falls": (("run",), "share of rollouts that the environment ended where the expert's went on"),
    "ceiling": (("run",), "the deviation of two unrelated states"),
    "broke": (("run",), "rollouts that left the finite numbers"),
    "labels": (("run",), "expert labels"),
    "steps": (("run",), "environment steps while learning"),
    "updates": (("run",), "gradient updates"),
    "seconds": (
        ("run",),
        "seconds of training, the batch's shared among its runs; the one number that is not repeatable",
    ),
}
"""What is kept of each run: dimensions, and what it is."""


def rows(found: Record) -> dict[str, np.ndarray]:
    """The rows (R, ...) of the one learner of a comparison, under the names of `VARIABLES`."""
    a, budget = found.arrays, found.config["budgets"][found.learners[1]]
    divergence, runs = a["divergence"][1], len(a["length"][1])
    low, high = np.quantile(divergence, (0.1, 0.9), axis=1, method="inverted_cdf")
    return {
        "drift": intervals.typical(divergence, found.indicator),
        "drift_10": low,
        "drift_90": high,
        "drift_mean": divergence.mean(1),
        "growth": np.array([fit.alpha for fit in found.growth(1)]),
        "error_off": intervals.mean_error(a["error_off"][1], a["broke"][0]),
        "error_on": intervals.mean_error(a["error_on"][1], a["broke"][1]),
        "cost_gap": found.cost_gap(1),
        "falls": (a["terminated"][1] & ~a["terminated"][0]).mean(-1),
        "ceiling": np.array([found.ceiling(run) for run in range(runs)]),
        "broke": (a["broke"][1] >= 0).sum(-1).astype(float),
        "labels": np.asarray(budget["labels"], dtype=float),
        "steps": np.asarray(budget["steps"], dtype=float),
        "updates": np.full(runs, float(budget["updates"])),
        "seconds": np.full(runs, budget["seconds"] / runs),
    }

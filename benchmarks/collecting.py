"""Collecting: what a learner costs while it learns against how far it drifts in the end, and how few labels suffice.

A learner that drives pays with returns and falls; one behind a gate pays with the hands of an expert that takes over. Each
stands here at several values of its own dial: episodes of cloning, rounds of DAgger, a gate's threshold or rate. All of
them make the same number of gradient updates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim, goal
from joblib import Parallel, delayed
from publish import figure, publish, table
from tasks import TASKS

import il_bench as il
from il_bench.paint.canvas import colour_of
from il_bench.show.style import looks
from il_bench.stats.intervals import Interval, contrast, interval

SEEDS, EPISODES = 64, 16
CURVE, ROAD = "tube, L = 1.2", "lane, L = 1.2"
"""Where every value of a dial is measured, and where the usual ones are."""
ROUNDS = 2, 4, 8
SIZES = 1, 2, 4, 8
"""Episodes of cloning."""
TAUS = 0.1, 0.03, 0.01, 0.003
"""Thresholds; above the errors of a converged copy, a hundredth of the labels' spread, a classifier has no dial."""
RATES = 0.05, 0.1, 0.2, 0.4
USUAL = {"bc": 8, "noise": 8, "dart": 8, "dagger": 8, "thrifty": 0.2}
"""The dial of each learner in the table; a gate's is its threshold."""
TAU = 0.1
GATES = "safe", "ensemble", "lazy", "thrifty", "human"
CLASSIFIED = "safe", "lazy"
"""Gates that learn where their copy errs; of these every threshold is measured on the road, too."""
NAMES = "bc", "noise", "dart", "dagger", *GATES
MARKS = dict(zip(GATES, "svD^*", strict=True))
"""Of gates, whose hues are others' too."""
HUES = dict(zip(NAMES, map(colour_of, looks(NAMES)), strict=True))
"""As in figures and films."""
ALWAYS = 0.95
"""Share of the steps from which on the expert drives all the time."""
SPARSE, NEAR, SAFE, CLOSE, WITHIN = 0.5, 2.0, 0.25, 3.0, 0.2
"""Goals: a gate's share of DAgger's labels and its drift in DAgger's; DART's share of DAgger's cost, and its drift;
how far a budgeted gate may miss its rate."""


@dataclass(frozen=True)
class Point:
    """A learner at one value of its dial; each number is one of each run (R,).

    Attributes:
        learner: its name.
        dial: the value.
        drift: D at the end.
        lost: return lost an episode while collecting.
        falls: share of the episodes that fell while collecting.
        labels: answers that were learned from.
        asked: questions to the expert.
        hands: share of the driven steps at which it acted for the learner, after the first round.
        switches: changes of who drives, an episode.
    """

    learner: str
    dial: float
    drift: np.ndarray
    lost: np.ndarray
    falls: np.ndarray
    labels: np.ndarray
    asked: np.ndarray
    hands: np.ndarray
    switches: np.ndarray

    def cells(self, place: str) -> list[str]:
        """A line of the table."""
        counts = (self.labels, self.asked)
        numbers = (self.lost, self.falls, self.hands, self.switches, self.drift)
        means = [f"{np.median(count):,.0f}" for count in counts]
        return [place, self.learner, *means, *(str(interval(values)) for values in numbers)]

    def entry(self) -> dict[str, Any]:
        """Its entry in the result file."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }


Points = dict[str, list[Point]]
"""Of each place."""


def dialled() -> dict[tuple[str, float], Any]:
    """All learners, by name and dial."""
    learners: dict[tuple[str, float], Any] = {("bc", size): il.BC(size) for size in SIZES}
    learners["noise", 8] = il.learner("noise")
    learners["dart", 8] = il.learner("dart")
    learners |= {("dagger", rounds): il.DAgger(rounds) for rounds in ROUNDS}
    for gate in GATES:
        for dial in RATES if gate == "thrifty" else TAUS:
            learners[gate, dial] = _behind(gate, dial)
    return learners


def _behind(gate: str, dial: float) -> Any:
    """A learner behind a gate; the doubt of an ensemble that is too much moves with the error that is."""
    names = {"thrifty": ("rate",), "ensemble": ("tau", "doubt")}.get(gate, ("tau",))
    return il.LEARNERS["gated"](gate, **dict.fromkeys(names, dial))


def results(first: int = 0, seeds: int = SEEDS) -> Points:
    """Every learner in both places, a process for each; the first seed is `first`."""
    chosen = range(first, first + seeds)
    every = dialled()
    shown = {
        (name, dial): one
        for (name, dial), one in every.items()
        if is_usual(name, dial) or name in CLASSIFIED
    }
    where = {CURVE: every, ROAD: shown}
    each = Parallel(-1)(delayed(points)(place, who, chosen) for place, who in where.items())
    return dict(zip(where, each, strict=True))


def is_usual(name: str, dial: float) -> bool:
    """Whether a learner's dial stands where the table has it."""
    return dial == USUAL.get(name, TAU)


def points(place: str, learners: dict[tuple[str, float], Any], seeds: range) -> list[Point]:
    """Those of one place."""
    torch.set_num_threads(1)
    task = TASKS[place]
    env = il.make(task.env, seeds=seeds, **task.settings)
    names = {f"{name} {dial:g}": learner for (name, dial), learner in learners.items()}
    record = il.matched(env, il.expert(env), names, ("updates",), EPISODES)
    pairs = zip(learners, names, strict=True)
    return [_point(record, name, dial, title) for (name, dial), title in pairs]


def _point(record: il.Record, name: str, dial: float, title: str) -> Point:
    """A learner's numbers."""
    budget = record.index.budgets[title]
    episodes = np.array(budget.episodes)
    collected = np.array(budget.collected) / episodes
    steps = np.array(budget.steps)
    first = record.horizon
    driven = np.maximum(steps - first, 1)
    return Point(
        learner=name,
        dial=dial,
        drift=record.drift(record.number_of(title), record.horizon),
        lost=record.returns(0) - collected,
        falls=np.array(budget.falls) / episodes,
        labels=np.array(budget.labels),
        asked=np.array(budget.asked),
        hands=np.array(budget.interventions) / driven,
        switches=np.array(budget.switches) / episodes,
    )


def usual(points: list[Point]) -> dict[str, Point]:
    """The points of the table, by learner."""
    return {point.learner: point for point in points if is_usual(point.learner, point.dial)}


def claims(results: Points) -> list[Claim]:
    """What costs what, and whether a gate suffices."""
    lane = usual(results[ROAD])
    return [
        *_sparse(lane),
        *_thrifty(results),
        *_safe(results),
        *_dials(results),
        *_hysteresis(results),
        _all_hands(results[ROAD]),
    ]


def _sparse(points: dict[str, Point]) -> Iterator[Claim]:
    """How a gate's drift and labels stand to DAgger's, on the lane."""
    dagger = points["dagger"]
    words = []
    reached = []
    for gate in GATES:
        point = points[gate]
        drift = contrast(point.drift, dagger.drift)
        share = interval(point.labels / dagger.labels)
        reached.append(drift.by.high <= NEAR and share.high <= SPARSE)
        words.append(f"{gate} {drift} at × {share}")
    said = f"On the lane, D in DAgger's at a share of its labels: {'; '.join(words)}"
    wanted = f"(goal: some gate surely within × {NEAR:g} at no more than {SPARSE:g})"
    yield goal(f"{said} {wanted}", any(reached))


def _thrifty(results: Points) -> Iterator[Claim]:
    """Whether the budgeted gate keeps to its rate."""
    shares = {
        (place, point.dial): interval(point.hands)
        for place, points in results.items()
        for point in points
        if point.learner == "thrifty"
    }
    kept = [abs(share.value / rate - 1) <= WITHIN for (_, rate), share in shares.items()]
    words = "; ".join(f"{rate:g}: {share}" for (_, rate), share in shares.items())
    where = " and ".join(place.partition(",")[0] for place in results)
    yield goal(
        f"Of its rate `thrifty` uses, on {where}, {words} (goal: within {WITHIN:.0%})", all(kept)
    )


def _safe(results: Points) -> Iterator[Claim]:
    """What DART costs and reaches beside DAgger."""
    for place, points in results.items():
        chosen = usual(points)
        dart, dagger = chosen["dart"], chosen["dagger"]
        drift = contrast(dart.drift, dagger.drift)
        cost = interval(dart.lost / dagger.lost)
        reached = drift.by.high <= CLOSE and cost.high < SAFE
        words = f"{place}: DART costs {cost} of what DAgger does while it collects, and drifts {drift} in the end"
        yield goal(f"{words} (goals: below {SAFE:g}, within × {CLOSE:g})", reached)


def _dials(results: Points) -> Iterator[Claim]:
    """Whether a smaller threshold asks for more labels, of gates that learn where their copy errs."""
    for place, points in results.items():
        for gate in CLASSIFIED:
            own = _by_dial(points, gate)
            first, *_, last = TAUS
            labels = contrast(own[last].labels, own[first].labels)
            each = "; ".join(f"{tau:g}: {np.median(own[tau].labels):,.0f}" for tau in TAUS)
            yield Claim(
                f"{place}: labels of `{gate}` by tau {each}; the least tau asks for {labels} of the largest's.",
                labels.verdict == "worse",
                f"{place}: labels of `{gate}` by tau {each}: no dial.",
            )


def _hysteresis(results: Points) -> Iterator[Claim]:
    """Whether the wheel changes hands less often where it is handed back late, as the source of `lazy` says."""
    for place, points in results.items():
        lazy, safe = (_by_dial(points, gate) for gate in ("lazy", "safe"))
        pairs = {tau: contrast(lazy[tau].switches, safe[tau].switches) for tau in TAUS}
        each = "; ".join(f"tau {tau:g} {pair} ({pair.verdict})" for tau, pair in pairs.items())
        verdicts = [pair.verdict for pair in pairs.values()]
        rarer, oftener = verdicts.count("better"), verdicts.count("worse")
        words = (
            f"{place}: `lazy` changes hands, beside `safe`, {each}: surely less often at {rarer} of {len(TAUS)} thresholds, "
            f"surely more often at {oftener}."
        )
        yield Claim(words, rarer > oftener, f"{words[:-1]}, which is not what its source says.")


def _all_hands(points: list[Point]) -> Claim:
    """What becomes of a learner whose expert drives all the time: as little as of a clone."""
    safe = _by_dial(points, "safe")
    strict, mild = safe[TAUS[-1]], safe[TAUS[-2]]
    clones = usual(points)["bc"]
    beside = contrast(strict.drift, clones.drift)
    pair = contrast(strict.drift, mild.drift)
    words = (
        f"{ROAD}: at tau {TAUS[-1]:g} the expert of `safe` drives {np.median(strict.hands):.0%} of the steps, and D is "
        f"{interval(strict.drift)}, {pair} of that at tau {TAUS[-2]:g} and {beside} of cloning's"
    )
    always = float(np.median(strict.hands)) >= ALWAYS
    as_cloning = 1 / NEAR <= beside.by.low <= beside.by.high <= NEAR
    holds = always and as_cloning and pair.verdict == "worse"
    return Claim(
        f"{words}: a gate that always opens is cloning, within a factor of {NEAR:g}.",
        holds,
        f"{words}: which is not what cloning does.",
    )


def _by_dial(points: list[Point], learner: str) -> dict[float, Point]:
    """A learner's points by its dial."""
    return {point.dial: point for point in points if point.learner == learner}


def best(points: list[Point]) -> list[str]:
    """Who is beaten by nobody: the Pareto front of the table."""
    chosen = usual(points)
    return [
        name
        for name, point in chosen.items()
        if not any(_beats(other, point) for other in chosen.values() if other is not point)
    ]


def _beats(one: Point, other: Point) -> bool:
    """Whether a learner is surely better than another in return lost, questions or drift, and better or the same in all."""
    cost = contrast(one.lost, other.lost, ratio=False)
    questions = contrast(one.asked, other.asked)
    drift = contrast(one.drift, other.drift)
    verdicts = {cost.verdict, questions.verdict, drift.verdict}
    return "better" in verdicts and verdicts <= {"better", "same"}


def _bars(of: Interval) -> list[list[float]]:
    """Lengths to either side, as matplotlib wants them."""
    return [[of.value - of.low], [of.high - of.value]]


def _draw(results: Points) -> None:
    """Cost against drift in each place, and drift against labels where every dial was measured."""
    with figure("collecting", 3, (5.2, 4.4)) as panels:
        for panel, (place, points) in zip(panels, results.items(), strict=False):
            for name, point in usual(points).items():
                _dot(panel, point, np.maximum(point.lost, 0), name)
            panel.set_xscale("symlog", linthresh=1e-5)
            panel.set(title=place, xlabel="return lost an episode while collecting", yscale="log")
        panels[0].set_ylabel("D at the end")
        last = panels[-1]
        for name in ("bc", "dagger", *GATES):
            curve = [point for point in results[CURVE] if point.learner == name]
            ordered = sorted(curve, key=lambda point: float(np.median(point.labels)))
            labels = [np.median(point.labels) for point in ordered]
            last.plot(labels, [np.median(point.drift) for point in ordered], color=HUES[name])
            for point in ordered:
                _dot(last, point, point.labels, name if point is ordered[0] else "")
        last.set(title=CURVE, xlabel="expert labels", xscale="log", yscale="log")
        panels[1].legend(fontsize=8)


def _dot(panel: Any, point: Point, across: np.ndarray, label: str) -> None:
    """A point with its two intervals."""
    x, y = interval(across), interval(point.drift)
    panel.errorbar(
        x.value,
        y.value,
        xerr=_bars(x),
        yerr=_bars(y),
        fmt=MARKS.get(point.learner, "o"),
        ms=4,
        lw=1,
        color=HUES[point.learner],
        label=label,
    )


HEADER = [
    "task",
    "learner",
    "labels",
    "asked",
    "return lost an episode",
    "episodes that fell",
    "expert at the wheel",
    "switches an episode",
    "D at the end",
]


def main() -> None:
    """Measure, draw, publish."""
    outcome = results()
    _draw(outcome)
    lines = [
        point.cells(place) for place, points in outcome.items() for point in usual(points).values()
    ]
    fronts = "; ".join(f"{place}: {', '.join(best(points))}" for place, points in outcome.items())
    caption = (
        f"While collecting, but for the last column: medians over {SEEDS} runs [exact intervals], 4,000 updates each. Labels "
        "are what was learned from, questions (asked) include those of who watches. Beaten by nobody, in return lost, "
        f"questions and drift together: {fronts}."
    )
    entries = {place: [point.entry() for point in points] for place, points in outcome.items()}
    publish("collecting", claims(outcome), table(HEADER, lines), caption, points=entries)


if __name__ == "__main__":
    main()

"""Rows: what is said of a run, defined once.

`VARIABLES` are the numbers of each run (R, ...), which a sweep keeps. `COLUMNS` say how the numbers of several runs make
one line of a table, and how it reads: of a Record, of a sweep, of a training round by round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..core.settings import require
from ..stats import intervals
from ..stats.intervals import Interval, interval

if TYPE_CHECKING:
    from .record import Record

Numbers: TypeAlias = "Mapping[str, np.ndarray]"
"""Numbers of each run (R, ...) by the name of their variable."""


Texts: TypeAlias = tuple[str, str]
"""What stands in a cell: a value, and its interval or what it is measured by."""


@dataclass(frozen=True)
class Variable:
    """A number of each run.

    Attributes:
        measure: takes a Record and the number of a learner, and gives the numbers (R, ...).
        words: what it is.
        dims: its dimensions.
        late: whether results of earlier versions may lack it.
    """

    measure: Callable[[Record, int], np.ndarray]
    words: str
    dims: tuple[str, ...] = ("run",)
    late: bool = False


def _divergence_quantile(part: float, record: Record, learner: int) -> np.ndarray:
    divergence = record.arrays["divergence"][learner]
    return np.quantile(divergence, part, axis=1, method="inverted_cdf")


def _error_off(record: Record, learner: int) -> np.ndarray:
    broke, length = record.arrays["broke"][0], record.arrays["length"][0]
    return intervals.mean_error(record.arrays["error_off"][learner], broke, length)


def _error_on(record: Record, learner: int) -> np.ndarray:
    parts = (record.arrays[name][learner] for name in ("error_on", "broke", "length"))
    return intervals.mean_error(*parts)


def _falls(record: Record, learner: int) -> np.ndarray:
    terminated = record.arrays["terminated"]
    return (terminated[learner] & ~terminated[0]).mean(-1)


def _ceiling(record: Record, learner: int) -> np.ndarray:
    return np.array([record.ceiling(run) for run in range(record.runs)])


def _broke(record: Record, learner: int) -> np.ndarray:
    return (record.arrays["broke"][learner] >= 0).sum(-1).astype(float)


def _spent(name: str, record: Record, learner: int) -> np.ndarray:
    """What the learner's budget says; zero where no learner signed the policy."""
    budget = record.index.budgets.get(record.learners[learner])
    spent = np.asarray(getattr(budget, name, 0), dtype=float)
    return np.broadcast_to(spent, (record.runs,))


def _seconds(record: Record, learner: int) -> np.ndarray:
    return _spent("seconds", record, learner) / record.runs


OVER_TIME = ("run", "time")

VARIABLES: dict[str, Variable] = {
    "drift": Variable(
        lambda record, learner: record.typical(learner),
        "typical distance from the expert's twin: median over rollouts, mean under 0/1",
        OVER_TIME,
    ),
    "drift_10": Variable(
        partial(_divergence_quantile, 0.1), "its 10 % quantile over rollouts", OVER_TIME
    ),
    "drift_90": Variable(
        partial(_divergence_quantile, 0.9), "its 90 % quantile over rollouts", OVER_TIME
    ),
    "drift_mean": Variable(
        lambda record, learner: record.arrays["divergence"][learner].mean(1),
        "its arithmetic mean over rollouts",
        OVER_TIME,
    ),
    "growth": Variable(
        lambda record, learner: np.array([fit.alpha for fit in record.growth(learner)]),
        "fitted growth a step",
    ),
    "error_off": Variable(_error_off, "mean action error on the expert's states"),
    "error_on": Variable(_error_on, "mean action error on the learner's own states"),
    "cost_gap": Variable(
        lambda record, learner: record.cost_gap(learner), "what is lost of the expert's return"
    ),
    "return": Variable(
        lambda record, learner: record.returns(learner), "mean return of the rollouts", late=True
    ),
    "expert_return": Variable(
        lambda record, learner: record.returns(0), "that of the expert's twins", late=True
    ),
    "falls": Variable(
        _falls, "share of rollouts that the environment ended where the expert's went on"
    ),
    "ceiling": Variable(_ceiling, "the deviation of two unrelated states"),
    "broke": Variable(_broke, "rollouts that became NaN or infinite"),
    "labels": Variable(partial(_spent, "labels"), "expert labels"),
    "asked": Variable(partial(_spent, "asked"), "questions to the expert", late=True),
    "steps": Variable(partial(_spent, "steps"), "environment steps while learning"),
    "updates": Variable(partial(_spent, "updates"), "gradient updates"),
    "seconds": Variable(
        _seconds,
        "seconds of training, the batch's shared among its runs; the one number that is not repeatable",
    ),
}
"""What is kept of each run."""


def numbers(record: Record, learner: int = 1) -> dict[str, np.ndarray]:
    """The numbers (R, ...) of one learner's runs, under the names of `VARIABLES`."""
    return {name: variable.measure(record, learner) for name, variable in VARIABLES.items()}


@dataclass(frozen=True)
class Share:
    """How a learner's return stands to its expert's.

    Attributes:
        part: the learner's return over the expert's where both are positive; else the difference of the two.
        of: the expert's return.
        ratio: which of the two `part` is.
    """

    part: Interval
    of: Interval
    ratio: bool

    def texts(self) -> Texts:
        """Such as ("94%", "[91, 96] of 13.0"); of a difference ("-3.1", "[-4.0, -2.2] from -120")."""
        whole = self.of.texts(3)[0]
        if not self.ratio:
            value, spread = self.part.texts()
            sign = "+" if self.part.value > 0 else ""
            return f"{sign}{value}", f"{spread} from {whole}".strip()
        value, spread = _scaled(self.part, 100).texts()
        unit = "%" if value != "n/a" else ""
        return f"{value}{unit}", f"{spread} of {whole}".strip()

    def __str__(self) -> str:
        return " ".join(self.texts())


def _scaled(pooled: Interval, factor: float) -> Interval:
    value, low, high = factor * pooled.value, factor * pooled.low, factor * pooled.high
    return dataclasses.replace(pooled, value=value, low=low, high=high)


def share(own: np.ndarray, experts: np.ndarray) -> Share:
    """Returns (R,) of a learner beside its expert's (R,); a run that became NaN or infinite has none, -inf."""
    fits = (own > 0) | (own == -np.inf)
    fits &= experts > 0
    ratio = bool(fits.all())
    part = own / experts if ratio else own - experts
    return Share(interval(part), interval(experts), ratio)


def _gap(on: np.ndarray, off: np.ndarray) -> Interval:
    return interval(intervals.ratio(on, off))


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _total(values: np.ndarray) -> float:
    return float(values.sum())


def _median_count(values: np.ndarray) -> int:
    return int(np.median(values))


def _how_many(values: np.ndarray) -> int:
    return int((values > 0).sum())


def _whole(value: int) -> Texts:
    return f"{value:,}", ""


def _percent(value: float) -> Texts:
    return f"{value:.0%}", ""


def _tenths(value: float) -> Texts:
    return f"{value:,.1f}", ""


@dataclass(frozen=True)
class Column:
    """What a line of a table says of its runs.

    Attributes:
        pool: makes one thing of the numbers (n,) of the line's runs.
        of: the variables whose numbers it takes.
        title: its heading; "" for what is computed but not shown.
        texts: how it reads.
    """

    pool: Callable[..., Any]
    of: tuple[str, ...]
    title: str = ""
    texts: Callable[[Any], Texts] = Interval.texts


COLUMNS: dict[str, Column] = {
    "return": Column(interval, ("return",), "return", partial(Interval.texts, digits=3)),
    "expert_return": Column(interval, ("expert_return",)),
    "share": Column(share, ("return", "expert_return"), "of expert's", Share.texts),
    "growth": Column(interval, ("growth",), "growth", partial(Interval.texts, digits=3)),
    "error_off": Column(interval, ("error_off",)),
    "error_on": Column(interval, ("error_on",)),
    "exposure": Column(_gap, ("error_on", "error_off"), "on/off error"),
    "cost_gap": Column(interval, ("cost_gap",), "cost gap"),
    "falls": Column(_mean, ("falls",), "falls", _percent),
    "broke": Column(_how_many, ("broke",)),
    "runs": Column(len, ("drift",)),
    "labels": Column(_median_count, ("labels",), "labels", _whole),
    "steps": Column(_median_count, ("steps",), "steps", _whole),
    "updates": Column(_median_count, ("updates",), "updates", _whole),
    "seconds": Column(_total, ("seconds",), "seconds", _tenths),
}
"""What a line of a table says, in the order of the table."""


def line(values: Numbers) -> dict[str, Any]:
    """The columns of a line, pooled from the numbers (n, ...) of its runs."""
    return {
        name: column.pool(*(values[variable] for variable in column.of))
        for name, column in COLUMNS.items()
    }


def line_texts(line: Mapping[str, Any]) -> dict[str, Texts]:
    """The cells of a line by their titles: value and interval."""
    shown = {name: column for name, column in COLUMNS.items() if column.title}
    return {column.title: column.texts(line[name]) for name, column in shown.items()}


def title_of(setting: str) -> str:
    """The heading of a setting."""
    return "L" if setting == "lipschitz" else setting


def rows(record: Record, at: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """The comparison in numbers: one row a learner (the expert apart) and setting.

    Args:
        record: the comparison.
        at: times at which the divergence is reported; 5 %, 25 % and 100 % of the horizon unless given.

    Raises:
        ValueError: for a time beyond the horizon.
    """
    times = at or _usual_times(record.horizon)
    for t in times:
        require(
            0 <= t <= record.horizon,
            f"at: expected times from 0 to {record.horizon}, got {t}; choose within the horizon",
        )
    each = {name: _pooled_numbers(record, k) for k, name in enumerate(record.learners) if k > 0}
    out = []
    for setting, runs in record.groups().items():
        for name, whole in each.items():
            part = {variable: array[runs] for variable, array in whole.items()}
            columns = _columns(part, times, record.is_one(name))
            out.append({"learner": name, "settings": dict(setting), **columns})
    return out


def _usual_times(horizon: int) -> tuple[int, ...]:
    times = [max(1, round(horizon * part)) for part in (0.05, 0.25, 1)]
    return tuple(dict.fromkeys(times))


def _pooled_numbers(record: Record, learner: int) -> dict[str, np.ndarray]:
    """The numbers (R, ...) of a learner's runs that some column takes."""
    names = dict.fromkeys(name for column in COLUMNS.values() for name in column.of)
    return {name: VARIABLES[name].measure(record, learner) for name in names}


def _columns(part: Numbers, times: Sequence[int], one: bool) -> dict[str, Any]:
    """What a row says of its runs (n, ...): the divergence at some times, and the columns.

    Of `one` policy in all the runs there is no interval over runs: they differ by their starts and noise alone.
    """
    drift = {t: interval(part["drift"][:, t]) for t in times}
    pooled = line(part)
    if one:
        drift = {t: _alone(drift[t]) for t in drift}
        pooled = {name: _alone(pooled[name]) for name in pooled}
    return {"drift": drift, **pooled}


def _alone(pooled: Any) -> Any:
    """The same without an interval."""
    if isinstance(pooled, Interval):
        return pooled.alone()
    if isinstance(pooled, Share):
        return dataclasses.replace(pooled, part=_alone(pooled.part))
    return pooled


def cell_texts(row: dict[str, Any]) -> dict[str, Texts]:
    """A row's cells by their titles: value and interval."""
    settings = {title_of(name): (f"{value:g}", "") for name, value in row["settings"].items()}
    drift = {f"D at t={t}": pooled.texts() for t, pooled in row["drift"].items()}
    return {"learner": (row["learner"], ""), **settings, **drift, **line_texts(row)}


def table(record: Record, at: Sequence[int] | None = None) -> str:
    """The rows as text, and whose twins shared no noise beneath; see `rows`."""
    cells = [cell_texts(row) for row in rows(record, at)]
    if not cells:
        return "The expert alone: nobody was compared with it."
    titles = list(cells[0])
    body = [[_joined(cell) for cell in row.values()] for row in cells]
    columns = zip(titles, *body, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = [_padded(row, widths) for row in (titles, *body)]
    rule = "-" * max(map(len, lines))
    lines.insert(1, rule)
    return "\n".join([*lines, *record.index.warnings])


def _joined(cell: Texts) -> str:
    return " ".join(cell).strip()


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


def remarks(record: Record) -> list[str]:
    """What a reader should know beside the numbers: whose twins shared no noise, and who became NaN or infinite."""
    return [*record.index.warnings, *broken(record)]


def broken(record: Record, most: int = 3) -> list[str]:
    """For each learner that became NaN or infinite, in training or in its rollouts: in which runs and when, a line."""
    lines = []
    for number, name in enumerate(record.learners):
        updates = getattr(record.index.budgets.get(name), "broke", {})
        trained = [f"run {run} (update {update})" for run, update in updates.items()]
        rolled = _first_breaks(record.arrays["broke"][number])
        for places, what in (
            (trained, "in training, and learned no more"),
            (rolled, "and is frozen there, with D infinite"),
        ):
            if places:
                where = _listed(places, most)
                lines.append(f"{name} became NaN or infinite in {where} {what}.")
    return lines


def _first_breaks(steps: np.ndarray) -> list[str]:
    """Each run's first break, in words, of the steps (R, E) at which its episodes broke; -1: never."""
    places = []
    for run in np.flatnonzero((steps >= 0).any(-1)).tolist():
        breaks = [(step, episode) for episode, step in enumerate(steps[run].tolist()) if step >= 0]
        step, episode = min(breaks)
        places.append(f"run {run} (episode {episode}, step {step})")
    return places


def _listed(places: list[str], most: int) -> str:
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return ", ".join(places[:most]) + more

"""Rows: what is said of a run, defined once.

`VARIABLES` are the numbers of each run (R, ...), which a sweep keeps. `COLUMNS` say how the numbers of several runs make
one line of a table, and how it reads: of a Record, of a sweep, of a training round by round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..core.registry import ENVS
from ..core.settings import require
from ..stats import accumulation, intervals
from ..stats.intervals import Contrast, Interval, contrast, interval

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
        needs: the arrays, or the counts in some budget, without which a Record does not tell it; empty where every one does.
    """

    measure: Callable[[Record, int], np.ndarray]
    words: str
    dims: tuple[str, ...] = ("run",)
    late: bool = False
    needs: tuple[str, ...] = ()


def _divergence_quantile(part: float, record: Record, learner: int) -> np.ndarray:
    divergence = record.arrays["divergence"][learner]
    return np.quantile(divergence, part, axis=1, method="inverted_cdf")


def _error_off(record: Record, learner: int) -> np.ndarray:
    error = record.arrays["error_off"][learner]
    return _mean_error(record, error, 0)


def _error_on(record: Record, learner: int) -> np.ndarray:
    error = record.arrays["error_on"][learner]
    return _mean_error(record, error, learner)


def _mean_error(record: Record, error: np.ndarray, where: int) -> np.ndarray:
    """The mean size of errors (R, E, T, U) on the states of some learner."""
    broke = record.arrays["broke"][where]
    length = record.arrays["length"][where]
    return intervals.mean_error(error, broke, length)


def _each_step(name: str, record: Record, learner: int) -> np.ndarray:
    """The mean of an array (R, E, T) over the steps whose prefixes hold something of their writer's."""
    each = record.arrays[name][learner]
    where = 0 if name.endswith("_off") else learner
    length = record.arrays["length"][where]
    return accumulation.mean_step(each, length)


def _each_byte(side: str, record: Record, learner: int) -> np.ndarray:
    """What symbols cost, nats a byte, on own prefixes ("on") or on the expert's ("off")."""
    nats = _each_step(f"nll_{side}", record, learner)
    return nats / _each_step(f"bytes_{side}", record, learner)


def _falls(record: Record, learner: int) -> np.ndarray:
    terminated = record.arrays["terminated"]
    fell = terminated[learner] & ~terminated[0]
    return fell.mean(-1)


def _ended(record: Record, learner: int) -> np.ndarray:
    terminated = record.arrays["terminated"][learner]
    return terminated.mean(-1)


def _experts_ended(record: Record, learner: int) -> np.ndarray:
    return _ended(record, 0)


def _cut(record: Record, learner: int) -> np.ndarray:
    arrays = record.arrays
    early = arrays["length"][learner] < record.horizon
    cut = arrays["truncated"][learner] & early
    return cut.mean(-1)


def _experts_cut(record: Record, learner: int) -> np.ndarray:
    return _cut(record, 0)


def _indicator(record: Record, learner: int) -> np.ndarray:
    return np.full(record.runs, float(record.indicator))


def _ceiling(record: Record, learner: int) -> np.ndarray:
    ceilings = [record.ceiling(run) for run in range(record.runs)]
    return np.array(ceilings)


def _broke(record: Record, learner: int) -> np.ndarray:
    broke = record.arrays["broke"][learner] >= 0
    return broke.sum(-1).astype(float)


def _spent(name: str, record: Record, learner: int) -> np.ndarray:
    """What the learner's budget says; zero where no learner signed the policy."""
    whose = record.learners[learner]
    budget = record.index.budgets.get(whose)
    counted = getattr(budget, name, 0)
    spent = np.asarray(counted, dtype=float)
    return np.broadcast_to(spent, (record.runs,))


def _effective(record: Record, learner: int) -> np.ndarray:
    """The effective sample size; that of a learner who weighed nothing is the number of its labels."""
    size = _spent("effective", record, learner)
    labels = _spent("labels", record, learner)
    return np.where(size > 0, size, labels)


def _seconds(record: Record, learner: int) -> np.ndarray:
    together = _spent("seconds", record, learner)
    return together / record.runs


def _mean_divergence(record: Record, learner: int) -> np.ndarray:
    divergence = record.arrays["divergence"][learner]
    return divergence.mean(1)


def _growth(record: Record, learner: int) -> np.ndarray:
    fits = record.growth(learner)
    return np.array([fit.alpha for fit in fits])


def _chance(name: str, words: str) -> Variable:
    """The mean over steps of an array that Records of experts hold which act by chance."""
    return Variable(partial(_each_step, name), words, late=True, needs=(name,))


def _of_bytes(side: str, words: str) -> Variable:
    """What symbols cost over the bytes for which they stand, in Records of languages whose symbols stand for some."""
    needs = f"nll_{side}", f"bytes_{side}"
    return Variable(partial(_each_byte, side), words, late=True, needs=needs)


NOBODY = "Nobody is compared with the expert."
"""What is said of a Record that holds no learner."""

OVER_TIME = ("run", "time")

PARTS = (0.05, 0.25, 1)
"""Of the horizon, at which the divergence is reported unless times are given."""

VARIABLES: dict[str, Variable] = {
    "drift": Variable(
        lambda record, learner: record.typical(learner),
        "typical distance from the expert's twin: median over rollouts, mean under 0/1",
        OVER_TIME,
    ),
    "drift_10": Variable(
        partial(_divergence_quantile, 0.1),
        "its 10 % quantile over rollouts",
        OVER_TIME,
    ),
    "drift_90": Variable(
        partial(_divergence_quantile, 0.9),
        "its 90 % quantile over rollouts",
        OVER_TIME,
    ),
    "drift_mean": Variable(_mean_divergence, "its arithmetic mean over rollouts", OVER_TIME),
    "growth": Variable(_growth, "fitted growth a step"),
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
    "kl_off": _chance("kl_off", "KL from the expert's chances to the learner's, expert's prefixes"),
    "kl_on": _chance("kl_on", "the same on the learner's own prefixes"),
    "nll_off": _chance("nll_off", "what the expert's symbols cost under the learner, nats each"),
    "nll_on": _chance("nll_on", "what the learner's symbols cost under the expert, nats each"),
    "nll_off_byte": _of_bytes("off", "the first of these costs over bytes, nats each"),
    "nll_on_byte": _of_bytes("on", "the second over bytes, nats each"),
    "outside": _chance("outside_on", "the learner's chance of what the expert never writes there"),
    "falls": Variable(
        _falls, "share of rollouts that the environment ended where the expert's went on"
    ),
    "ended": Variable(_ended, "share of rollouts that the environment ended", late=True),
    "expert_ended": Variable(_experts_ended, "that of the expert's twins", late=True),
    "cut": Variable(
        _cut, "share that a clock of the environment's own cut off before the horizon", late=True
    ),
    "expert_cut": Variable(_experts_cut, "that of the expert's twins", late=True),
    "indicator": Variable(_indicator, "1 where D is 0 or 1, else 0", late=True),
    "ceiling": Variable(_ceiling, "the deviation of two unrelated states"),
    "broke": Variable(_broke, "rollouts that became NaN or infinite"),
    "uncoupled": Variable(
        lambda record, learner: record.uncoupled(learner),
        "share of rollouts whose twins had the same seed and not the same noise",
        late=True,
    ),
    "labels": Variable(partial(_spent, "labels"), "expert labels"),
    "effective": Variable(
        _effective,
        "samples of equal weight that would be as certain as those that were weighed",
        late=True,
        needs=("effective",),
    ),
    "asked": Variable(partial(_spent, "asked"), "questions to the expert", late=True),
    "derivatives": Variable(
        partial(_spent, "derivatives"), "derivatives of the expert's actions", late=True
    ),
    "interventions": Variable(
        partial(_spent, "interventions"), "steps that the expert took over", late=True
    ),
    "switches": Variable(
        partial(_spent, "switches"), "changes of who drives while learning", late=True
    ),
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
    told = {}
    for name, variable in VARIABLES.items():
        if is_told(record, variable):
            told[name] = variable.measure(record, learner)
    return told


def is_told(record: Record, variable: Variable) -> bool:
    """Whether a Record tells a variable."""
    return all(_holds(record, name) for name in variable.needs)


def _holds(record: Record, name: str) -> bool:
    """Whether a Record has an array, or a count in some budget that is not nothing."""
    if name in record.arrays:
        return True
    counts = [getattr(budget, name, []) for budget in record.index.budgets.values()]
    return any(map(any, counts))


def drift_of(values: np.ndarray, indicator: bool) -> Interval:
    """Of the typical divergence of runs (n,): where D is 0 or 1 the chance to be apart, else the median."""
    return intervals.chance(values) if indicator else interval(values)


def are_indicators(names: Iterable[str], told: np.ndarray | None) -> np.ndarray:
    """Whether D is 0 or 1, of runs (n,) in environments of these names.

    What was `told` of each run (n,) decides; of earlier versions, which told nothing, what is registered under its name. A
    file's environment, which is not opened for that, counts as none.
    """
    registered = np.array([_is_registered_indicator(name) for name in names], dtype=bool)
    if told is None:
        return registered
    return np.where(np.isnan(told), registered, told == 1)


def _is_registered_indicator(name: str) -> bool:
    return bool(getattr(ENVS.known(name), "indicator", False))


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
        if not np.isfinite(self.part.value):
            return "n/a", f"of {whole}"
        value, spread = self.part.scaled(100).texts()
        unit = "%" if value != "n/a" else ""
        return f"{value}{unit}", f"{spread} of {whole}".strip()

    def __str__(self) -> str:
        return " ".join(self.texts())


def share(own: np.ndarray, experts: np.ndarray) -> Share:
    """Returns (R,) of a learner beside its expert's (R,); a run that became NaN or infinite has none, -inf."""
    broke = own == -np.inf
    fits = (own > 0) | broke
    fits &= experts > 0
    ratio = bool(fits.all())
    part = own / experts if ratio else own - experts
    pooled = interval(part)
    whole = interval(experts)
    return Share(pooled, whole, ratio)


@dataclass(frozen=True)
class Falls:
    """Shares of rollouts that the environment ended; NaN where results of earlier versions lack them.

    Attributes:
        own: of the learner's.
        experts: of its expert's.
    """

    own: float
    experts: float

    def texts(self) -> Texts:
        """Such as ("98%", ""); where the expert falls too ("80%", "expert 69%")."""
        if np.isnan(self.own):
            return "n/a", ""
        experts = f"expert {self.experts:.0%}" if self.experts > 0 else ""
        return f"{self.own:.0%}", experts


def _fallen(own: np.ndarray, experts: np.ndarray) -> Falls:
    return Falls(_mean(own), _mean(experts))


def against(ours: np.ndarray, theirs: np.ndarray, share: bool) -> Contrast:
    """A number of a learner's runs (n,) beside that of the same runs of another: what is a `share` by its difference."""
    ratio = False if share else None
    return contrast(ours, theirs, ratio)


def contrast_texts(pair: Contrast | None) -> Texts:
    """Such as ("× 0.33", "[0.20, 0.50] better"); nothing of the learner with which the others are compared."""
    if pair is None:
        return "", ""
    value, spread = pair.texts()
    if value == "n/a":
        return value, spread
    return value, f"{spread} {pair.verdict}".strip()


def _gap(on: np.ndarray, off: np.ndarray) -> Interval:
    return interval(intervals.ratio(on, off))


def _excess(on: np.ndarray, off: np.ndarray) -> Interval:
    return interval(accumulation.excess(on, off))


def _hundredths(shares: np.ndarray) -> Interval:
    return interval(100 * shares)


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
    "kl_off": Column(interval, ("kl_off",), "KL off"),
    "kl_on": Column(interval, ("kl_on",), "KL on"),
    "excess": Column(_excess, ("kl_on", "kl_off"), "%ExAccErr"),
    "outside": Column(_hundredths, ("outside",), "% off support"),
    "nll_on": Column(interval, ("nll_on",), "own NLL"),
    "nll_off": Column(interval, ("nll_off",), "NLL off"),
    "nll_on_byte": Column(interval, ("nll_on_byte",), "own NLL/byte"),
    "nll_off_byte": Column(interval, ("nll_off_byte",), "NLL off/byte"),
    "cost_gap": Column(interval, ("cost_gap",), "cost gap"),
    "falls": Column(_fallen, ("ended", "expert_ended"), "falls", Falls.texts),
    "broke": Column(_how_many, ("broke",)),
    "runs": Column(len, ("drift",)),
    "labels": Column(_median_count, ("labels",), "labels", _whole),
    "effective": Column(_median_count, ("effective",), "effective", _whole),
    "steps": Column(_median_count, ("steps",), "steps", _whole),
    "updates": Column(_median_count, ("updates",), "updates", _whole),
    "seconds": Column(_total, ("seconds",), "seconds", _tenths),
}
"""What a line of a table says, in the order of the table, of what its runs tell."""


def line(values: Numbers) -> dict[str, Any]:
    """The columns of a line, pooled from the numbers (n, ...) of its runs."""
    pooled = {}
    for name, column in COLUMNS.items():
        if set(column.of) <= set(values):
            pooled[name] = _pooled(values, column)
    return pooled


def _pooled(values: Numbers, column: Column) -> Any:
    """What a column makes of the numbers (n, ...) of a line's runs."""
    taken = [values[variable] for variable in column.of]
    return column.pool(*taken)


def line_texts(line: Mapping[str, Any]) -> dict[str, Texts]:
    """The cells of a line by their titles: value and interval."""
    texts = {}
    for name, column in COLUMNS.items():
        if column.title and name in line:
            texts[column.title] = column.texts(line[name])
    return texts


def title_of(setting: str) -> str:
    """The heading of a setting."""
    return "L" if setting == "lipschitz" else setting


def rows(record: Record, at: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """The comparison in numbers: one row a learner (the expert apart) and setting.

    Each learner stands beside the first one, run by run, by its divergence at the last of the times: "reference" and
    "contrast" of a row, which is None of the first one itself, and of two policies that are one in all the runs. Where
    the environment ended rollouts of some learner D tells where they were stopped; there the shares that it ended stand
    beside each other, too: "falls_contrast".

    Args:
        record: the comparison.
        at: times at which the divergence is reported; 5 %, 25 % and 100 % of the horizon unless given.

    Raises:
        ValueError: for a time beyond the horizon.
    """
    times = at or _usual_times(record.horizon)
    _require_within(times, record.horizon)
    each = _numbers_by_learner(record)
    out = []
    for setting, runs in record.groups().items():
        settings = dict(setting)
        for name, whole in each.items():
            part = {variable: array[runs] for variable, array in whole.items()}
            columns = _columns(part, times, record.indicator)
            if record.is_one(name):
                columns = {title: _alone(pooled) for title, pooled in columns.items()}
            beside = _beside(record, each, name, runs, max(times))
            row = {"learner": name, "settings": settings, **columns, **beside}
            out.append(row)
    return out


def _beside(
    record: Record,
    each: dict[str, dict[str, np.ndarray]],
    name: str,
    runs: np.ndarray,
    at: int,
) -> dict[str, Any]:
    """A learner beside the first one in some runs."""
    first = next(iter(each))
    single = record.is_one(first) and record.is_one(name)
    reference = first if len(each) > 1 else ""
    beside: dict[str, Any] = {"reference": reference, "contrast": None}
    ended = [numbers["ended"] for numbers in each.values()]
    if any_falls(ended):
        beside["falls_contrast"] = None
    if name == first or single:
        return beside
    ours = each[name]
    theirs = each[first]
    our_drift = ours["drift"][runs, at]
    their_drift = theirs["drift"][runs, at]
    beside["contrast"] = against(our_drift, their_drift, record.indicator)
    if "falls_contrast" in beside:
        our_share = ours["ended"][runs]
        their_share = theirs["ended"][runs]
        beside["falls_contrast"] = against(our_share, their_share, True)
    return beside


def any_falls(shares: Iterable[np.ndarray]) -> bool:
    """Whether the environment ended rollouts of somebody, by the shares (R,) of each; NaN where it is not known."""
    return any((share > 0).any() for share in shares)


def _require_within(times: Sequence[int], horizon: int) -> None:
    for t in times:
        advice = f"at: expected times from 0 to {horizon}, got {t}; choose within the horizon"
        require(0 <= t <= horizon, advice)


def _usual_times(horizon: int) -> tuple[int, ...]:
    times: dict[int, None] = {}
    for part in PARTS:
        step = round(horizon * part)
        times[max(1, step)] = None
    return tuple(times)


def _numbers_by_learner(record: Record) -> dict[str, dict[str, np.ndarray]]:
    """The numbers (R, ...) that some column takes, of each learner's runs, the expert apart."""
    numbers = {}
    for number, name in enumerate(record.learners):
        if number > 0:
            numbers[name] = _pooled_numbers(record, number)
    return numbers


def _pooled_numbers(record: Record, learner: int) -> dict[str, np.ndarray]:
    """The numbers (R, ...) of a learner's runs that some column takes."""
    numbers = {}
    for column in COLUMNS.values():
        for name in column.of:
            variable = VARIABLES[name]
            if name not in numbers and is_told(record, variable):
                numbers[name] = variable.measure(record, learner)
    return numbers


def _columns(part: Numbers, times: Sequence[int], indicator: bool) -> dict[str, Any]:
    """What a row says of its runs (n, ...): the divergence at some times, and the columns."""
    drift = {}
    for t in times:
        each = part["drift"][:, t]
        drift[t] = drift_of(each, indicator)
    return {"drift": drift, **line(part)}


def _alone(pooled: Any) -> Any:
    """The same without an interval: of one policy in all the runs, which differ by their starts and noise alone."""
    if isinstance(pooled, dict):
        return {name: _alone(value) for name, value in pooled.items()}
    if isinstance(pooled, Interval):
        return pooled.alone()
    if isinstance(pooled, Share):
        part = pooled.part.alone()
        return dataclasses.replace(pooled, part=part)
    return pooled


def cell_texts(row: dict[str, Any]) -> dict[str, Texts]:
    """A row's cells by their titles: value and interval."""
    learner: Texts = (row["learner"], "")
    texts = {"learner": learner}
    for name, value in row["settings"].items():
        title = title_of(name)
        texts[title] = (f"{value:g}", "")
    for t, pooled in row["drift"].items():
        title = f"D at t={t}"
        texts[title] = pooled.texts()
    texts |= _beside_texts(row)
    texts |= line_texts(row)
    return texts


def _beside_texts(row: dict[str, Any]) -> dict[str, Texts]:
    """A row's learner beside the first one; no column where nobody else is in the Record."""
    if not row["reference"]:
        return {}
    last = max(row["drift"])
    reference = row["reference"]
    drift = against_title(f"D at t={last}", reference)
    texts = {drift: contrast_texts(row["contrast"])}
    if "falls_contrast" in row:
        falls = against_title("falls", reference)
        texts[falls] = contrast_texts(row["falls_contrast"])
    return texts


def against_title(measure: str, reference: str) -> str:
    """The heading of a contrast: by which measure, and with whom."""
    return f"{measure}, against {reference}"


def table(record: Record, at: Sequence[int] | None = None) -> str:
    """The rows as text, and whose twins shared no noise beneath; see `rows`."""
    cells = [cell_texts(row) for row in rows(record, at)]
    if not cells:
        return NOBODY
    titles = list(cells[0])
    body = [_joined(row) for row in cells]
    widths = _widths([titles, *body])
    heading = _padded(titles, widths)
    lines = [_padded(row, widths) for row in body]
    longest = max(map(len, [heading, *lines]))
    rule = "-" * longest
    return "\n".join([heading, rule, *lines, *warnings(record)])


def _joined(row: Mapping[str, Texts]) -> list[str]:
    """Each cell of a line as one text."""
    return [" ".join(cell).strip() for cell in row.values()]


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """Characters of the longest cell in each column."""
    widths = []
    for column in zip(*lines, strict=True):
        longest = max(map(len, column))
        widths.append(longest)
    return widths


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, strict=True)
    padded = [cell.ljust(width) for cell, width in pairs]
    line = "  ".join(padded)
    return line.rstrip()


def not_same_noise(env: str, who: str, share: float, first: str = "") -> str:
    """That a share of a learner's twins drew differently, and what that does to D.

    Args:
        env: name of the environment.
        who: name of the learner.
        share: of its rollouts, above 0.
        first: where that happened first, in words.
    """
    part = "less than 1%" if share < 0.01 else f"{share:.0%}"
    return (
        f"{who}: same seed, not same noise, in {part} of its rollouts{first}: {env} draws more or fewer numbers where "
        "it takes other actions than its expert, so that D is in part the noise's."
    )


def cut_off(env: str, shares: Mapping[str, float]) -> str:
    """That the environment cut rollouts off by a clock of its own, and what that does to D; "" where it did not.

    Args:
        env: name of the environment.
        shares: of whose rollouts, by name.
    """
    if not any(share > 0 for share in shares.values()):
        return ""
    whose = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return (
        f"{env} cut rollouts off before the horizon by a clock of its own ({whose}): D stays what it was then; a shorter "
        "horizon compares whole ones."
    )


def warnings(record: Record) -> list[str]:
    """What a reader must know of D: whose twins shared no noise, and whose rollouts were cut off."""
    shares = {name: _mean(_cut(record, k)) for k, name in enumerate(record.learners)}
    sentence = cut_off(record.index.env.name, shares)
    return [*record.index.warnings, *filter(None, [sentence])]


def remarks(record: Record) -> list[str]:
    """What a reader should know beside the numbers.

    What was held equal, what must be known of D, and who became NaN or infinite.
    """
    return [*spending(record), *warnings(record), *broken(record)]


BUDGETS = ("labels", "updates", "steps")
"""What learners may have spent the same of."""


def spending(record: Record) -> list[str]:
    """What was held equal in a matched comparison and what was not, by what the learners did spend."""
    wanted = record.index.match
    if not wanted or len(record.learners) < 3:
        return []
    equal, unequal = [], []
    for name in BUDGETS:
        spent = {who: _spent(name, record, k) for k, who in enumerate(record.learners) if k}
        first, *others = spent.values()
        if all(np.array_equal(first, other) for other in others):
            equal.append(name)
        else:
            medians = [f"{who} {np.median(numbers):,.0f}" for who, numbers in spent.items()]
            unequal.append(f"{name} ({', '.join(medians)})")
    held = _enumerated(equal) or "nothing"
    sentence = f"Held equal, run by run: {held}."
    rest = f" Not equal: {'; '.join(unequal)}." if unequal else ""
    return [sentence + rest]


def _enumerated(words: list[str]) -> str:
    """Such as "labels, updates and steps"."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def broken(record: Record, most: int = 3) -> list[str]:
    """For each learner that became NaN or infinite, in training or in its rollouts: in which runs and when, a line."""
    lines = []
    for number, name in enumerate(record.learners):
        trained = _broken_updates(record, name)
        rolled = _first_breaks(record.arrays["broke"][number])
        sentence = f"{name} became NaN or infinite in"
        if trained:
            where = _listed(trained, most)
            lines.append(f"{sentence} {where} in training, and learned no more.")
        if rolled:
            where = _listed(rolled, most)
            lines.append(f"{sentence} {where} and is frozen there, with D infinite.")
    return lines


def _broken_updates(record: Record, learner: str) -> list[str]:
    """The runs of a learner that broke in training, in words."""
    budget = record.index.budgets.get(learner)
    updates = getattr(budget, "broke", {})
    return [f"run {run} (update {update})" for run, update in updates.items()]


def _first_breaks(steps: np.ndarray) -> list[str]:
    """Each run's first break, in words, of the steps (R, E) at which its episodes broke; -1: never."""
    places = []
    broke = (steps >= 0).any(-1)
    for run in np.flatnonzero(broke).tolist():
        episodes = np.flatnonzero(steps[run] >= 0)
        first = steps[run][episodes].argmin()
        episode = int(episodes[first])
        step = int(steps[run][episode])
        places.append(f"run {run} (episode {episode}, step {step})")
    return places


def _listed(places: list[str], most: int) -> str:
    """The first of some places, and how many more there are."""
    text = ", ".join(places[:most])
    rest = len(places) - most
    return f"{text} and {rest} more" if rest > 0 else text

"""`python -m il_bench.museum specimens.csv --age age --collected year --effort effort.csv`: life tables of a museum.

Who lives long can be found for longer, and who lived while there were collectors was found more easily. Each specimen
counts for all like it that nobody met: 1 over the chance to be met within its life.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from .cli.command import command
from .cli.console import console, say
from .cli.flags import parsed
from .cli.output import require_new, write_csv
from .core.settings import require

if TYPE_CHECKING:
    from .datasets.columns import Columns
    from .exposure.lifetables import LifeTable
    from .show.museum_figure import Curve, Lexis

LINES = 26
"""Ages that the table shows, at most; of more, so many at equal distances, the CSV has them all."""
FEW = 30
"""Effective specimens below which an interval is a guess."""


@dataclass(frozen=True)
class MuseumOptions:
    """Life tables of specimens: as collected, and corrected for who was easier to find."""

    specimens: Annotated[Path, tyro.conf.Positional]
    """CSV with a header, or Parquet: a line for each specimen."""
    age: str = "age"
    """Column of the age at death, years."""
    collected: str = ""
    """Column of the year of death, in which it was collected at the latest; needed with --effort."""
    effort: Path | None = None
    """CSV of the collectors' effort, columns year and effort; without it every year is taken for alike."""
    entry: str = ""
    """Column of the age when it was first seen: a second table, at risk from then on, needs no effort."""
    rate: float = 0.0
    """Meetings a year at visibility and effort one; 0 where collecting was rare, so that only ratios matter."""
    eta: float = 1.0
    """Visibility of a life of x years is x to the power of eta: 1 alike at every age, 0 no survivor bias."""
    weights: str = "ips"
    """none, ips, pooled (if as many were born each year), power:0.5 or clip:5."""
    unit: str = ""
    """Column of what belongs together, such as a litter or a drawer; by default each specimen stands alone."""
    omega: int = 0
    """Age that nobody reaches; by default one above the oldest."""
    csv: Path | None = None
    """Where to write the tables as CSV as well: a new file."""
    plot: Path | None = None
    """Where to draw them: a new file, such as lives.png."""


@dataclass(frozen=True)
class Specimens:
    """What the file says, checked.

    Attributes:
        columns: the file.
        age: (n,) completed years at death.
        year: (n,) of death; None where no column was named.
        entry: (n,) age when first seen; None where no column was named.
        unit: (n,) labels; None where no column was named.
    """

    columns: Columns
    age: np.ndarray
    year: np.ndarray | None
    entry: np.ndarray | None
    unit: np.ndarray | None

    @property
    def born(self) -> np.ndarray:
        """Year of birth (n,)."""
        assert self.year is not None
        return self.year - self.age


@dataclass(frozen=True)
class Exposure:
    """How likely each specimen was met.

    Attributes:
        own: (n,) chance, or what is in proportion to it.
        table: (B, ω) by year of birth and age at death.
    """

    own: np.ndarray
    table: np.ndarray


@dataclass(frozen=True)
class Answer:
    """Life tables of one museum: as collected, with weights, and from the first sight on."""

    naive: LifeTable
    weighted: LifeTable
    delayed: LifeTable | None
    exact: float


@command
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(MuseumOptions, args, "python -m il_bench.museum")
    require_new("csv", options.csv)
    require_new("plot", options.plot)
    specimens = _specimens(options)
    effort = None if options.effort is None else _effort(options, specimens)
    exposure = _exposure(options, specimens, effort)
    answer = _answer(options, specimens, exposure)
    _show(options, specimens, answer)
    if options.csv is not None:
        _write(options.csv, answer)
    if options.plot is not None:
        _draw(options, specimens, effort, answer)


# --- What the files say ---------------------------------------------------------------------------


def _specimens(options: MuseumOptions) -> Specimens:
    """The specimens, checked."""
    from .datasets import columns

    needs_year = options.effort is None or options.collected != ""
    require(
        needs_year, "collected: expected the column of the year with --effort, got none; name it"
    )
    named = (options.age, options.collected, options.entry, options.unit)
    table = columns.read(options.specimens, [name for name in named if name])
    age = _whole_years(table, options.age)
    if options.omega:
        beyond = age >= options.omega
        table.refuse(beyond, f"{options.age}: expected ages below ω = {options.omega}", age)
    year = _year(table, options.collected) if options.collected else None
    entry = _entry(table, options.entry, age) if options.entry else None
    unit = table.labels(options.unit) if options.unit else None
    return Specimens(table, age, year, entry, unit)


def _whole_years(table: Columns, name: str) -> np.ndarray:
    """Completed years (n,)."""
    numbers = table.numbers(name)
    table.refuse(numbers < 0, f"{name}: expected years, 0 or more", numbers)
    return np.floor(numbers).astype(int)


def _year(table: Columns, name: str) -> np.ndarray:
    """Years of a calendar (n,)."""
    numbers = table.numbers(name)
    table.refuse(numbers != np.floor(numbers), f"{name}: expected a whole year", numbers)
    return numbers.astype(int)


def _entry(table: Columns, name: str, age: np.ndarray) -> np.ndarray:
    """Ages when first seen (n,), none of them after death."""
    entry = _whole_years(table, name)
    late = entry > age
    table.refuse(late, f"{name}: expected an age before that at death", entry)
    return entry


def _effort(options: MuseumOptions, specimens: Specimens) -> tuple[np.ndarray, np.ndarray]:
    """Years in a row (Y,) and the effort of each (Y,)."""
    from .datasets import columns

    assert options.effort is not None
    table = columns.read(options.effort, ("year", "effort"))
    year = _year(table, "year")
    effort = table.numbers("effort")
    table.refuse(effort < 0, "effort: expected 0 or more", effort)
    order = np.argsort(year)
    steps = np.diff(year[order])
    twice = np.isin(year, year[order][1:][steps == 0])
    table.refuse(twice, "year: expected each year once", year)
    gaps = year[order][:-1][steps > 1] + 1
    _require_all_years(options.effort, gaps)
    require(
        effort.max() > 0, f"{options.effort}: expected some effort, got none in any year; add it"
    )
    return year[order], effort[order]


def _require_all_years(path: Path, gaps: np.ndarray) -> None:
    """Refuse years that are left out."""
    if len(gaps):
        advice = "add a line for each year, with 0 where nobody collected"
        raise ValueError(f"{path}: expected every year, got none for {gaps[0]}; {advice}")


def _exposure(
    options: MuseumOptions,
    specimens: Specimens,
    effort: tuple[np.ndarray, np.ndarray] | None,
) -> Exposure:
    """How likely each specimen was met within its life."""
    from .exposure import survival

    omega = int(specimens.age.max()) + 1
    visible = survival.visibility(omega, options.eta)
    wanted = "expected meetings above 0, or 0 where collecting was rare"
    require(options.rate >= 0, f"rate: {wanted}, got {options.rate:g}; leave it out")
    if effort is None:
        born = np.zeros(len(specimens.age), int)
        lasting = np.ones(omega)
    else:
        lasting, first = _window(specimens, *effort)
        born = specimens.born - first
    expected = survival.meetings(lasting, visible, options.rate or 1.0)[:, 1:]
    table = -np.expm1(-expected) if options.rate else expected
    if effort is None:
        table = table[:1]  # every year of birth is like the first
    own = table[born, specimens.age]
    wanted = "expected a life with collectors in it"
    specimens.columns.refuse(own <= 0, f"{options.effort}: {wanted}", own)
    return Exposure(own, table)


def _window(specimens: Specimens, year: np.ndarray, effort: np.ndarray) -> tuple[np.ndarray, int]:
    """Effort (B,) from the first birth to the last year with collectors, none where the file has none; and that birth."""
    first = int(specimens.born.min())
    last_birth = int(specimens.born.max())
    last = max(int(year[-1]), last_birth)
    window = np.zeros(last - first + 1)
    inside = year >= first
    place = year[inside] - first
    window[place] = effort[inside]
    return window, first


# --- What follows ---------------------------------------------------------------------------------


def _answer(options: MuseumOptions, specimens: Specimens, exposure: Exposure) -> Answer:
    """The life tables."""
    from .exposure.lifetables import life_table
    from .exposure.weights import weigh

    omega = options.omega or int(specimens.age.max()) + 1
    average = exposure.table.mean(0)
    weight = weigh(exposure.own, options.weights, average[specimens.age])
    plain: dict[str, Any] = {"unit": specimens.unit, "omega": omega}
    naive = life_table(specimens.age, **plain)
    weighted = life_table(specimens.age, weight, **plain)
    delayed = None
    if specimens.entry is not None:
        delayed = life_table(specimens.age, entry=specimens.entry, **plain)
    return Answer(naive, weighted, delayed, _exact(exposure, weighted))


def _exact(exposure: Exposure, weighted: LifeTable) -> float:
    """The effective size over the number of specimens, in the limit, were the weighted table true."""
    from .exposure.weights import exact_ratio

    ages = exposure.table.shape[1]
    share = -np.diff(weighted.l)[:ages]
    every = np.broadcast_to(share, exposure.table.shape)
    usable = exposure.table > 0
    return exact_ratio(exposure.table[usable], every[usable])


def _show(options: MuseumOptions, specimens: Specimens, answer: Answer) -> None:
    """Print the table and what it says."""
    from .show import terminal

    out = console()
    rows = _rows(answer)
    every = -(-len(rows) // LINES)
    for table in terminal.tables_of(rows[::every], out.width):
        out.print(table, "", highlight=False)
    for sentence in sentences(options, specimens, answer):
        say(sentence)


def _rows(answer: Answer) -> list[dict[str, tuple[str, str]]]:
    """A line for each age: the chance to die there, and the share that reaches it by each table."""
    rows = []
    for age, deaths in enumerate(answer.naive.deaths):
        cells = {
            "age": (f"{age}", ""),
            "specimens": (f"{deaths:.0f}", ""),
            "q": (f"{answer.weighted.q[age]:.3f}", ""),
            "collected": (f"{answer.naive.l[age]:.3f}", ""),
            "corrected": _cell(answer.weighted, age),
        }
        if answer.delayed is not None:
            cells["from first sight"] = _cell(answer.delayed, age)
        rows.append(cells)
    return rows


def _cell(table: LifeTable, age: int) -> tuple[str, str]:
    """The share that reaches an age, and its interval."""
    share = f"{table.l[age]:.3f}"
    if not table.error[age] > 0:
        return share, ""
    return share, f"[{table.low[age]:.3f}, {table.high[age]:.3f}]"


def sentences(options: MuseumOptions, specimens: Specimens, answer: Answer) -> list[str]:
    """What the table says, what it is made of, and what was assumed."""
    said = [_off(answer), _sizes(specimens, answer)]
    if answer.weighted.effective < FEW:
        said.append(f"that is fewer than {FEW}: a few specimens decide, and intervals are a guess")
    said += _assumed(options)
    return said


def _off(answer: Answer) -> str:
    """By how much the naive answer is off, where it is most."""
    naive = answer.naive
    true = answer.weighted
    age = int(np.abs(naive.l - true.l).argmax())
    points = 100 * (naive.l[age] - true.l[age])
    side = "high" if points > 0 else "low"
    interval = f"[{true.low[age]:.0%}, {true.high[age]:.0%}]"
    return (
        f"As collected, {naive.l[age]:.0%} reach age {age}; corrected, {true.l[age]:.0%} {interval} do: the naive answer "
        f"is {abs(points):.0f} points too {side}, and says {naive.mean_age:.1f} years for a mean life of "
        f"{true.mean_age:.1f}."
    )


def _sizes(specimens: Specimens, answer: Answer) -> str:
    """How many specimens there are, and how many they are worth."""
    count = len(specimens.age)
    effective = answer.weighted.effective
    return (
        f"{count:,} specimens, effective size {effective:,.0f} ({effective / count:.0%}; in the long run "
        f"{answer.exact:.0%})."
    )


def _assumed(options: MuseumOptions) -> list[str]:
    """What was taken for granted."""
    said = []
    if options.effort is None:
        said.append(
            "no --effort: every year is taken for alike, so that a life counts by its length alone"
        )
    else:
        said.append(
            f"years that {options.effort} does not list are taken for years without collectors"
        )
    if not options.rate:
        said.append(
            "no --rate: collecting is taken for rare; where a good part of all was collected, state it"
        )
    return said


# --- Where it goes --------------------------------------------------------------------------------


def _write(path: Path, answer: Answer) -> None:
    """Write the tables as CSV."""
    tables = {"collected": answer.naive, "corrected": answer.weighted, "delayed": answer.delayed}
    columns = {"age": np.arange(len(answer.naive.l))}
    for name, table in tables.items():
        if table is not None:
            columns |= {
                name: table.l,
                f"{name}_low": table.low,
                f"{name}_high": table.high,
            }
    lists = [column.tolist() for column in columns.values()]
    lines = zip(*lists, strict=True)
    write_csv(path, columns, list(lines))
    say(path)


def _draw(
    options: MuseumOptions,
    specimens: Specimens,
    effort: tuple[np.ndarray, np.ndarray] | None,
    answer: Answer,
) -> None:
    """Draw the tables."""
    from .show import museum_figure
    from .show.plots import write

    assert options.plot is not None
    curves = {
        museum_figure.NAIVE: _curve("as collected", answer.naive),
        museum_figure.CORRECTED: _curve(f"corrected ({options.weights})", answer.weighted),
    }
    if answer.delayed is not None:
        curves[museum_figure.DELAYED] = _curve("counted from first sight on", answer.delayed)
    lexis = None if effort is None else _lexis(specimens, *effort)
    note = f"{len(specimens.age):,} specimens, effective {answer.weighted.effective:,.0f}"
    figure = museum_figure.drawn(options.specimens.name, note, curves, lexis)
    path = write(figure, options.plot)
    say(path.absolute())


def _curve(label: str, table: LifeTable) -> Curve:
    """A life table as a curve."""
    from .show.museum_figure import Curve

    return Curve(label, table.l, table.low, table.high)


def _lexis(specimens: Specimens, year: np.ndarray, effort: np.ndarray) -> Lexis:
    """The lives and the collectors."""
    from .show.museum_figure import Lexis

    return Lexis(specimens.born, specimens.age, year, effort)


if __name__ == "__main__":
    main(sys.argv[1:])

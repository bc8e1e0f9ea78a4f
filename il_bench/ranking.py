"""`python -m il_bench.ranking clicks.csv --item item --rank rank --click clicked`: what items are worth, wherever they stood.

Clicks per display reward whoever stood above. How likely each rank is looked at is read from what was shown at several
ranks; each display then counts by its chance to be looked at.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from .cli.command import command
from .cli.console import console, say
from .cli.flags import parsed
from .cli.output import require_new, write_csv
from .core.settings import require

if TYPE_CHECKING:
    from .exposure.propensity import PositionBias
    from .exposure.relevance import Relevances

MOST_ITEMS = 20
"""Items that the table shows, at most; the CSV has them all."""
MOST_DRAWN = 14
"""Items that the figure shows, at most."""
FEW = 30
"""Looks below which an interval is a guess."""


@dataclass(frozen=True)
class RankingOptions:
    """What items are worth by their clicks, wherever they stood."""

    clicks: Annotated[Path, tyro.conf.Positional]
    """CSV with a header, or Parquet: a line for each display of an item, clicked or not."""
    item: str = "item"
    """Column of the item."""
    rank: str = "rank"
    """Column of the rank at which it was shown, from 1."""
    click: str = "click"
    """Column that is 1 where it was clicked, else 0."""
    query: str = ""
    """Column of what was asked: an item is compared with itself under the same query alone."""
    unit: str = ""
    """Column of what belongs together, such as a visit; by default each query, or each display, stands alone."""
    bias: str = "pairs"
    """Who looks where: pairs (from what was shown at two ranks), em, randomised (the order was), eyes, or power:1."""
    csv: Path | None = None
    """Where to write the items as CSV as well: a new file."""
    plot: Path | None = None
    """Where to draw them: a new file, such as items.png."""


@dataclass(frozen=True)
class Displays:
    """What the file says, checked.

    Attributes:
        item: (n,) labels.
        rank: (n,) from 1.
        click: (n,) 0 or 1.
        query: (n,) labels; None where no column was named.
        unit: (n,) labels; None where each display stands alone.
    """

    item: np.ndarray
    rank: np.ndarray
    click: np.ndarray
    query: np.ndarray | None
    unit: np.ndarray | None

    @property
    def thing(self) -> np.ndarray:
        """Numbers (n,), alike where an item answered the same query."""
        _, item = np.unique(self.item, return_inverse=True)
        if self.query is None:
            return item
        _, query = np.unique(self.query, return_inverse=True)
        return query * (int(item.max()) + 1) + item


@command
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(RankingOptions, args, "python -m il_bench.ranking")
    require_new("csv", options.csv)
    require_new("plot", options.plot)
    from .exposure.relevance import relevances

    displays = _displays(options)
    bias, remarks = _bias(options.bias, displays)
    items = relevances(displays.item, displays.rank, displays.click, bias, displays.unit)
    best = np.argsort(-np.nan_to_num(items.value, nan=-1.0), kind="stable")
    _show(displays, bias, items, best)
    for sentence in sentences(displays, items, best):
        say(sentence)
    for sentence in remarks:
        say(sentence)
    if options.csv is not None:
        _write(options.csv, items, best)
    if options.plot is not None:
        _draw(options, displays, bias, items, best)


def _displays(options: RankingOptions) -> Displays:
    """The displays, checked."""
    from .datasets import columns

    named = (options.item, options.rank, options.click, options.query, options.unit)
    table = columns.read(options.clicks, [name for name in named if name])
    rank = table.numbers(options.rank)
    whole = (rank >= 1) & (rank == np.floor(rank))
    table.refuse(~whole, f"{options.rank}: expected a whole number from 1", rank)
    click = table.numbers(options.click)
    binary = (click == 0) | (click == 1)
    table.refuse(~binary, f"{options.click}: expected 0 or 1", click)
    query = table.labels(options.query) if options.query else None
    unit = table.labels(options.unit) if options.unit else query
    return Displays(table.labels(options.item), rank.astype(int), click, query, unit)


def _bias(text: str, displays: Displays) -> tuple[PositionBias, list[str]]:
    """Who looks where, and what is to be said of it."""
    from .exposure import propensity

    name, _, number = text.partition(":")
    if name in ("eyes", "power"):
        return propensity.stated(_stated(text, number, int(displays.rank.max()))), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if text == "pairs":
            bias = propensity.pairs(displays.thing, displays.rank, displays.click, displays.unit)
        elif text == "em":
            bias = propensity.em(displays.thing, displays.rank, displays.click)
        elif text == "randomised":
            bias = propensity.randomised(displays.rank, displays.click, displays.unit)
        else:
            wanted = "pairs, em, randomised, eyes or power:1"
            raise ValueError(f"bias: expected {wanted}, got {text!r}; choose one")
    remarks = [str(warning.message) for warning in caught]
    _require_identified(bias)
    return bias, remarks


def _stated(text: str, number: str, ranks: int) -> np.ndarray:
    """Chances (K,) to be looked at that are stated, not read from the log."""
    from .exposure.ranking import examination

    if text == "eyes":
        return examination(ranks, eyes=True)
    try:
        eta = float(number)
    except ValueError:
        raise ValueError(f"bias: expected power: and a number, got {text!r}; try power:1") from None
    return examination(ranks, eta)


def _require_identified(bias: PositionBias) -> None:
    """Refuse a log that does not tell of any rank but the first."""
    several = len(bias.rank) > 1
    alone = several and bias.known.sum() < 2
    nothing = "bias: expected something clicked that was shown at two ranks, got nothing"
    reason = "so that relevance and position cannot be told apart"
    advice = "show some items at several ranks, or state the bias, such as --bias power:1"
    require(not alone, f"{nothing}, {reason}; {advice}")


def _show(displays: Displays, bias: PositionBias, items: Relevances, best: np.ndarray) -> None:
    """Print who looks where, and the items."""
    from .show import terminal

    out = console()
    for rows in (_rank_rows(displays, bias), _item_rows(items, best)):
        for table in terminal.tables_of(rows, out.width):
            out.print(table, "", highlight=False)


def _rates(displays: Displays, bias: PositionBias) -> tuple[np.ndarray, np.ndarray]:
    """Displays and clicks per display (K,) at each rank."""
    place = np.searchsorted(bias.rank, displays.rank)
    count = len(bias.rank)
    shown = np.bincount(place, minlength=count)
    clicked = np.bincount(place, displays.click, count)
    return shown, clicked / np.maximum(shown, 1)


def _rank_rows(displays: Displays, bias: PositionBias) -> list[dict[str, tuple[str, str]]]:
    """A line for each rank."""
    rows = []
    shown, rate = _rates(displays, bias)
    for place, rank in enumerate(bias.rank[:MOST_ITEMS]):
        looks = bias.theta[place]
        spread = _interval(bias.low[place], bias.high[place])
        rows.append(
            {
                "rank": (f"{rank:g}", ""),
                "displays": (f"{shown[place]:,}", ""),
                "clicks per display": (f"{rate[place]:.3f}", ""),
                "looks": (_number(looks), spread),
            }
        )
    return rows


def _item_rows(items: Relevances, best: np.ndarray) -> list[dict[str, tuple[str, str]]]:
    """A line for each item, the best first."""
    rows = []
    place = _places(items.naive)
    for number in best[:MOST_ITEMS]:
        spread = _interval(items.low[number], items.high[number])
        rows.append(
            {
                "item": (str(items.item[number]), ""),
                "displays": (f"{items.shown[number]:,}", ""),
                "effective": (f"{items.effective[number]:,.0f}", ""),
                "clicks per display": (f"{items.naive[number]:.3f}", ""),
                "by them": (f"{place[number]}.", ""),
                "relevance": (_number(items.value[number]), spread),
            }
        )
    return rows


def _places(score: np.ndarray) -> np.ndarray:
    """The place (J,) of each by a score, from 1."""
    order = np.argsort(-score, kind="stable")
    place = np.empty(len(score), int)
    place[order] = np.arange(1, len(score) + 1)
    return place


def _number(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value:.3f}"


def _interval(low: float, high: float) -> str:
    """An interval; nothing where there is none."""
    return f"[{low:.3f}, {high:.3f}]" if high > low else ""


def sentences(displays: Displays, items: Relevances, best: np.ndarray) -> list[str]:
    """What the tables say."""
    known = np.isfinite(items.value)
    said = [_first(items, best), _off(items), _agreement(displays, items, known)]
    thin = int((items.effective[known] < FEW).sum())
    if thin:
        said.append(
            f"fewer than {FEW} effective displays: {thin:,} items, whose intervals are guesses"
        )
    hidden = int((~known).sum())
    if hidden:
        said.append(f"n/a: {hidden:,} items were shown only where nothing is known of who looks")
    if len(best) > MOST_ITEMS:
        said.append(
            f"the {MOST_ITEMS} best of {len(best):,} items are shown; --csv writes them all"
        )
    return said


def _first(items: Relevances, best: np.ndarray) -> str:
    """Who comes first by each count."""
    naive = items.item[items.naive.argmax()]
    true = items.item[best[0]]
    if naive == true:
        return f"{true} comes first by clicks per display, and by clicks per look."
    return f"By clicks per display {naive} comes first, by clicks per look it is {true}."


def _off(items: Relevances) -> str:
    """By how much the naive answer is off, where it is most."""
    clicked = items.clicked > 0
    known = np.nan_to_num(items.value) > 0
    naive = np.where(clicked & known, items.naive, 1.0)
    value = np.where(clicked & known, items.value, 1.0)
    distance = np.abs(np.log(value / naive))
    worst = int(distance.argmax())
    factor = np.exp(distance[worst])
    spread = _interval(items.low[worst], items.high[worst])
    corrected = f"{value[worst]:.3f} {spread}".strip()
    return (
        f"The naive rate is off by a factor of up to {factor:.1f} ({items.item[worst]}: {naive[worst]:.3f}, "
        f"where {corrected} would click at the first rank)."
    )


def _agreement(displays: Displays, items: Relevances, known: np.ndarray) -> str:
    """How far the two orders agree, and of how much all is made."""
    from .exposure.ranking import kendall_tau

    tau = kendall_tau(items.naive[known], items.value[known])
    count = len(displays.rank)
    effective = items.effective.sum()
    return f"The two orders agree by Kendall's τ {tau:.2f}; {count:,} displays are worth {effective:,.0f} at the first rank."


def _write(path: Path, items: Relevances, best: np.ndarray) -> None:
    """Write the items as CSV."""
    columns = {
        "item": items.item,
        "displays": items.shown,
        "clicks": items.clicked.astype(int),
        "clicks_per_display": items.naive,
        "relevance": items.value,
        "low": items.low,
        "high": items.high,
        "effective": items.effective,
    }
    lists = [column[best].tolist() for column in columns.values()]
    lines = zip(*lists, strict=True)
    write_csv(path, columns, list(lines))
    say(path)


def _draw(
    options: RankingOptions,
    displays: Displays,
    bias: PositionBias,
    items: Relevances,
    best: np.ndarray,
) -> None:
    """Draw who looks where, and the best items."""
    from .show import ranking_figure
    from .show.plots import write

    assert options.plot is not None
    known = best[np.isfinite(items.value[best])]
    drawn = known[:MOST_DRAWN]
    _, rate = _rates(displays, bias)
    figure = ranking_figure.drawn(
        title=options.clicks.name,
        note=f"{len(displays.rank):,} displays of {len(best):,} items",
        rank=bias.rank,
        looks=ranking_figure.Measure(bias.theta, bias.low, bias.high),
        rate=rate / max(rate[0], 1e-12),
        item=[str(name) for name in items.item[drawn]],
        relevance=ranking_figure.Measure(items.value[drawn], items.low[drawn], items.high[drawn]),
        naive=items.naive[drawn],
    )
    path = write(figure, options.plot)
    say(path.absolute())


if __name__ == "__main__":
    main(sys.argv[1:])

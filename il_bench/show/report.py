"""What a comparison found, in a few words and one table, from a Record alone."""

from __future__ import annotations

from typing import Any

from ..records.record import Record
from ..records.rows import cell_texts
from ..stats.intervals import verdict


def sentence(record: Record) -> str:
    """What a newcomer should take away: who drifted, by how much, why, and what to try next.

    It speaks of the setting in which the copies drifted furthest.
    """
    rows = record.rows()
    last = max(rows[0]["drift"])
    worst = max(rows, key=lambda row: row["drift"][last].value)
    beside = [row for row in rows if row["settings"] == worst["settings"] and row is not worst]
    best = min(beside, key=lambda row: row["drift"][last].value, default=None)
    parts = [_found(record, worst, best, last), _elsewhere(rows, worst, last), _why(record, worst)]
    return " ".join(part for part in parts if part)


def _at(settings: dict[str, float]) -> str:
    return ", ".join(
        f"{'L' if name == 'lipschitz' else name} = {value:g}" for name, value in settings.items()
    )


def _found(record: Record, worst: dict[str, Any], best: dict[str, Any] | None, last: int) -> str:
    where = _at(worst["settings"])
    opening = f"At {where}, after" if where else "After"
    one = worst["drift"][last]
    fell = (
        f" and ended early in {worst['falls']:.0%} of the rollouts"
        if worst["falls"] > 0.005
        else ""
    )
    left = f" ({worst['broke']} runs left the finite numbers)" if worst["broke"] else ""
    text = f"{opening} {last} step{'s' * (last > 1)} {worst['learner']} has drifted {one} from its expert{fell}{left}"
    if best is None:
        return f"{text}."
    two = best["drift"][last]
    if one.value == two.value:
        return f"{text}, and so has {best['learner']}."
    said = _verdict(record, worst, best, last)
    if said == "underpowered":
        few = f"{worst['runs']} run{'s' * (worst['runs'] > 1)}"
        return f"{text}, {best['learner']} {two}: {few} cannot tell them apart."
    ratio = one.value / two.value if two.value > 0 else float("inf")
    times = (
        f", {ratio:,.0f} times less"
        if 10 <= ratio < 1e12
        else f", {ratio:.1f} times less"
        if ratio < 10
        else ""
    )
    same = ", which is the same within a quarter" if said == "same" else times
    return f"{text}; {best['learner']}{_budget(best, worst)} has drifted {two}{same}."


def _verdict(record: Record, worst: dict[str, Any], best: dict[str, Any], last: int) -> str:
    """The paired verdict, run by run; runs in which both are apart by nothing are the same."""
    k, j = (record.learners.index(row["learner"]) for row in (best, worst))
    runs = record.groups()[tuple(worst["settings"].items())]
    return verdict(record.drift(k, last)[runs], record.drift(j, last)[runs])


def _budget(best: dict[str, Any], worst: dict[str, Any]) -> str:
    """What the better one was given, where that makes the comparison fair."""
    fewer = best["labels"] <= worst["labels"]
    if best["updates"] != worst["updates"] or not fewer:
        shown = [
            f"{row['labels']:,} labels and {row['updates']:,} updates" for row in (best, worst)
        ]
        return f", on {shown[0]} against {shown[1]},"
    return f", on {'the same' if best['labels'] == worst['labels'] else 'no more'} labels and the same updates,"


def _elsewhere(rows: list[dict[str, Any]], worst: dict[str, Any], last: int) -> str:
    """The setting in which the same learner did best, where that made a difference."""
    same = [row for row in rows if row["learner"] == worst["learner"]]
    best = min(same, key=lambda row: row["drift"][last].value)
    if best["drift"][last].value * 10 >= worst["drift"][last].value:
        return ""
    changed = {k: v for k, v in best["settings"].items() if worst["settings"][k] != v}
    return f"At {_at(changed)} {worst['learner']} stays at {best['drift'][last]}."


def _why(record: Record, row: dict[str, Any]) -> str:
    """The reason that the numbers point to, and the flag that would test it."""
    off, on = row["error_off"].value, row["error_on"].value
    name, strength = next(iter(record.config.get("excitation", {}).items()), ("", 0))
    if not on > 3 * off:
        return ""
    errs = f"{row['learner']} errs by {off:.2g} on the expert's states but by {on:.2g} on its own"
    if not name or row["settings"].get(name, max(record.config["runs"].get(name, [1]))) > 0:
        return f"{errs}: the states it meets are not those it learned on."
    hint = "" if name in row["settings"] else f" Push them: try --{name} {strength:g}."
    return f"{errs}: nothing pushed its demonstrations off the expert's path, so they never showed the way back.{hint}"


def rich_tables(record: Record, width: int) -> list[Any]:
    """The Record's rows for a terminal `width` characters wide: one table, or as many as their columns need."""
    return tables_of([cell_texts(row) for row in record.rows()], width)


def tables_of(rows: list[dict[str, tuple[str, str]]], width: int) -> list[Any]:
    """Lines of cells (value and interval by title; what identifies them stands before "D at") as tables."""
    if not rows:
        return []
    titles = list(rows[0])
    first = titles.index(next(t for t in titles if t.startswith("D at")))
    if sum(_width(t, rows, " ") for t in titles) <= width:
        return [_rich_table(titles, rows, " ")]
    keys = [t for i, t in enumerate(titles[:first]) if i == 0 or len({row[t] for row in rows}) > 1]
    parts: list[list[str]] = [[]]
    for title in titles[first:]:
        if sum(_width(t, rows, "\n") for t in [*keys, *parts[-1], title]) > width and parts[-1]:
            parts.append([])
        parts[-1].append(title)
    return [_rich_table(keys + part, rows, "\n") for part in parts]


def _width(title: str, rows: list[dict[str, tuple[str, str]]], between: str) -> int:
    """Characters that a column needs, its gap to the next included."""
    cells = [line for row in rows for line in between.join(row[title]).split("\n")]
    return max(len(text) for text in [title, *cells]) + 2


def _rich_table(titles: list[str], rows: list[dict[str, tuple[str, str]]], between: str) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="left" if title == "learner" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            *(
                f"{row[t][0]}{between}[dim]{_plain(row[t][1])}[/dim]" if row[t][1] else row[t][0]
                for t in titles
            )
        )
    return table


def _plain(text: str) -> str:
    return text.replace("[", "\\[")

"""Do the sentences survive other seeds? Repeats the light benchmarks on disjoint ones and compares claim by claim.

    python benchmarks/reseed.py                          # all light ones, seeds from 1000 on
    python benchmarks/reseed.py lane phase_diagram       # these; results of others stay as they are
    python benchmarks/reseed.py --first 2000 --seeds 32  # other seeds, and so many

What a benchmark said on its first seeds stands in its JSON. Sentences are printed side by side where they differ; the
page names those that are not true on both.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from claims import Claim
from publish import publish, table

HERE = Path(__file__).parent
LIGHT = (
    "lane",
    "tube",
    "coverage",
    "stable_yet_exponential",
    "horizon",
    "power_plants",
    "regimes",
)
ON_DEMAND = "phase_diagram", "volatility"
"""Those that take longer, and are repeated only where they are named."""
FIRST = 1000
"""All benchmarks take their seeds from below."""

Entry = dict[str, Any]
"""Whether a claim holds, and its sentence."""


@dataclass(frozen=True)
class Pair:
    """One claim on the first seeds and on others."""

    benchmark: str
    ours: Entry
    others: Entry

    @property
    def changed(self) -> bool:
        """Whether it is true on one of them only."""
        return self.ours["holds"] != self.others["holds"]

    @property
    def moved(self) -> bool:
        """Whether the sentences differ."""
        return self.ours["sentence"] != self.others["sentence"]

    @property
    def fails(self) -> bool:
        """Whether it is untrue on either."""
        return not (self.ours["holds"] and self.others["holds"])

    def cells(self) -> list[str]:
        """A line of the table of those that fail."""
        sentences = [entry["sentence"].replace("**", "") for entry in (self.ours, self.others)]
        return [self.benchmark, *sentences, "yes" if self.changed else "no"]


@dataclass(frozen=True)
class Comparison:
    """A benchmark on the first seeds and on others.

    Attributes:
        benchmark: its name.
        seeds: first and last of the others.
        pairs: its claims; none where they cannot be compared.
        obstacle: why they cannot; empty where they can.
    """

    benchmark: str
    seeds: tuple[int, int]
    pairs: tuple[Pair, ...] = ()
    obstacle: str = ""

    def cells(self) -> list[str]:
        """A line of the table."""
        first, last = self.seeds
        names = [self.benchmark, f"{first} to {last}"]
        if self.obstacle:
            return [*names, self.obstacle, "", "", ""]
        ours = [pair.ours["holds"] for pair in self.pairs]
        others = [pair.others["holds"] for pair in self.pairs]
        changed = [pair.changed for pair in self.pairs]
        counts = len(self.pairs), sum(ours), sum(others), sum(changed)
        return [*names, *map(str, counts)]

    def claim(self) -> Claim:
        """That each of its claims is as true on the others."""
        if self.obstacle:
            words = f"`{self.benchmark}` could not be compared: {self.obstacle}."
            return Claim(words, False, words)
        changed = sum(pair.changed for pair in self.pairs)
        return Claim(
            f"`{self.benchmark}`: no claim changes its truth.",
            not changed,
            f"`{self.benchmark}`: {changed} of {len(self.pairs)} claims change their truth.",
        )


def repeated(name: str, first: int, seeds: int | None) -> dict[str, Any]:
    """What a benchmark says on other seeds."""
    benchmark = importlib.import_module(name)
    count = seeds or benchmark.SEEDS
    print(f"{name}: seeds {first} to {first + count - 1}", flush=True)
    outcome = benchmark.results(first, count)
    entries = [claim.entry() for claim in benchmark.claims(outcome)]
    return {"seeds": [first, first + count - 1], "claims": entries}


def comparison(name: str, others: dict[str, Any]) -> Comparison:
    """What a benchmark says on other seeds, beside what its result file says of the first."""
    first, last = others["seeds"]
    seeds = first, last
    path = HERE / f"{name}.json"
    if not path.exists():
        return Comparison(name, seeds, obstacle="it has no result yet, run it first")
    ours = json.loads(path.read_text()).get("claims")
    if ours is None:
        return Comparison(name, seeds, obstacle="its result is old and has no claims, run it again")
    theirs = others["claims"]
    if len(ours) != len(theirs):
        obstacle = "its result is of an earlier script with other claims, run it again"
        return Comparison(name, seeds, obstacle=obstacle)
    pairs = zip(ours, theirs, strict=True)
    return Comparison(name, seeds, tuple(Pair(name, *pair) for pair in pairs))


def stored() -> dict[str, Any]:
    """What was said on other seeds before, by benchmark."""
    path = HERE / "reseed.json"
    return json.loads(path.read_text())["others"] if path.exists() else {}


def tell(pairs: Sequence[Pair]) -> None:
    """Print the sentences that differ, one above the other; those whose truth changed are marked."""
    for pair in pairs:
        mark = "CHANGED" if pair.changed else "moved"
        print(f"{pair.benchmark}, {mark}:")
        print(f"  first seeds: {pair.ours['sentence']}")
        print(f"  others:      {pair.others['sentence']}\n")


def chosen(words: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    known = [*LIGHT, *ON_DEMAND]
    parser.add_argument(
        "names", nargs="*", help=f"of {', '.join(known)}; by default the light ones"
    )
    parser.add_argument("--first", type=int, default=FIRST, help="the first seed")
    parser.add_argument("--seeds", type=int, help="how many; by default as many as there were")
    options = parser.parse_args(words)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"names: expected some of {', '.join(known)}, got {unknown[0]}; correct it")
    if options.first < FIRST:
        parser.error(
            f"--first: expected at least {FIRST}, got {options.first}; lower seeds are taken"
        )
    return options


def main(words: Sequence[str] | None = None) -> None:
    """Repeat the benchmarks that are named, and compare all that were ever repeated."""
    torch.set_num_threads(1)
    options = chosen(words)
    names = options.names or LIGHT
    others = stored() | {name: repeated(name, options.first, options.seeds) for name in names}
    comparisons = [comparison(name, said) for name, said in others.items()]
    pairs = [pair for one in comparisons for pair in one.pairs]
    tell([pair for pair in pairs if pair.moved])
    header = [
        "benchmark",
        "other seeds",
        "claims",
        "true on the first seeds",
        "true on the others",
        "changed",
    ]
    lines = table(header, [one.cells() for one in comparisons])
    failing = [pair.cells() for pair in pairs if pair.fails]
    if failing:
        columns = ["not true of", "first seeds", "other seeds", "changed"]
        lines = f"{lines}\n\n{table(columns, failing)}"
    sentences = [one.claim() for one in comparisons]
    publish("reseed", sentences, lines, others=others)


if __name__ == "__main__":
    main()

"""Unbreakable: damaged inputs by the ten thousand, commands killed at random moments, a thousand batches without growth.

It is made of parts of some minutes each. What came of a part is kept in `results/unbreakable/`, so that the same command
goes on where an interrupted one ended, and parts that are named can be tried side by side; a part that other sources
were tried on is tried again. `--brief` tries a few inputs of each kind, keeps nothing and publishes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from claims import Claim, goal
from publish import RESULTS, publish, table
from unbreakable_inputs import TINY, flag_sets, fuzz
from unbreakable_kills import CLUSTER, COMMANDS, kills

import il_bench as il
from il_bench.jobs import plan, workers

Outcomes: TypeAlias = "dict[str, dict[str, int]]"
"""Counts of what came of it, by class."""
Work: TypeAlias = "Callable[[Path, np.random.Generator], dict[str, Any]]"
"""What is done in a folder, and what came of it."""

KEPT = RESULTS / "unbreakable"
"""Where the outcomes of parts are kept."""
ROOT = Path(__file__).parents[1]
SOURCES = ("il_bench", "envs", "experts", "benchmarks")
"""Folders whose files the outcomes depend on."""

INPUTS, INPUT_PARTS = 1_500, 20
"""Damaged files in a part, and how many such parts."""
FLAGS, FLAG_PARTS = 250, 4
"""Sets of flags in a part, and how many such parts."""
KILLS, KILL_PARTS = 5, 2
"""Kills of one command in a part, and how many such parts."""
CLUSTER_KILLS, CLUSTER_PARTS = 3, 4
"""The same on a cluster, where scheduler, worker and the command itself are killed in turn."""
BATCHES = 1_000
"""In one process."""

GOALS = {"inputs": 30_000, "flags": 1_000, "kills": 40}
"""How much is to be tried, at least."""
EARLY = 100
"""Batches after which the process is looked at for the first time, or a tenth of all where those are fewer."""
FINE = ("read", "refused in a sentence", "carried out")
"""What may come of a damaged input."""
SECOND = 1.0
"""Processor time in which a damaged input is answered, s."""


@dataclass(frozen=True)
class Part:
    """Some minutes of work.

    Attributes:
        name: of the part, and of the file that keeps what came of it.
        work: what is done.
    """

    name: str
    work: Work

    @property
    def path(self) -> Path:
        """Where its outcome is kept."""
        return KEPT / f"{self.name}.json"

    def outcome(self) -> dict[str, Any]:
        """What came of it; its random numbers are its own, whichever parts are tried beside it."""
        rng = np.random.default_rng(list(self.name.encode()))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.chdir(folder)
            try:
                return self.work(folder, rng)
            finally:
                os.chdir("/")

    def kept(self, sources: str = "") -> dict[str, Any] | None:
        """What came of it before, on these sources if some are named; None where it was not tried."""
        if not self.path.is_file():
            return None
        contents: dict[str, Any] = json.loads(self.path.read_text())
        same = sources in ("", contents["sources"])
        return contents if same else None

    def keep(self, sources: str) -> None:
        """Try it, and keep what came of it."""
        contents = self.outcome() | {"sources": sources}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(contents, indent=1))


def parts() -> list[Part]:
    """All of it, the cheapest first."""
    every = [Part("soak", lambda folder, rng: {"soak": soak(folder, BATCHES)})]
    every += [Part(f"flags-{number}", try_flags(FLAGS)) for number in range(FLAG_PARTS)]
    every += [Part(f"inputs-{number:02d}", try_inputs(INPUTS)) for number in range(INPUT_PARTS)]
    for number in range(KILL_PARTS):
        every += [Part(f"{short}-{number}", kill(short, KILLS)) for short in COMMANDS]
    cluster = kill(CLUSTER, CLUSTER_KILLS)
    return every + [Part(f"{CLUSTER}-{number}", cluster) for number in range(CLUSTER_PARTS)]


def try_inputs(count: int) -> Work:
    """Damaged files."""

    def work(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
        outcomes, slowest = fuzz(folder, rng, count)
        return {"inputs": outcomes, "slowest": slowest}

    return work


def try_flags(count: int) -> Work:
    """Sets of flags."""
    return lambda folder, rng: {"inputs": {"flags": flag_sets(folder, rng, count)}}


def kill(short: str, count: int) -> Work:
    """A command killed so many times."""

    def work(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
        name, counts = kills(short, folder, rng, count)
        return {"kills": {name: counts}}

    return work


def resident() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def state() -> dict[str, float]:
    """What this process has taken of the machine."""
    files = list(Path("/proc/self/fd").iterdir())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {"memory": resident(), "files": len(files), "processes": len(children.split())}


def soak(folder: Path, batches: int) -> dict[str, Any]:
    """A sweep of many batches in one process: memory, open files and processes early and at the end."""
    out = folder / "soak"
    args = ["--env", "tube", "--algo", "dagger", "--rounds", "2", "--seeds", str(batches), *TINY]
    args += ["--batch", "1", "--jobs", "1", "--out", str(out)]
    options, settings = plan.asked(args)
    work, _ = plan.planned(options, settings, [("tube", "dagger")])
    every = list(plan.batched(work, set(), 1, 1))
    first = min(EARLY, max(1, batches // 10))
    states = {}
    for done, _ in enumerate(workers.outcomes(options, every), 1):
        if done == first:
            states["early"] = state()
    states["late"] = state()  # before whatever reading the rows imports
    rows = int(il.open(out).sizes["run"])
    return {**states, "first": first, "rows": rows}


def added(outcomes: Iterable[Outcomes]) -> Outcomes:
    """The counts of several parts together."""
    total: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        for kind, counts in outcome.items():
            total.setdefault(kind, Counter()).update(counts)
    return {kind: dict(counts) for kind, counts in total.items()}


def survived(outcomes: Outcomes) -> Outcomes:
    """Tried and survived, by class, of damaged inputs."""
    counts = {}
    for kind, by_outcome in outcomes.items():
        fine = sum(by_outcome.get(word, 0) for word in FINE)
        counts[kind] = {"tried": sum(by_outcome.values()), "survived": fine}
    return counts


def classes_of(outcomes: list[dict[str, Any]]) -> Outcomes:
    """Tried and survived, by class, of all that was tried."""
    inputs = survived(added(outcome.get("inputs", {}) for outcome in outcomes))
    killed = added(outcome.get("kills", {}) for outcome in outcomes)
    classes = {f"damaged inputs: {kind}": counts for kind, counts in inputs.items()}
    return classes | {f"killed: {name}": counts for name, counts in killed.items()}


def claims(classes: Outcomes, slowest: float, steady: dict[str, Any]) -> list[Claim]:
    """What was withstood."""
    total: Counter[str] = Counter()
    for counts in classes.values():
        total.update(counts)
    tried, fine = total["tried"], total["survived"]
    words = f"Of {tried:,} attacks {fine:,} were survived (goal: all)"
    answer = f"The slowest answer to a damaged file took {slowest:.2f} s (goal: below {SECOND:g} s)"
    return [goal(words, fine == tried), goal(answer, slowest < SECOND), *steadiness(steady)]


def amounts(classes: Outcomes) -> Claim:
    """Whether enough was tried."""
    totals = dict.fromkeys(GOALS, 0)
    for name, counts in classes.items():
        kind = "kills" if name.startswith("killed") else "inputs"
        kind = "flags" if name.endswith(": flags") else kind
        totals[kind] += counts["tried"]
    enough = all(totals[kind] >= count for kind, count in GOALS.items())
    tried = "{inputs:,} damaged files, {flags:,} sets of flags and {kills} kills".format(**totals)
    wanted = "{inputs:,}, {flags:,} and {kills}".format(**GOALS)
    return goal(f"That is {tried} (goal: {wanted})", enough)


def one_state(sources: dict[str, str]) -> Claim:
    """Whether all parts were tried on the same sources."""
    states = Counter(sources.values())
    several = f"Parts were tried on {len(states)} states of the sources: those with a finding anew when it was mended."
    return Claim("All parts were tried on one state of the sources.", len(states) == 1, several)


def steadiness(steady: dict[str, Any]) -> list[Claim]:
    """What many batches in one process took of the machine."""
    early, late = steady["early"], steady["late"]
    growth = late["memory"] / early["memory"] - 1
    batches = steady["rows"] - steady["first"]
    memory = f"Memory grew by {growth:.1%} over {batches:,} batches (goal: below 5 %)"
    same = all(late[name] == early[name] for name in ("files", "processes"))
    quiet = "Open files and processes did not become more or fewer."
    return [
        goal(memory, growth < 0.05),
        Claim(quiet, same, "The number of open files or processes changed."),
    ]


def digest_of_sources() -> str:
    """A digest of all that the outcomes depend on."""
    digest = hashlib.blake2b(digest_size=16)
    for name in SOURCES:
        for file in sorted((ROOT / name).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def show(outcomes: list[dict[str, Any]]) -> tuple[Outcomes, list[Claim], str]:
    """Counts by class, what is said of them, and the table."""
    classes = classes_of(outcomes)
    slowest = max(outcome.get("slowest", 0.0) for outcome in outcomes)
    (steady,) = [outcome["soak"] for outcome in outcomes if "soak" in outcome]
    rows = [[kind, f"{n['tried']:,}", f"{n['survived']:,}"] for kind, n in classes.items()]
    lines = table(["what was tried", "how often", "survived"], rows)
    return classes, claims(classes, slowest, steady), lines


def in_brief() -> None:
    """A few inputs of each kind."""
    brief = [
        Part("inputs", try_inputs(60)),
        Part("flags", try_flags(10)),
        Part("soak", lambda folder, rng: {"soak": soak(folder, 10)}),
    ]
    classes, said, lines = show([part.outcome() for part in brief])
    print(lines, *said, sep="\n")
    sys.exit(any(counts["tried"] != counts["survived"] for counts in classes.values()))


def try_parts(chosen: list[Part], sources: str) -> None:
    """Try the parts that were not tried on these sources yet."""
    for part in chosen:
        if part.kept(sources) is None:
            print(part.name, flush=True)
            part.keep(sources)


def main(args: list[str]) -> None:
    """The parts that are named, or all of them; published when none is missing, or when --publish asks for it."""
    torch.set_num_threads(1)
    if "--brief" in args:
        in_brief()
    every = parts()
    if "--publish" not in args:
        chosen = [part for part in every if not args or part.name in args]
        try_parts(chosen, digest_of_sources())
    kept = {part.name: part.kept() for part in every}
    there = {name: outcome for name, outcome in kept.items() if outcome is not None}
    print(f"{len(there)} of {len(every)} parts were tried")
    if len(there) < len(every) and "--publish" not in args:
        return
    outcomes = list(there.values())
    classes, said, lines = show(outcomes)
    inputs = added(outcome.get("inputs", {}) for outcome in outcomes)
    (steady,) = [outcome["soak"] for outcome in outcomes if "soak" in outcome]
    sources = {name: outcome["sources"] for name, outcome in there.items()}
    said += [amounts(classes), one_state(sources)]
    numbers = {"classes": classes, "inputs": inputs, "soak": steady, "sources": sources}
    publish("unbreakable", said, lines, **numbers)


if __name__ == "__main__":
    main(sys.argv[1:])

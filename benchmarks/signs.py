"""Signs: what theory and literature foretell of a learner in an environment, and whether it is so.

Each line is a comparison with a foretold sign: less drift (or loss of return, or falls) than a reference's on the same
seeds, more, or no less. The interval of the paired effect says whether it agrees or disagrees; where it can tell
neither, the line is underpowered. Learners stand beside cloning at equal labels and updates.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from claims import Claim, goal
from joblib import Parallel, delayed
from publish import figure, publish, table
from tasks import MEASURES, OFTEN, SELDOM, TASKS

from il_bench.records.rows import spending
from il_bench.stats.intervals import ALIKE, Contrast, interval

SEEDS = 64
PART = 1 - 1 / ALIKE
"""Of the reference's: differences up to that much are none."""
Way = Literal["less", "more", "no less"]
Verdict = Literal["agree", "disagree", "underpowered"]
COLOURS = {"agree": "#0072b2", "disagree": "#d55e00", "underpowered": "#999999"}
"""Safe for the colour-blind."""


@dataclass(frozen=True)
class Sign:
    """What is foretold.

    Attributes:
        task: of `tasks.TASKS`.
        learner: of `tasks.LEARNERS`.
        way: whether its number is less, more or no less than the reference's.
        why: in a few words.
        against: the reference's learner.
        elsewhere: the reference's task, where it is another.
    """

    task: str
    learner: str
    way: Way
    why: str
    against: str = "bc"
    elsewhere: str = ""

    @property
    def reference(self) -> tuple[str, str]:
        """Task and learner of the reference."""
        return self.elsewhere or self.task, self.against

    @property
    def beside(self) -> str:
        """The reference, in words."""
        task, learner = self.reference
        return f"{learner}, {task}" if self.elsewhere else learner


COVERS = "visits what cloning never sees"
CONTRACTS = "the plant contracts"
OWN = "labels on its own path"
FADES = "its expert withdraws by and by"
TAKES = "its expert takes over before it is lost"
DEAR = "is told what errors cost"
HIDDEN = "an expert whose way nobody sees contradicts itself off its path"
SIGNS = (
    Sign("tube, L = 1.2", "bc", "more", "amplified", elsewhere="tube, L = .8"),
    Sign("tube, L = 1.2", "bc", "more", "not covered", elsewhere="tube, L = 1.2, noise .05"),
    Sign("tube, L = 1.2", "noise", "less", COVERS),
    Sign("tube, L = 1.2", "noise, noised labels", "more", "is taught the noise", "noise"),
    Sign("tube, L = 1.2", "dart", "less", COVERS),
    Sign("tube, L = 1.2", "dagger", "less", OWN),
    Sign("tube, L = 1.2", "chunk", "no less", "the open loop is unstable"),
    Sign("tube, L = 1.2, noise .05", "chunk", "more", "the open loop is unstable"),
    Sign("tube, L = 1.2", "smile", "less", FADES),
    Sign("tube, a gate's labels", "gated", "less", TAKES),
    Sign("linear, L = 1.2", "bc", "more", "not covered", elsewhere="linear, L = 1.2, noise .05"),
    Sign("linear, L = 1.2", "noise", "less", COVERS),
    Sign("linear, L = 1.2", "dart", "less", COVERS),
    Sign("linear, L = 1.2", "dagger", "less", OWN),
    Sign("lane, L = 1.2", "bc", "more", "not covered", elsewhere="lane, L = 1.2, wind .005"),
    Sign("lane, L = 1.2", "noise", "less", COVERS),
    Sign("lane, L = 1.2", "dart", "less", COVERS),
    Sign("lane, L = 1.2", "dagger", "less", OWN),
    Sign("lane, L = 1.2", "smile", "less", FADES),
    Sign("lane, a gate's labels", "gated", "less", TAKES),
    Sign("pair, system 1", "noise", "less", COVERS),
    Sign("pair, system 1", "dagger", "less", OWN),
    Sign("pair, system 1", "chunk", "less", CONTRACTS),
    Sign("pair, system 1", "chunk of 16", "less", CONTRACTS),
    Sign("pair, system 1", "chunk of 16", "less", "the longer the better", "chunk"),
    Sign("pair, system 1", "chunk, replanned", "no less", "executing is what helps"),
    Sign("pair, system 1", "finetune", "less", "the reward mends it"),
    Sign("sign, system 1", "noise", "less", COVERS),
    Sign("sign, system 1", "dagger", "less", OWN),
    Sign("sign, system 1", "chunk of 16", "less", CONTRACTS),
    Sign("power, p = 5", "bc", "more", "a flatter basin", elsewhere="power, p = 1"),
    Sign("power, p = 3", "tasil", "less", "matches the slope"),
    Sign("power, p = 5", "tasil", "less", "matches the slope"),
    Sign("arm, by position", "chunk", "less", "the servo contracts"),
    Sign("arm, by torque", "chunk", "no less", "the open loop is unstable"),
    Sign("arm, by torque", "noise", "less", COVERS),
    Sign("arm, by torque", "dagger", "less", OWN),
    Sign("arm, by torque, tremor .05", "chunk", "more", "the open loop is unstable"),
    Sign("quad", "dagger", "less", OWN),
    Sign("quad", "noise", "less", COVERS),
    Sign("quad, a gate's labels", "gated", "less", TAKES),
    Sign("quad, wind .05", "chunk", "more", "the open loop is unstable"),
    Sign("fork", "mdn", "less", "squared error learns the mean of two ways"),
    Sign("fork", "flow", "less", "squared error learns the mean of two ways"),
    Sign("fork, DAgger's labels", "dagger, mdn", "more", HIDDEN, "mdn"),
    Sign("fork, DAgger's labels", "dagger, flow", "more", HIDDEN, "flow"),
    Sign(
        "fork, DAgger's labels",
        "dagger, flow",
        "more",
        HIDDEN,
        elsewhere="fork, its expert yields",
        against="dagger, flow",
    ),
    Sign("trap", "dagger", "no less", "no way back"),
    Sign("trap", "lols", "no less", "no way back"),
    Sign("parity", "dagger", "no less", "no way back"),
    Sign("recover, k = 8", "dagger", "less", "is taught the way back"),
    Sign("recover, k = 8", "aggrevate", "less", DEAR),
    Sign("recover, k = 8", "lols", "less", DEAR),
    Sign("cliff with a way back", "dagger", "less", "is taught the way back"),
    Sign("cliff without", "dagger", "no less", "no way back"),
)
"""The sign table: environments that say nothing of one learner against another are not in it."""


@dataclass(frozen=True)
class Finding:
    """A sign and what was measured.

    Attributes:
        sign: what was foretold.
        ours: the learner's number in each run (R,).
        theirs: the reference's (R,).
        labels: that each run took, the median.
        unequal: budgets that were not equal, in words.
    """

    sign: Sign
    ours: np.ndarray
    theirs: np.ndarray
    labels: int
    unequal: str

    @cached_property
    def effect(self) -> Contrast:
        """Ours beside theirs, run by run."""
        return TASKS[self.sign.task].beside(self.ours, self.theirs)

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval: logarithms of ratios, or differences, so that 0 is none."""
        low, high = self.effect.by.low, self.effect.by.high
        return (_log(low), _log(high)) if self.effect.ratio else (low, high)

    @property
    def margin(self) -> float:
        """Up to which an effect is none, in the unit of `ends`."""
        return math.log(ALIKE) if self.effect.ratio else PART * float(np.median(self.theirs))

    @property
    def verdict(self) -> Verdict:
        """Whether it is as foretold."""
        low, high = self.ends
        if self.sign.way == "no less":
            agrees, disagrees = low >= -self.margin, high < 0
        elif self.sign.way == "less":
            agrees, disagrees = high < 0, low >= -self.margin
        else:
            agrees, disagrees = low > 0, high <= self.margin
        if agrees:
            return "agree"
        return "disagree" if disagrees else "underpowered"

    def cells(self) -> list[str]:
        """A line of the table."""
        sign = self.sign
        verdict = self.verdict
        said = verdict if verdict == "agree" else f"**{verdict}**"
        return [
            sign.task,
            sign.learner,
            sign.beside,
            f"{sign.way}: {sign.why}",
            MEASURES[TASKS[sign.task].measure],
            str(interval(self.ours)),
            str(interval(self.theirs)),
            str(self.effect),
            f"{self.labels:,}",
            said,
        ]

    def entry(self) -> dict[str, Any]:
        """Its entry in the result file."""
        by = self.effect.by
        effect = {"value": by.value, "low": by.low, "high": by.high, "ratio": self.effect.ratio}
        numbers = {"ours": self.ours.tolist(), "theirs": self.theirs.tolist()}
        budgets = {"labels": self.labels, "unequal": self.unequal}
        return {**vars(self.sign), "effect": effect, "verdict": self.verdict, **budgets, **numbers}


def _log(ratio: float) -> float:
    """Of a ratio that may be 0."""
    return math.log(ratio) if ratio > 0 else -math.inf


HEADER = [
    "task",
    "learner",
    "against",
    "foretold",
    "by",
    "its own",
    "the other's",
    "paired effect",
    "labels",
    "verdict",
]


def learners_of() -> dict[str, tuple[str, ...]]:
    """Who learns each task, cloning first, for all signs to be measured."""
    names: dict[str, dict[str, None]] = defaultdict(lambda: {"bc": None})
    for sign in SIGNS:
        names[sign.task][sign.learner] = None
        task, learner = sign.reference
        names[task][learner] = None
    return {task: tuple(learners) for task, learners in names.items()}


@dataclass(frozen=True)
class Measured:
    """What a task's comparison says: the number of each run by learner, labels, and what was not equal."""

    numbers: dict[str, np.ndarray]
    labels: int
    unequal: str


def measured(name: str, learners: tuple[str, ...], first: int, seeds: int) -> Measured:
    """One task."""
    torch.set_num_threads(1)
    begin = time.process_time()
    task = dataclasses.replace(TASKS[name], runs=seeds)
    record = task.record(learners, first)
    numbers = {who: task.numbers(record, who) for who in learners}
    labels = int(np.median(record.index.budgets["bc"].labels))
    unequal = " ".join(line.partition("Not equal: ")[2] for line in spending(record))
    print(f"{name}: {time.process_time() - begin:.0f} s of processor time", flush=True)
    return Measured(numbers, labels, unequal)


def results(first: int = 0, seeds: int = SEEDS) -> list[Finding]:
    """All signs, a process for each task; the first seed is `first`."""
    wanted = learners_of()
    jobs = [delayed(measured)(task, who, first, seeds) for task, who in wanted.items()]
    tasks = dict(zip(wanted, Parallel(-1)(jobs), strict=True))
    return [_finding(sign, tasks) for sign in SIGNS]


def _finding(sign: Sign, tasks: dict[str, Measured]) -> Finding:
    """One of them."""
    own = tasks[sign.task]
    place, against = sign.reference
    theirs = tasks[place].numbers[against]
    return Finding(sign, own.numbers[sign.learner], theirs, own.labels, own.unequal)


def claims(results: list[Finding]) -> list[Claim]:
    """How many signs agree, and which do not."""
    count = Counter(finding.verdict for finding in results)
    total = f"Of {len(results)} foretold signs {count['agree']} agree"
    wrong = _listed(results, "disagree")
    open_ = _listed(results, "underpowered")
    rest = f"; underpowered: {open_}." if open_ else "."
    whole = f"{total} and none disagrees{rest}"
    verdicts = Claim(whole, not wrong, f"{total}; disagree: {wrong}{rest}")
    return [verdicts, *_island(results), *_hidden(results)]


def _island(results: list[Finding]) -> list[Claim]:
    """How often the fork's island is hit, of all rollouts."""
    rows = {finding.sign.learner: finding for finding in results if finding.sign.task == "fork"}
    if not rows:
        return []
    densities = {who: float(finding.ours.mean()) for who, finding in rows.items()}
    (some, *_) = rows.values()
    cloned = float(some.theirs.mean())
    each = ", ".join(f"{who} in {hit:.1%}" for who, hit in densities.items())
    words = (
        f"fork, {some.labels} labels: bc runs into the island in {cloned:.0%} of the rollouts (goal: at least {OFTEN:.0%}), "
        f"{each} (goal: at most {SELDOM:.0%})"
    )
    return [goal(words, cloned >= OFTEN and max(densities.values()) <= SELDOM)]


def _hidden(results: list[Finding]) -> list[Claim]:
    """What becomes of a clone that passes the island when its expert is asked off its path."""
    rows = [finding for finding in results if finding.sign.why == HIDDEN]
    if not rows:
        return []
    cloned = [finding for finding in rows if not finding.sign.elsewhere]
    (yielding,) = (finding for finding in rows if finding.sign.elsewhere)
    each = ", ".join(
        f"{finding.sign.against} from {finding.theirs.mean():.1%} to {finding.ours.mean():.1%}"
        for finding in cloned
    )
    said = (
        "fork, where nobody sees which way the expert means to take: DAgger brings the share of boats on the island with "
        f"{each}; with flow and an expert that yields to {yielding.theirs.mean():.1%}"
    )
    worse = all(finding.verdict == "agree" for finding in rows)
    return [Claim(f"{said}.", worse, f"{said}, which is not surely more everywhere.")]


def _listed(results: list[Finding], verdict: Verdict) -> str:
    """Those of one verdict."""
    chosen = [finding.sign for finding in results if finding.verdict == verdict]
    return ", ".join(f"{sign.learner} on {sign.task}" for sign in chosen)


def _draw(findings: list[Finding]) -> None:
    """The ratios with their intervals, one below the other."""
    ratios = [finding for finding in findings if finding.effect.ratio]
    with figure("signs", size=(9.0, 0.26 * len(ratios) + 1)) as (panel,):
        for place, finding in enumerate(ratios):
            by = finding.effect.by
            colour = COLOURS[finding.verdict]
            panel.plot((by.low, by.high), (place, place), color=colour, lw=2)
            panel.plot(by.value, place, "o", color=colour, ms=4)
        panel.axvline(1, color="grey", lw=0.8)
        names = [f"{one.sign.learner} on {one.sign.task}: {one.sign.way}" for one in ratios]
        panel.set_yticks(range(len(ratios)), names, fontsize=7)
        panel.invert_yaxis()
        panel.set(xscale="log", xlabel="its number over the reference's, paired [exact interval]")
        for verdict, colour in COLOURS.items():
            panel.plot([], [], "o", color=colour, label=verdict)
        panel.legend(fontsize=7)


def main() -> None:
    """Measure, draw, publish."""
    findings = results()
    _draw(findings)
    caption = (
        "Medians over runs [exact intervals]; the effect is paired by run: a ratio (×), or a difference where numbers "
        f"may be 0. No less: surely not below by more than a fifth. {SEEDS} runs; equal labels, run by run, and "
        "updates within a task, apart from what tables and practice (finetune) make. Of `kart`, `ocr` and MuJoCo's "
        "tasks the signs stand in benchmarks of their own."
    )
    lines = [finding.cells() for finding in findings]
    entries = [finding.entry() for finding in findings]
    publish("signs", claims(findings), table(HEADER, lines), caption, signs=entries)


if __name__ == "__main__":
    main()

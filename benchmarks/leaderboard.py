"""The leaderboard: what to do about drift, at equal labels and updates, and whether the theory foretold each sign.

Every learner stands beside behaviour cloning on the same seeds. A sign is what the theory says of D at the end against
cloning's: less, more, or neither. It agrees or disagrees where the paired interval can tell, and else is underpowered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim
from publish import publish, table

import il_bench as il
from il_bench.records.record import Record

SEEDS, EPISODES = 8, 16
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "tube, L = 1.2": ("tube", {"lipschitz": 1.2, "noise": 0.0, "horizon": 150}),
    "lane, L = 1.2": ("lane", {"lipschitz": 1.2, "horizon": 200}),
    "pair, system 1": ("pair", {"horizon": 60}),
    "arm, by position": ("arm", {"control": "position", "horizon": 150}),
    "arm, by torque": ("arm", {"control": "torque", "horizon": 150}),
}
"""What is imitated, by its name in the table."""
LEARNERS = "bc", "noise", "dart", "dagger", "gated", "chunk"
SIGNS = {
    "tube, L = 1.2": {
        "noise": "less",
        "dart": "less",
        "dagger": "less",
        "gated": "less",
        "chunk": "no less",
    },
    "lane, L = 1.2": {"noise": "less", "dart": "less", "dagger": "less", "gated": "less"},
    "pair, system 1": {"noise": "less", "dagger": "less", "gated": "less", "chunk": "less"},
    "arm, by position": {"chunk": "less"},
    "arm, by torque": {"chunk": "no less"},
}
"""What the theory foretells of D at the end, against cloning's (benchmarks of the literature: docs/guide.md)."""


@dataclass(frozen=True)
class Cell:
    """A learner in a task.

    Attributes:
        drift: D at the end, in words.
        against: D in cloning's, in words; "" for cloning itself.
        verdict: better, worse, same or cannot tell; "" for cloning itself.
        fell: share of rollouts that ended early.
        labels: what each run took, the median.
    """

    drift: str
    against: str
    verdict: str
    fell: float
    labels: int

    def __str__(self) -> str:
        ended = f", falls {self.fell:.0%}" if self.fell > 0 else ""
        beside = f" ({self.against} {self.verdict})" if self.against else ""
        return f"{self.drift}{beside}{ended}"


def results(first: int = 0, seeds: int = SEEDS) -> dict[str, dict[str, Cell]]:
    """Each task's cells by learner; the first seed is `first`."""
    chosen = range(first, first + seeds)
    return {name: cells(record_of(*task, chosen)) for name, task in TASKS.items()}


def record_of(name: str, settings: dict[str, Any], seeds: range) -> Record:
    """All learners on one task, at equal labels and updates."""
    env = il.make(name, seeds=seeds, **settings)
    return il.matched(env, il.expert(env), LEARNERS, episodes=EPISODES)


def cells(record: Record) -> dict[str, Cell]:
    """A cell for each learner of a Record."""
    out = {}
    for row in record.rows(at=(record.horizon,)):
        pair = row["contrast"]
        value, spread = ("", "") if pair is None else pair.texts()
        drift = " ".join(row["drift"][record.horizon].texts())
        out[row["learner"]] = Cell(
            drift=drift,
            against=f"{value} {spread}".strip(),
            verdict="" if pair is None else pair.verdict,
            fell=row["falls"].own,
            labels=row["labels"],
        )
    return out


def claims(results: dict[str, dict[str, Cell]]) -> list[Claim]:
    """Which signs agree with what was foretold."""
    agree, disagree, untold = [], [], []
    for task, signs in SIGNS.items():
        for learner, sign in signs.items():
            verdict = results[task][learner].verdict
            words = f"{learner} on {task}"
            if sign == "less":
                right, wrong = verdict == "better", verdict in ("worse", "same")
            else:
                right, wrong = verdict in ("worse", "same", "cannot tell"), verdict == "better"
            (agree if right else disagree if wrong else untold).append(words)
    count = len(agree) + len(disagree) + len(untold)
    return [
        Claim(
            f"Of {count} foretold signs {len(agree)} agree and none disagrees"
            + (f"; underpowered: {', '.join(untold)}." if untold else "."),
            not disagree,
            f"Of {count} foretold signs {len(agree)} agree; these disagree: {', '.join(disagree)}.",
        )
    ]


def main() -> None:
    """5 tasks x 6 learners x 8 seeds, default settings."""
    torch.set_num_threads(1)
    outcome = results()
    lines = [
        [
            f"{task} ({np.median([c.labels for c in row.values()]):,.0f} labels)",
            *map(str, row.values()),
        ]
        for task, row in outcome.items()
    ]
    caption = (
        f"Median D at the end over {SEEDS} runs [exact interval], in brackets paired against bc; labels "
        "are equal run by run where a learner does not take fewer by itself, updates are 4,000."
    )
    publish(
        "leaderboard",
        claims(outcome),
        table(["task", *LEARNERS], lines),
        caption,
        cells={
            task: {who: vars(cell) for who, cell in row.items()} for task, row in outcome.items()
        },
    )


if __name__ == "__main__":
    main()

"""Curricula: teacher forcing, scheduled sampling, DAgger and distillation on texts that go on by the clock or by a key.

Scheduled sampling puts the student's own symbols before the demonstration's labels. Where a text goes on by the clock those
labels stay right, and it mends what teacher forcing learns wrongly, without a question; where a text goes on by what was
written they are wrong, and it ruins. Perplexity on the expert's texts tells none of this. On the way curves dip: DAgger's
for a while, scheduled sampling's, where its labels are wrong, for good; whoever stops early inside picks the wrong model.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np
import torch
from claims import Claim
from publish import figure, publish, table

import il_bench as il
from il_bench.core.policy import Log
from il_bench.records.rows import numbers
from il_bench.records.twins import compare

SEEDS, EPISODES, TEXTS, GLANCE = 3, 512, 32, 8
"""Runs; texts to learn from, to be judged by, and to be judged by on the way."""
TAUGHT, WRITTEN = 48, 128
"""Symbols of a text that is learned from, and of one that is judged."""
UPDATES, ROUNDS = 600, 16
"""Gradient updates, and rounds of DAgger or moments at which others are looked at on the way."""
FORCED, LEARNED, PROTECTED, ALIKE = 1.2, 0.95, 0.9, 0.02
"""Bands on `clock`, nats a symbol: teacher forcing's own texts cost more than the first, those of DAgger and distillation
less than the second, of scheduled sampling less than the third; and the expert's cost all the same to the fourth."""
RUINED = 2.0
"""How many times as much as under teacher forcing the expert's texts cost on `keyed` when scheduled sampling ends."""
LANGUAGES = "clock", "keyed"
SCHEDULES = "linear", "exponential", "sigmoid"


@dataclasses.dataclass(frozen=True)
class Student:
    """What one way of learning comes to, a number for each run.

    Attributes:
        language, name: of what, by what.
        own: (R,) what its own texts cost under the oracle, nats a symbol.
        expert: (R,) what the expert's texts cost under it.
        questions: labels of the expert, thousands.
        updates: (K,) of each moment on the way.
        way_own, way_expert: (K, R) the same costs at these moments.
    """

    language: str
    name: str
    own: np.ndarray
    expert: np.ndarray
    questions: float
    updates: np.ndarray
    way_own: np.ndarray
    way_expert: np.ndarray

    def cells(self) -> list[str]:
        """A row of the table: means, in brackets the worst run; and the deeper of the dips."""
        costs = [f"{part.mean():.3f} ({part.max():.3f})" for part in (self.own, self.expert)]
        dips = [str(dip(self.updates, way.mean(1))) for way in (self.way_own, self.way_expert)]
        return [self.language, self.name, *costs, f"{self.questions:.0f}", *dips]


@dataclasses.dataclass(frozen=True)
class Dip:
    """The deepest fall back of a cost on the way.

    Attributes:
        depth: by how much it rises above the best before, nats a symbol.
        best: the update of that best.
        length: updates until it is as good again; None if it never is.
        loss: what whoever stops at that best loses beside the end; below 0 it is a gain.
    """

    depth: float
    best: int
    length: int | None
    loss: float

    def __str__(self) -> str:
        end = "for good" if self.length is None else f"for {self.length}"
        return f"{self.depth:.2f} after {self.best}, {end}" if self.depth > 0 else "none"


def dip(updates: np.ndarray, cost: np.ndarray) -> Dip:
    """The deepest one of a curve (K,) of costs at updates (K,)."""
    best = np.minimum.accumulate(cost)
    rise = cost - best
    deepest = int(rise.argmax())
    before = int(cost[: deepest + 1].argmin())
    again = np.flatnonzero(cost[deepest:] <= cost[before])
    length = int(updates[deepest + again[0]] - updates[before]) if len(again) else None
    loss = float(cost[before] - cost[-1])
    return Dip(float(rise[deepest]), int(updates[before]), length, loss)


def learners(language: str) -> dict[str, Any]:
    """Ways of learning a language, by name."""
    training = il.Training(net="gru", updates=UPDATES, lr=5e-3, units=32, embedding=16, sequences=32)  # fmt: skip
    common = {"episodes": EPISODES, "iterates": ROUNDS, "training": training}
    # A schedule that never lets go is teacher forcing, looked at on the way.
    forced = il.Scheduled(schedule="constant", least=1.0, **common)
    schedules = {f"scheduled, {one}": il.Scheduled(schedule=one, **common) for one in SCHEDULES}
    if language == "clock":
        unprotected = il.Scheduled(protect=0, **common)
        schedules["scheduled, sigmoid, prompt replaced too"] = unprotected
    each = EPISODES // ROUNDS
    dagger = il.DAgger(ROUNDS, each, beta="constant", p=0.5, training=training)
    distil = il.Distil(divergence="forward", **common)
    return {"teacher forcing": forced, **schedules, "DAgger, beta 1/2": dagger, "distillation": distil}  # fmt: skip


def judged(env: Any, policies: dict[str, Any], texts: int) -> list[dict[str, np.ndarray]]:
    """The numbers of policies that write longer texts than they were taught by."""
    longer = dataclasses.replace(env, horizon=WRITTEN, slip=0.0)
    record = compare(longer, il.expert(longer), policies, episodes=texts)
    return [numbers(record, learner) for learner in range(1, 1 + len(policies))]


def student(language: str, name: str, learner: Any, seeds: range) -> Student:
    """What comes of a learner, and of it on the way. DAgger's texts slip, so that it sees what is seldom."""
    slip = 0.02 if isinstance(learner, il.DAgger) else 0.0
    env = il.make(language, horizon=TAUGHT, slip=slip, seeds=seeds)
    moments = []
    log = Log(iterate=lambda i, policy: moments.append(policy))
    policy = learner.learn(env, il.expert(env), None, log)
    (end,) = judged(env, {"end": policy}, TEXTS)
    print(f"{language}: {name}", flush=True)
    way = judged(env, {str(i): one for i, one in enumerate(moments)}, GLANCE)
    updates = (np.arange(len(moments)) + 1) * UPDATES // len(moments)
    asked = float(torch.as_tensor(log.asked).double().mean()) / 1000
    own, expert = (np.stack([one[key] for one in way]) for key in ("nll_on", "nll_off"))
    return Student(language, name, end["nll_on"], end["nll_off"], asked, updates, own, expert)


def results(first: int = 0, seeds: int = SEEDS) -> list[Student]:
    """All students; the first seed is `first`."""
    chosen = range(first, first + seeds)
    return [
        student(language, name, learner, chosen)
        for language in LANGUAGES
        for name, learner in learners(language).items()
    ]


def claims(students: list[Student]) -> list[Claim]:
    """What is said of curricula, and what is so."""
    clock = {one.name: one for one in students if one.language == "clock"}
    keyed = {one.name: one for one in students if one.language == "keyed"}
    said = [band(clock, "teacher forcing", FORCED, above=True)]
    said += [band(clock, name, LEARNED) for name in ("DAgger, beta 1/2", "distillation")]
    said += [band(clock, f"scheduled, {name}", PROTECTED) for name in SCHEDULES]
    temporary = passing(clock["DAgger, beta 1/2"])
    return [*said, blind(clock), ruined(keyed), temporary, lasting(keyed)]


def band(students: dict[str, Student], name: str, limit: float, above: bool = False) -> Claim:
    """Whether own texts of every run are on one side of a limit."""
    own = students[name].own
    side = "above" if above else "below"
    holds = own.min() > limit if above else own.max() < limit
    words = f"On `clock` own texts of {name} cost {own.mean():.3f} nats a symbol (goal: {side} {limit:g} in every run)."
    return Claim(words, bool(holds))


def blind(students: dict[str, Student]) -> Claim:
    """Whether the expert's texts cost all the same."""
    names = "teacher forcing", "scheduled, sigmoid", "DAgger, beta 1/2", "distillation"
    costs = [students[name].expert.mean() for name in names]
    apart = max(costs) - min(costs)
    goal = f"goal: {ALIKE:g}"
    words = (
        f"The expert's texts cost them the same to {apart:.3f} ({goal}): perplexity cannot see it."
    )
    instead = f"The expert's texts cost them up to {apart:.3f} apart ({goal}): perplexity sees some of it."
    return Claim(words, bool(apart < ALIKE), instead)


def ruined(students: dict[str, Student]) -> Claim:
    """Whether scheduled sampling ruins where labels are wrong."""
    forced = students["teacher forcing"].expert.mean()
    times = min(students[f"scheduled, {name}"].expert.mean() for name in SCHEDULES) / forced
    goal = f"goal: {RUINED:g}"
    words = f"On `keyed` every schedule makes the expert's texts cost at least {times:.1f} times as much ({goal})."
    return Claim(words, bool(times >= RUINED))


def passing(one: Student) -> Claim:
    """Whether DAgger's curve on the clock dips for a while."""
    fall = dip(one.updates, one.way_own.mean(1))
    inside = f"who stops early inside loses {fall.loss:.2f}"
    words = f"DAgger's own texts on `clock` dip: {fall}; {inside}."
    return Claim(
        words, fall.depth > 0.1 and fall.length is not None, f"DAgger's dip on `clock`: {fall}."
    )


def lasting(students: dict[str, Student]) -> Claim:
    """Whether what scheduled sampling loses on `keyed` is never regained."""
    falls = {
        name: dip(students[f"scheduled, {name}"].updates, students[f"scheduled, {name}"].way_expert.mean(1))
        for name in SCHEDULES
    }  # fmt: skip
    shown = "; ".join(f"{name} {fall}" for name, fall in falls.items())
    holds = all(fall.depth > 0.1 and fall.length is None for fall in falls.values())
    words = f"What scheduled sampling unlearns on `keyed` is not regained: {shown}."
    return Claim(words, holds, f"Dips of scheduled sampling on `keyed`: {shown}.")


def draw(students: list[Student]) -> None:
    """Costs on the way: of own texts on the clock, of the expert's on the keyed language."""
    with figure("curricula", 2) as panels:
        for panel, language in zip(panels, LANGUAGES, strict=True):
            for one in students:
                if one.language == language:
                    way = one.way_own if language == "clock" else one.way_expert
                    panel.plot(one.updates, way.mean(1), label=one.name)
            whose = "own" if language == "clock" else "the expert's"
            panel.set_ylabel(f"{language}: {whose} texts, nats a symbol")
            panel.set_xlabel("updates")
            panel.legend(frameon=False, fontsize=6)


def main() -> None:
    """So many seeds, 512 texts to learn from, 32 to be judged by."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    count = parser.parse_args().seeds
    torch.set_num_threads(1)
    students = results(seeds=count)
    draw(students)
    header = ["language", "learner", "own texts", "the expert's texts", "questions, thousands"]
    header += ["dip of own", "dip of the expert's"]
    caption = (
        f"Nats a symbol over {WRITTEN} symbols, taught by {EPISODES} texts of {TAUGHT}; means of {count} seeds, in "
        "brackets the worst; dips: by how much, after which update, and for how many updates."
    )
    costs = {
        f"{one.language}, {one.name}": {"own": one.own.tolist(), "expert": one.expert.tolist()}
        for one in students
    }
    rows = table(header, [one.cells() for one in students])
    publish("curricula", claims(students), rows, caption, costs=costs)


if __name__ == "__main__":
    main()

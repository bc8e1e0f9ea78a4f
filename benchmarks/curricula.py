"""Curricula: teacher forcing, scheduled sampling, DAgger and distillation on texts that go on by the clock or by a key.

Scheduled sampling puts the student's own symbols before the demonstration's labels. Where a text goes on by the clock those
labels stay right, and it mends what teacher forcing learns wrongly, without a question; where a text goes on by what was
written they are wrong, and it ruins. Perplexity on the expert's texts tells none of this. On the way curves dip: some
for a while, that of scheduled sampling, where its labels are wrong, for good; whoever stops early inside picks the wrong model.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np
import scribes
import torch
from claims import Claim
from publish import figure, publish, table
from scribes import DAGGER, DISTILLED, FORCED, SCHEDULES, Writer

import il_bench as il
from il_bench.core.policy import Policy
from il_bench.measures.dips import Dip, dip

EVERY, GLANCE = 25, 16
"""Updates from one look on the way to the next, and texts by which a policy is then judged."""
PATIENCE = 3
"""Looks without a new best after which whoever stops early stops."""
DEEP = 0.1
"""Nats a symbol by which a cost must rise above the best before to be called a dip."""
ABOVE, LEARNED, PROTECTED, ALIKE = 1.2, 0.95, 0.9, 0.02
"""Bands on `clock`, nats a symbol: teacher forcing's own texts cost more than the first, those of DAgger and distillation
less than the second, of scheduled sampling less than the third; and the expert's cost all the same to the fourth."""
RUINED = 2.0
"""How many times as much as under teacher forcing the expert's texts cost on `keyed` when scheduled sampling ends."""
LANGUAGES = "clock", "keyed"
REPLACED = "scheduled, sigmoid, prompt replaced too"


@dataclasses.dataclass(frozen=True)
class Student:
    """What one way of learning comes to.

    Attributes:
        end: what it writes at the end.
        questions: labels of the expert, thousands.
        updates: (K,) of each look on the way.
        way_own, way_expert: (K, R) what its own texts and the expert's cost then, nats a symbol.
    """

    end: Writer
    questions: float
    updates: np.ndarray
    way_own: np.ndarray
    way_expert: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """What its own texts cost under the oracle, nats a symbol (R,)."""
        return self.end.own.mean(1)

    @property
    def expert(self) -> np.ndarray:
        """What the expert's texts cost under it, nats a symbol (R,)."""
        return self.end.nll.mean(1)

    def dips(self, whose: str) -> Dips:
        """Of the cost of "own" texts, or of the "expert"'s, run by run."""
        way = self.way_own if whose == "own" else self.way_expert
        falls = [dip(self.updates, cost) for cost in way.T]
        return Dips(tuple(falls))

    def cells(self) -> list[str]:
        """A row of the table: means, in brackets the worst run; the dips; what stopping early costs."""
        parts = scribes.taught(self.end.own), scribes.beyond(self.end.own), self.expert
        costs = [f"{part.mean():.3f} ({part.max():.3f})" for part in parts]
        dips = [str(self.dips(whose)) for whose in ("own", "expert")]
        lost = [stopped(cost) for cost in self.way_own.T]
        early = f"{np.mean(lost):.2f} ({max(lost):.2f})"
        names = [self.end.language, self.end.name]
        return [*names, *costs, f"{self.questions:.0f}", *dips, early]


def stopped(cost: np.ndarray) -> float:
    """What whoever stops after `PATIENCE` looks without a new best loses beside the end; below 0 it is a gain."""
    return float(cost[stop(cost)] - cost[-1])


def stop(cost: np.ndarray) -> int:
    """The look (of costs (K,)) to which whoever stops early goes back."""
    best = 0
    for look, now in enumerate(cost):
        if now < cost[best]:
            best = look
        elif look - best >= PATIENCE:
            break
    return best


@dataclasses.dataclass(frozen=True)
class Dips:
    """The deepest dip of each run."""

    falls: tuple[Dip, ...]

    @property
    def depth(self) -> float:
        """Their median depth, nats a symbol."""
        return float(np.median([fall.depth for fall in self.falls]))

    @property
    def passing(self) -> list[Dip]:
        """The deep ones out of which a run comes back."""
        return [fall for fall in self.falls if fall.depth > DEEP and fall.length is not None]

    @property
    def lasting(self) -> list[Dip]:
        """The deep ones out of which none does."""
        return [fall for fall in self.falls if fall.depth > DEEP and fall.length is None]

    def __str__(self) -> str:
        """Such as "0.31 (3 pass, after 50; 1 lasts)"."""
        parts = []
        if self.passing:
            length = np.median([fall.length for fall in self.passing])
            parts.append(f"{len(self.passing)} pass, in {length:.0f}")
        if self.lasting:
            parts.append(f"{len(self.lasting)} last")
        shown = "; ".join(parts) or "none deep"
        return f"{self.depth:.2f} ({shown})"


def ways(language: str, lessons: il.Training) -> dict[str, Any]:
    """Ways of learning a language, by name."""
    usual = scribes.ways(lessons)
    if language != "clock":
        return usual
    replaced = il.Scheduled(episodes=scribes.EPISODES, protect=0, training=lessons)
    return {**usual, REPLACED: replaced}


def student(language: str, name: str, seeds: range) -> Student:
    """What comes of a way of learning, and of it on the way."""
    moments: list[tuple[int, Policy]] = []
    lessons = scribes.training(lambda made, policy: moments.append((made, policy)), EVERY)
    learner = ways(language, lessons)[name]
    policy, questions = scribes.learned(language, learner, seeds)
    (end,) = scribes.written(language, {name: policy}, seeds, scribes.TEXTS)
    looks = {str(made): one for made, one in moments}
    way = scribes.written(language, looks, seeds, GLANCE)
    own = [one.own.mean(1) for one in way]
    expert = [one.nll.mean(1) for one in way]
    updates = np.array([made for made, _ in moments])
    print(f"{language}: {name}", flush=True)
    return Student(end, questions, updates, np.stack(own), np.stack(expert))


def results(first: int = 0, seeds: int = scribes.SEEDS) -> list[Student]:
    """All students; the first seed is `first`."""
    chosen = range(first, first + seeds)
    lessons = scribes.training()
    names = {language: list(ways(language, lessons)) for language in LANGUAGES}
    return [student(language, name, chosen) for language in LANGUAGES for name in names[language]]


def claims(students: list[Student]) -> list[Claim]:
    """What is said of curricula, and what is so."""
    clock = {one.end.name: one for one in students if one.end.language == "clock"}
    keyed = {one.end.name: one for one in students if one.end.language == "keyed"}
    said = [band(clock, FORCED, ABOVE, above=True)]
    said += [band(clock, name, LEARNED) for name in (DAGGER, DISTILLED)]
    said += [band(clock, f"scheduled, {name}", PROTECTED) for name in SCHEDULES]
    said += [blind(clock), *beside(clock)]
    return [*said, ruined(keyed), passing(clock[DAGGER]), lasting(keyed)]


def band(students: dict[str, Student], name: str, limit: float, above: bool = False) -> Claim:
    """Whether own texts of every run are on one side of a limit."""
    own = students[name].own
    side = "above" if above else "below"
    within = own > limit if above else own < limit
    goal = f"goal: {side} {limit:g} in every run"
    words = f"On `clock` own texts of {name} cost {own.mean():.3f} nats a symbol ({goal})."
    missed = (
        f"On `clock` own texts of {name} cost {own.min():.3f} to {own.max():.3f} nats a symbol, "
        f"{own.mean():.3f} on average; {within.sum()} of {len(own)} runs are {side} {limit:g} ({goal})."
    )
    return Claim(words, bool(within.all()), missed)


def blind(students: dict[str, Student]) -> Claim:
    """Whether the expert's texts cost all the same."""
    names = FORCED, "scheduled, sigmoid", DAGGER, DISTILLED
    costs = {name: students[name].expert.mean() for name in names}
    apart = max(costs.values()) - min(costs.values())
    goal = f"goal: {ALIKE:g}"
    words = (
        f"The expert's texts cost them the same to {apart:.3f} ({goal}): perplexity cannot see it."
    )
    shown = ", ".join(f"{name} {cost:.3f}" for name, cost in costs.items())
    instead = f"The expert's texts cost them up to {apart:.3f} apart ({goal}; {shown}): perplexity sees some of it."
    return Claim(words, bool(apart < ALIKE), instead)


def beside(students: dict[str, Student]) -> list[Claim]:
    """Whether what the expert's texts do not tell is told by own texts, run by run."""
    forced = students[FORCED].own
    times = forced / students[DAGGER].own
    parts = np.stack([students[f"scheduled, {name}"].own / forced for name in SCHEDULES])
    return [
        Claim(
            f"Run by run own texts of teacher forcing cost {times.min():.2g} to {times.max():.2g} times as much as DAgger's.",
            bool(times.min() > 1),
        ),
        Claim(
            f"Run by run those of scheduled sampling cost {parts.min():.2g} to {parts.max():.2g} times as much as teacher "
            "forcing's, by whichever schedule.",
            bool(parts.max() < 1),
        ),
    ]


def ruined(students: dict[str, Student]) -> Claim:
    """Whether scheduled sampling ruins where labels are wrong."""
    forced = students[FORCED].expert.mean()
    times = min(students[f"scheduled, {name}"].expert.mean() for name in SCHEDULES) / forced
    goal = f"goal: {RUINED:g}"
    words = f"On `keyed` every schedule makes the expert's texts cost at least {times:.3f} times as much ({goal})."
    return Claim(words, bool(times >= RUINED))


def passing(one: Student) -> Claim:
    """Whether DAgger's curve on the clock dips for a while in every run."""
    dips = one.dips("own")
    every = len(dips.passing) == len(dips.falls)
    lost = [stopped(cost) for cost in one.way_own.T]
    patience = PATIENCE * EVERY
    cost = f"{np.mean(lost):.2f} nats a symbol ({max(lost):.2f} at worst)"
    early = f"early stopping with a patience of {patience} updates costs {cost}"
    words = f"DAgger's own texts on `clock` dip and come back in every run, {dips}; {early}."
    instead = f"DAgger's dips on `clock` by median depth and runs: {dips}; {early}."
    return Claim(words, every, instead)


def lasting(students: dict[str, Student]) -> Claim:
    """Whether what scheduled sampling loses on `keyed` is never regained, in any run."""
    falls = {name: students[f"scheduled, {name}"].dips("expert") for name in SCHEDULES}
    shown = "; ".join(f"{name} {dips}" for name, dips in falls.items())
    holds = all(len(dips.lasting) == len(dips.falls) for dips in falls.values())
    words = f"What scheduled sampling unlearns on `keyed` is not regained: {shown}."
    return Claim(words, holds, f"Dips of scheduled sampling on `keyed`: {shown}.")


def draw(students: list[Student]) -> None:
    """Costs on the way: of own texts on the clock, of the expert's on the keyed language."""
    with figure("curricula", 2) as panels:
        for panel, language in zip(panels, LANGUAGES, strict=True):
            for one in students:
                if one.end.language == language:
                    way = one.way_own if language == "clock" else one.way_expert
                    panel.plot(one.updates, way.mean(1), label=one.end.name)
            whose = "own" if language == "clock" else "the expert's"
            panel.set_ylabel(f"{language}: {whose} texts, nats a symbol")
            panel.set_xlabel("updates")
            panel.legend(frameon=False, fontsize=6)


def main() -> None:
    """So many seeds; each is taught by 2,000 texts, and judged by 32 of its own and of the expert's."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=scribes.SEEDS)
    count = parser.parse_args().seeds
    torch.set_num_threads(1)
    students = results(seeds=count)
    draw(students)
    header = ["language", "learner", "own, as long as taught", "own, beyond", "the expert's"]
    header += [
        "questions, thousands",
        "dips of own",
        "dips of the expert's",
        "lost by stopping early",
    ]
    caption = (
        f"Nats a symbol over {scribes.WRITTEN - 1} symbols, taught by {scribes.EPISODES} texts of {scribes.TAUGHT}; "
        f"means of {count} seeds, in brackets the worst. Dips: median depth, how many runs come back from more than "
        f"{DEEP:g} and in how many updates, and how many do not, at a look each {EVERY} updates. Lost: by going back "
        f"to the best look once {PATIENCE} brought no better one, beside the end. {scribes.minutes()}"
    )
    rows = table(header, [one.cells() for one in students])
    costs = {f"{one.end.language}, {one.end.name}": kept(one) for one in students}
    publish("curricula", claims(students), rows, caption, costs=costs)


def kept(one: Student) -> dict[str, Any]:
    """A student's numbers in the result file."""
    return {
        "own": one.own.tolist(),
        "beyond": scribes.beyond(one.end.own).tolist(),
        "expert": one.expert.tolist(),
        "updates": one.updates.tolist(),
        "way_own": one.way_own.round(4).tolist(),
        "way_expert": one.way_expert.round(4).tolist(),
    }


if __name__ == "__main__":
    main()

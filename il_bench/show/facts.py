"""Facts: what the sentences about a Record rest on, computed once; they say nothing that does not stand here.

D is no yardstick everywhere: it is not comparable between settings, and in a run most of whose rollouts ended early or
are as far from their twins as states come apart, it tells where they were stopped. Where there are such runs the share
of rollouts lost is compared, or the time until they part. Learners are compared run by run, with the first learner of
the Record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..records.fates import MOST, Fates, fates_of
from ..records.record import Record
from ..records.rows import VARIABLES, drift_of, is_told
from ..stats.accumulation import excess
from ..stats.intervals import SELDOM, Contrast, Interval, contrast, interval

Yardstick = Literal["drift", "lost", "time", "order"]
"""By what two learners are compared: D at the horizon, the share of rollouts lost, the step at which they part, or
only which of two D is smaller, where one of them tells where rollouts were stopped."""


@dataclass(frozen=True)
class Chances:
    """How far a learner's chances are from its expert's, where both act by chance.

    Attributes:
        off, on: KL(expert, learner), nats a step, on the expert's prefixes and on its own; medians over runs.
        excess: %ExAccErr, by how many percent the latter is more, run by run.
        outside: its chance of what its expert never does there, on its own prefixes.
    """

    off: Interval
    on: Interval
    excess: Interval
    outside: float


@dataclass(frozen=True)
class Copy:
    """One learner in one setting.

    Attributes:
        learner: its name.
        runs: how many runs there are.
        one: whether it is one policy in all of them.
        drift: D at the horizon, over runs; where D is 0 or 1 the chance to be apart.
        broke: share of rollouts that became NaN or infinite.
        ended: share of rollouts that the environment ended.
        as_expert: whether each of these is an end of the expert's own: its twin ended, too, and it cost little, see `fates.DEAR`.
        far: share of rollouts that went on and are lost at the horizon, see `fates.FAR`.
        lost: share of rollouts that are lost one way or the other; an end that is the expert's own is none.
        off, on: mean action errors on the expert's states and on its own.
        exposure: on against off, run by run.
        labels, derivatives, updates: what it was given, the median over runs.
        drove: whether it drove itself while learning.
        chances: its chances beside its expert's; None where they are not known.
    """

    learner: str
    runs: int
    one: bool
    drift: Interval
    broke: float
    ended: float
    as_expert: bool
    far: float
    lost: float
    off: float
    on: float
    exposure: Contrast
    labels: int
    derivatives: int
    updates: int
    drove: bool
    chances: Chances | None


@dataclass(frozen=True)
class Comparison:
    """A learner beside the first one, run by run.

    Attributes:
        copy: who is compared.
        yardstick: by what.
        contrast: of it and the first learner: "better" is nearer, fewer lost, or parting later.
        agreeing: in how many runs its D is the smaller one where it is nearer, the larger one where it is farther.
    """

    copy: Copy
    yardstick: Yardstick
    contrast: Contrast
    agreeing: int


@dataclass(frozen=True)
class Elsewhere:
    """Another setting, in which the first learner is hardly lost.

    Attributes:
        settings: those that differ.
        lost: share of its rollouts that are lost there.
    """

    settings: dict[str, float]
    lost: float


@dataclass(frozen=True)
class Facts:
    """What can be said of the setting in which most is lost.

    Attributes:
        settings: of the runs that are spoken of.
        steps: of a rollout, T.
        chance: whether D is 0 or 1, so that it is a chance.
        expert_ended: share of the expert's rollouts that the environment ended.
        first: the first learner, with which the others are compared.
        others: these, in the Record's order.
        elsewhere: where the first learner is hardly lost, if it mostly is here.
        demonstrated: share of the rollouts that began where an episode began that the first learner learned from; NaN
            where it is not known.
        excitation: name of the setting whose noise would push demonstrations off the expert's path, and a strength
            worth trying, where nothing pushed them.
    """

    settings: dict[str, float]
    steps: int
    chance: bool
    expert_ended: float
    first: Copy
    others: tuple[Comparison, ...]
    elsewhere: Elsewhere | None
    demonstrated: float
    excitation: tuple[str, float] | None


def facts_of(record: Record) -> Facts | None:
    """The facts of a Record; None where nobody is compared with the expert."""
    rollouts = [fates_of(record, k) for k in range(len(record.learners))]
    if len(rollouts) == 1:
        return None
    ceilings = VARIABLES["ceiling"].measure(record, 0)
    groups = record.groups()
    key = max(groups, key=lambda key: _loss(rollouts, groups[key], ceilings))
    runs = groups[key]
    first, *rest = [_copy(record, k, rollouts[k], runs) for k in range(1, len(rollouts))]
    others = []
    for number, copy in enumerate(rest, start=2):
        compared = _compared(first, copy, rollouts[1], rollouts[number], runs, record.indicator)
        others.append(compared)
    settings = dict(key)
    return Facts(
        settings=settings,
        steps=record.horizon,
        chance=record.indicator,
        expert_ended=_share(rollouts[0].ended[runs]),
        first=first,
        others=tuple(others),
        elsewhere=_elsewhere(record, rollouts[1], settings),
        demonstrated=float(record.demonstrated(1)[runs].mean()),
        excitation=_excitation(record, settings),
    )


def _share(events: np.ndarray) -> float:
    """The share of events, or the mean of shares."""
    return float(events.mean())


def _loss(rollouts: list[Fates], runs: np.ndarray, ceilings: np.ndarray) -> tuple[float, float]:
    """How badly a setting goes: the share of rollouts lost, then D in parts of its ceiling; of the worst learner."""
    lost = 0.0
    part = 0.0
    for one in rollouts[1:]:
        share = float(one.lost[runs].mean())
        lost = max(lost, share)
        drift = _parts(one.drift[runs], ceilings[runs])
        part = max(part, float(np.median(drift)))
    return lost, part


def _parts(drift: np.ndarray, ceilings: np.ndarray) -> np.ndarray:
    """D in parts of its ceiling (n,); none where either is not known or not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = drift / ceilings
    return np.nan_to_num(parts, posinf=0.0)


def _copy(record: Record, learner: int, own: Fates, runs: np.ndarray) -> Copy:
    """One learner in one setting."""
    name = record.learners[learner]
    off = _numbers("error_off", record, learner, runs)
    on = _numbers("error_on", record, learner, runs)
    labels = _numbers("labels", record, learner, runs)
    derivatives = _numbers("derivatives", record, learner, runs)
    updates = _numbers("updates", record, learner, runs)
    return Copy(
        learner=name,
        runs=len(runs),
        one=record.is_one(name),
        drift=drift_of(own.drift[runs], record.indicator),
        broke=_share(own.broke[runs]),
        ended=_share(own.ended[runs]),
        as_expert=bool((own.as_expert | ~own.ended)[runs].all()),
        far=_share(own.far[runs]),
        lost=_share(own.lost[runs]),
        off=float(np.median(off)),
        on=float(np.median(on)),
        exposure=contrast(on, off),
        labels=int(np.median(labels)),
        derivatives=int(np.median(derivatives)),
        updates=int(np.median(updates)),
        drove=_drove(record, name),
        chances=_chances(record, learner, runs),
    )


def _chances(record: Record, learner: int, runs: np.ndarray) -> Chances | None:
    """A learner's chances beside its expert's, if the Record tells them."""
    if not is_told(record, VARIABLES["kl_on"]):
        return None
    off = _numbers("kl_off", record, learner, runs)
    on = _numbers("kl_on", record, learner, runs)
    outside = _numbers("outside", record, learner, runs)
    if np.isnan(on).all():
        return None
    more = excess(on, off)
    return Chances(interval(off), interval(on), interval(more), float(np.median(outside)))


def _numbers(name: str, record: Record, learner: int, runs: np.ndarray) -> np.ndarray:
    """A variable of some runs (n,)."""
    whole = VARIABLES[name].measure(record, learner)
    return whole[runs]


def _drove(record: Record, learner: str) -> bool:
    """Whether a learner drove itself while learning: those do that have rounds."""
    algorithm = record.index.algorithms.get(learner)
    return algorithm is not None and "rounds" in algorithm.settings


def _compared(
    first: Copy,
    copy: Copy,
    theirs: Fates,
    ours: Fates,
    runs: np.ndarray,
    chance: bool,
) -> Comparison:
    """A learner beside the first one, by the yardstick that holds for the two."""
    our_drift, their_drift = ours.drift[runs], theirs.drift[runs]
    by_drift = contrast(our_drift, their_drift, False if chance else None)
    nearer = our_drift < their_drift
    farther = our_drift > their_drift
    agreeing = int(np.sum(farther if by_drift.verdict == "worse" else nearer))
    stopped = (ours.stopped | theirs.stopped)[runs]
    if stopped.mean() <= SELDOM:
        return Comparison(copy, "drift", by_drift, agreeing)
    by_loss = contrast(ours.lost[runs], theirs.lost[runs], ratio=False)
    if by_loss.verdict in ("better", "worse"):
        return Comparison(copy, "lost", by_loss, agreeing)
    if min(first.lost, copy.lost) < MOST:
        against = "better" if copy.lost > first.lost else "worse" if copy.lost < first.lost else ""
        agree = by_drift.verdict in ("better", "worse") and by_drift.verdict != against
        way: Yardstick = "order" if agree else "lost"
        return Comparison(copy, way, by_drift if agree else by_loss, agreeing)
    our_time = np.median(ours.parted[runs], axis=1)
    their_time = np.median(theirs.parted[runs], axis=1)
    # Who parts later has the larger number, and does better.
    by_time = contrast(their_time, our_time, ratio=False)
    return Comparison(copy, "time", by_time, agreeing)


def _elsewhere(record: Record, first: Fates, here: dict[str, float]) -> Elsewhere | None:
    """The setting in which fewest of the first learner's rollouts are lost, if most are here."""
    shares = {}
    for key, runs in record.groups().items():
        shares[key] = _lost(record, first, runs)
    best = min(shares, key=lambda key: np.nan_to_num(shares[key], nan=np.inf))
    lost_here = shares[tuple(here.items())]
    less = lost_here - shares[best]
    if not less >= MOST:
        return None
    changed = {name: value for name, value in best if here[name] != value}
    return Elsewhere(changed, shares[best])


def _lost(record: Record, own: Fates, runs: np.ndarray) -> float:
    """Share of rollouts that are lost in some runs; where D is 0 or 1, of those that are apart."""
    # A rollout that became infinite is apart, too.
    apart = np.minimum(own.drift, 1)
    lost = apart if record.indicator else own.lost
    return _share(lost[runs])


def _excitation(record: Record, settings: dict[str, Any]) -> tuple[str, float] | None:
    """The noise that would push demonstrations off the expert's path, where there was none."""
    for name, strength in record.index.excitation.items():
        everywhere = record.index.runs.get(name, [1.0])
        strongest = max(everywhere)
        pushed = settings.get(name, strongest) > 0
        return None if pushed else (name, strength)
    return None

"""Rounds: collect, add it to what there is, fit, and again; what all learners that go round by round share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from ..core.policy import Policy
from ..core.settings import require
from .course import Course
from .dataset import Dataset, Growing, concatenate
from .fitting import fit
from .training import Training

Collect: TypeAlias = "Callable[[int, Policy | None, Dataset | None], Dataset]"
"""(round i = 0, 1, ..., last policy, the data it was fitted to) -> what round i adds; None before the first round."""


Fit: TypeAlias = "Callable[[int, Policy | None, Dataset], Policy]"
"""(round i = 0, 1, ..., last policy, the data of this round) -> the policy of round i."""


class Aggregate(Protocol):
    """Which rounds' data are learned from."""

    def add(self, part: Dataset) -> Dataset:
        """What is learned from once another round has added its part."""


class All:
    """The data of all rounds."""

    def __init__(self) -> None:
        self._growing = Growing()

    def add(self, part: Dataset) -> Dataset:
        """See `Aggregate.add`."""
        return self._growing.add(part)


class Last:
    """The data of the last rounds, so many of them."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._parts: list[Dataset] = []

    def add(self, part: Dataset) -> Dataset:
        """See `Aggregate.add`."""
        self._parts = [*self._parts, part][-self._rounds :]
        return concatenate(self._parts)


def in_rounds(
    course: Course, rounds: int, aggregate: Aggregate, collect: Collect, fit: Fit
) -> Iterator[Policy]:
    """The policy of each round; rounds that the log's checkpoint has kept are not computed again.

    Args:
        course: where, from whom, by which chance.
        rounds: how many.
        aggregate: which rounds' data are learned from.
        collect: what a round adds.
        fit: how its policy is fitted.
    """
    log = course.log
    kept = log.checkpoint.rounds(course.env, log) if log.checkpoint else []
    policy, data = None, None
    for i in range(rounds):
        if i < len(kept):
            part, policy = kept[i]
            data = aggregate.add(part)
        else:
            part = collect(i, policy, data)
            data = aggregate.add(part)
            policy = fit(i, policy, data)
            if log.checkpoint:
                log.checkpoint.keep(i, part, policy, log)
        log.iterate(i, policy)
        yield policy


def warm(course: Course, training: Training, updates: Callable[[int], int]) -> Fit:
    """Each round's fit goes on from the last round's weights, for as many updates as are its own."""

    def fit_on(i: int, before: Policy | None, data: Dataset) -> Policy:
        streams = course.streams.fork("fit", i)
        return fit(data, training, course.env, streams, course.log, updates(i), before)

    return fit_on


def scratch(course: Course, training: Training, updates: Callable[[int], int]) -> Fit:
    """Each round's fit begins with new weights."""
    fit_on = warm(course, training, updates)
    return lambda i, before, data: fit_on(i, None, data)


def shared(total: int, shares: list[int], i: int) -> int:
    """Of a total the part of round i = 0, 1, ..., by the rounds' shares; the parts add up to it."""
    after = total * sum(shares[: i + 1]) // sum(shares)
    before = total * sum(shares[:i]) // sum(shares)
    return after - before


def require_updates(training: Training, rounds: int, least: int = 0) -> None:
    """Refuse fewer updates than the rounds can share: `least` in all, or one each."""
    enough = not training.net.descends or training.updates >= max(least, rounds)
    in_all = f", {least} in all" if least > rounds else ""
    wanted = f"one for each of {rounds} rounds{in_all}"
    require(enough, f"updates: expected at least {wanted}, got {training.updates}")

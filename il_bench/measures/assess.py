"""Assess: every quantity of every learner of a comparison, as one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Policy
from ..core.rollout import Rollout, action_error, chance_of, flat_ask, replay
from ..core.threads import few_threads
from ..records import record
from ..records.fates import fates_of
from ..records.record import Record
from ..records.rows import VARIABLES, broken, warnings
from ..records.twins import compare
from ..stats.intervals import SELDOM, Contrast, Interval, chance, contrast, interval, mean_error
from . import headings
from .probes import Unanswerable
from .quantities import (
    ENDED,
    EXPERT_ENDED,
    LOST,
    PROBED,
    UNKNOWN,
    Assessment,
    Quantity,
    Reference,
    classes,
    why_not_linear,
)
from .table import Matrix, Measures, class_text
from .words import Circumstances, Row


@few_threads
def measures(
    compared: Record, env: Env | str, expert: Expert | str, policies: Mapping[str, Any]
) -> Measures:
    """Measure everything about every learner of a Record.

    Args:
        compared: the comparison.
        env: of all runs, or the reason why it cannot be had; so for the expert.
        expert: who was imitated.
        policies: the learners' policies by name, those that are at hand.
    """
    reference = Reference(compared, env, expert)
    rows: list[Row] = []
    learners = compared.learners[1:]
    first = ""
    for number, name in enumerate(learners, start=1):
        policy = policies.get(name, "its policy is not at hand")
        assessment = Assessment(reference, number, policy)
        rows += _rows(assessment, first)
        first = first or name
    circumstances = Circumstances(
        horizon=compared.horizon,
        indicator=compared.indicator,
    )
    notes = [_one_in_all(compared, name) for name in compared.learners if compared.is_one(name)]
    notes += warnings(compared)
    errors = _errors(reference, policies)
    return Measures(rows, errors, broken(compared), circumstances, notes)


def _rows(a: Assessment, first: str) -> list[Row]:
    """What is said of one learner: a row for each setting; beside the `first` learner, unless that is itself."""
    name = a.record.learners[a.learner]
    one = a.record.is_one(name)
    answers: dict[str, np.ndarray | str] = {}
    for quantities in headings.of(a).values():
        answers |= {title: _asked(ask, a) for title, ask in quantities.items()}
    rows = []
    for setting, runs in a.record.groups().items():
        kinds = classes(a, runs)
        values = {}
        for title, answer in answers.items():
            chances = title in SHARES or (a.record.indicator and title == CHANCE)
            pooled = _pooled(answer, runs, one, chance if chances else interval)
            values[title] = _or_reason(title, pooled)
        row = {
            "learner": name,
            "settings": dict(setting),
            "class": class_text(kinds),
            "classes": kinds,
            "why_not_linear": why_not_linear(a, runs),
            "values": values,
            "counted": _loss_is_bounded(a, runs),
            "reference": first,
            "contrasts": _contrasts(a, first, runs) if first else {},
            "stopped": _stopped(a, first, runs) if first else False,
        }
        rows.append(row)
    return rows


def _contrasts(a: Assessment, first: str, runs: np.ndarray) -> dict[str, Contrast]:
    """A learner beside the first one in some runs, pair by pair; nothing of two policies that are one in all runs."""
    compared = a.record
    number = compared.number_of(first)
    if compared.is_one(first) and compared.is_one(compared.learners[a.learner]):
        return {}
    drift, error, gap = (_pair(name, a, number, runs) for name in BESIDE)
    by_ratio = False if compared.indicator else None
    ours, theirs = (fates_of(compared, learner).lost[runs] for learner in (a.learner, number))
    return {
        LOST: contrast(ours, theirs, ratio=False),
        "D at the horizon": contrast(*drift, by_ratio),
        "action error on (own states)": contrast(*error),
        "cost gap": contrast(*gap, ratio=False),
    }


def _stopped(a: Assessment, first: str, runs: np.ndarray) -> bool:
    """Whether D tells of more than a few runs of the two where they were stopped, see `Fates.stopped`; no chance does."""
    if a.record.indicator:
        return False
    numbers = (a.learner, a.record.number_of(first))
    stopped = np.any([fates_of(a.record, number).stopped[runs] for number in numbers], axis=0)
    return bool(stopped.mean() > SELDOM)


CHANCE = "D at the horizon, arithmetic mean"
"""The quantity that is a chance where D is 0 or 1: pooled by its mean over runs."""

SHARES = (LOST, ENDED, EXPERT_ENDED)
"""Quantities that are shares of rollouts everywhere, and pooled so."""

BESIDE = ("drift", "error_on", "cost_gap")
"""Variables by which learners are compared."""


def _pair(name: str, a: Assessment, other: int, runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A variable of the learner and of another one in some runs (n,), at the horizon where it has times."""
    measure = VARIABLES[name].measure
    ours = measure(a.record, a.learner)[runs]
    theirs = measure(a.record, other)[runs]
    if ours.ndim > 1:
        return ours[:, -1], theirs[:, -1]
    return ours, theirs


def _asked(quantity: Quantity, a: Assessment) -> np.ndarray | str:
    """The numbers of each run (R,), or the reason why there are none."""
    try:
        # inf - inf, of runs that became infinite, is shown as n/a.
        with np.errstate(invalid="ignore"):
            return np.asarray(quantity(a), dtype=float)
    except Unanswerable as reason:
        return f"n/a: {reason}"


def _pooled(
    answer: np.ndarray | str,
    runs: np.ndarray,
    one: bool,
    pool: Callable[[np.ndarray], Interval],
) -> Interval | str:
    """What is said of some of the runs; of one and the same policy without an interval."""
    if isinstance(answer, str):
        return answer
    pooled = pool(answer[runs])
    if one:
        return pooled.alone()
    return pooled


def _or_reason(title: str, value: Interval | str) -> Interval | str:
    """The reason instead of a number that fewer than half of the runs have, where it is known."""
    if isinstance(value, str) or title not in UNKNOWN:
        return value
    unknown = value.runs - value.known
    if 2 * unknown <= value.runs:
        return value
    return f"n/a: in {unknown} of {value.runs} runs {UNKNOWN[title]}"


def _one_in_all(compared: Record, learner: str) -> str:
    return (
        f"{learner} is one policy in all {compared.runs} runs, which differ by their starts and noise alone: medians stand "
        "without an interval over runs."
    )


def _loss_is_bounded(a: Assessment, runs: np.ndarray) -> bool:
    """Whether the bounds on the loss are bounds in some runs, by the learner's rewards and errors there.

    They are where errors are 0 or 1, and rewards, with 0, in an interval of length 1. The errors are by the action space, or
    where none is at hand by themselves.
    """
    rewards = np.concatenate([a.array("reward")[runs], a.experts("reward")[runs]])
    highest = max(0.0, rewards.max())
    lowest = min(0.0, rewards.min())
    if highest - lowest > 1:
        return False
    env = a.reference.env_or_reason
    if not isinstance(env, str):
        return isinstance(env.action_space, spaces.Discrete)
    return bool(np.isin(a.array("error_off")[runs], (0, 1)).all())


def _errors(reference: Reference, policies: Mapping[str, Any]) -> Matrix | str:
    """The action error matrix, or the reason why there is none."""
    try:
        env, expert = reference.env, reference.expert
    except Unanswerable as reason:
        return str(reason)
    networks = {name: policy for name, policy in policies.items() if isinstance(policy, Policy)}
    if not networks:
        return "needs a policy; an expert has no such row"
    return error_matrix(reference, env, expert, networks)


def error_matrix(
    reference: Reference, env: Env, expert: Expert, policies: Mapping[str, Policy]
) -> Matrix:
    """e(i on j): the mean action error of i on the states of j, for the expert and every learner at hand.

    On its expert's states and on its own a learner's errors are in the Record; on others' it is asked again.
    """
    compared = reference.record
    matrix: Matrix = {name: {} for name in policies}
    for number, where in enumerate(compared.learners):
        path = reference.path(number)
        broke, length = path.broke.cpu().numpy(), path.length.cpu().numpy()
        others = [name for name in policies if number > 0 and name != where]
        labels = flat_ask(env, expert, path) if others else None
        for name, policy in policies.items():
            errors = _stored_errors(compared, name, number)
            if name in others:
                errors = _replayed(reference, env, policy, path, labels)
            mean = mean_error(errors, broke, length)
            matrix[name][where] = interval(mean)
    return matrix


def _stored_errors(compared: Record, name: str, number: int) -> np.ndarray:
    """A learner's errors (R, E, T, U) in its first rollouts, on its own states or on the expert's, number 0."""
    array = "error_off" if number == 0 else "error_on"
    learner = compared.learners.index(name)
    errors = compared.arrays[array][learner]
    return errors[:, :PROBED]


def _replayed(
    reference: Reference, env: Env, policy: Policy, path: Rollout, labels: Any
) -> np.ndarray:
    """A learner's errors (R, E, T, U) along somebody else's path, by chance if it acted so in the Record."""
    sample = bool(reference.record.config.get("sample"))
    chance = chance_of(policy, reference.streams, sample)
    taken = replay(env, policy, path, chance)
    return action_error(env, taken, labels).cpu().numpy()


def assess(
    env: Env, expert: Expert, policy: Any, episodes: int = 64, trust: bool = False
) -> Measures:
    """Everything that can be said about any policy in any environment.

    Args:
        env: R runs; a foreign environment included (what it cannot be asked says why).
        expert: who is imitated, or who is to be compared with.
        policy: a Policy of R runs, an Expert, a callable of observations (n, O), anything with stable-baselines3's
            `predict`, or the name of one, see `resolve.named`.
        episodes: twin rollouts of each run.
        trust: the author of the zip in "sb3:PATH" is trusted.

    Returns:
        The table; printed, it begins with five lines in words. Of one policy that acts in all the runs there is no
        interval over runs.
    """
    expert = resolve.expert(env, expert)
    who = resolve.named(env, policy, trust)
    policies = {"policy": who}
    compared = compare(env, expert, policies, episodes=episodes)
    return measures(compared, env, expert, policies)


def of_record(
    compared: Record,
    env_name: str | None = None,
    expert_name: str | None = None,
    trust: bool = False,
) -> Measures:
    """Measure everything about a Record, its environment, expert and policies brought back from it."""
    try:
        env = record.environment_of(compared.config, env_name)
    except (ValueError, KeyError) as reason:
        words = str(reason.args[0])
        return measures(compared, words, words, {})
    compared.known_env = env
    policies = {learner: _policy(compared, learner) for learner in compared.index.kinds}
    if expert_name is None:
        return measures(compared, env, _recorded_expert(compared, env), policies)
    expert = resolve.expert(env, expert_name, trust)
    return measures(compared, env, expert, policies)


def _recorded_expert(compared: Record, env: Env) -> Expert | str:
    """Who was imitated as the Record names it, which imports nothing, or the reason why it cannot be had."""
    try:
        return resolve.recorded_expert(env, compared.index.expert)
    except ValueError as reason:
        return str(reason)


def _policy(compared: Record, learner: str) -> Policy | str:
    """A learner's policy, or the reason why the Record alone does not bring it back."""
    try:
        return compared.policy(learner)
    except ValueError as reason:
        return str(reason)

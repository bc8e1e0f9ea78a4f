"""Assess: every quantity of every learner of a comparison, as one table."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Policy
from ..core.rollout import action_error, flat_ask, replay
from ..fit.fitting import restore
from ..records import record
from ..records.record import Record
from ..records.rows import broken
from ..records.twins import compare
from ..stats.intervals import Interval, interval, mean_error
from .probes import Unanswerable
from .quantities import QUANTITIES, Assessment, Quantity, classes


def error_matrix(
    found: Record, env: Env, expert: Expert, policies: dict[str, Any]
) -> dict[str, dict[str, Interval]]:
    """e(i on j): the mean action error of i on the states of j, for the expert and every learner at hand."""
    out: dict[str, dict[str, Interval]] = {}
    for j, where in enumerate(found.learners):
        path = Assessment(found, j, env, expert, expert).path(j)
        labels = flat_ask(env, expert, path.state[:, :, :-1])
        for name, policy in policies.items():
            wrong = action_error(env, replay(env, policy, path), labels).cpu().numpy()
            out.setdefault(name, {})[where] = interval(mean_error(wrong, path.broke.cpu().numpy()))
    return out


@dataclass(frozen=True)
class Measures:
    """The table of one Record.

    Attributes:
        rows: for each learner and setting, quantity to interval or reason.
        errors: the action error matrix, e[i][j], or the reason why there is none.
        broken: who left the finite numbers, in which run and at which step, a sentence each.
    """

    rows: list[dict[str, Any]]
    errors: dict[str, dict[str, Interval]] | str
    broken: list[str]

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        rows = [
            {**row, "values": {k: _plain(v) for k, v in row["values"].items()}} for row in self.rows
        ]
        errors = self.errors if isinstance(self.errors, str) else {
            i: {j: _plain(v) for j, v in part.items()} for i, part in self.errors.items()
        }  # fmt: skip
        return {"rows": rows, "action_error_matrix": errors, "left_the_finite_numbers": self.broken}

    def __str__(self) -> str:
        blocks = []
        for row in self.rows:
            where = ", ".join(f"{k} = {v:g}" for k, v in row["settings"].items())
            lines = [f"{row['learner']}  {where}", f"  {'growth class':<44} {row['class']}"]
            lines += [
                f"  {name:<44} {_shown(name, value)}" for name, value in row["values"].items()
            ]
            blocks.append("\n".join(lines))
        blocks += self.broken
        if isinstance(self.errors, str):
            return "\n\n".join([*blocks, f"action error matrix: {self.errors}"])
        head = "action error of i (rows) on the states of j (columns)"
        names = list(next(iter(self.errors.values()), {}))
        lines = [head, " " * 12 + "".join(f"{n:>28}" for n in names)]
        lines += [
            f"  {i:<10}" + "".join(f"{part[n]!s:>28}" for n in names)
            for i, part in self.errors.items()
        ]
        return "\n\n".join([*blocks, "\n".join(lines)])


def _shown(name: str, value: Interval | str) -> str:
    return (
        value
        if isinstance(value, str)
        else " ".join(value.texts(3 if "growth" in name else 2)).strip()
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return {"none_because": value}
    return {k: v if math.isfinite(v) else str(v) for k, v in dataclasses.asdict(value).items()}


def measures(
    found: Record, env: Env | str, expert: Expert | str, policies: dict[str, Any]
) -> Measures:
    """Measure everything about every learner of a Record.

    Args:
        found: the comparison.
        env: of all runs, or the reason why it cannot be had; so for the expert.
        expert: who was imitated.
        policies: the learners' policies by name, those that are at hand.
    """
    rows = []
    for k, name in list(enumerate(found.learners))[1:]:
        a = Assessment(found, k, env, expert, policies.get(name, "its policy is not at hand"))
        values = {quantity: _asked(measure, a) for quantity, measure in QUANTITIES.items()}
        for key, runs in found.groups().items():
            shown = {q: v if isinstance(v, str) else interval(v[runs]) for q, v in values.items()}
            rows.append(
                {"learner": name, "settings": dict(key), "class": classes(a, runs), "values": shown}
            )
    if isinstance(env, str) or isinstance(expert, str):
        return Measures(rows, env if isinstance(env, str) else str(expert), broken(found))
    networks = {name: p for name, p in policies.items() if isinstance(p, Policy)}
    errors = (
        error_matrix(found, env, expert, networks)
        if networks
        else "needs a policy; an expert has no such row"
    )
    return Measures(rows, errors, broken(found))


def _asked(measure: Quantity, a: Assessment) -> np.ndarray | str:
    try:
        with np.errstate(
            invalid="ignore"
        ):  # inf - inf, of runs that left the finite numbers, is shown as n/a
            return np.asarray(measure(a), dtype=float)
    except Unanswerable as reason:
        return f"n/a: {reason}"


def assess(
    env: Env, expert: Expert, policy: Any, episodes: int = 64, trust: bool = False
) -> Measures:
    """Everything that can be said about any policy in any environment.

    Args:
        env: R runs; a foreign environment included (what it cannot be asked says why).
        expert: who is imitated, or who is to be compared with.
        policy: a Policy of R runs, an Expert, a callable of observations (n, O), anything with stable-baselines3's
            `predict`, or the name of one, see `agents.named`.
        episodes: twin rollouts of each run.
        trust: the author of the zip in "sb3:PATH" is trusted.
    """
    expert, who = resolve.expert(env, expert), resolve.named(env, policy, trust)
    return measures(
        compare(env, expert, {"policy": who}, episodes=episodes), env, expert, {"policy": who}
    )


def of_record(
    found: Record, env_name: str | None = None, expert_name: str | None = None, trust: bool = False
) -> Measures:
    """Measure everything about a Record, its environment, expert and policies brought back from it."""
    try:
        env = record.environment_of(found.config, env_name)
    except ValueError as reason:
        return measures(found, str(reason), str(reason), {})
    held = found.config["expert"]
    stranger = ":" in held and expert_name is None and env_name is None
    if stranger:
        missing = f"its expert {held!r} is a file's; name it with --expert"
        return measures(found, env, missing, restored_policies(found, env))
    expert = resolve.expert(env, expert_name or held, trust)
    return measures(found, env, expert, restored_policies(found, env))


def restored_policies(found: Record, env: Env) -> dict[str, Policy]:
    """The policies whose weights a Record holds, by name."""
    out: dict[str, Policy] = {}
    for name, kind in found.config["kinds"].items():
        arrays = {
            k.partition("/")[2]: torch.from_numpy(v)
            for k, v in found.weights.items()
            if k.startswith(f"{name}/")
        }
        if arrays:
            out[name] = restore(kind, arrays, env.action_space)
    return out

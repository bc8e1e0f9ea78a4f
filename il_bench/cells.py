"""Cells: what a sweep is made of. Flags become runs, runs that fit together become batches, a batch becomes rows.

A batch is JSON: a worker, here or on another machine, makes everything else from it.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from . import flags, registry, results
from .memory import Memory, needed
from .settings import combinations, require

RANGE_DIGITS = 12


@dataclass(frozen=True)
class Group:
    """Runs of one environment and one learner that differ in numbers alone, and so can stand side by side.

    Attributes:
        env: name of the environment.
        algo: name of the learner.
        values: flat settings of both; those named in `many` are tuples, one value for each run, "seed" among them.
        many: names of the settings that differ between runs.
        common: what else the numbers depend on: expert, rollouts, whether policies act by chance.
    """

    env: str
    algo: str
    values: dict[str, Any]
    many: tuple[str, ...]
    common: dict[str, Any]

    @property
    def runs(self) -> int:
        """How many, R."""
        return len(self.values["seed"])

    def part(self, chosen: list[int]) -> Group:
        """Some of the runs."""
        values = {
            k: tuple(v[i] for i in chosen) if k in self.many else v for k, v in self.values.items()
        }
        return dataclasses.replace(self, values=values)

    def things(self, device: str = "cpu") -> tuple[Any, Any]:
        """Environment and learner."""
        env, learner = classes(self.env, self.algo)
        return flags.build(env, self.values | {"device": device}), flags.build(learner, self.values)

    def identities(self) -> list[dict[str, Any]]:
        """What each run is made of, (R,): whatever its numbers depend on, defaults included."""
        env, learner = classes(self.env, self.algo)
        code = results.code(
            env, learner, type(registry.expert(self.things()[0], self.common["expert"]))
        )
        rows = []
        for run in range(self.runs):
            own = {k: v[run] if k in self.many else v for k, v in self.values.items()}
            seed = own.pop("seed")
            rows.append(
                {
                    "env": self.env,
                    "algo": self.algo,
                    "settings": own,
                    "seed": seed,
                    "code": code,
                    **self.common,
                }
            )
        return rows


def classes(env: str, algo: str) -> tuple[type, type]:
    """The classes of an environment and of a learner."""
    return registry.environment(env), registry.from_desk(registry.LEARNERS, algo)


def unknown(envs: Iterable[str], algos: Iterable[str]) -> dict[str, str]:
    """Names of environments and learners that there are none of, with the sentence that says so."""
    out = {}
    finders = [(env, registry.environment) for env in envs]
    finders += [(algo, partial(registry.from_desk, registry.LEARNERS)) for algo in algos]
    for name, find in finders:
        try:
            find(name)
        except (KeyError, ValueError) as error:
            out[name] = str(error.args[0])
    return out


def given(args: list[str]) -> dict[str, list[str]]:
    """Flags and their values as they were typed; `a:b:step` stands for the numbers from a to b.

    Raises:
        ValueError: for a value before any flag, or a range that is none.
    """
    found: dict[str, list[str]] = {}
    last = ""
    for token in args:
        if token.startswith("--"):
            name, _, value = token.partition("=")
            require(name not in found, f"{name}: given twice; name all its values after one")
            last = name
            found[last] = [value] if value else []
        else:
            require(
                bool(last), f"sweep: expected a flag, got {token!r}; values stand after their flag"
            )
            found[last] += spread(token)
    return found


def spread(token: str) -> list[str]:
    """A value, or all of a range `first:last:step`, both ends included.

    Raises:
        ValueError: for a range without an end.
    """
    parts = token.split(":")
    try:
        first, last, step = map(float, parts)
    except ValueError:
        return [token]
    require(
        step > 0 and last >= first,
        f"range {token}: expected first:last:step, upwards; try 0.8:1.3:0.05",
    )
    count = int((last - first) / step + 1 + 1e-9)
    return [repr(round(first + i * step, RANGE_DIGITS)) for i in range(count)]


def groups(
    env: str, algo: str, settings: dict[str, list[str]], seeds: int, common: dict[str, Any]
) -> Iterator[Group]:
    """The runs that some flags mean for one environment and one learner, those that cannot stand side by side apart.

    Flags that neither of the two has are left out. A number that runs may differ in takes its values side by side;
    several values of any other flag make one group each.
    """
    kinds = classes(env, algo)
    hints = {name: hint for kind in kinds for name, hint in _hints(kind).items()}
    many = [n for kind in kinds for n in flags.nested_per_run_fields(kind)]
    mine = {
        k: v
        for k, v in settings.items()
        if _name(k) in hints or _name(k).removeprefix("no_") in hints
    }
    alone = [
        [(k, [v]) for v in values]
        for k, values in mine.items()
        if len(values) > 1 and _name(k) not in many and get_origin(hints[_name(k)]) is not tuple
    ]
    rest = [(k, v) for k, v in mine.items() if not any(k == row[0][0] for row in alone)]
    for chosen in itertools.product(*alone):
        flat = _parsed(kinds, [*rest, *chosen])
        values = combinations(flat, many, seeds)
        varying = tuple(
            k for k, v in values.items() if k == "seed" or (k in many and isinstance(v, tuple))
        )
        yield Group(env, algo, values, varying, common)


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _hints(kind: type) -> dict[str, Any]:
    """Types of the settings of a class by name, nested ones included."""
    hints = get_type_hints(kind)
    out: dict[str, Any] = {}
    for f in dataclasses.fields(kind):
        inner = f.default_factory() if f.default_factory is not dataclasses.MISSING else None
        out |= _hints(type(inner)) if dataclasses.is_dataclass(inner) else {f.name: hints[f.name]}
    return {name: hint for name, hint in out.items() if name not in ("seed", "device")}


def _parsed(kinds: tuple[type, type], chosen: list[tuple[str, list[str]]]) -> dict[str, Any]:
    """Flat settings of environment and learner, read as `run` reads them."""
    import tyro

    parts = {
        "environment": flags.flags_of(kinds[0], hide=("seed", "device")),
        "learner": flags.flags_of(kinds[1]),
    }
    flags.require_distinct(*parts.values())
    command: Any = tyro.conf.OmitArgPrefixes[dataclasses.make_dataclass("Cell", parts.items())]  # type: ignore[misc]
    got = flags.parsed(
        command, [word for k, v in chosen for word in (k, *v)], "python -m il_bench.sweep"
    )
    return flags.flat(got.environment) | flags.flat(got.learner)


def unused(settings: dict[str, list[str]], pairs: list[tuple[str, str]]) -> list[str]:
    """Sentences about flags that no environment and no learner of a sweep has."""
    known = {name for pair in pairs for kind in classes(*pair) for name in _hints(kind)}
    out = []
    for flag in settings:
        name = _name(flag)
        if name not in known and name.removeprefix("no_") not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean --{close[0].replace('_', '-')}?" if close else "; see --help"
            out.append(f"{flag}: no environment and no learner here has it{meant}")
    return out


def possible(group: Group) -> tuple[list[int], dict[str, str]]:
    """The runs of a group whose settings can be had, and for each combination that cannot the sentence that says why."""
    fine: list[int] = []
    wrong: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    swept = [k for k in group.many if k != "seed"]
    for run in range(group.runs):
        values = tuple(group.values[k][run] for k in swept)
        if values not in seen:
            seen[values] = _refusal(group.part([run]))
        if seen[values]:
            shown = ", ".join(f"{k} = {v:g}" for k, v in zip(swept, values, strict=True))
            wrong[f"{group.env}, {group.algo}{', ' + shown if shown else ''}"] = seen[values]
        else:
            fine.append(run)
    return fine, wrong


def _refusal(one: Group) -> str:
    """Why the settings of a run cannot be had; empty where they can."""
    try:
        env, learner = one.things()
        if getattr(learner, "training", None) is not None:
            learner.training.require_runs(env.runs)
        registry.expert(env, one.common["expert"])
    except (ValueError, TypeError, KeyError) as error:
        return str(error.args[0] if error.args else error)
    return ""


def memory(group: Group) -> Memory:
    """What the runs of a group take side by side."""
    env, learner = group.things()
    return needed(env, [learner], group.common["rollouts"])


def compute(folder: str, group: Group, device: str = "cpu", parent: int | None = None) -> int:
    """Train, roll out as twins, and write one batch; what a worker does.

    Args:
        folder: of the results.
        group: the batch.
        device: cpu or cuda.
        parent: the process with which a worker is to end, if it is one.

    Returns:
        How many runs were written.
    """
    import torch

    from .twins import compare

    if parent is not None:
        _end_with(parent)
    torch.set_num_threads(1)
    env, learner = group.things(device)
    expert = registry.expert(env, group.common["expert"])
    policy = learner.learn(env, expert)
    found = compare(
        env,
        expert,
        {group.algo: policy},
        episodes=group.common["rollouts"],
        sample=group.common["sample"],
    )
    results.write(Path(folder), group.identities(), results.rows(found))
    return group.runs


def _end_with(parent: int) -> None:
    """End this process when its parent was killed, within a second; what it has not written is computed again."""
    if any(thread.name == "il_bench parent" for thread in threading.enumerate()):
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="il_bench parent", daemon=True).start()

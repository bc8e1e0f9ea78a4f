"""Plan: flags become runs, runs that fit together become batches."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_origin, get_type_hints

from ..borders import resolve
from ..cli import flags
from ..cli.owners import Owner, read
from ..core import registry
from ..core.registry import short_name
from ..core.settings import build, combinations, nested_per_run_fields, parts, plugs, require
from . import digest

if TYPE_CHECKING:
    from .footprint import Memory

RANGE_DIGITS = 12
EARLY = 16
"""Runs of a group above which one of them is computed before the others."""


@dataclass(frozen=True)
class Group:
    """Runs of one environment and one learner that differ in numbers alone, and so can stand side by side.

    Attributes:
        env: name of the environment.
        algo: name of the learner.
        values: flat settings of both; those named in `many` are tuples, one value for each run, "seed" among them.
        many: names of the settings that differ between runs.
        common: what else the numbers depend on: expert, rollouts, whether policies act by chance.
        trust: whether the author of the expert's zip is trusted, on which no number depends.
        code: a digest of the sources; "" where it has not been taken yet.
    """

    env: str
    algo: str
    values: dict[str, Any]
    many: tuple[str, ...]
    common: dict[str, Any]
    trust: bool = False
    code: str = ""

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
        settings = _own(self.values, self.env) | {"device": device}
        return build(env, settings), build(learner, _own(self.values, self.algo))

    def expert(self, env: Any) -> Any:
        """The expert of an environment of this group."""
        return resolve.expert(env, self.common["expert"], self.trust)

    def identities(self) -> list[dict[str, Any]]:
        """What each run is made of, (R,): whatever its numbers depend on, defaults included."""
        code = self.code or self.with_code().code
        rest = {"env": self.env, "algo": self.algo, "code": code, **self.common}
        identities = []
        for run in range(self.runs):
            settings = {k: v[run] if k in self.many else v for k, v in self.values.items()}
            seed = settings.pop("seed")
            identities.append({**rest, "settings": settings, "seed": seed})
        return identities

    def keys(self) -> list[str]:
        """The addresses of the runs, (R,)."""
        return [digest.key(identity) for identity in self.identities()]

    def with_code(self) -> Group:
        """The group with the digest of its sources, which is taken once and travels with it."""
        env, learner = self.part([0]).things()
        code = digest.code_of(env, learner, self.expert(env))
        return dataclasses.replace(self, code=code)


def classes(env: str, algo: str) -> tuple[type, type]:
    """The classes of an environment and of a learner."""
    return resolve.environment(env), registry.from_desk(registry.LEARNERS, algo)


def unknown(envs: Iterable[str], algos: Iterable[str]) -> dict[str, str]:
    """Names of environments and learners that there are none of, with the sentence that says so."""
    out = {}
    finders = [(env, resolve.environment) for env in envs]
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
    values = [round(first + i * step, RANGE_DIGITS) for i in range(count)]
    whole = all(part.lstrip("+-").isdigit() for part in parts)
    return [str(int(value)) if whole else repr(value) for value in values]


def groups(
    env: str,
    algo: str,
    settings: dict[str, list[str]],
    seeds: int,
    common: dict[str, Any],
    trust: bool = False,
) -> Iterator[Group]:
    """The runs that some flags mean for one environment and one learner, those that cannot stand side by side apart.

    Flags that neither of the two has are left out. A number that runs may differ in takes its values side by side;
    several values of any other flag make one group each.
    """
    kinds = classes(env, algo)
    owners = (short_name(env), short_name(algo))
    for chosen in _choices(kinds, settings):
        hints = _hints(kinds, chosen)
        per_run = {name for kind in kinds for name in nested_per_run_fields(kind, chosen)}
        mine = {k: v for k, v in settings.items() if _is_one_of(k, hints, owners)}
        mine |= {f"--{name}": [value] for name, value in chosen.items()}
        alone = [
            _name(k)
            for k, values in mine.items()
            if len(values) > 1
            and _name(k) not in per_run
            and get_origin(hints[_name(k)]) is not tuple
        ]
        parsed = _parsed(kinds, owners, mine, chosen, alone)
        many = [name for name in parsed if name.rpartition(".")[2] in per_run]
        for picked in itertools.product(*(parsed[name] for name in alone)):
            flat = parsed | dict(zip(alone, picked, strict=True))
            values = combinations(flat, many, seeds)
            varying = [k for k, v in values.items() if k in many and isinstance(v, tuple)]
            yield Group(env, algo, values, (*varying, "seed"), common, trust)


def _own(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The values for one of the two, whose qualified ones go before plain ones."""
    prefix = f"{short_name(name)}."
    own = {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
    return values | own


def _choices(kinds: tuple[type, type], settings: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Every combination of what the flags put into the plugs of two classes."""
    names = [name for kind in kinds for name in plugs(kind) if settings.get(f"--{name}")]
    for picked in itertools.product(*(settings[f"--{name}"] for name in names)):
        yield dict(zip(names, picked, strict=True))


def _name(flag: str) -> str:
    """The setting that a flag sets, whoever's."""
    return flag.removeprefix("--").rpartition(".")[2].removeprefix("no-").replace("-", "_")


def _is_one_of(flag: str, names: Iterable[str], owners: Iterable[str] = ()) -> bool:
    """Whether a flag, or the flag that it negates, sets one of these names, of one of these owners if it names one."""
    owner = flag.removeprefix("--").rpartition(".")[0]
    return (not owner or owner in owners) and _name(flag) in names


def _hints(kinds: tuple[type, type], chosen: dict[str, str]) -> dict[str, Any]:
    """Types of the settings of two classes by name, nested ones included."""
    hints: dict[str, Any] = {}
    for kind in kinds:
        for part in parts(kind, chosen):
            own = get_type_hints(part)
            hints |= {field.name: own[field.name] for field in dataclasses.fields(part)}
    return {name: hint for name, hint in hints.items() if name not in ("seed", "device")}


def _parsed(
    kinds: tuple[type, type],
    names: tuple[str, str],
    given: dict[str, list[str]],
    chosen: dict[str, str],
    alone: list[str],
) -> dict[str, Any]:
    """Flat settings of environment and learner, read as `run` reads them, but several values of those in `alone`.

    A setting that both have bears its owner's name: "dagger.p".
    """
    several = tuple(alone)
    env = Owner(names[0], kinds[0], "environment", ("seed", "device"), None, several)
    learner = Owner(names[1], kinds[1], "learner", (), chosen, several)
    words = [word for k, v in given.items() for word in (k, *v)]
    reading = read([env, learner], words, "python -m il_bench.sweep")
    both = env.settings & learner.settings
    return {
        f"{owner.name}.{name}" if name in both else name: value
        for owner in (env, learner)
        for name, value in reading.values[owner.name].items()
    }


def unused(settings: dict[str, list[str]], pairs: list[tuple[str, str]]) -> list[str]:
    """Sentences about flags that no environment and no learner of a sweep has."""
    known = {
        name
        for pair in pairs
        for chosen in _choices(classes(*pair), settings)
        for name in _hints(classes(*pair), chosen)
    }
    owners = {short_name(name) for pair in pairs for name in pair}
    out = []
    for flag in settings:
        if not _is_one_of(flag, known, owners):
            close = difflib.get_close_matches(_name(flag), known, 1)
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
        one.expert(env)
    except (ValueError, TypeError, KeyError) as error:
        return str(error.args[0] if error.args else error)
    return ""


def memory(group: Group) -> Memory:
    """What the runs of a group take side by side."""
    from .footprint import needed

    env, learner = group.things()
    return needed(env, [learner], group.common["rollouts"])


@dataclass(frozen=True)
class SweepOptions:
    """Sweep over environments, learners and any of their settings; several values of a flag are all tried."""

    env: tuple[str, ...] = ("tube",)
    """Environments: registered names, module:Class, or Gymnasium ids."""
    algo: tuple[str, ...] = ("bc", "dagger")
    """Learners: registered names or module:Class."""
    expert: str | None = None
    """Expert of every environment: module:Class, module:function or sb3:PATH; each environment's own by default."""
    trust: bool = False
    """The author of the zip in --expert sb3:PATH is trusted: opening it runs what was serialised into it."""
    seeds: int = 16
    """Independent runs (seeds 0, 1, ...) of every setting."""
    rollouts: int = 64
    """Twin rollouts of each run, on seeds that no learner has seen."""
    sample: bool = False
    """Let policies act by chance in the evaluation, not deterministically."""
    out: Path = Path("results")
    """Folder for the results; what is finished there is not computed again."""
    resume: bool = True
    """Keep what is finished; --no-resume computes everything again."""
    batch: int = 64
    """Runs that are trained side by side, at most."""
    memory: float = 0.0
    """Gigabytes that all processes together may take, at most: batches become small enough; 0 sets no limit."""
    jobs: int = 0
    """Processes, of one thread each; 0 takes one for each core."""
    backend: Literal["loky", "dask"] = "loky"
    """Where batches go: processes here, or a Dask cluster whose workers share the folder --out."""
    scheduler: str | None = None
    """Address of the Dask scheduler, such as tcp://host:8786."""
    device: str = "cpu"
    """Where to compute: cpu or cuda."""


def asked(args: list[str]) -> tuple[SweepOptions, dict[str, list[str]]]:
    """The sweep's own options, and all other flags with their values.

    Raises:
        ValueError: in one sentence, for what cannot be read; SystemExit after help was shown.
    """
    own = {f"--{f.name}" for f in dataclasses.fields(SweepOptions)} | {
        "--no-resume",
        "--no-sample",
        "--no-trust",
        "--help",
        "-h",
    }
    helping = [a for a in args if a in ("--help", "-h")]
    found = given([a for a in args if a not in helping])
    mine = [word for k, v in found.items() if k in own for word in (k, *v)]
    about = "Every other flag is a setting of the environments or the learners; first:last:step is a range of numbers."
    options = flags.parsed(SweepOptions, [*mine, *helping], "python -m il_bench.sweep", about)
    for name in ("seeds", "rollouts", "batch"):
        require(
            getattr(options, name) >= 1,
            f"{name}: expected at least 1, got {getattr(options, name)}",
        )
    require(
        options.memory >= 0,
        f"memory: expected gigabytes, at least 0, got {options.memory}; 0 sets no limit",
    )
    require(
        options.jobs >= 0,
        f"jobs: expected at least 0, got {options.jobs}; 0 takes one for each core",
    )
    zipped = str(options.expert).startswith(resolve.ZIP)
    require(
        zipped or not options.trust,
        "trust: expected --expert sb3:PATH beside it, which alone needs it; leave it out",
    )
    remote = options.backend == "dask"
    require(
        remote or options.scheduler is None,
        "scheduler: it goes with --backend dask; give both or neither",
    )
    require(
        bool(options.env and options.algo),
        "sweep: expected an environment and a learner; name one of each",
    )
    return options, {k: v for k, v in found.items() if k not in own}


def planned(
    options: SweepOptions, settings: dict[str, list[str]], pairs: list[tuple[str, str]]
) -> tuple[list[Group], list[str]]:
    """All groups of runs, and sentences about combinations that one environment cannot have but another can.

    Raises:
        ValueError: with all mistakes at once, before anything is computed.
    """
    common = {"expert": options.expert, "rollouts": options.rollouts, "sample": options.sample}
    strangers = unknown(options.env, options.algo)
    known = [pair for pair in pairs if not strangers.keys() & set(pair)]
    # Whether a flag is nobody's can be said only where everybody is known.
    mistakes = list(strangers.values()) or unused(settings, pairs)
    plan: list[Group] = []
    envs = set()
    wrong: dict[str, tuple[str, str]] = {}
    for env, algo in known:
        try:
            for group in groups(env, algo, settings, options.seeds, common, options.trust):
                fine, refused = possible(group)
                wrong |= {where: (env, why) for where, why in refused.items()}
                if fine:
                    plan.append(group.part(fine).with_code())
                    envs.add(env)
        except ValueError as error:
            mistakes.append(f"{env}, {algo}: {error}")
    # What one environment cannot have while it can have the rest, and others too, is left out and said.
    several = len(options.env) > 1
    mistakes += [
        f"{where}: {why}" for where, (env, why) in wrong.items() if not (several and env in envs)
    ]
    require(
        len(set(mistakes)) != 1, f"sweep: {mistakes[0] if mistakes else ''} (nothing was computed)"
    )
    listed = "\n".join(f"  {line}" for line in dict.fromkeys(mistakes))
    require(
        not mistakes,
        f"sweep: {len(set(mistakes))} mistakes, nothing was computed; mend them all:\n{listed}",
    )
    return plan, [f"{where}: {why}" for where, (_, why) in wrong.items()]


def batched(
    plan: list[Group], done: set[str], largest: int, jobs: int, limit: float = 0.0
) -> Iterator[Group]:
    """What is left to do, in batches of at most `largest` runs, small enough that every process has work.

    The very first batch is one run, so that the first row appears after seconds; what is computed at a time changes no
    number.

    Raises:
        ValueError: when not even single runs, one in each process, fit into `limit` bytes; 0 sets none.
    """
    first = True
    for group in plan:
        left = [run for run, key in enumerate(group.keys()) if key not in done]
        size = max(1, min(largest, math.ceil(len(left) / jobs)))
        if left and limit:
            size = min(size, memory(group.part(left)).runs_within(limit / jobs))
        if first and len(left) > EARLY:
            yield group.part(left[:1])
            left = left[1:]
        first = first and not left
        for at in range(0, len(left), size):
            yield group.part(left[at : at + size])

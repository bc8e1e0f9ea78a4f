"""Plan: flags become runs, runs that fit together become batches."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_origin, get_type_hints

from ..borders import resolve
from ..cli import flags
from ..cli.owners import Owner, read
from ..core import registry
from ..core.registry import short_name
from ..core.settings import (
    build,
    combinations,
    nested_per_run_fields,
    parts,
    plugs,
    require,
    require_count,
)
from ..core.usual import usual
from . import digest

if TYPE_CHECKING:
    from .footprint import Memory

Flags: TypeAlias = "dict[str, list[str]]"
"""Flags as they were typed, each with its values."""
Settings: TypeAlias = "dict[str, Any]"
"""Values by name."""
Texts: TypeAlias = "dict[str, str]"
Kinds: TypeAlias = "tuple[type, type]"
"""The classes of an environment and of a learner."""
Pair: TypeAlias = "tuple[str, str]"
"""The names of an environment and of a learner."""

RANGE_DIGITS = 12
MOST_VALUES = 10_000
"""Of a range: nobody means more, and a zero too many would fill the memory."""
NO_FLAGS = ("seed", "device")
"""Settings of an environment that are set by the command's own flags."""


EARLY = 8
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
        code: what stands behind the numbers; taken once, it travels with the group.
        swept: names of the settings of which the sweep has several values.
    """

    env: str
    algo: str
    values: Settings
    many: tuple[str, ...]
    common: Settings
    trust: bool = False
    code: digest.Code | None = None
    swept: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """How many, R."""
        return len(self.values["seed"])

    def part(self, chosen: list[int]) -> Group:
        """Some of the runs."""
        values = dict(self.values)
        for name in self.many:
            column = self.values[name]
            values[name] = tuple(column[run] for run in chosen)
        return dataclasses.replace(self, values=values)

    def run(self, number: int) -> Settings:
        """The flat settings of one run, its seed among them."""
        values = dict(self.values)
        for name in self.many:
            values[name] = self.values[name][number]
        return values

    def things(self, device: str = "cpu") -> tuple[Any, Any]:
        """Environment and learner."""
        env, learner = classes(self.env, self.algo)
        settings = _own(self.values, self.env) | {"device": device}
        return build(env, settings), build(learner, _own(self.values, self.algo))

    def expert(self, env: Any) -> Any:
        """The expert of an environment of this group."""
        return resolve.expert(env, self.common["expert"], self.trust)

    def identities(self) -> list[Settings]:
        """What each run is made of, (R,): whatever its numbers depend on, defaults included."""
        code = self.code or self.code_here()
        rest = {"env": self.env, "algo": self.algo, "code": code.address, **self.common}
        identities = []
        for number in range(self.runs):
            settings = self.run(number)
            seed = settings.pop("seed")
            identities.append({**rest, "settings": settings, "seed": seed})
        return identities

    def keys(self) -> list[str]:
        """The addresses of the runs, (R,)."""
        return [digest.key(identity) for identity in self.identities()]

    def cells(self) -> list[str]:
        """What the runs are meant to be (R,): their addresses but for the code."""
        return [digest.key(identity | {"code": ""}) for identity in self.identities()]

    def names(self) -> frozenset[str]:
        """All settings that are texts: numbers apart, two groups that agree in them have the same code."""
        texts = {name: value for name, value in self.values.items() if isinstance(value, str)}
        return frozenset(f"{name}={value}" for name, value in texts.items())

    def code_here(self) -> digest.Code:
        """What stands behind the numbers where this is asked."""
        env, learner = self.part([0]).things()
        return digest.code_of(env, learner, self.expert(env))

    def place(self, number: int) -> str:
        """Where in the sweep a run stands, in words: all but its seed."""
        values = self.run(number)
        settings = [f"{name} = {_shown(values[name])}" for name in self.swept]
        return ", ".join([self.env, self.algo, *settings])

    def halves(self) -> list[Group]:
        """The group in two, as long as it holds two runs."""
        middle = (self.runs + 1) // 2
        numbers = list(range(self.runs))
        parts = (numbers[:middle], numbers[middle:])
        return [self.part(part) for part in parts if part]


def classes(env: str, algo: str) -> Kinds:
    """The classes of an environment and of a learner."""
    return resolve.environment(env), registry.from_desk(registry.LEARNERS, algo)


def unknown(envs: Iterable[str], algos: Iterable[str]) -> Texts:
    """Names of environments and learners that there are none of, with the sentence that says so."""
    learner = partial(registry.from_desk, registry.LEARNERS)
    return _refusals(resolve.environment, envs) | _refusals(learner, algos)


def _refusals(find: Callable[[str], type], names: Iterable[str]) -> Texts:
    """Names under which nothing is found, with the sentence that says so."""
    sentences = {}
    for name in names:
        try:
            find(name)
        except (KeyError, ValueError) as error:
            sentences[name] = str(error.args[0])
    return sentences


def given(args: list[str]) -> Flags:
    """Flags and their values as they were typed; `a:b:step` stands for the numbers from a to b.

    Raises:
        ValueError: for a value before any flag, or a range that is none.
    """
    flags_given: Flags = {}
    values: list[str] | None = None
    for token in args:
        if token.startswith("--"):
            name, _, value = token.partition("=")
            twice = name in flags_given
            require(not twice, f"{name}: given twice; name all its values after one")
            values = [value] if value else []
            flags_given[name] = values
        elif values is None:
            advice = "values stand after their flag"
            raise ValueError(f"sweep: expected a flag, got {token!r}; {advice}")
        else:
            values += spread(token)
    return flags_given


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
    upwards = step > 0 and math.inf > last >= first > -math.inf
    require(upwards, f"range {token}: expected first:last:step, upwards; try 0.8:1.3:0.05")
    steps = (last - first) / step + 1 + 1e-9
    wanted = f"at most {MOST_VALUES:,} values, got {steps:.3g}"
    require(steps < MOST_VALUES + 1, f"range {token}: expected {wanted}; take a larger step")
    count = int(steps)
    exact = [first + i * step for i in range(count)]
    values = [round(value, RANGE_DIGITS) for value in exact]
    if all(part.lstrip("+-").isdigit() for part in parts):
        return [str(int(value)) for value in values]
    return [repr(value) for value in values]


def groups(
    env: str,
    algo: str,
    settings: Flags,
    seeds: int,
    common: Settings,
    trust: bool = False,
) -> Iterator[Group]:
    """The runs that some flags mean for one environment and one learner, those that cannot stand side by side apart.

    Flags that neither of the two has are left out. A number that runs may differ in takes its values side by side;
    several values of any other flag make one group each.
    """
    kinds = classes(env, algo)
    owners = (short_name(env), short_name(algo))
    suiting = usual(kinds[0], owners[1], kinds[1])
    for chosen in _choices(kinds, settings):
        defaults = suiting | chosen
        hints = _hints(kinds, defaults)
        per_run = _per_run(kinds, defaults)
        mine = {flag: settings[flag] for flag in settings if _sets(flag, hints, owners)}
        for name, value in chosen.items():
            mine[f"--{name}"] = [value]
        alone = _alone(mine, hints, per_run)
        parsed = _parsed(kinds, owners, mine, defaults, alone)
        many = [name for name in parsed if _name(name) in per_run]
        for picked in itertools.product(*(parsed[name] for name in alone)):
            flat = parsed | dict(zip(alone, picked, strict=True))
            values = combinations(flat, many, seeds)
            several = [name for name in many if isinstance(values[name], tuple)]
            swept = (*_several_plugs(chosen, settings), *alone, *several)
            each = (*several, "seed")
            yield Group(env, algo, values, each, common, trust, swept=swept)


def _several_plugs(chosen: Texts, settings: Flags) -> list[str]:
    """Plugs into which a sweep puts several things in turn."""
    return [name for name in chosen if len(settings[f"--{name}"]) > 1]


def _per_run(kinds: Kinds, chosen: Settings) -> set[str]:
    """Names of the settings in which runs that stand side by side may differ."""
    env, learner = kinds
    return {*nested_per_run_fields(env, chosen), *nested_per_run_fields(learner, chosen)}


def _alone(given: Flags, hints: Settings, per_run: set[str]) -> list[str]:
    """Settings of several values of which each run group takes one: neither numbers of runs nor tuples by themselves."""
    names = []
    for flag, values in given.items():
        name = _name(flag)
        several = len(values) > 1
        one_value = get_origin(hints[name]) is not tuple
        if several and one_value and name not in per_run:
            names.append(name)
    return names


def _own(values: Settings, name: str) -> Settings:
    """The values for one of the two, whose qualified ones go before plain ones."""
    prefix = f"{short_name(name)}."
    qualified = [key for key in values if key.startswith(prefix)]
    own = {key.removeprefix(prefix): values[key] for key in qualified}
    return values | own


def _choices(kinds: Kinds, settings: Flags) -> Iterator[Texts]:
    """Every combination of what the flags put into the plugs of two classes."""
    axes = {}
    for kind in kinds:
        for name in plugs(kind):
            values = settings.get(f"--{name}")
            if values:
                axes[name] = values
    for picked in itertools.product(*axes.values()):
        yield dict(zip(axes, picked, strict=True))


def _name(flag: str) -> str:
    """The setting that a flag sets, whoever's."""
    _, _, setting = flag.removeprefix("--").rpartition(".")
    return setting.removeprefix("no-").replace("-", "_")


def _sets(flag: str, names: Iterable[str], owners: Iterable[str]) -> bool:
    """Whether a flag, or the flag that it negates, sets one of these names, of one of these owners if it names one."""
    owner, _, _ = flag.removeprefix("--").rpartition(".")
    possible = not owner or owner in owners
    return possible and _name(flag) in names


def _hints(kinds: Kinds, chosen: Settings) -> Settings:
    """Types of the settings of two classes by name, nested ones included."""
    env, learner = kinds
    hints: Settings = {}
    for part in (*parts(env, chosen), *parts(learner, chosen)):
        own = get_type_hints(part)
        for field in dataclasses.fields(part):
            hints[field.name] = own[field.name]
    for name in NO_FLAGS:
        hints.pop(name, None)
    return hints


def _parsed(
    kinds: Kinds,
    names: Pair,
    given: Flags,
    chosen: Settings,
    alone: list[str],
) -> Settings:
    """Flat settings of environment and learner, read as `run` reads them, but several values of those in `alone`.

    A setting that both have bears its owner's name: "dagger.p".
    """
    several = tuple(alone)
    env = Owner(names[0], kinds[0], "environment", NO_FLAGS, None, several)
    learner = Owner(names[1], kinds[1], "learner", (), chosen, several)
    reading = read([env, learner], _words(given), "python -m il_bench.sweep")
    both = env.settings & learner.settings
    flat = {}
    for owner in (env, learner):
        for name, value in reading.values[owner.name].items():
            key = f"{owner.name}.{name}" if name in both else name
            flat[key] = value
    return flat


def _words(given: Flags) -> list[str]:
    """Flags and their values as a command line."""
    words: list[str] = []
    for flag, values in given.items():
        words += [flag, *values]
    return words


def unused(settings: Flags, pairs: list[Pair]) -> list[str]:
    """Sentences about flags that no environment and no learner of a sweep has."""
    known: set[str] = set()
    owners: set[str] = set()
    for pair in pairs:
        kinds = classes(*pair)
        names = [short_name(name) for name in pair]
        owners.update(names)
        suiting = usual(kinds[0], names[1], kinds[1])
        for chosen in _choices(kinds, settings):
            hints = _hints(kinds, suiting | chosen)
            known.update(hints)
    strange = [flag for flag in settings if not _sets(flag, known, owners)]
    return [_nobodys(flag, known) for flag in strange]


def _nobodys(flag: str, known: set[str]) -> str:
    """The sentence about a flag that nobody has."""
    close = difflib.get_close_matches(_name(flag), known, 1)
    spelled = [name.replace("_", "-") for name in close]
    advice = f"did you mean --{spelled[0]}?" if spelled else "see --help"
    return f"{flag}: no environment and no learner here has it; {advice}"


def possible(group: Group) -> tuple[list[int], Texts]:
    """The runs of a group whose settings can be had, and for each combination that cannot the sentence that says why."""
    fine: list[int] = []
    wrong: Texts = {}
    answers: Texts = {}
    for run in range(group.runs):
        where = group.place(run)
        if where not in answers:
            answers[where] = _refusal(group.part([run]))
        if answers[where]:
            wrong[where] = answers[where]
        else:
            fine.append(run)
    return fine, wrong


def _shown(value: Any) -> str:
    """A setting as one types it."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _refusal(one: Group) -> str:
    """Why the settings of a run cannot be had; empty where they can."""
    from .matched import require_possible

    try:
        env, learner = one.things()
        require_possible({"": learner}, env)
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
    timeout: float = 0.0
    """Seconds that a batch may take: one that takes longer is tried in halves, a single run has failed; 0 sets no limit."""
    retry: bool = False
    """Try runs again that failed before."""
    memory: float = 0.0
    """Gigabytes that all processes together may take, at most: batches become small enough; 0 sets no limit."""
    jobs: int = 0
    """Processes, of one thread each; 0 takes one for each core, 1 computes in the command itself."""
    backend: Literal["loky", "dask"] = "loky"
    """Where batches go: processes here, or a Dask cluster whose workers share the folder --out."""
    scheduler: str | None = None
    """Address of the Dask scheduler, such as tcp://host:8786."""
    device: str = "cpu"
    """Where to compute: cpu or cuda."""


_FIELDS = dataclasses.fields(SweepOptions)
_SWITCHES = [field.name for field in _FIELDS if field.type == "bool"]
OPTIONS = {f"--{field.name}" for field in _FIELDS} | {f"--no-{name}" for name in _SWITCHES}
"""The sweep's own flags."""

HELP = ("--help", "-h")


def asked(args: list[str]) -> tuple[SweepOptions, Flags]:
    """The sweep's own options, and all other flags with their values.

    Raises:
        ValueError: in one sentence, for what cannot be read; SystemExit after help was shown.
    """
    helping = [word for word in args if word in HELP]
    rest = [word for word in args if word not in HELP]
    own: dict[str, list[str]] = {}
    settings: dict[str, list[str]] = {}
    for flag, values in given(rest).items():
        owner = own if flag in OPTIONS else settings
        owner[flag] = values
    about = "Every other flag is a setting of the environments or the learners; first:last:step is a range of numbers."
    words = [*_words(own), *helping]
    options = flags.parsed(SweepOptions, words, "python -m il_bench.sweep", about)
    _require_possible(options)
    return options, settings


def _require_possible(options: SweepOptions) -> None:
    """Refuse options that no sweep can have."""
    for name in ("seeds", "rollouts", "batch"):
        require_count(name, getattr(options, name))
    wanted = f"expected gigabytes, at least 0, got {options.memory}"
    require(0 <= options.memory < math.inf, f"memory: {wanted}; 0 sets no limit")
    wanted = f"expected seconds, at least 0, got {options.timeout}"
    require(0 <= options.timeout < math.inf, f"timeout: {wanted}; 0 sets no limit")
    wanted = f"expected at least 0, got {options.jobs}"
    require(options.jobs >= 0, f"jobs: {wanted}; 0 takes one for each core")
    needed = str(options.expert).startswith(resolve.ZIP) or not options.trust
    wanted = "expected --expert sb3:PATH beside it, which alone needs it"
    require(needed, f"trust: {wanted}; leave it out")
    local = options.backend == "loky" and options.scheduler is not None
    require(not local, "scheduler: it goes with --backend dask; give both or neither")
    both = bool(options.env and options.algo)
    require(both, "sweep: expected an environment and a learner; name one of each")


def planned(
    options: SweepOptions, settings: Flags, pairs: list[Pair]
) -> tuple[list[Group], list[str]]:
    """All groups of runs, and sentences about combinations that one environment cannot have but another can.

    Raises:
        ValueError: with all mistakes at once, before anything is computed.
    """
    strangers = unknown(options.env, options.algo)
    # Whether a flag is nobody's can be said only where everybody is known.
    mistakes = list(strangers.values()) or unused(settings, pairs)
    plan: list[Group] = []
    skipped: list[str] = []
    for env in dict.fromkeys(options.env):
        own: list[Group] = []
        refused: list[str] = []
        for pair in pairs:
            if pair[0] != env or not strangers.keys().isdisjoint(pair):
                continue
            try:
                _plan_pair(pair, options, settings, own, refused)
            except ValueError as error:
                mistakes.append(f"{', '.join(pair)}: {error}")
        plan += own
        # What an environment cannot have while it can have the rest, and others too, is left out and said.
        lenient = own and len(options.env) > 1
        (skipped if lenient else mistakes).extend(refused)
    _require_none(list(dict.fromkeys(mistakes)))
    return plan, list(dict.fromkeys(skipped))


def _plan_pair(
    pair: Pair,
    options: SweepOptions,
    settings: Flags,
    plan: list[Group],
    refused: list[str],
) -> None:
    """Add what an environment and a learner can have to the plan, and sentences about what they cannot."""
    common = {"expert": options.expert, "rollouts": options.rollouts, "sample": options.sample}
    codes: dict[frozenset[str], digest.Code] = {}  # taken once for all groups of the same classes
    for group in groups(*pair, settings, options.seeds, common, options.trust):
        fine, wrong = possible(group)
        refused += [f"{where}: {why}" for where, why in wrong.items()]
        if fine:
            part = group.part(fine)
            names = part.names()
            if names not in codes:
                codes[names] = part.code_here()
            plan.append(dataclasses.replace(part, code=codes[names]))


def _require_none(mistakes: list[str]) -> None:
    """Raise all mistakes at once."""
    if len(mistakes) == 1:
        raise ValueError(f"sweep: {mistakes[0]} (nothing was computed)")
    if mistakes:
        listed = "\n".join(f"  {line}" for line in mistakes)
        count = f"{len(mistakes)} mistakes, nothing was computed"
        raise ValueError(f"sweep: {count}; mend them all:\n{listed}")


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
        share = math.ceil(len(left) / jobs)
        size = max(1, min(largest, share))
        if left and limit:
            takes = memory(group.part(left))
            size = min(size, takes.runs_within(limit / jobs))
        if first and len(left) > EARLY:
            yield group.part(left[:1])
            left = left[1:]
        first = first and not left
        for at in range(0, len(left), size):
            part = left[at : at + size]
            yield group.part(part)

"""Owners of flags: an environment, learners and a command, each with its settings, read from one command line.

`--lr` sets whoever has that setting; where two of different kinds have it, as `power` and `dagger` have `p`, it must be
qualified: `--power.p 3 --dagger.p 0.5`. What several learners share is set for all of them, or qualified for one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.settings import combinations, nested_per_run_fields, require
from .flags import flags_of, flat, group, parsed, setting_names


@dataclass(frozen=True)
class Owner:
    """Whose settings some flags are.

    Attributes:
        name: by which its flags are qualified, --name.setting.
        cls: the settings dataclass.
        kind: "command", "environment" or "learner".
        hide: fields that are no flags.
        chosen: defaults by name, what is put into its plugs among them, where they are not the class's own.
        several: fields of which several values are read where the class takes one.
    """

    name: str
    cls: type
    kind: str
    hide: tuple[str, ...] = ()
    chosen: Mapping[str, Any] | None = None
    several: tuple[str, ...] = ()
    settings: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Name all settings, those within included."""
        names = setting_names(self.cls, self.hide, self.chosen)
        object.__setattr__(self, "settings", frozenset(names))


@dataclass(frozen=True)
class Reading:
    """What a command line says.

    Attributes:
        values: for each owner its flat settings.
        together: settings that one flag gave to several learners: their values are one axis, not one for each.
    """

    values: dict[str, dict[str, Any]]
    together: frozenset[str]


def read(owners: list[Owner], args: list[str], prog: str, about: str = "") -> Reading:
    """The settings of all owners from one command line.

    Raises:
        ValueError: in one sentence, for a flag that nobody has, or that two have and that is not qualified.
    """
    qualified = {}
    titles = {}
    types = {}
    for number, owner in enumerate(owners):
        name = owner.name
        qualified[name] = _qualified_settings(owner, owners)
        titles[name] = _title(owner, number)
        types[titles[name]] = _flags(owner, qualified[name])
    line = _rewritten(owners, qualified, args)
    try:
        reading = parsed(_command(types), line.words, prog, about)
    except ValueError as complaint:
        raise ValueError(line.as_typed(str(complaint))) from None
    values = {}
    for name, title in titles.items():
        settings = getattr(reading, title)
        values[name] = flat(settings)
    return Reading(values, frozenset(line.together))


def _flags(owner: Owner, qualified: set[str]) -> type:
    """The flags of an owner, of which some bear its name."""
    names = {}
    for setting in qualified:
        names[setting] = f"{owner.name}.{setting}"
    return flags_of(owner.cls, owner.hide, owner.chosen, owner.several, names)


def each_run(
    owners: list[Owner], reading: Reading, seeds: int | tuple[int, ...]
) -> dict[str, dict[str, Any]]:
    """For each owner its flat values for every run: all combinations of what holds several, for every seed.

    Args:
        owners: environment and learners.
        reading: their values.
        seeds: how many, or which; they are the environment's "seed".
    """
    axes: dict[str, Any] = {}
    many = []
    for owner in owners:
        settings = reading.values[owner.name]
        per_run = nested_per_run_fields(owner.cls, settings)
        for setting, value in settings.items():
            axis = _axis(owner, setting, reading.together)
            axes[axis] = value
            if setting in per_run:
                many.append(axis)
    combined = combinations(axes, many, seeds)
    values = {}
    for owner in owners:
        own = {}
        for setting in reading.values[owner.name]:
            axis = _axis(owner, setting, reading.together)
            own[setting] = combined[axis]
        if owner.kind == "environment":
            own["seed"] = combined["seed"]
        values[owner.name] = own
    return values


def _axis(owner: Owner, setting: str, together: frozenset[str]) -> str:
    """The name of a setting among all axes."""
    shared = owner.kind == "learner" and setting in together
    return setting if shared else f"{owner.name}.{setting}"


def _title(owner: Owner, number: int) -> str:
    """The name of an owner's group in the help."""
    words = owner.kind if owner.kind != "learner" else owner.name
    title = re.sub(r"\W", "_", words)
    return title if title.isidentifier() else f"{owner.kind}_{number}"


def _command(types: dict[str, type]) -> Any:
    """The class of all groups, whose flags bear no prefix of their own."""
    import tyro

    made: Any = dataclasses.make_dataclass("Command", [group(*named) for named in types.items()])
    plain: Any = tyro.conf.OmitArgPrefixes
    return plain[made]


def _qualified_settings(owner: Owner, owners: list[Owner]) -> set[str]:
    """Settings that others have too, so that a plain flag could not say whose is meant; the command's own stay plain."""
    if owner.kind == "command":
        return set()
    others: set[str] = set()
    for other in owners:
        if other is not owner:
            others |= other.settings
    return others & owner.settings


def _grouped(args: list[str]) -> Iterator[list[str]]:
    """Each flag with the values that follow it."""
    group: list[str] = []
    for token in args:
        if token.startswith("--") and group:
            yield group
            group = []
        group.append(token)
    if group:
        yield group


@dataclass(frozen=True)
class _Flag:
    """What a flag says.

    Attributes:
        owner: whose setting it names; "" where it names nobody.
        setting: which.
        negated: whether it says no.
        value: "=value" where that is part of it.
    """

    owner: str
    setting: str
    negated: bool
    value: str

    @classmethod
    def read(cls, word: str) -> _Flag:
        """The flag that a word of the command line is."""
        body, equals, value = word.removeprefix("--").partition("=")
        owner, _, setting = body.rpartition(".")
        negated = setting.startswith("no-")
        setting = setting.removeprefix("no-").replace("-", "_")
        return cls(owner, setting, negated, equals + value)

    def spelled(self, owner: str = "") -> str:
        """The flag as it is typed, qualified by an owner or plain."""
        prefix = f"{owner}." if owner else ""
        negation = "no-" if self.negated else ""
        return f"--{prefix}{negation}{_spelled(self.setting)}{self.value}"


@dataclass
class _Line:
    """A command line in which each flag has the one form that its owner's group has.

    Attributes:
        words: the line.
        together: settings that one flag gave to several learners.
        typed: the flags as they were typed, by the forms that they have here.
    """

    words: list[str] = field(default_factory=list)
    together: set[str] = field(default_factory=set)
    typed: dict[str, str] = field(default_factory=dict)

    def add(self, spelled: str, word: str, values: list[str]) -> None:
        """A flag in its form here, as it was typed, and what follows it."""
        self.words += [spelled, *values]
        form = spelled.partition("=")[0]
        self.typed[form] = word.partition("=")[0]

    def as_typed(self, sentence: str) -> str:
        """A complaint about a flag, by the name that the flag was given."""
        return FLAG.sub(lambda flag: self.typed.get(flag[0], flag[0]), sentence)


FLAG = re.compile(r"--\w[\w.-]*")
"""A flag within a sentence."""


def _rewritten(owners: list[Owner], qualified: dict[str, set[str]], args: list[str]) -> _Line:
    """A command line with each flag in the one form that its owner's group has."""
    groups = list(_grouped(args))
    flags = [_Flag.read(group[0]) for group in groups]
    explicit = {(flag.owner, flag.setting) for flag in flags}
    line = _Line()
    for flag, (word, *values) in zip(flags, groups, strict=True):
        having = [owner for owner in owners if flag.setting in owner.settings]
        plain = len(having) < 2 or having[0].kind == "command"
        if not word.startswith("--"):
            line.words += [word, *values]
        elif flag.owner:
            spelled = _qualified(flag, having, qualified)
            line.add(spelled, word, values)
        elif plain:
            line.words += [word, *values]
        else:
            _require_one_kind(flag.setting, having)
            names = [owner.name for owner in having]
            meant = [name for name in names if (name, flag.setting) not in explicit]
            if meant == names:
                line.together.add(flag.setting)
            for name in meant:
                spelled = flag.spelled(name)
                line.add(spelled, word, values)
    return line


def _qualified(flag: _Flag, having: list[Owner], qualified: dict[str, set[str]]) -> str:
    """A flag that names an owner, as that owner's group spells it: plain where nobody else has such a setting."""
    known = any(owner.name == flag.owner for owner in having)
    plain = known and flag.setting not in qualified[flag.owner]
    return flag.spelled("" if plain else flag.owner)


def _spelled(setting: str) -> str:
    return setting.replace("_", "-")


def _require_one_kind(setting: str, having: list[Owner]) -> None:
    """Refuse a flag that both the environment and a learner have."""
    names = [owner.name for owner in having]
    kinds = {owner.kind for owner in having}
    spelled = _spelled(setting)
    forms = " or ".join(f"--{name}.{spelled}" for name in names)
    words = f"{' and '.join(names)} both have such a setting"
    require(len(kinds) == 1, f"--{spelled}: {words}; write {forms}")

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
from .flags import flags_of, flat, group, parsed


@dataclass(frozen=True)
class Owner:
    """Whose settings some flags are.

    Attributes:
        name: by which its flags are qualified, --name.setting.
        cls: the settings dataclass.
        kind: "command", "environment" or "learner".
        hide: fields that are no flags.
        chosen: what is put into its plugs.
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
        flags = flags_of(self.cls, self.hide, self.chosen)
        object.__setattr__(self, "settings", frozenset(flat(flags())))


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
    qualified = {owner.name: _qualified_settings(owner, owners) for owner in owners}
    types = {}
    for number, owner in enumerate(owners):
        names = {setting: f"{owner.name}.{setting}" for setting in qualified[owner.name]}
        kind = flags_of(owner.cls, owner.hide, owner.chosen, owner.several, names)
        types[_title(owner, number)] = kind
    words, together = _rewritten(owners, qualified, args)
    reading = parsed(_command(types), words, prog, about)
    values = {
        owner.name: flat(getattr(reading, title))
        for owner, title in zip(owners, types, strict=True)
    }
    return Reading(values, together)


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
        per_run = nested_per_run_fields(owner.cls, reading.values[owner.name])
        for setting, value in reading.values[owner.name].items():
            key = _axis(owner, setting, reading.together)
            axes[key] = value
            many += [key] if setting in per_run else []
    combined = combinations(axes, many, seeds)
    out = {}
    for owner in owners:
        settings = reading.values[owner.name]
        own = {name: combined[_axis(owner, name, reading.together)] for name in settings}
        out[owner.name] = own | ({"seed": combined["seed"]} if owner.kind == "environment" else {})
    return out


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
    others = [other.settings for other in owners if other is not owner]
    return set(owner.settings & frozenset().union(*others))


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


def _rewritten(
    owners: list[Owner], qualified: dict[str, set[str]], args: list[str]
) -> tuple[list[str], frozenset[str]]:
    """The command line with each flag in the one form that its owner's group has, and what was set for several."""
    groups = list(_grouped(args))
    explicit = {_split(group[0])[:2] for group in groups if group[0].startswith("--")}
    words: list[str] = []
    together = set()
    for flag, *values in groups:
        name, setting, no, given = _split(flag) if flag.startswith("--") else ("", "", "", "")
        having = [owner for owner in owners if setting in owner.settings]
        if name:
            known = [owner for owner in having if owner.name == name]
            shared = bool(known) and setting in qualified[name]
            plain = f"--{no}{_spelled(setting)}{given}"
            spelled = f"--{name}.{no}{_spelled(setting)}{given}" if shared or not known else plain
            words += [spelled, *values]
            continue
        if len(having) < 2 or any(owner.kind == "command" for owner in having):
            words += [flag, *values]
            continue
        _require_one_kind(setting, having)
        together.add(setting)
        for owner in having:
            if (owner.name, setting) in explicit:
                together.discard(setting)
                continue
            words += [f"--{owner.name}.{no}{_spelled(setting)}{given}", *values]
    return words, frozenset(together)


def _split(flag: str) -> tuple[str, str, str, str]:
    """A flag's owner, its setting, "no-" where it is negated, and "=value" where that is part of it."""
    body, equals, value = flag.removeprefix("--").partition("=")
    name, _, setting = body.rpartition(".")
    negated = setting.startswith("no-")
    setting = setting.removeprefix("no-").replace("-", "_")
    return name, setting, "no-" * negated, equals + value


def _spelled(setting: str) -> str:
    return setting.replace("_", "-")


def _require_one_kind(setting: str, having: list[Owner]) -> None:
    """Refuse a flag that both the environment and a learner have."""
    names = " and ".join(owner.name for owner in having)
    forms = " or ".join(f"--{owner.name}.{_spelled(setting)}" for owner in having)
    same = len({owner.kind for owner in having}) == 1
    require(same, f"--{_spelled(setting)}: {names} both have such a setting; write {forms}")

"""The registry: short names to classes, filled from folders, from installed packages, and from files on one's desk.

Adding an environment, an expert, a learner or a net edits no existing file: put a file into its folder, declare an entry
point `il_bench.envs`, `il_bench.experts`, `il_bench.learners` or `il_bench.nets`, or name it `module:Class`.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import gymnasium

from .settings import build
from .usual import usual


class Registry(Mapping[str, type]):
    """A read-only mapping from short names to classes; a module is imported when its class is first asked for.

    A hyphen in a name is read as an underscore, so that `--net table-per-step` finds the file `table_per_step.py`.

    Args:
        kind: what is registered, in the singular: "environment".
        package: the package whose files are entries: "il_bench.envs".
        verbs: methods that tell such a class from others in its file.
    """

    def __init__(self, kind: str, package: str, verbs: tuple[str, ...]):
        self.kind = kind
        self.package = package
        self.verbs = verbs
        self._loaded: dict[str, type] = {}

    @cached_property
    def _sources(self) -> dict[str, str]:
        """Where each name lives, "module" or "module:Class"."""
        sources = {}
        for folder in importlib.import_module(self.package).__path__:
            for file in sorted(Path(folder).glob("[a-z]*.py")):
                sources[file.stem] = f"{self.package}.{file.stem}"
        for point in entry_points(group=self.package):
            if point.name in sources:
                owner = sources[point.name]
                warnings.warn(
                    f"{self.kind} {point.name!r} is registered twice, by {owner} and {point.value}; the first is kept: "
                    "rename the entry point or uninstall one package",
                    stacklevel=2,
                )
                continue
            sources[point.name] = point.value
        return sources

    def source(self, name: str) -> str:
        """Where a name lives, "module" or "module:Class"."""
        return self._sources[self._short(name)]

    def _short(self, name: str) -> str:
        """The name as it is registered."""
        return name if name in self._sources else name.replace("-", "_")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._short(name) in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, name: str) -> type:
        if name not in self and ":" not in name:
            raise KeyError(f"no {self.kind} named {name!r}; {self._hint(name)}")
        short = self._short(name)
        cls = self._load(self._sources.get(short, name))
        self._loaded[short if short in self._sources else name] = cls
        return cls

    def known(self, name: str) -> type | None:
        """The class of a registered name, or of a file's that somebody named before; nothing else is imported."""
        return self[name] if name in self else self._loaded.get(name)

    def name(self, cls: type) -> str:
        """The name under which a class is found."""
        package, _, module = cls.__module__.rpartition(".")
        if package == self.package and module in self._sources:
            return module
        spelling = _spelling(cls)
        for name, source in self._sources.items():
            if source == spelling:
                return name
        return spelling

    def sibling(self, cls: type) -> str:
        """The name of the class of this registry that was loaded from the file of another class; "" if there is none."""
        package, _, stem = cls.__module__.rpartition(".")
        if package == self.package:
            return stem
        for name, own in self._loaded.items():
            if own.__module__ == cls.__module__:
                return name
        return ""

    def by_class_name(self, name: str) -> str:
        """The registered name whose class bears a name such as DAgger; "" if there is none."""
        plain = {known.replace("_", ""): known for known in reversed(self._sources)}
        return plain.get(name.lower(), "")

    def made(self, thing: Any, settings: dict[str, Any], owner: str = "") -> Any:
        """An object of a class by its name, or the object itself with some settings changed.

        Args:
            thing: a name, a class, or an object of one.
            settings: its fields.
            owner: who else could have had such settings, for the sentence.

        Raises:
            KeyError: when there is no such name; TypeError for a setting that it does not have.
        """
        base: Any = from_desk(self, thing) if isinstance(thing, str) else thing
        fields = [field.name for field in dataclasses.fields(base)]
        for setting in settings:
            if setting not in fields:
                raise TypeError(self._without(base, setting, fields, owner))
        if inspect.isclass(base):
            return base(**settings)
        return dataclasses.replace(base, **settings) if settings else base

    def _without(self, base: Any, setting: str, fields: list[str], owner: str) -> str:
        """The sentence about a setting that a class, or the class of an object, does not have."""
        cls = base if inspect.isclass(base) else type(base)
        name = f"{self.kind} {self.name(cls)}"
        nobody = f"neither {owner} nor {name} has" if owner else f"{name} has no"
        hint = f"it has {fields or 'none'}"
        for close in difflib.get_close_matches(setting, fields, 1):
            hint = f"did you mean {close!r}?"
        return f"{nobody} setting {setting!r}; {hint}"

    def _hint(self, name: str) -> str:
        """What may have been meant: a name, a Gymnasium id, a file beside one, or all that there is."""
        others = list(gymnasium.registry) if self.kind == "environment" else []
        names = [*self._sources, *others]
        close = difflib.get_close_matches(name, names, 1, 0.6)
        if close:
            return f"did you mean {close[0]!r}?"
        if Path(f"{name}.py").exists():
            return f"for a class of {name}.py write {name}:Class"
        listed = ", ".join(self._sources)
        return f"there are {listed}, and Gymnasium's ids" if others else f"there are {listed}"

    def _load(self, source: str) -> Any:
        """The class that lives at "module:Class", or alone in "module"."""
        module, _, attribute = source.partition(":")
        file = self._import(module, source)
        if not attribute:
            return self._only_one(module, file)
        if not hasattr(file, attribute):
            raise KeyError(f"module {module!r} has no {attribute!r}; name a class of it")
        thing = getattr(file, attribute)
        # An expert may be any function.
        if self.kind != "expert" and not self._fits(thing):
            raise ValueError(f"{source!r} is no {self.kind} dataclass; name one")
        return thing

    def _import(self, module: str, source: str) -> Any:
        """Import a file; whatever it raises becomes one sentence."""
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name is None or not f"{module}.".startswith(f"{missing.name}."):
                raise ImportError(
                    f"{self.kind} {source!r}: its file imports {missing.name!r}, which is not installed"
                ) from None
            raise KeyError(
                f"no module named {module!r} for {self.kind} {source!r}; is its folder on the path?"
            ) from None
        except Exception as error:  # a stranger's file may raise anything
            where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            raise ImportError(
                f"{self.kind} {source!r}: importing it raised {type(error).__name__} ({error}{where})"
            ) from error

    def module(self, source: str) -> Any:
        """The module of "module:Class", imported.

        Raises:
            KeyError: when there is none; ImportError when it cannot be imported.
        """
        return self._import(source.partition(":")[0], source)

    def _only_one(self, module: str, file: Any) -> type:
        """The one class of this kind that a file defines."""
        own = [cls for cls in vars(file).values() if self._fits(cls) and cls.__module__ == module]
        if len(own) != 1:
            names = [cls.__name__ for cls in own]
            raise ValueError(
                f"{module}: expected one {self.kind} (a public dataclass), got {names}; split the file"
            )
        return own[0]

    def _fits(self, cls: Any) -> bool:
        """Whether something in a file is what this registry holds: a public dataclass itself, with its verbs."""
        if not inspect.isclass(cls) or cls.__name__.startswith("_"):
            return False
        is_dataclass = "__dataclass_fields__" in vars(cls)
        return is_dataclass and all(callable(getattr(cls, verb, None)) for verb in self.verbs)


ENVS = Registry("environment", "il_bench.envs", ("initial", "transition", "certificate"))
EXPERTS = Registry("expert", "il_bench.experts", ("act",))
LEARNERS = Registry("learner", "il_bench.learners", ("learn",))
NETS = Registry("net", "il_bench.nets", ("fit", "restore", "footprint"))


def learner(name: str, env: Any = None, **settings: Any) -> Any:
    """A learner by its name: `il.learner("dagger", rounds=4)`; `module:Class` is one of a file.

    Args:
        name: of the learner.
        env: an environment, whose usual settings it takes as commands do; without one it has its own defaults.
        **settings: its fields, which go before both.

    Raises:
        KeyError: when there is none of that name; TypeError for a setting that it does not have.
    """
    if env is None:
        return LEARNERS.made(name, settings)
    cls = from_desk(LEARNERS, name)
    suiting = usual(type(env), short_name(name), cls)
    return LEARNERS.made(build(cls, suiting), settings)


def net(name: str, **settings: Any) -> Any:
    """A net by its name: `il.net("mlp", hidden=(32, 32))`; `module:Class` is one of a file.

    Raises:
        KeyError: when there is none of that name; TypeError for a setting that it does not have.
    """
    return NETS.made(name, settings)


def name_of(thing: Any) -> str:
    """The name under which the registry finds the class of an environment, an expert, a learner or a net."""
    cls = type(thing)
    if hasattr(thing, "source"):  # a callable behind an Expert's face
        return _name_of_callable(thing.source)
    if getattr(cls, "foreign", ""):
        return str(cls.foreign)
    spelling = _spelling(cls)
    for registry in (ENVS, EXPERTS, LEARNERS, NETS):
        name = registry.name(cls)
        if name != spelling:
            return name
    return spelling


def _name_of_callable(source: Any) -> str:
    """What a callable is called: as it was spelled when it was asked for, or its own name, or its class's."""
    if hasattr(source, "spelling"):
        return str(source.spelling)
    named = source if hasattr(source, "__qualname__") else type(source)
    return _spelling(named)


def _spelling(thing: Any) -> str:
    """Where a class or a function lives, as a registry spells it: module:Name."""
    return f"{thing.__module__}:{thing.__qualname__}"


def short_name(name: str) -> str:
    """What a thing is called in tables and flags: dagger, lane; noisy for desk:Noisy."""
    return name.rpartition(":")[2].lower() if ":" in name else name


def from_desk(registry: Registry, name: str) -> type:
    """A class by name; `module:Class` is also looked for in the working directory."""
    if ":" in name and "" not in sys.path:
        sys.path.insert(0, "")
    return registry[name]


def desk_module(registry: Registry, name: str) -> Any:
    """The module of `module:name`, imported; it is also looked for in the working directory."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    return registry.module(name)


def gymnasium_identifier(name: str) -> str:
    """The id of an environment of ours in Gymnasium: il_bench/Lane-v0 for lane, il_bench/Hill-v0 for hill:Hill."""
    words = name.rpartition(":")[2].split("_")
    return f"il_bench/{''.join(word.capitalize() for word in words)}-v0"


def register_with_gymnasium() -> None:
    """Register every environment as `il_bench/Name-v0`.

    Entry points are strings: a spec can then be written down, and no environment is imported before it is made.
    """
    for name in ENVS:
        identifier = gymnasium_identifier(name)
        if identifier not in gymnasium.registry:
            gymnasium.register(
                identifier,
                entry_point="il_bench.gym:GymEnv",
                vector_entry_point="il_bench.gym:GymVectorEnv",
                kwargs={"env": name},
            )

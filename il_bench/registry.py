"""The registry: short names to classes, filled from folders, from installed packages, and from files on one's desk.

Adding an environment, an expert or a learner edits no existing file: put a file into its folder, declare an entry
point `il_bench.envs`, `il_bench.experts` or `il_bench.learners`, or name it `module:Class`.
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
from typing import TYPE_CHECKING, Any, get_type_hints

import gymnasium

from .settings import combinations, per_run_fields, require

if TYPE_CHECKING:
    from .core import Env, Expert


class Registry(Mapping[str, type]):
    """A read-only mapping from short names to classes; a module is imported when its class is first asked for.

    Args:
        kind: what is registered, in the singular: "environment".
        package: the package whose files are entries: "il_bench.envs".
    """

    def __init__(self, kind: str, package: str):
        self.kind, self.package = kind, package

    @cached_property
    def _sources(self) -> dict[str, str]:
        """Where each name lives, "module" or "module:Class"."""
        folders = importlib.import_module(self.package).__path__
        found = {
            f.stem: f"{self.package}.{f.stem}"
            for folder in folders
            for f in sorted(Path(folder).glob("[a-z]*.py"))
        }
        for point in entry_points(group=self.package):
            if point.name in found:
                owner = found[point.name]
                warnings.warn(
                    f"{self.kind} {point.name!r} is registered twice, by {owner} and {point.value}; the first is kept: "
                    "rename the entry point or uninstall one package",
                    stacklevel=2,
                )
                continue
            found[point.name] = point.value
        return found

    def source(self, name: str) -> str:
        """Where a name lives, "module" or "module:Class"."""
        return self._sources[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, name: str) -> type:
        if name not in self._sources and ":" not in name:
            raise KeyError(f"no {self.kind} named {name!r}; {self._hint(name)}")
        return self._load(self._sources.get(name, name))

    def _hint(self, name: str) -> str:
        """What may have been meant: a name, a Gymnasium id, a file beside one, or all that there is."""
        others = gymnasium.registry if self.kind == "environment" else {}
        close = difflib.get_close_matches(name, [*self._sources, *others], 1, 0.6)
        if close:
            return f"did you mean {close[0]!r}?"
        if Path(f"{name}.py").exists():
            return f"for a class of {name}.py write {name}:Class"
        return f"there are {', '.join(self._sources)}" + ", and Gymnasium's ids" * bool(others)

    def _load(self, source: str) -> Any:
        module, _, attribute = source.partition(":")
        try:
            loaded = importlib.import_module(module)
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
        if attribute:
            if not hasattr(loaded, attribute):
                raise KeyError(f"module {module!r} has no {attribute!r}; name a class of it")
            found = getattr(loaded, attribute)
            require(
                self.kind == "expert" or self._fits(found),
                f"{source!r} is no {self.kind} dataclass; name one",
            )
            return found
        own = [c for c in vars(loaded).values() if self._fits(c) and c.__module__ == module]
        names = [c.__name__ for c in own]
        require(
            len(own) == 1,
            f"{module}: expected one {self.kind} (a public dataclass), got {names}; split the file",
        )
        return own[0]

    def _fits(self, cls: Any) -> bool:
        """Whether something in a file is what this registry holds: of the right kind, and a dataclass itself."""
        from .core import Env, Expert

        bases = {"environment": Env, "expert": Expert}
        if (
            not inspect.isclass(cls)
            or cls.__name__.startswith("_")
            or "__dataclass_fields__" not in vars(cls)
        ):
            return False
        return issubclass(cls, bases[self.kind]) if self.kind in bases else hasattr(cls, "learn")


ENVS = Registry("environment", "il_bench.envs")
EXPERTS = Registry("expert", "il_bench.experts")
LEARNERS = Registry("learner", "il_bench.learners")


def name_of(thing: Any) -> str:
    """The name under which the registry finds the class of an environment, an expert or a learner."""
    cls = type(thing)
    if hasattr(thing, "source"):  # a callable behind an Expert's face
        if hasattr(thing.source, "spelling"):
            return str(thing.source.spelling)
        named = thing.source if hasattr(thing.source, "__qualname__") else type(thing.source)
        return f"{named.__module__}:{named.__qualname__}"
    if hasattr(cls, "gymnasium_id"):
        return str(cls.gymnasium_id)
    for registry in (ENVS, EXPERTS, LEARNERS):
        if cls.__module__.rpartition(".")[0] == registry.package:
            return cls.__module__.rpartition(".")[2]
        for name in registry:
            if registry.source(name) == f"{cls.__module__}:{cls.__qualname__}":
                return name
    return f"{cls.__module__}:{cls.__qualname__}"


def environment(name: str) -> type[Env]:
    """The class of an environment: a registered name, `module:Class`, or a Gymnasium id such as Pendulum-v1."""
    spec = gymnasium.registry.get(name.removeprefix("il_bench:"))
    if (
        spec is not None and (spec.kwargs or {}).get("env", "") in ENVS
    ):  # one of our own, by its Gymnasium id
        name = spec.kwargs["env"]
    if name not in ENVS and ":" not in name and name in gymnasium.registry:
        return importlib.import_module("il_bench.foreign").wrapper(name)
    return from_desk(ENVS, name)


def from_desk(registry: Registry, name: str) -> type:
    """A class by name; `module:Class` is also looked for in the working directory."""
    if ":" in name and "" not in sys.path:
        sys.path.insert(0, "")
    return registry[name]


def gymnasium_identifier(name: str) -> str:
    """The id of an environment of ours in Gymnasium: il_bench/Lane-v0 for lane, il_bench/Hill-v0 for hill:Hill."""
    return (
        f"il_bench/{''.join(part.capitalize() for part in name.rpartition(':')[2].split('_'))}-v0"
    )


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


def make(name: str, *, seeds: int | tuple[int, ...] = 1, **settings: Any) -> Env:
    """An environment of R runs: every combination of the given settings, for every seed.

    Args:
        name: a registered name, `module:Class`, or a Gymnasium id.
        seeds: how many seeds (0, 1, ...), or which.
        **settings: fields of the environment; several values make several runs.

    Returns:
        The environment, for `il.expert` and the learners.

    Raises:
        KeyError: when there is no such environment; ValueError or TypeError when it cannot have these settings.

    Example:
        >>> make("lane", lipschitz=(1.1, 1.2), seeds=16).runs
        32
    """
    cls = environment(name)
    known = {f.name for f in dataclasses.fields(cls)} - {"seed"}
    for key in settings:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            raise TypeError(
                f"{name} has no setting {key!r}; "
                + (f"did you mean {close[0]!r}?" if close else f"it has {sorted(known)}")
            )
    return cls(**combinations(settings, per_run_fields(cls), seeds))


def expert(env: Env, source: Any = None, trust: bool = False) -> Expert:
    """The expert of an environment.

    Args:
        env: the environment of R runs.
        source: None for the scripted expert of the environment's name, or the one in its own file; a registered name or
            `module:name`; `sb3:PATH`, a zip of stable-baselines3; an Expert class; any callable of observations (n, O),
            or anything with `predict`.
        trust: the author of the zip is trusted: opening one runs what was serialised into it.

    Raises:
        KeyError: when there is none of that name; ValueError for a zip that is not trusted.
    """
    from .core import Expert

    if source is None:
        name = name_of(env)
        stem = name.split("-")[0].rpartition("/")[2].rpartition(":")[2].lower()
        beside = [
            c
            for c in vars(sys.modules[type(env).__module__]).values()
            if inspect.isclass(c) and issubclass(c, Expert)
        ]
        beside = [
            c
            for c in beside
            if c.__module__ == type(env).__module__ and dataclasses.is_dataclass(c)
        ]
        known = stem in EXPERTS or len(beside) == 1
        require(known, f"{name} has no scripted expert; give one, as in --expert module:function")
        source = EXPERTS[stem] if stem in EXPERTS else beside[0]
    elif isinstance(source, str) and source.startswith("sb3:"):
        from . import zips

        return zips.expert(env, source, trust)
    elif isinstance(source, str):
        source = from_desk(EXPERTS, source)
    if inspect.isclass(source) and issubclass(source, Expert):
        wanted = get_type_hints(source).get("env")
        fits = not inspect.isclass(wanted) or isinstance(env, wanted)
        require(
            fits,
            f"expert: {source.__name__} is an expert of {getattr(wanted, '__name__', '')}, not of {name_of(env)}",
        )
        return source(env)  # type: ignore[call-arg]
    from .foreign import CallableExpert, require_answering

    require_answering("expert", source)

    return CallableExpert(env, source)

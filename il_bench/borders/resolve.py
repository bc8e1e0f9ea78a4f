"""Resolve: names, files, ids and objects become environments, experts and policies.

What is heavy (torch, the borders themselves) is imported when a thing is made: names and help must not wait for it.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import sys
from typing import TYPE_CHECKING, Any, get_type_hints

import gymnasium

from ..core.registry import ENVS, EXPERTS, from_desk, name_of
from ..core.settings import combinations, per_run_fields, require

if TYPE_CHECKING:
    from ..core.env import Env, Expert
    from ..core.policy import Policy

ZIP = "sb3:"
"""What the path of a stable-baselines3 zip begins with."""


def environment(name: str) -> type[Env]:
    """The class of an environment: a registered name, `module:Class`, or a Gymnasium id such as Pendulum-v1."""
    spec = gymnasium.registry.get(name.removeprefix("il_bench:"))
    own = "" if spec is None else (spec.kwargs or {}).get("env", "")
    if own in ENVS:  # one of our own, by its Gymnasium id
        return from_desk(ENVS, own)
    if name not in ENVS and ":" not in name and name in gymnasium.registry:
        from .gymnasium_in import wrapper

        return wrapper(name)
    return from_desk(ENVS, name)


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
    require_settings(name, settings, {f.name for f in dataclasses.fields(cls)} - {"seed"})
    return cls(**combinations(settings, per_run_fields(cls), seeds))


def require_settings(name: str, settings: dict[str, Any], known: set[str]) -> None:
    """Refuse a setting that a class does not have.

    Raises:
        TypeError: naming it, and what may have been meant.
    """
    for key in settings:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {sorted(known)}"
            raise TypeError(f"{name} has no setting {key!r}; {hint}")


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
    from ..core.env import Expert

    if source is None:
        source = _scripted(env, Expert)
    elif isinstance(source, str) and source.startswith(ZIP):
        from . import sb3_zips

        return sb3_zips.expert(env, source, trust)
    elif isinstance(source, str):
        source = from_desk(EXPERTS, source)
    if inspect.isclass(source) and issubclass(source, Expert):
        return _of_class(env, source)
    from .callables import CallableExpert, require_answering

    require_answering("expert", source)
    return CallableExpert(env, source)


def note(agent: Any) -> str:
    """One line on how a stranger's agent is taken, such as whose statistics normalise its observations; or nothing."""
    return str(getattr(getattr(agent, "source", None), "note", ""))


def _scripted(env: Env, base: type) -> type[Expert]:
    """The class of an environment's scripted expert: under its name, or the only one in its own file."""
    name = name_of(env)
    stem = name.split("-")[0].rpartition("/")[2].rpartition(":")[2].lower()
    if stem in EXPERTS:
        return EXPERTS[stem]
    module = type(env).__module__
    beside: list[Any] = [
        cls
        for cls in vars(sys.modules[module]).values()
        if inspect.isclass(cls) and issubclass(cls, base) and cls.__module__ == module
    ]
    beside = [cls for cls in beside if dataclasses.is_dataclass(cls)]
    one = len(beside) == 1
    require(one, f"{name} has no scripted expert; give one, as in --expert module:function")
    return beside[0]


def _of_class(env: Env, cls: Any) -> Expert:
    """An expert of a class, which may say of which environment it is one."""
    wanted = get_type_hints(cls).get("env")
    fits = not inspect.isclass(wanted) or isinstance(env, wanted)
    owner = getattr(wanted, "__name__", "")
    require(fits, f"expert: {cls.__name__} is an expert of {owner}, not of {name_of(env)}")
    return cls(env)


def named(env: Env, source: Any, trust: bool = False) -> Policy | Expert:
    """Somebody to be measured.

    Args:
        env: in which.
        source: whom: `sb3:PATH`, `module:name`, the name of a registered expert, or what these stand for.
        trust: the author of a zip is trusted.

    Raises:
        ValueError: for what answers no observation, or a zip that is not trusted or of other spaces.
    """
    from ..core.env import Expert
    from ..core.policy import Policy
    from .callables import CallablePolicy, require_answering

    if isinstance(source, str) and source.startswith(ZIP):
        from . import sb3_zips

        source = sb3_zips.fitting(env, source, trust)
    elif isinstance(source, str):
        source = from_desk(EXPERTS, source)
    if inspect.isclass(source) and issubclass(source, Expert):
        return _of_class(env, source)
    if isinstance(source, Policy | Expert):
        return source
    require_answering("policy", source)
    return CallablePolicy(env, source)

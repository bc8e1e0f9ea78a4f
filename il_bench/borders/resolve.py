"""Resolve: names, files, ids and objects become environments, experts and policies.

What is heavy (torch, the borders themselves) is imported when a thing is made: names and help must not wait for it.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_type_hints

import gymnasium

from ..core import strangers
from ..core.registry import (
    ENVS,
    EXPERTS,
    LEARNERS,
    Registry,
    desk_module,
    from_desk,
    name_of,
)
from ..core.settings import build, combinations, flatten, parts, per_run_fields, require

if TYPE_CHECKING:
    from ..core.env import Env, Expert
    from ..core.policy import Policy

ZIP = "sb3:"
"""What the path of a stable-baselines3 zip begins with."""


def environment(name: str, settings: Iterable[str] = ()) -> type[Env]:
    """The class of an environment.

    Args:
        name: a registered name; `module:Class` of a file; a Gymnasium id such as Pendulum-v1, or `module:Id-v0`, whose
            module registers it; a `gymnasium.Env` class of a file, or a function that returns one, `module:name`.
        settings: names of the settings that it will have: those that only Gymnasium knows become fields.

    Raises:
        KeyError: when there is none of that name.
    """
    spec = gymnasium.registry.get(name.removeprefix("il_bench:"))
    own = "" if spec is None else (spec.kwargs or {}).get("env", "")
    if own in ENVS:  # one of our own, by its Gymnasium id
        return from_desk(ENVS, own)
    if name in ENVS:
        return from_desk(ENVS, name)
    if name in gymnasium.registry:
        return _foreign(name, name, settings)
    module, _, member = name.partition(":")
    if not member:
        return from_desk(ENVS, name)
    thing = getattr(desk_module(ENVS, name), member, None)
    if thing is None and member in gymnasium.registry:
        return _foreign(name, name, settings)
    if thing is None:
        _require_known(module, member)
    elif not _is_own(thing) and callable(thing):
        return _foreign(thing, name, settings)
    return from_desk(ENVS, name)


def _is_own(thing: Any) -> bool:
    """Whether something in a file is an environment of the kind that is made here, or tries to be one."""
    if not inspect.isclass(thing):
        return False
    return not issubclass(thing, gymnasium.Env)


def _require_known(module: str, member: str) -> None:
    """Refuse an id that importing its module did not register with Gymnasium."""
    known = list(gymnasium.registry)
    close = difflib.get_close_matches(member, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else "is it the right module?"
    if not member.isidentifier():
        raise KeyError(f"{module!r} registers no {member!r} with Gymnasium; {hint}")


def _foreign(thing: Any, name: str, settings: Iterable[str]) -> type[Env]:
    """The class of environments around somebody else's."""
    from .gymnasium_in import Foreign, foreign

    own = {field.name for field in dataclasses.fields(Foreign)}
    return foreign(thing, name, [key for key in settings if key not in own])


def _class_of(thing: Any, settings: Iterable[str]) -> type[Env]:
    """The class of whatever stands for an environment.

    Raises:
        TypeError: when it stands for none.
    """
    if isinstance(thing, str):
        return environment(thing, settings)
    if dataclasses.is_dataclass(thing) and callable(getattr(thing, "certificate", None)):
        return _own_class(thing)
    if not callable(thing) and not isinstance(thing, gymnasium.Env):
        raise TypeError(
            "make: expected the name of an environment, a gymnasium.Env or a function that returns one, got "
            f"{thing!r}; python -m il_bench.run --list shows the names"
        )
    known = thing if inspect.isclass(thing) else getattr(thing, "unwrapped", thing)
    named = known if hasattr(known, "__qualname__") else type(known)
    return _foreign(thing, f"{named.__module__}:{named.__qualname__}", settings)


def _own_class(thing: Any) -> Any:
    """An environment's class itself, which may also be given in place of its name."""
    if not inspect.isclass(thing):
        raise TypeError(f"make: {type(thing).__name__} is an environment already; use it as it is")
    if inspect.isabstract(thing):
        raise TypeError(
            f"make: {thing.__name__} is the contract itself; give a class that keeps it"
        )
    return thing


def make(thing: Any, *, seeds: int | tuple[int, ...] = 1, **settings: Any) -> Env:
    """An environment of R runs: every combination of the given settings, for every seed.

    Args:
        thing: a registered name, `module:Class`, a Gymnasium id or `module:Id-v0`; an environment's class; a function
            or a class that returns a new `gymnasium.Env` at each call; or one such object, whose episodes then take
            turns, because there is no second one.
        seeds: how many seeds (0, 1, ...), or which.
        **settings: fields of the environment; several values make several runs. What a foreign environment does not
            have here is handed on to Gymnasium, or to the function.

    Returns:
        The environment, for `il.expert` and the learners.

    Raises:
        KeyError: when there is no such environment; ValueError or TypeError when it cannot have these settings.

    Example:
        >>> make("lane", lipschitz=(1.1, 1.2), seeds=16).runs
        32
    """
    cls = _class_of(thing, settings)
    name = thing if isinstance(thing, str) else cls.__name__
    known = {field.name for field in dataclasses.fields(cls)}
    require_settings(name, settings, known - {"seed"})
    values = combinations(settings, per_run_fields(cls), seeds)
    return cls(**values)


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
    """The expert of an environment, who sees what `hide` hides from others.

    Args:
        env: the environment of R runs.
        source: None for the scripted expert of the environment's name, or the one in its own file; a registered name or
            `module:name`; `sb3:PATH`, a zip of stable-baselines3; an Expert, or a class of them; any function of
            observations (n, O), a `torch.nn.Module`, or anything with `predict`, whose memory is carried; a Policy.
        trust: the author of the zip is trusted: opening one runs what was serialised into it.

    Raises:
        KeyError: when there is none of that name; ValueError for a zip that is not trusted, or for what answers nothing.
    """
    from ..core.env import Env, Expert
    from ..core.hiding import whole
    from ..core.policy import Policy

    if not isinstance(env, Env):
        raise TypeError(
            f"expert: expected an environment first, got {env!r}; make one with il.make"
        )
    env = whole(env)
    source = _scripted(env, Expert) if source is None else _named(env, source, trust)
    if inspect.isclass(source) and issubclass(source, Expert):
        return _of_class(env, source)
    if isinstance(source, Expert):
        return source
    from .callables import PolicyExpert, callable_expert, require_answering

    if isinstance(source, Policy):
        return PolicyExpert(env, source)
    require_answering("expert", source)
    return callable_expert(env, source)


def _named(env: Env, source: Any, trust: bool) -> Any:
    """What a name stands for, or the thing itself; a model's spaces must be those of the environment."""
    if not isinstance(source, str):
        from .callables import require_same_spaces

        require_same_spaces(env, type(source).__name__, source)
        return source
    if not source.startswith(ZIP):
        return from_desk(EXPERTS, source)
    from . import sb3_zips

    return sb3_zips.fitting(env, source, trust)


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


def recorded_expert(env: Env, name: str) -> Expert:
    """The expert that a Record names: a registered one, or the one that the environment's own file has.

    Nothing is imported: whoever sent the Record wrote the name.

    Raises:
        ValueError: for any other, which must be named by whoever trusts it.
    """
    if name in EXPERTS:
        return expert(env, name)
    strange = f"its expert {name!r} is a file's; name it with --expert"
    try:
        own = expert(env)
    except ValueError:
        raise ValueError(strange) from None
    require(name_of(own) == name, strange)
    return own


def recorded_learner(name: str, settings: dict[str, Any]) -> Any:
    """The learner that a Record names, with the settings that it holds; nothing is imported that is not registered.

    Raises:
        ValueError: for a learner of a file, or one into which something of a file was put, or of settings that are none.
    """
    _require_registered(LEARNERS, name)
    cls = LEARNERS[name]
    flat = flatten(settings)
    for part in parts(cls, flat):
        # What is in a part is imported when the next one is asked for.
        for field in dataclasses.fields(part):
            plug = field.metadata.get("plug")
            if plug is not None:
                _require_registered(plug, flat.get(field.name, field.default))
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in flat.items()
    }
    try:
        return build(cls, values)
    except (TypeError, ValueError) as error:
        reason = f"{name!r} cannot have its settings ({error})"
        raise ValueError(f"record: its learner {reason}; run it with --algo instead") from None


def _require_registered(things: Registry, name: Any) -> None:
    """Refuse what only a file has, and what is no name at all."""
    known = isinstance(name, str) and name in things
    kind = things.kind
    require(known, f"record: its {kind} {name!r} is not registered; run it with --algo instead")


def _of_class(env: Env, cls: Any) -> Expert:
    """An expert of a class, which may say of which environment it is one."""
    wanted = get_type_hints(cls).get("env")
    fits = not inspect.isclass(wanted) or isinstance(env, wanted)
    owner = getattr(wanted, "__name__", "")
    require(fits, f"expert: {cls.__name__} is an expert of {owner}, not of {name_of(env)}")
    try:
        expert: Expert = cls(env)
        return expert
    except TypeError as error:
        if strangers.blame(error):
            raise
        reason = f"{cls.__name__}(env) cannot be made ({error})"
        raise TypeError(f"expert: {reason}; let it take the environment alone") from error


def named(env: Env, source: Any, trust: bool = False, who: str = "policy") -> Policy | Expert:
    """Somebody to be measured.

    Args:
        env: in which.
        source: whom: a Policy, an Expert, a function of observations (n, O), a `torch.nn.Module`, anything with
            `predict`; `sb3:PATH`, `module:name`, the name of a registered expert, or what these stand for.
        trust: the author of a zip is trusted.
        who: what it is called in sentences.

    Raises:
        ValueError: for what answers no observation, or a zip that is not trusted or of other spaces.
    """
    from ..core.env import Expert
    from ..core.policy import Policy
    from .callables import CallablePolicy, require_answering

    if isinstance(source, Policy | Expert):
        return source
    source = _named(env, source, trust)
    if inspect.isclass(source) and issubclass(source, Expert):
        return _of_class(env, source)
    if isinstance(source, Expert):
        return source
    require_answering(who, source)
    return CallablePolicy(env, source, who)

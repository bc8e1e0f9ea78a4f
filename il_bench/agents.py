"""Agents that nobody learned here: a zip, a callable, anything with `predict`, named on a command line or handed over."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from . import flags, registry, zips
from .core import Env, Expert, Policy
from .foreign import CallablePolicy, require_answering
from .settings import combinations, require


def named(env: Env, source: Any, trust: bool = False) -> Policy | Expert:
    """Somebody to be measured.

    Args:
        env: in which.
        source: whom: `sb3:PATH`, `module:name`, the name of a registered expert, or what these stand for.
        trust: the author of a zip is trusted.

    Raises:
        ValueError: for what answers no observation, or a zip that is not trusted or of other spaces.
    """
    if isinstance(source, str) and source.startswith(zips.PREFIX):
        source = zips.load(source, trust)
        zips.require_fit(env, source)
    elif isinstance(source, str):
        source = registry.from_desk(registry.EXPERTS, source)
    if inspect.isclass(source) and issubclass(source, Expert):
        return registry.expert(env, source)
    if isinstance(source, Policy | Expert):
        return source
    require_answering("policy", source)
    return CallablePolicy(env, source)


@dataclass(frozen=True)
class Options:
    """Measure everything about any agent, in twin rollouts with an expert; no Record is needed, and none is left."""

    policy: str = ""
    """Whom: sb3:PATH, or module:name for a callable of observations or anything with predict."""
    env: str = "lane"
    """Environment: a registered name, module:Class, or a Gymnasium id such as Pendulum-v1."""
    expert: str | None = None
    """Beside whom: a registered name, module:name or sb3:PATH; the environment's own expert by default."""
    trust: bool = False
    """The authors of zips, as in sb3:PATH, are trusted: opening one runs what was serialised into it."""
    seeds: int = 8
    """Independent runs (seeds 0, 1, ...) of every setting."""
    rollouts: int = 64
    """Twin rollouts of each run."""
    out: Path | None = None
    """JSON file for the table, which is printed anyway."""


def parse(args: list[str]) -> tuple[Env, Expert, Options]:
    """The environment of all runs, the expert in it, and what else a command line asks for."""
    env_class = registry.environment(flags.peek(args, "--env", Options.env))
    groups = {
        "agent": flags.flags_of(Options),
        "environment": flags.flags_of(env_class, hide=("seed", "device")),
    }
    flags.require_distinct(*groups.values())
    command = dataclasses.make_dataclass("Command", groups.items())
    got = flags.parsed(
        tyro.conf.OmitArgPrefixes[command], args, "python -m il_bench.measure", str(Options.__doc__)
    )  # type: ignore[misc, valid-type]
    options = Options(**vars(got.agent))
    require(options.rollouts >= 1, f"rollouts: expected at least 1, got {options.rollouts}; try 64")
    taken = options.out is not None and options.out.exists()
    require(not taken, f"out: {options.out} already exists; name another file")
    zipped = any(str(name).startswith(zips.PREFIX) for name in (options.policy, options.expert))
    require(
        zipped or not options.trust,
        "trust: expected sb3:PATH beside it, which alone needs it; leave it out",
    )
    many = flags.nested_per_run_fields(env_class)
    env = flags.build(env_class, combinations(flags.flat(got.environment), many, options.seeds))
    return env, registry.expert(env, options.expert, options.trust), options

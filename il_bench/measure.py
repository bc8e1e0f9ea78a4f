"""Agents that nobody learned here: a zip, a callable, anything with `predict`, named on a command line or handed over."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from .borders import resolve
from .cli import flags
from .cli.told import told
from .core.env import Env, Expert
from .core.settings import build, combinations, nested_per_run_fields, require
from .measures.assess import Measures, assess, of_record
from .records import record


@dataclass(frozen=True)
class MeasurePolicy:
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


def parse(args: list[str]) -> tuple[Env, Expert, MeasurePolicy]:
    """The environment of all runs, the expert in it, and what else a command line asks for."""
    env_class = resolve.environment(flags.peek(args, "--env", MeasurePolicy.env))
    groups = {
        "agent": flags.flags_of(MeasurePolicy),
        "environment": flags.flags_of(env_class, hide=("seed", "device")),
    }
    flags.require_distinct(*groups.values())
    command = dataclasses.make_dataclass("Command", groups.items())
    got = flags.parsed(
        tyro.conf.OmitArgPrefixes[command],
        args,
        "python -m il_bench.measure",
        str(MeasurePolicy.__doc__),
    )  # type: ignore[misc, valid-type]
    options = MeasurePolicy(**vars(got.agent))
    require(options.rollouts >= 1, f"rollouts: expected at least 1, got {options.rollouts}; try 64")
    taken = options.out is not None and options.out.exists()
    require(not taken, f"out: {options.out} already exists; name another file")
    zipped = any(str(name).startswith(resolve.ZIP) for name in (options.policy, options.expert))
    require(
        zipped or not options.trust,
        "trust: expected sb3:PATH beside it, which alone needs it; leave it out",
    )
    many = nested_per_run_fields(env_class)
    env = build(env_class, combinations(flags.flat(got.environment), many, options.seeds))
    return env, resolve.expert(env, options.expert, options.trust), options


TABLE = "measures.json"


@dataclass(frozen=True)
class MeasureRecord:
    """Measure everything about a Record; with --policy about any agent: see --policy NAME --help."""

    record: Annotated[Path, tyro.conf.Positional]
    """Folder of the Record."""
    env: str | None = None
    """module:Class, where the environment is a file's: a Record alone runs no stranger's code."""
    expert: str | None = None
    """module:name or sb3:PATH, where the expert is a file's."""
    trust: bool = False
    """The author of the zip in --expert sb3:PATH is trusted: opening it runs what was serialised into it."""


def _stored(table: Measures, out: Path) -> None:
    draft = out.with_name(f".{out.name}")
    draft.write_text(json.dumps(table.as_json(), indent=1) + "\n")
    os.replace(draft, out)


@told
def main(args: list[str]) -> None:
    """The command."""
    torch.set_num_threads(1)
    out: Path | None
    if any(arg.partition("=")[0] == "--policy" for arg in args):
        env, expert, options = parse(args)
        policy = resolve.named(env, options.policy, options.trust)
        for line in filter(None, map(resolve.note, (expert, policy))):
            print(line)
        table, out = assess(env, expert, policy, options.rollouts), options.out
    else:
        asked = flags.parsed(MeasureRecord, args, "python -m il_bench.measure")
        found = record.load(asked.record)
        table, out = of_record(found, asked.env, asked.expert, asked.trust), asked.record / TABLE
    if out is not None:
        _stored(table, out)
    print(table)
    print(f"\nstored in {out}" if out else "")


if __name__ == "__main__":
    main(sys.argv[1:])

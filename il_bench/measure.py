"""`python -m il_bench.measure RECORD`: everything that can be said about a Record, five lines in words first.

With `--policy` about a policy trained elsewhere: a zip, a callable, anything with `predict`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from .borders import resolve
from .cli import flags, light
from .cli.command import command
from .cli.console import say
from .cli.owners import Owner, each_run, read
from .core.files import sweep_away, write_whole
from .core.registry import short_name
from .core.settings import build, require

if TYPE_CHECKING:
    from .measures.table import Measures

PROG = "python -m il_bench.measure"

TABLE = "measures.json"
"""The file of a Record's folder in which its table is left."""


@dataclass(frozen=True)
class RecordOptions:
    """Measure everything about a Record; with --policy about a policy trained elsewhere: see --policy NAME --help."""

    record: Annotated[Path, tyro.conf.Positional]
    """Folder of the Record."""
    env: str | None = None
    """module:Class, where the environment is a file's: a Record alone runs no stranger's code."""
    expert: str | None = None
    """module:name or sb3:PATH, where the expert is a file's."""
    trust: bool = False
    """The author of the zip in --expert sb3:PATH is trusted: opening it runs what was serialised into it."""


@dataclass(frozen=True)
class PolicyOptions:
    """Measure everything about a policy trained elsewhere, in twin rollouts with an expert; no Record is needed."""

    policy: str = ""
    """Which policy: sb3:PATH, or module:name for a callable of observations or anything with predict."""
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


@command
def main(args: list[str]) -> None:
    """The command."""
    names = {arg.partition("=")[0] for arg in args}
    if "--policy" in names:
        _of_policy(args)
    else:
        _of_record(args)


def _of_record(args: list[str]) -> None:
    """Print the table of a Record, and leave it in its folder, if that can be written."""
    options = flags.parsed(RecordOptions, args, PROG)
    from .measures.assess import of_record
    from .records import record

    stored = record.load(options.record)
    table = of_record(stored, options.env, options.expert, options.trust)
    say(table)
    out = options.record / TABLE
    sweep_away(options.record)
    try:
        _store(table, out)
    except OSError as error:
        say(f"\nnot stored: {out} cannot be written ({error.strerror})")


def _of_policy(args: list[str]) -> None:
    """Print the table of a policy trained elsewhere, and leave it where it was asked for, if anywhere."""
    env, options = parse(args)
    from .measures.assess import assess

    expert = resolve.expert(env, options.expert, options.trust)
    policy = resolve.named(env, options.policy, options.trust)
    for line in filter(None, map(resolve.note, (expert, policy))):
        say(line)
    table = assess(env, expert, policy, options.rollouts)
    say(table)
    if options.out is None:
        return
    try:
        _store(table, options.out)
    except OSError as error:
        raise ValueError(
            f"out: {options.out} cannot be written ({error.strerror}); name another file"
        ) from None


def parse(args: list[str]) -> tuple[Any, PolicyOptions]:
    """The environment of all runs, and what else a command line asks for."""
    hidden = ("seed", "device")
    with light.for_help(args):
        name = flags.peek(args, "--env", PolicyOptions.env)
        cls = resolve.environment(name)
        command = Owner("measure", PolicyOptions, "command")
        env = Owner(short_name(name), cls, "environment", hidden)
        about = str(PolicyOptions.__doc__)
        reading = read([command, env], args, PROG, about)
    options = PolicyOptions(**reading.values["measure"])
    _require_sound(options)
    values = each_run([env], reading, options.seeds)
    return build(env.cls, values[env.name]), options


def _require_sound(options: PolicyOptions) -> None:
    """Refuse what no measurement can be made of, before anything is opened."""
    rollouts = options.rollouts
    require(rollouts >= 1, f"rollouts: expected at least 1, got {rollouts}; try 64")
    taken = options.out is not None and options.out.exists()
    require(not taken, f"out: {options.out} already exists; name another file")
    names = (options.policy, options.expert or "")
    zipped = any(name.startswith(resolve.ZIP) for name in names)
    require(
        zipped or not options.trust,
        "trust: expected sb3:PATH beside it, which alone needs it; leave it out",
    )


def _store(table: Measures, out: Path) -> None:
    """Write the table, whole or not at all, and say where."""
    text = json.dumps(table.as_json(), indent=1) + "\n"
    write_whole(out, text.encode())
    say(f"\nstored in {out}")


if __name__ == "__main__":
    main(sys.argv[1:])

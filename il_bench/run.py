"""`python -m il_bench.run --algo dagger`: learn, roll out as twins, and show how far the copies drift.

No other flag is needed. Every field of the chosen environment and learner is a flag; several values of a number are a
sweep; `--list` shows what there is.
"""

from __future__ import annotations

from typing import Any

from .borders import resolve
from .cli import flags, light
from .cli.command import command
from .cli.console import say
from .cli.options import RunOptions
from .cli.owners import Owner, each_run, read
from .core import registry
from .core.registry import short_name
from .core.settings import build, require
from .core.usual import usual

ABOUT = "How far, and how fast, does a copy drift from its expert?  --list shows what there is; --from RECORD repeats."


@command
def main(args: list[str]) -> None:
    """The command."""
    if "--list" in args:
        require(
            args == ["--list"],
            f"list: expected no other flag, got {' '.join(args)}; give --list alone",
        )
        with light.postponed("torch"):
            say(listing())
        return
    carry_out(args)


def carry_out(args: list[str]) -> None:
    """Run what the arguments ask for, or what a Record says was run."""
    again = flags.peek(args, "--from", "")
    require(
        bool(again) or "--from" not in args,
        "from: expected the folder of a Record; name it after --from",
    )
    parsed = () if again else parse(args)
    from .jobs import repetition, session

    session.execute(*(parsed or repetition.repeated(args)))


def listing() -> str:
    """Every environment, expert and learner with its line."""
    kinds = {
        "environments": registry.ENVS,
        "experts": registry.EXPERTS,
        "learners": registry.LEARNERS,
    }
    lines = []
    for title, things in kinds.items():
        lines += [title, *(f"  {name:<12} {_line(things, name)}" for name in things), ""]
    return "\n".join([*lines, "Any Gymnasium id, such as Pendulum-v1, is an environment too."])


def _line(things: registry.Registry, name: str) -> str:
    """The first line of a class's docstring; why there is none, where its file cannot be imported."""
    try:
        return (things[name].__doc__ or "").splitlines()[0]
    except (ImportError, KeyError, ValueError, IndexError) as error:
        return f"({error.args[0] if error.args else error})"


def parse(args: list[str]) -> tuple[RunOptions, Any, dict[str, Any]]:
    """What is asked for, the environment of all runs, and the learners by name.

    Raises:
        KeyError: for names that nothing has; ValueError: for settings that nothing can have.
    """
    with light.for_help(args):
        owners = _owners(args)
        reading = read(owners, args, "python -m il_bench.run", ABOUT)
    options = RunOptions(**reading.values["run"])
    _, env, *learners = owners
    values = each_run([env, *learners], reading, options.seeds)
    settings = values[env.name] | {"device": options.device}
    built = {owner.name: build(owner.cls, values[owner.name]) for owner in learners}
    return options, build(env.cls, settings), built


def _owners(args: list[str]) -> list[Owner]:
    """The command itself, the environment and the learners that a command line names."""
    name = flags.peek(args, "--env", RunOptions.env)
    algos = flags.peek_all(args, "--algo") or RunOptions.algo
    shorts = [short_name(algo) for algo in algos]
    require(
        len(set(shorts)) == len(shorts),
        f"algo: expected learners of different names, got {' '.join(algos)}; name each once",
    )
    env = resolve.environment(name)
    owners = [
        Owner("run", RunOptions, "command"),
        Owner(short_name(name), env, "environment", ("seed", "device")),
    ]
    for algo, short in zip(algos, shorts, strict=True):
        cls = registry.from_desk(registry.LEARNERS, algo)
        suiting = usual(env, short, cls)
        chosen = flags.chosen_plugs(cls, args, short)
        owners.append(Owner(short, cls, "learner", (), suiting | chosen))
    return owners


if __name__ == "__main__":
    main()

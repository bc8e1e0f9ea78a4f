"""`python -m il_bench.run --algo dagger`: learn, roll out as twins, and show how far the copies drift.

No other flag is needed. Every field of the chosen environment and learner is a flag; several values of a number are a
sweep; `--list` shows what there is.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from .borders import resolve
from .cli import flags, light
from .cli.options import RunOptions
from .cli.told import told
from .core import registry
from .core.settings import build, require


@told
def main(args: list[str]) -> None:
    """The command."""
    if "--list" in args:
        require(
            args == ["--list"],
            f"list: expected no other flag, got {' '.join(args)}; give --list alone",
        )
        with light.postponed("torch"):
            print(listing())
        return
    again = flags.peek(args, "--from", "")
    require(
        bool(again) or "--from" not in args,
        "from: expected the folder of a Record; name it after --from",
    )
    parsed = () if again else parse(args)
    from .jobs import session

    session.execute(*(parsed or session.repeated(args)))


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


def parse(args: list[str]) -> tuple[RunOptions, Any, Any]:
    """RunOptions, the environment of all runs, and the learner.

    Raises:
        KeyError: for names that nothing has; ValueError: for settings that nothing can have.
    """
    import tyro

    with light.for_help(args):
        env_class = resolve.environment(flags.peek(args, "--env", RunOptions.env))
        algo = flags.peek(args, "--algo", RunOptions.algo)
        learner_class = registry.from_desk(registry.LEARNERS, algo)
        chosen = flags.chosen_plugs(learner_class, args)
        groups = {
            "run": flags.flags_of(RunOptions),
            "environment": flags.flags_of(env_class, hide=("seed", "device")),
            "learner": flags.flags_of(learner_class, (), chosen),
        }
    flags.require_distinct(*groups.values())
    command = dataclasses.make_dataclass("Command", groups.items())
    about = "How far, and how fast, does a copy drift from its expert?  --list shows what there is; --from RECORD repeats."
    got = flags.parsed(tyro.conf.OmitArgPrefixes[command], args, "python -m il_bench.run", about)  # type: ignore[misc, valid-type]
    options = RunOptions(**vars(got.run))
    values = flags.expand(
        env_class,
        learner_class,
        flags.flat(got.environment) | flags.flat(got.learner),
        options.seeds,
    )
    return (
        options,
        build(env_class, values | {"device": options.device}),
        build(learner_class, values),
    )


if __name__ == "__main__":
    main()

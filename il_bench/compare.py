"""`python -m il_bench.compare --env tube --algos bc noise dagger --match labels,updates`: learners at equal budgets.

The run command with several learners, which are given the same of what `--match` names, labels and updates unless told
otherwise; each stands beside the first, run by run. What was not held equal is said beneath the table.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from . import run
from .cli import flags
from .cli.command import command

ALGOS = ("bc", "noise", "dagger")
"""Who is compared unless told."""
MATCH = ("labels", "updates")
"""What they have the same of unless told."""


@command
def main(args: list[str]) -> None:
    """The command."""
    run.carry_out(as_run(args))


def as_run(args: list[str]) -> list[str]:
    """The arguments of the run command that mean the same."""
    words = [word for token in args for word in _apart(token)]
    if not flags.peek_all(words, "--algo"):
        words += ["--algo", *ALGOS]
    match = flags.peek_all(words, "--match")
    if not match:
        return [*words, "--match", *MATCH]
    place = words.index("--match") + 1
    names = [name for word in match for name in word.split(",")]
    return [*words[:place], *names, *words[place + len(match) :]]


def _apart(token: str) -> list[str]:
    """A token in the run command's words: `--algos` is its `--algo`, and a value behind = stands by itself."""
    name, equals, value = token.partition("=")
    if name not in ("--algos", "--algo", "--match"):
        return [token]
    flag = "--algo" if name == "--algos" else name
    return [flag, value] if equals else [flag]


class _Command(ModuleType):
    """This file bears the name of `il.compare`: imported, it still is what that name means in Python, a function."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """See `records.twins.compare`."""
        from .records.twins import compare

        return compare(*args, **settings)


sys.modules[__name__].__class__ = _Command

if __name__ == "__main__":
    main()

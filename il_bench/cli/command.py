"""Command: what all commands have in common, which is how they say in one sentence what they cannot do."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

from ..core import strangers
from .console import complain
from .plain import forgive, write_nowhere

REFUSALS = (ValueError, TypeError, KeyError, OSError, ImportError)
"""What is the user's to mend, and said in one sentence; anything else is ours, and shows where it was raised."""

SHORT_OF_MEMORY = ("can't allocate memory", "out of memory")
"""How torch says in a RuntimeError that there is not enough."""


def command(work: Callable[[list[str]], None]) -> Callable[..., None]:
    """A command that says in one sentence, with exit code 2, what it cannot do; IL_BENCH_TRACEBACK=1 shows where.

    Args:
        work: what it does with its arguments.
    """

    @functools.wraps(work)
    def outer(args: list[str] | None = None) -> None:
        forgive(sys.stdout)
        forgive(sys.stderr)
        try:
            work(sys.argv[1:] if args is None else args)
        except BrokenPipeError:
            write_nowhere(sys.stdout)
        except (Exception, SystemExit) as error:
            reason = complaint(error)
            if not reason or os.environ.get(strangers.TRACEBACK):
                raise
            complain(reason)
            raise SystemExit(2) from None
        except KeyboardInterrupt as stop:
            kept = stop.args[0] if stop.args else "nothing was kept"
            print(file=sys.stderr)  # where the signal has left ^C
            complain(f"interrupted; {kept}")
            raise SystemExit(130) from None

    return outer


def complaint(error: BaseException) -> str:
    """An error in one sentence: a stranger's with its place, a user's own as it is; "" of what is ours, and stays loud."""
    theirs = strangers.sentence(error)
    if theirs:
        return f"{theirs} ({strangers.TRACEBACK}=1 shows its traceback)"
    if _is_short_of_memory(error):
        words = strangers.in_words(error)
        return f"memory: there is not enough here, {words}; ask for less, such as fewer --seeds"
    if not isinstance(error, REFUSALS):
        return ""
    named = isinstance(error, KeyError) and error.args
    return str(error.args[0] if named else error)


def _is_short_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and any(sign in words for sign in SHORT_OF_MEMORY)

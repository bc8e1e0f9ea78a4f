"""Command: what all commands have in common, which is how they say in one sentence what they cannot do."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

from .console import complain
from .plain import forgive, write_nowhere

REFUSALS = (ValueError, TypeError, KeyError, OSError, ImportError)
"""What is the user's to mend, and said in one sentence; anything else is ours, and shows where it was raised."""


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
        except REFUSALS as error:
            if os.environ.get("IL_BENCH_TRACEBACK"):
                raise
            reason = error.args[0] if isinstance(error, KeyError) else error
            complain(reason)
            raise SystemExit(2) from None
        except KeyboardInterrupt as stop:
            kept = stop.args[0] if stop.args else "nothing was kept"
            print(file=sys.stderr)  # where the signal has left ^C
            complain(f"interrupted; {kept}")
            raise SystemExit(130) from None

    return outer

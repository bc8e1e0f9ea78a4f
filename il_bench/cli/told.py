"""Told: how a command says in one sentence what it cannot do."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

from .plain import forgive


def told(command: Callable[[list[str]], None]) -> Callable[..., None]:
    """A command that says in one sentence, with exit code 2, what it cannot do; IL_BENCH_TRACEBACK=1 shows where."""

    @functools.wraps(command)
    def outer(args: list[str] | None = None) -> None:
        for stream in (sys.stdout, sys.stderr):
            forgive(stream)
        try:
            command(sys.argv[1:] if args is None else args)
        except BrokenPipeError:  # whoever read the output has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (ValueError, TypeError, KeyError, OSError, ImportError) as error:
            if os.environ.get("IL_BENCH_TRACEBACK"):
                raise
            print(
                f"il_bench: {error.args[0] if isinstance(error, KeyError) else error}",
                file=sys.stderr,
            )
            raise SystemExit(2) from None
        except KeyboardInterrupt as stop:
            kept = stop.args[0] if stop.args else "nothing was kept"
            print(f"\nil_bench: interrupted; {kept}", file=sys.stderr)
            raise SystemExit(130) from None

    return outer

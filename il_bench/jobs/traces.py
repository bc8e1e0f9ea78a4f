"""Traces: where a batch hung that took longer than it may, written by whoever hung at the moment of its end.

The watch needs no cooperation of what it watches: it ends the process even from within a loop of C.
"""

from __future__ import annotations

import contextlib
import faulthandler
import re
from collections.abc import Iterator
from pathlib import Path

FRAME = r'File "(.+)", line (\d+) in (\S+)'
"""A line of a trace."""


@contextlib.contextmanager
def watched(path: Path, seconds: float) -> Iterator[None]:
    """End this process when the block takes longer; where it was is then written to a file.

    Args:
        path: of the file, which only a hang leaves with content.
        seconds: how long it may take; 0 sets no limit.
    """
    if not seconds:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    path.unlink(missing_ok=True)


def hang(path: Path, work: str) -> str:
    """Where a process hung, in words: `act, mine.py, line 3`; "" where it did not hang.

    Args:
        path: of the trace.
        work: the function that was watched, by which its thread is known.
    """
    text = path.read_text() if path.is_file() else ""
    path.unlink(missing_ok=True)
    threads = [re.findall(FRAME, thread) for thread in text.split("\n\n")]
    for frames in threads:
        if any(name == work for _, _, name in frames):
            file, line, name = frames[0]
            return f"{name}, {Path(file).name}, line {line}"
    return "nobody knows where" if text else ""

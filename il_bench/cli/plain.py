"""Plain: what a console that cannot show a character is given instead, so that no command fails over one."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

HANDLER = "il_bench.plain"

SPELLED = {"±": "+-", "×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->", "∞": "inf"}
UPRIGHT, LEVEL, CORNERS = "│┃║", "─━═╌", "╭╮╰╯┌┐└┘├┤┬┴┼"


def spelled(character: str) -> str:
    """A character in ASCII: spelled out, without its accents, or as a question mark."""
    if character in SPELLED:
        return SPELLED[character]
    if character in UPRIGHT:
        return "|"
    if character in LEVEL:
        return "-"
    if character in CORNERS:
        return "+"
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return bare or "?"


def _handle(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    return "".join(map(spelled, unknown)), error.end


codecs.register_error(HANDLER, _handle)


def forgive(stream: Any) -> None:
    """Let a text stream spell out what its encoding lacks, where it would raise an error otherwise."""
    if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=HANDLER)


class _Lasting:
    """A text stream that takes whatever is written, also when whoever read it has read enough.

    Args:
        stream: to which all else is left.
    """

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or do nothing."""
        try:
            self._stream.write(text)
        except BrokenPipeError:
            write_nowhere(self._stream)
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            write_nowhere(self._stream)


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Within, work goes on when nobody reads its output any more, as in `| head -1`."""
    before = sys.stdout
    sys.stdout = _Lasting(before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout = before


def write_nowhere(stream: Any) -> None:
    """Whoever read a stream has read enough."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

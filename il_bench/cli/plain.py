"""Plain: what a console that cannot show a character is given instead, so that no command fails over one."""

from __future__ import annotations

import codecs
import unicodedata
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

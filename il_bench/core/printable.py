"""Printable: names as they can be shown without doing anything, whoever chose them."""

from __future__ import annotations

import unicodedata

BREAKS = "\n\t"
"""What is not printed itself, but may stand in a text."""
ACTING = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode's categories of what moves a cursor, turns the direction of writing, or cannot be written at all."""


def harmless(text: str, breaks: str = BREAKS) -> str:
    r"""A text in which whatever would act on a terminal is spelled out: an escape becomes `\x1b`.

    Args:
        text: words, of which parts may be a stranger's.
        breaks: what may stay though it is not printed.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character, breaks) for character in text)


def _shown(character: str, breaks: str) -> str:
    if character in breaks or unicodedata.category(character) not in ACTING:
        return character
    return character.encode("unicode_escape").decode()

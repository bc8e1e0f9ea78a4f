"""Complaints: what tyro says in its box about a command line, as one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable

KINDS = {"INT": "whole numbers", "FLOAT": "numbers", "STR": "words", "PATH": "paths"}
"""What the values of a flag are called in the help, and here."""


def sentence(box: str) -> str:
    """A complaint in one sentence: which flag, what it was given, what it takes, and what may have been meant.

    Args:
        box: tyro's, with the complaint, a rule, and below it the flag's help or flags of like names.
    """
    words, rest = _parts(box)
    for pattern, say in SENTENCES.items():
        if complaint := re.match(pattern, words):
            return say(complaint, rest)
    return words.rstrip(".") + _meant(rest)


def _parts(box: str) -> tuple[str, str]:
    """What stands above the first rule of a box, and what below, each on one line."""
    inside = [line for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    lines = [line.strip("│ ") for line in inside]
    ascii_title = len(lines) > 1 and set(lines[1]) == {"-"}  # a title and a rule, and no box
    if ascii_title:
        lines = lines[2:]
    rules = [number for number, line in enumerate(lines) if _is_rule(line)]
    end = rules[0] if rules else len(lines)
    above = " ".join(lines[:end])
    below = " ".join(lines[end:])
    return " ".join(above.split()), " ".join(below.split())


def _is_rule(line: str) -> bool:
    return bool(line) and set(line) <= set("─-")


def _meant(rest: str) -> str:
    """The advice of a flag that may have been meant; nothing where there is none."""
    if "Perhaps you meant" not in rest:
        return ""
    flag = re.search(r"--\w[\w.-]*", rest)
    return f"; did you mean {flag[0]}?" if flag else ""


def _unreadable(complaint: re.Match[str], rest: str) -> str:
    """Of values that are not of the flag's kind, which its help names."""
    flag, reason = complaint.groups()
    values = " ".join(_quoted(reason))
    help_of_it = rf"{re.escape(flag)} \[?(\w+)"
    kind = re.search(help_of_it, rest)
    name = kind[1] if kind else "other values"
    return f"{flag}: expected {KINDS.get(name, name)}, got {values}"


def _quoted(words: str) -> list[str]:
    """What stands between quotation marks."""
    return re.findall(r"'([^']*)'", words)


def _no_choice(complaint: re.Match[str], rest: str) -> str:
    """Of a value that is none of those that a flag takes."""
    value, flag, choices = complaint.groups()
    *others, last = _quoted(choices)
    listed = ", ".join(others)
    return f"{flag}: expected {listed} or {last}, got {value}"


def _no_value(complaint: re.Match[str], rest: str) -> str:
    """Of a flag that is given nothing."""
    return f"{complaint[1]}: expected a value after it, got none"


SENTENCES: dict[str, Callable[[re.Match[str], str], str]] = {
    r"Error parsing (--[\w.-]+)(.*)": _unreadable,
    r"[Ii]nvalid choice '(.*?)' for argument '(--[\w.-]+)'.*?\((.*)\)": _no_choice,
    r"Missing value for argument '(--[\w.-]+)'": _no_value,
}
"""How tyro's complaints begin, and who says them in another way."""

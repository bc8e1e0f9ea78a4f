"""Digest: the address of a result, from everything that its numbers depend on."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

LIBRARY = Path(__file__).parents[1]
ROOMS = ("core", "stats", "fit", "nets", "exposure", "borders", "records")
"""Rooms of the library that every number depends on."""


def code(*things: type) -> str:
    """A digest of the sources that numbers depend on: the library's rooms that make them, and the files of some classes.

    It does not depend on where they lie: a wheel's and a clone's rows are the same.
    """
    files = {file for room in ROOMS for file in (LIBRARY / room).glob("*.py")}
    files |= {Path(file) for thing in things if (file := inspect.getsourcefile(thing)) is not None}
    contents = sorted(file.name.encode() + file.read_bytes() for file in files)
    digest = hashlib.blake2b(digest_size=16)
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def key(identity: dict[str, Any]) -> str:
    """The address of one run: a digest of everything that it is made of, as JSON holds it."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

"""Sealed: arrays and texts in one file of safetensors, with a checksum, so that a flipped bit is noticed.

The format itself has none. The checksum covers the header and all numbers; a file of an earlier version has none and
still opens.
"""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..core.files import require_solid
from ..core.settings import require

Arrays: TypeAlias = "dict[str, np.ndarray]"
"""Arrays by name."""
Texts: TypeAlias = "dict[str, str]"
"""Texts by name."""

CHECKSUM = "checksum"
"""The text that holds it."""
LENGTH = 8
"""Bytes that say how long the header is."""
HEADER = 64_000_000
"""Bytes of a file's header above which it is refused unread."""


def sealed(arrays: Arrays, texts: Texts) -> bytes:
    """A file's content.

    Args:
        arrays: by name.
        texts: whatever else is to be known of them.
    """
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content = save(contiguous, texts)
    checksum = _checksum(content)
    return save(contiguous, {**texts, CHECKSUM: checksum})


def opened(path: Path, names: set[str]) -> tuple[Texts, Arrays]:
    """The texts and the arrays of a file.

    Args:
        path: of the file.
        names: of the texts that it must have; one without a checksum, as earlier versions wrote it, has no others.

    Raises:
        ValueError: with what is wrong with it; OSError when it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = _read(path)
    try:
        arrays = load(content)
        texts = _header(content).get("__metadata__", {})
    except (SafetensorError, RecursionError, AttributeError) as error:
        raise ValueError(str(error)) from None
    if CHECKSUM in texts:
        agrees = texts[CHECKSUM] == _checksum(content)
        require(agrees, "its checksum is another: bits were changed")
    else:
        require(set(texts) == names, f"its texts are {sorted(texts)}")
    missing = names - set(texts)
    require(not missing, f"{sorted(missing)} are missing")
    return texts, arrays


def _read(path: Path) -> bytes:
    """A file's content; neither a link nor a pipe, and nothing that declares a header without measure."""
    status = path.lstat()
    require(not stat.S_ISLNK(status.st_mode), "it is a link; copy the file itself there")
    require(stat.S_ISREG(status.st_mode), "it is no file")
    require_solid(path)
    with path.open("rb") as file:
        first = file.read(LENGTH)
        length = int.from_bytes(first, "little")
        require(length <= HEADER, f"it declares a header of {length:,} bytes")
        return first + file.read()


def _header(content: bytes) -> dict[str, Any]:
    """A file's header."""
    length = int.from_bytes(content[:LENGTH], "little")
    header: dict[str, Any] = json.loads(content[LENGTH : LENGTH + length])
    return header


def _checksum(content: bytes) -> str:
    """Of the header, the checksum in it apart, and of all numbers."""
    header = _header(content)
    header["__metadata__"].pop(CHECKSUM, None)
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(header, sort_keys=True).encode())
    length = int.from_bytes(content[:LENGTH], "little")
    digest.update(memoryview(content)[LENGTH + length :])
    return digest.hexdigest()

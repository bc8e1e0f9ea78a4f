"""Output: files that a command writes beside what it says; none takes the place of another."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..core.files import sweep_away, write_whole
from ..core.settings import require


def require_new(flag: str, path: Path | None) -> None:
    """Refuse to write where something stands, a link included, before anything is read."""
    taken = path is not None and os.path.lexists(path)
    require(not taken, f"{flag}: {path} already exists; name another file")


def write_csv(path: Path, header: Iterable[str], lines: Iterable[Sequence[Any]]) -> None:
    """Write lines as CSV, whole or not at all.

    Raises:
        ValueError: in one sentence, when it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(lines)
    content = text.getvalue().encode()
    sweep_away(path.parent)
    try:
        write_whole(path, content)
    except OSError as error:
        raise ValueError(
            f"csv: {path} cannot be written ({error.strerror}); name a file that can be written"
        ) from None

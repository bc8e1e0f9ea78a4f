"""Letters: the handwritten words that lie on this machine once `python -m il_bench.fetch` has brought them.

Collected by Kassel (1995); Taskar, Guestrin & Koller (2003) made them pictures of 16 x 8 pixels and left out each
word's first letter, a capital. They are no part of this repository: every machine fetches its own, once.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.settings import require

FILE, VARIABLE, COMMAND = "letters.safetensors", "IL_BENCH_DATA", "python -m il_bench.fetch"


HEIGHT, WIDTH = 16, 8  # pixels of a letter


ALPHABET, FOLDS, LONGEST = (
    26,
    10,
    14,
)  # letters from a to z; parts of the words; letters in the longest word


@dataclass(frozen=True, eq=False)
class Letters:
    """N letters in W words, all of a word's letters in a row.

    Attributes:
        pixels: (N, 128) uint8, 0 or 1, row after row of each picture.
        letter: (N,) uint8, 0 for a to 25 for z.
        length: (W,) uint8, letters in each word.
        fold: (W,) uint8, 0 to 9, the part to which the word belongs.
    """

    pixels: np.ndarray
    letter: np.ndarray
    length: np.ndarray
    fold: np.ndarray

    def __post_init__(self) -> None:
        """Check that the parts describe the same words."""
        count, shape = int(self.length.sum()), (len(self.letter), HEIGHT * WIDTH)
        whole = (
            all(part.dtype == np.uint8 for part in vars(self).values()) and self.letter.ndim == 1
        )
        whole = (
            whole
            and self.pixels.shape == shape
            and self.length.shape == self.fold.shape == (len(self.fold),)
        )
        whole = (
            whole
            and len(self.letter) == count
            and self.length.min() > 0
            and self.length.max() <= LONGEST
        )
        limits = ((self.pixels, 1), (self.letter, ALPHABET - 1), (self.fold, FOLDS - 1))
        require(
            whole and all(part.max() <= most for part, most in limits),
            f"letters: expected words of 1 to {LONGEST} letters of {HEIGHT} x {WIDTH} bits in {FOLDS} folds, "
            f"got {count} letters for pictures {self.pixels.shape}; fetch them again with {COMMAND}",
        )

    @property
    def start(self) -> np.ndarray:
        """(W,) int64, the place of each word's first letter."""
        return np.cumsum(self.length, dtype=np.int64) - self.length


def folder() -> Path:
    """Where data lies: $IL_BENCH_DATA, or the user's cache as the platform has it."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "il_bench"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "il_bench"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "il_bench"


def save(letters: Letters) -> Path:
    """Write the letters into the data folder, whole or not at all; returns the file."""
    from safetensors.numpy import save_file

    path = folder() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE}-{os.getpid()}")
    try:
        save_file({name: np.ascontiguousarray(part) for name, part in vars(letters).items()}, draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return path


def load() -> Letters:
    """The letters on this machine, read once.

    Raises:
        ValueError: when there are none, or the file is damaged.
    """
    path = folder() / FILE
    require(
        path.is_file(),
        f"letters: there are no handwritten words in {path.parent}; fetch them once with {COMMAND}",
    )
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, changed: int) -> Letters:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        held = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"letters: {path} is damaged ({error}); delete it and fetch it with {COMMAND}"
        ) from None
    names = [f.name for f in fields(Letters)]
    require(
        set(held) == set(names),
        f"letters: {path} holds {sorted(held)}, not {names}; fetch it with {COMMAND}",
    )
    return Letters(**held)

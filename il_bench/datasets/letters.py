"""Letters: the handwritten words that lie on this machine once `python -m il_bench.fetch` has brought them.

Collected by Kassel (1995); Taskar, Guestrin & Koller (2003) made them pictures of 16 x 8 pixels and left out each
word's first letter, a capital. They are no part of this repository: every machine fetches its own, once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import platformdirs

from ..core.files import whole, write_arrays
from ..core.settings import require

FILE = "letters.safetensors"
VARIABLE = "IL_BENCH_DATA"
COMMAND = "python -m il_bench.fetch"


HEIGHT, WIDTH = 16, 8  # pixels of a letter
ALPHABET = 26  # letters from a to z
FOLDS = 10  # parts of the words
LONGEST = 14  # letters in the longest word


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
        require(
            self._shapes_agree() and self._numbers_are_possible(),
            f"letters: expected words of 1 to {LONGEST} letters of {HEIGHT} x {WIDTH} bits in {FOLDS} folds, "
            f"got {self.length.sum()} letters for pictures {self.pixels.shape}; fetch them again with {COMMAND}",
        )

    def _shapes_agree(self) -> bool:
        """Whether as many letters, words and folds are there as must be."""
        count = int(self.length.sum())
        words = self.fold.shape
        return (
            self.letter.shape == (count,)
            and self.pixels.shape == (count, HEIGHT * WIDTH)
            and self.length.shape == words
            and len(words) == 1
        )

    def _numbers_are_possible(self) -> bool:
        """Whether every number is a byte within its bounds."""
        bytes_only = all(part.dtype == np.uint8 for part in vars(self).values())
        within = (
            self.pixels.max() <= 1
            and self.letter.max() < ALPHABET
            and self.fold.max() < FOLDS
            and self.length.min() > 0
            and self.length.max() <= LONGEST
        )
        return bytes_only and bool(within)

    @property
    def start(self) -> np.ndarray:
        """(W,) int64, the place of each word's first letter."""
        return np.cumsum(self.length, dtype=np.int64) - self.length


def folder() -> Path:
    """Where data is put: $IL_BENCH_DATA, or the user's cache as the platform has it."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    return platformdirs.user_cache_path("il_bench", appauthor=False)


def file() -> Path:
    """The file of letters: in the data folder, or where earlier versions kept it, if it lies there."""
    path = folder() / FILE
    if os.environ.get(VARIABLE) or path.is_file():
        return path
    earlier = (
        platformdirs.user_cache_path("il_bench", appauthor=False, opinion=False),
        Path.home() / "Library" / "Caches" / "il_bench",
    )
    return next((old / FILE for old in earlier if (old / FILE).is_file()), path)


def save(letters: Letters) -> Path:
    """Write the letters into the data folder, whole or not at all; returns the file."""
    path = folder() / FILE
    with whole(path) as draft:
        write_arrays(draft, vars(letters), {})
    return path


def load() -> Letters:
    """The letters on this machine, read once.

    Raises:
        ValueError: when there are none, or the file is damaged.
    """
    path = file()
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
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"letters: {path} is damaged ({error}); delete it and fetch it with {COMMAND}"
        ) from None
    names = [field.name for field in fields(Letters)]
    require(
        set(arrays) == set(names),
        f"letters: {path} holds {sorted(arrays)}, not {names}; fetch it with {COMMAND}",
    )
    return Letters(**arrays)

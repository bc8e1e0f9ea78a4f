"""Texts: a file, or what Python says of itself, as numbers of a vocabulary."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.settings import require

RARE = "\N{REPLACEMENT CHARACTER}"
"""What stands for the characters that are too rare to have a number of their own."""


@dataclass(frozen=True, eq=False)
class Text:
    """A text of n characters out of V.

    Attributes:
        alphabet: (V,) the characters, the most frequent first; RARE, where there is one, last.
        symbols: (n,) int64, the number of each of them.
        bytes: (V,) that each character of the alphabet takes in UTF-8; of RARE the mean of what it stands for.
        sha256: of the whole text as UTF-8.
    """

    alphabet: tuple[str, ...]
    symbols: np.ndarray
    bytes: tuple[float, ...]
    sha256: str


def read(file: str, vocabulary: int) -> Text:
    """A text, read once.

    Args:
        file: where it lies; "" for the help that comes with Python, which is not the same in all its versions.
        vocabulary: characters that are told apart at most.

    Raises:
        ValueError: when there is none, or it is no UTF-8.
    """
    if not file:
        return _numbered(_topics(), vocabulary)
    path = Path(file).expanduser()
    require(path.is_file(), f"text_file: there is no file {file}; name one, or leave it out")
    return _from(path, path.stat().st_mtime_ns, vocabulary)


@lru_cache(maxsize=4)
def _from(path: Path, changed: int, vocabulary: int) -> Text:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        words = f"{path} is no UTF-8 at byte {error.start}; save it as UTF-8"
        raise ValueError(f"text_file: {words}") from None
    return _numbered(text, vocabulary)


@lru_cache(maxsize=1)
def _topics() -> str:
    """The help on Python's topics, in the order of their names."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise ValueError(
            "text_file: this Python comes without its help (pydoc_data.topics); name a file"
        ) from None
    return "\n".join(topics[name] for name in sorted(topics))


@lru_cache(maxsize=4)
def _numbered(text: str, vocabulary: int) -> Text:
    """A text as numbers: the most frequent characters have one each, the others share the last."""
    counts = Counter(text)
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    alphabet = ranked
    if len(ranked) > vocabulary:
        alphabet = [*ranked[: vocabulary - 1], RARE]
    number = {character: place for place, character in enumerate(alphabet)}
    last = len(alphabet) - 1
    symbols = [number.get(character, last) for character in text]
    numbers = np.array(symbols, dtype=np.int64)
    digest = hashlib.sha256(_utf8(text))
    return Text(tuple(alphabet), numbers, _bytes(counts, number, last), digest.hexdigest())


def _bytes(counts: Counter[str], number: dict[str, int], last: int) -> tuple[float, ...]:
    """Bytes (V,) of what each number stands for, on average; characters without a number share the last."""
    total, times = np.zeros((2, last + 1))
    for character, count in counts.items():
        place = number.get(character, last)
        times[place] += count
        total[place] += count * len(_utf8(character))
    mean = total / np.maximum(times, 1)
    return tuple(mean.tolist())


def _utf8(text: str) -> bytes:
    """A text as it is stored."""
    return text.encode("utf-8", "surrogatepass")

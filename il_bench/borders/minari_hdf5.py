"""A stranger's HDF5 file of demonstrations: what is read of it is measured before, and nothing else is looked at.

What an environment noted besides (`infos`) is of any type and size, and is left alone. A file of a few kilobytes can
name one group 2^40 times, hold an array of terabytes, or numbers that unpack to gigabytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import require_solid
from ..core.settings import require

FILE = "main_data.hdf5"
"""Its name in the folder of a dataset."""

SMALL, DEFLATE = 65_536, 1_100
"""Bytes that an array may declare in any case, and for each byte that is stored: deflate packs 1,032 into one at most."""

CHUNK = 64_000_000
"""Bytes of one chunk, at most: it is unpacked whole, however little of it is asked for."""

FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""What chunks may be packed by, each once."""


@dataclass(frozen=True)
class Episode:
    """What an episode holds: observations (T+1, O), actions (T, U) or (T,), rewards (T,), and its number."""

    id: int
    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray


def package() -> Any:
    """The package `h5py`, imported when it is first needed.

    Raises:
        ImportError: when it is not installed, with how to install it.
    """
    try:
        import h5py
    except ImportError:
        raise ImportError(
            "h5py is not installed; pip install 'minari[hdf5]', or il-bench[minari]"
        ) from None
    return h5py


def count(path: Path) -> int:
    """How many things lie at the top of a file, episodes among them.

    Raises:
        ValueError: when there is no such file.
    """
    require(path.is_file(), f"there is no file {path.name}")
    require_solid(path)
    with package().File(path, "r") as file:
        return len(file)


def episodes(path: Path, numbers: Iterable[int]) -> Iterator[Episode]:
    """Episodes of a file, one by one; of each three arrays are looked at, and nothing else of the file.

    Raises:
        ValueError: for what lies elsewhere, and for arrays that declare more than what is stored of them can unpack to.
    """
    with package().File(path, "r") as file:
        for number in numbers:
            group = _own(file, f"episode_{number}")
            arrays = [_own(group, name) for name in ("observations", "actions", "rewards")]
            for array in arrays:
                _require_sound(array)
            yield Episode(int(number), *(array[()] for array in arrays))


def _own(group: Any, name: str) -> Any:
    """What a group holds itself under a name."""
    h5py = package()
    require(isinstance(group, h5py.Group), f"{group.name} is no group")
    link = group.get(name, getlink=True)
    inside = isinstance(link, h5py.HardLink)
    advice = "only arrays that the file itself holds are read"
    require(inside, f"{group.name}/{name} is a link; {advice}")
    return group[name]


def _require_sound(array: Any) -> None:
    """Refuse an array that lies elsewhere, or that a few bytes would unpack to."""
    name = array.name
    require(isinstance(array, package().Dataset), f"{name} is no array")
    here = array.is_virtual is False and not array.external
    advice = "only arrays that the file itself holds are read"
    require(here, f"{name} is stored in another file; {advice}")
    stored = array.id.get_storage_size()
    declared = array.size * array.dtype.itemsize
    possible = declared <= SMALL + DEFLATE * stored
    require(possible, f"{name} declares {declared:,} bytes, of which {stored:,} are stored")
    chunk = math.prod(array.chunks or (0,)) * array.dtype.itemsize
    require(chunk <= CHUNK, f"{name} declares chunks of {chunk:,} bytes, more than any dataset's")
    _require_plain_filters(array)
    numbers = array.dtype.kind in "biuf"
    require(numbers, f"{name} holds {array.dtype}, expected numbers")


def _require_plain_filters(array: Any) -> None:
    """Refuse what unpacks in several turns, a thousandfold in each, or by code of a plug-in."""
    settings = array.id.get_create_plist()
    count = settings.get_nfilters()
    numbers = [settings.get_filter(turn)[0] for turn in range(count)]
    plain = set(numbers) <= set(FILTERS) and len(set(numbers)) == count
    known = ", ".join(FILTERS.values())
    require(plain, f"{array.name} is packed by filters {numbers}, expected {known}, each once")

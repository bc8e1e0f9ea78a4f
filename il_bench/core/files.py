"""Files: written whole or not at all, under names that nobody can foresee; links in their place are not followed."""

from __future__ import annotations

import glob
import itertools
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from .settings import require

DRAFT = ".il_bench-draft-"
"""What the name of a draft begins with: nothing that begins so is ever read."""
MOUNTED = "lost+found"
"""What an empty file system holds where it is mounted."""
LONGEST = 200
"""Bytes of a folder's name before its number, at most: file systems end at 255."""
SMALL = 2**28
"""Bytes up to which a file may hold what it likes: so much fits into memory."""
PACKED = 100
"""Bytes of a larger one for each byte that the disk stores, at most: compressing file systems store fewer than there are."""
BLOCK = 512
"""Bytes of a block, as a file's status counts them."""
LEFT = 3600
"""Seconds after which a draft that nobody writes to is taken for one that a killed process left."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path of a draft beside `path`, which takes its place when the block ends well.

    When it does not, nothing stays of the draft, and what was at `path` is untouched.

    Raises:
        OSError: when it cannot be written; the caller says what that means.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=DRAFT, dir=path.parent))
    draft = folder / path.name
    try:
        yield draft
        if draft.exists():
            finish(draft)
            os.replace(draft, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: when it cannot be written.
    """
    with whole(path) as draft:
        draft.write_bytes(content)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], texts: dict[str, str]) -> None:
    """Write arrays by name, and texts beside them, as safetensors.

    Raises:
        OSError: when it cannot be written: the library has an error of its own for that.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    # It would take other memory for what is not contiguous.
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        save_file(contiguous, path, texts or None)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        number = int(code[1])
        raise OSError(number, os.strerror(number), str(path)) from None


def finish(draft: Path) -> None:
    """Bring a draft's content to the disk, and give it the mode that any new file has here."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    # The mask can be asked for only by setting it, for all threads at once; a new file tells it too.
    example = draft.with_name(f"{DRAFT}mode")
    example.touch()
    draft.chmod(stat.S_IMODE(example.stat().st_mode))
    example.unlink()


def require_solid(path: Path) -> None:
    """Refuse a large file that is a hole for the most part: reading it would fill the memory with nothing.

    Raises:
        ValueError: with what it declares and what is stored of it.
    """
    status = path.stat()
    size = status.st_size
    # Where the system does not count blocks, nothing is known.
    stored = BLOCK * getattr(status, "st_blocks", size)
    solid = size <= max(SMALL, PACKED * stored)
    require(solid, f"it declares {size:,} bytes, of which {stored:,} are stored")


def sweep_away(folder: Path) -> None:
    """Remove the drafts in a folder that a killed process left: those that nobody has written to for an hour."""
    for draft in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):
            parts = [draft, *draft.rglob("*")]
            changed = max(part.lstat().st_mtime for part in parts)
            if draft.is_dir() and not draft.is_symlink() and time.time() - changed > LEFT:
                shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def reservation(path: str | Path) -> Iterator[Path]:
    """A folder, new or empty, a link or a mount point included: whoever has it can write there at the end of the block.

    What was made for it and is still empty then goes away again; what was there before stays.

    Raises:
        ValueError: in one sentence, when it holds something or cannot be written.
    """
    folder = Path(path).absolute()
    missing = _missing(folder)
    try:
        _make_writable(folder)
        yield folder
    finally:
        _remove_empty(missing)


@contextmanager
def next_reservation(parent: Path, stem: str) -> Iterator[Path]:
    """The folder `parent/STEM-NUMBER` of the next free number, as `reservation`; two who ask at once get two.

    Raises:
        ValueError: in one sentence, when it cannot be written.
    """
    missing = _missing(parent.absolute())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = _next(parent.absolute(), stem)
    except OSError as error:
        reason = f"{parent.absolute()} cannot be written ({error.strerror})"
        raise ValueError(f"out: {reason}; name a folder with --out") from None
    try:
        _make_writable(folder)
        yield folder
    finally:
        _remove_empty([folder, *missing])


def _next(parent: Path, name: str) -> Path:
    """A new folder of the number after the last one, or of a later one where somebody is faster."""
    stem = os.fsencode(name)[:LONGEST].decode(errors="ignore")
    others = list(parent.glob(f"{glob.escape(stem)}-*"))
    for other in others:
        sweep_away(other)  # nobody else comes back to a folder that a killed run had reserved
    endings = [other.name.rpartition("-")[2] for other in others]
    numbers = [int(ending) for ending in endings if ending.isdecimal()]
    for number in itertools.count(max(numbers, default=0) + 1):
        folder = parent / f"{stem}-{number:03d}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("numbers do not end")


def _missing(folder: Path) -> list[Path]:
    """The folders that are not there yet on the way to one, the last one first; a link to nothing lacks what it names."""
    place = Path(os.path.realpath(folder))
    return [one for one in (place, *place.parents) if not os.path.exists(one)]


def _make_writable(folder: Path) -> None:
    """Make a folder if it is not there, and see that it is empty and can be written."""
    try:
        os.makedirs(os.path.realpath(folder), exist_ok=True)
        sweep_away(folder)
        names = [path.name for path in folder.iterdir()]
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise ValueError(f"out: {folder} is no folder; name a new one") from None
    except OSError as error:
        advice = "name a folder that can be written"
        raise ValueError(f"out: {folder} cannot be written ({error.strerror}); {advice}") from None
    others = [name for name in names if name != MOUNTED and not name.startswith(DRAFT)]
    require(not others, f"out: {folder} already holds files; name a new folder")


def _remove_empty(folders: list[Path]) -> None:
    """Remove those that are empty, in this order."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def filling(folder: Path, last: str) -> Iterator[Path]:
    """A draft folder whose files go into `folder` when the block ends well, the file `last` at the end.

    The folder counts as filled when that one is there. It may be a link or a mount point: it is not replaced.
    """
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder))
    moved: list[Path] = []
    try:
        yield draft
        for file in sorted(draft.iterdir(), key=lambda file: (file.name == last, file.name)):
            finish(file)
            os.replace(file, folder / file.name)
            moved.append(folder / file.name)
    except BaseException:
        for file in moved:
            file.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)

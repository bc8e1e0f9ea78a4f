"""Files: written whole or not at all, under names that nobody can foresee; links in their place are not followed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .settings import require

DRAFT = ".draft-"
"""What the name of a draft begins with: nothing that begins so is ever read."""
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


def finish(draft: Path) -> None:
    """Bring a draft's content to the disk, and give it the mode that any new file has here."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    # The mask can be asked for only by setting it, for all threads at once; a new file tells it too.
    example = draft.with_name(f"{draft.name}{DRAFT}mode")
    example.touch()
    draft.chmod(stat.S_IMODE(example.stat().st_mode))
    example.unlink()


def sweep_away(folder: Path) -> None:
    """Remove the drafts in a folder that a killed process left: those that nobody has written to for an hour."""
    for draft in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):
            parts = [draft, *draft.rglob("*")]
            changed = max(part.lstat().st_mtime for part in parts)
            if draft.is_dir() and not draft.is_symlink() and time.time() - changed > LEFT:
                shutil.rmtree(draft, ignore_errors=True)


def reserve(path: str | Path) -> Path:
    """Make a folder, or take one that is empty, a link to one included: whoever has it can write there at the end.

    Raises:
        ValueError: in one sentence, when it holds something or cannot be written.
    """
    folder = Path(path).absolute()
    advice = "name a folder that can be written"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_away(folder)
        free = not any(folder.iterdir())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        nowhere = folder.is_symlink() and not folder.exists()
        what = "a link to nothing" if nowhere else "a file"
        raise ValueError(f"out: {folder} is {what}; name a new folder") from None
    except OSError as error:
        raise ValueError(f"out: {folder} cannot be written ({error.strerror}); {advice}") from None
    require(free, f"out: {folder} already holds files; name a new folder")
    return folder


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

"""Digest: the address of a result, from everything that its numbers depend on.

That is the rooms of the library that make numbers, the files of the classes in use, the files on one's desk that those
use in turn, and the data that they read: a zip, a dataset. Where any of these lie does not matter.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARY = Path(__file__).parents[1]
ROOMS = ("core", "stats", "fit", "nets", "exposure", "borders", "records")
"""Rooms of the library that every number depends on."""
SIZE = 16
"""Bytes of a digest."""


def code(*things: Any) -> str:
    """A digest of the sources that numbers depend on.

    Args:
        *things: classes and functions in use, whose files count, and on one's desk the files that those use.
    """
    files = {file for room in ROOMS for file in (LIBRARY / room).glob("*.py")}
    files |= {file for thing in things for file in sources(thing)}
    return digest_of(sorted(files, key=lambda file: file.name))


def digest_of(files: list[Path]) -> str:
    """A digest of names and contents, in their order; where the files lie does not matter."""
    digest = hashlib.blake2b(digest_size=SIZE)
    contents = sorted(file.name.encode() + _content(file) for file in files)
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    """A digest of a file, read again only when it has changed."""
    status = file.stat()
    return _read(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _read(file: Path, changed: int, size: int) -> bytes:
    digest = hashlib.blake2b(digest_size=SIZE)
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.digest()


def sources(thing: Any) -> set[Path]:
    """The file that defines a class or a function and, of a desk's, those whose things it uses."""
    try:
        file = inspect.getsourcefile(thing)
    except TypeError:  # built in, or made by hand
        return set()
    own = set() if file is None else {Path(file)}
    module = sys.modules.get(getattr(thing, "__module__", ""))
    if module is None or not _on_desk(module):
        return own
    return own | {Path(str(other.__file__)) for other in _used(module)}


def _used(module: ModuleType) -> Iterator[ModuleType]:
    """A module of the desk and all modules of the desk whose things it uses, each once."""
    waiting, met = [module], {module.__name__}
    while waiting:
        current = waiting.pop()
        yield current
        for value in list(vars(current).values()):
            name = getattr(value, "__module__", None)
            other = value if isinstance(value, ModuleType) else sys.modules.get(str(name))
            if other is not None and other.__name__ not in met and _on_desk(other):
                met.add(other.__name__)
                waiting.append(other)


def _on_desk(module: ModuleType) -> bool:
    """Whether a module is a file of the user's own, neither this library's, nor Python's, nor an installed package's."""
    file = getattr(module, "__file__", None)
    if file is None or module.__name__.partition(".")[0] == "il_bench":
        return False
    path = Path(file).resolve()
    installed = not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    standard = path.is_relative_to(Path(sysconfig.get_path("stdlib")).resolve())
    return path.suffix == ".py" and not installed and not standard


def code_of(env: Any, learner: Any, expert: Any) -> str:
    """A digest of all that stands behind the numbers of a learner in an environment with an expert.

    Args:
        env: the environment.
        learner: the algorithm; what is put into its plugs counts, and the dataset that its `demos` name.
        expert: who is imitated; a callable behind it counts, and the zip that it came from.
    """
    inner = [type(value) for value in _nested(learner)]
    source = getattr(expert, "source", None)
    callables = (
        [] if source is None else [source if hasattr(source, "__qualname__") else type(source)]
    )
    sum_of_code = code(type(env), *inner, type(expert), *callables)
    data = [*_zip_files(source), *_dataset_files(getattr(learner, "demos", ""))]
    return f"{sum_of_code}-{digest_of(data)}" if data else sum_of_code


def _nested(settings: Any) -> Iterator[Any]:
    """A settings object and those within it."""
    yield settings
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from _nested(value)


def _zip_files(source: Any) -> list[Path]:
    """The zip of stable-baselines3 that an expert came from, and the statistics that may lie beside it."""
    spelling = str(getattr(source, "spelling", ""))
    if not spelling.startswith("sb3:"):
        return []
    path = Path(spelling.removeprefix("sb3:"))
    names = ("*vec*normalize*.pkl", "*/vec*normalize.pkl")
    statistics = [file for name in names for file in sorted(path.parent.glob(name))]
    zips = (path, path.with_name(f"{path.name}.zip"))  # as stable-baselines3 looks for it
    return [file for file in (*zips, *statistics) if file.is_file()]


def _dataset_files(demos: str) -> list[Path]:
    """The files of the dataset that demonstrations are read from."""
    if not demos:
        return []
    from ..borders.minari_in import PREFIX, folder

    root = folder(demos.removeprefix(PREFIX))
    return sorted(file for file in root.rglob("*") if file.is_file())


def key(identity: dict[str, Any]) -> str:
    """The address of one run: a digest of everything that it is made of, as JSON holds it."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=SIZE).hexdigest()

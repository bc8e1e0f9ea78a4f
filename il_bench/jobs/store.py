"""Results: what a sweep leaves behind, one row for each run, addressed by what was computed.

A folder of `KEY.safetensors` files, each the rows of one batch of runs, written whole or not at all: whatever is there
is finished. A run's key is a digest of everything that its numbers depend on (settings, seed, code), so that nothing is
computed twice and a changed setting or a changed source is another run. A run that failed leaves `KEY.failed.json`,
with its settings and what went wrong. Nothing is pickled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..core.files import write_whole
from ..core.settings import require
from ..records.rows import VARIABLES
from .digest import key
from .sealed import Arrays, Texts, opened, sealed

if TYPE_CHECKING:
    import xarray

Identity: TypeAlias = "dict[str, Any]"
"""What a run is made of."""
Values: TypeAlias = "dict[str, set[str]]"
"""The values of a setting, for each environment with a learner."""

FORMAT = "1"


SUFFIX = ".safetensors"
FAILED = ".failed.json"
TEXTS = {"format", "keys", "runs"}
"""What the header of a file of rows says."""


OWN = {"env", "algo", "seed"}
"""What every run has a coordinate for, whether runs differ in it or not."""


class Unwritable(ValueError):
    """The folder of the results cannot be written: nobody's cell is to blame, and no other could be kept."""


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    Attributes:
        key: its address.
        cell: its address but for the code: what it was meant to be.
        place: its settings, in words.
        seed: its seed.
        words: what went wrong.
    """

    key: str
    cell: str
    place: str
    seed: int
    words: str


def write(folder: Path, identities: list[Identity], arrays: Arrays) -> Path:
    """Write the rows of a batch, whole or not at all.

    Args:
        folder: of the results; made if it is not there.
        identities: what each run is made of, (R,).
        arrays: the rows (R, ...), see `VARIABLES`.

    Raises:
        Unwritable: when the folder cannot be written, or the disk is full; nothing half-written stays.
    """
    keys = [key(identity) for identity in identities]
    runs = json.dumps(identities, default=str)
    texts = {"format": FORMAT, "keys": json.dumps(keys), "runs": runs}
    path = folder / f"{_stem(keys)}{SUFFIX}"
    _write(path, sealed(arrays, texts))
    return path


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise Unwritable(
            f"results: {path.parent} cannot be written ({error.strerror}); mend that and give the same command again, "
            "what is finished is kept"
        ) from None


def write_failure(folder: Path, failure: Failure) -> None:
    """Keep that a run failed, and why.

    Raises:
        Unwritable: when the folder cannot be written.
    """
    text = json.dumps(dataclasses.asdict(failure))
    _write(folder / f"{failure.key}{FAILED}", text.encode())


def failures(folder: Path) -> list[Failure]:
    """The runs in a folder that failed and were not finished since.

    Raises:
        ValueError: for a file that is damaged.
    """
    paths = sorted(folder.glob(f"[!.]*{FAILED}"))
    done = keys(folder) if paths else set()
    every = [_failure(path) for path in paths]
    return [failure for failure in every if failure.key not in done]


def _failure(path: Path) -> Failure:
    try:
        return Failure(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError, RecursionError) as error:
        sentence = f"results: {path} is damaged ({error}); delete it and sweep again"
        raise ValueError(sentence) from None


def forget_failures(folder: Path, chosen: set[str]) -> None:
    """Let runs that failed be tried again."""
    for name in chosen:
        path = folder / f"{name}{FAILED}"
        path.unlink(missing_ok=True)


def _stem(keys: list[str]) -> str:
    """The name of a batch: a digest of its runs' addresses."""
    words = "".join(keys).encode()
    return hashlib.blake2b(words, digest_size=16).hexdigest()


def finished(folder: Path) -> Iterator[tuple[Path, Texts, Arrays]]:
    """The files of a folder, their texts and rows; drafts and what does not belong to it are passed over.

    Raises:
        ValueError: for a file of the right name that is damaged, or of another format.
    """
    for path in sorted(folder.glob(f"[!.]*{SUFFIX}")):
        try:
            texts, arrays = opened(path, TEXTS)
        except (OSError, ValueError) as error:
            sentence = f"results: {path} is damaged ({error}); delete it and sweep again"
            raise ValueError(sentence) from None
        advice = "delete it, or open its own folder"
        known = texts["format"] == FORMAT
        require(known, f"results: {path} is no result of format {FORMAT}; {advice}")
        yield path, texts, arrays


def keys(folder: Path) -> set[str]:
    """Addresses of the runs that are finished in a folder."""
    addresses: set[str] = set()
    for path, texts, _ in finished(folder):
        addresses |= set(_listed(path, texts["keys"]))
    return addresses


def _listed(path: Path, text: str) -> list[Any]:
    """The list that a header holds as JSON."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        damage = "is damaged (its header lists no runs); delete it"
        raise ValueError(f"results: {path} {damage}")
    return items


def open(path: str | Path) -> xarray.Dataset:
    """Everything in a folder of results as one labelled dataset with dims `run` and `time`.

    Coordinates along `run` are env, algo, seed and every setting in which runs of one environment and learner differ
    (all others are in `attrs`); runs stand in the order of their coordinates, however they were batched. Shorter horizons are
    filled with NaN.

    Raises:
        ValueError: when there are no results, or a file is damaged.
    """
    import xarray

    runs = _runs(Path(path))
    ordered = sorted(runs.values(), key=lambda run: _order(run.identity))
    columns, fixed = _columns([_flat(run.identity) for run in ordered])
    variables = {}
    for name, variable in VARIABLES.items():
        values = _stacked([run.arrays[name] for run in ordered])
        if variable.needs and np.isnan(values).all():
            continue
        variables[name] = (variable.dims, values, {"description": variable.words})
    coordinates = {}
    for name, column in columns.items():
        label = f"setting_{name}" if name in variables else name
        coordinates[label] = ("run", _column(column))
    return xarray.Dataset(variables, coordinates, fixed)


@dataclass(frozen=True)
class _Run:
    """One row: what the run is made of, and its numbers by name."""

    identity: Identity
    arrays: Arrays


def _runs(folder: Path) -> dict[str, _Run]:
    """All runs that are finished in a folder, by their keys."""
    require(folder.is_dir(), f"results: {folder} is no folder; name one that sweep wrote")
    runs: dict[str, _Run] = {}
    for file, texts, arrays in finished(folder):
        runs |= _runs_of(file, texts, arrays)
    bad = len(failures(folder)) if not runs else 0
    what = f"no results, {bad} runs failed" if bad else "no results"
    require(len(runs) > 0, f"results: {folder} holds {what}; sweep --out {folder} writes some")
    return runs


def _columns(flat: list[Identity]) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Settings in which runs of one environment and learner differ, as columns (R,), and all others as texts."""
    every = {name for row in flat for name in row}
    texts = {name: _texts_by_pair(flat, name) for name in sorted(every - OWN)}
    varying = [name for name, values in texts.items() if _varies(values)]
    columns = {}
    for name in ("env", "algo", *varying, "seed"):
        columns[name] = [row.get(name) for row in flat]
    fixed = {}
    for name, values in texts.items():
        if name not in varying:
            fixed[name] = _one_text(values)
    return columns, fixed


def _texts_by_pair(flat: list[Identity], name: str) -> Values:
    """The values of a setting as texts, for each pair of environment and learner that has it."""
    texts: Values = {}
    for row in flat:
        if name in row:
            pair = f"{row['env']}/{row['algo']}"
            values = texts.setdefault(pair, set())
            values.add(str(row[name]))
    return texts


def _varies(texts: Values) -> bool:
    """Whether runs of one pair differ in a setting."""
    return any(len(values) > 1 for values in texts.values())


def _one_text(texts: Values) -> str:
    """A setting that is the same within each pair: its value, or each pair's where they differ."""
    values = {pair: next(iter(own)) for pair, own in texts.items()}
    distinct = set(values.values())
    return distinct.pop() if len(distinct) == 1 else json.dumps(values)


def _runs_of(path: Path, texts: Texts, arrays: Arrays) -> dict[str, _Run]:
    """The runs of a file, by their keys."""
    names = _listed(path, texts["keys"])
    identities = _listed(path, texts["runs"])
    for name, variable in VARIABLES.items():
        if variable.late:
            arrays.setdefault(name, np.full(len(names), np.nan))
    whole = len(identities) == len(names) and _is_whole(arrays, len(names))
    named = all(map(_is_identity, identities))
    damage = "is damaged (rows are missing); delete it and sweep again"
    require(whole and named, f"results: {path} {damage}")
    runs = {}
    for row, (name, identity) in enumerate(zip(names, identities, strict=True)):
        numbers = {variable: arrays[variable][row] for variable in VARIABLES}
        runs[name] = _Run(identity, numbers)
    return runs


def _is_whole(arrays: Arrays, runs: int) -> bool:
    """Whether every variable is there, with a row for each run."""
    if not set(arrays) >= set(VARIABLES):
        return False
    shapes = {name: arrays[name].shape for name in VARIABLES}
    dims = {name: len(variable.dims) for name, variable in VARIABLES.items()}
    return all(
        len(shape) == dims[name] and shape[0] == runs  # all have a dimension of runs
        for name, shape in shapes.items()
    )


def _is_identity(thing: Any) -> bool:
    """Whether something says what a run is made of."""
    return isinstance(thing, dict) and {"env", "algo", "settings", "seed"} <= set(thing)


def _flat(identity: Identity) -> Identity:
    """An identity's settings and the rest of it side by side; lists as text."""
    row = identity | identity["settings"]
    del row["settings"]
    for name, value in row.items():
        if isinstance(value, list | dict):
            row[name] = json.dumps(value)
    return row


def _order(identity: Identity) -> tuple[Any, ...]:
    """Where a run stands among others: by env, algo, its settings in turn (numbers by size), seed."""
    settings = sorted(identity["settings"].items())
    places = tuple((name, _place(value)) for name, value in settings)
    return identity["env"], identity["algo"], places, identity["seed"], key(identity)


def _place(value: Any) -> tuple[int, float, str]:
    """Numbers by size, and before all texts."""
    return (0, value, "") if isinstance(value, int | float) else (1, 0, str(value))


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    """Rows of unequal lengths, the shorter ones filled with NaN."""
    if parts[0].ndim == 0:
        return np.array(parts)
    longest = max(map(len, parts))
    if all(len(part) == longest for part in parts):
        return np.stack(parts)
    padded = []
    for part in parts:
        missing = (0, longest - len(part))
        padded.append(np.pad(part, missing, constant_values=np.nan))
    return np.stack(padded)


def _column(values: list[Any]) -> np.ndarray:
    """A coordinate: numbers where all are, NaN where a run has no such setting; else texts."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return np.array(values)
    numbers = kinds <= {int, float, bool, type(None)}
    nothing: Any = math.nan if numbers else ""
    kind: type = float if numbers else str
    filled = [nothing if value is None else kind(value) for value in values]
    return np.array(filled)

"""Results: what a sweep leaves behind, one row for each run, addressed by what was computed.

A folder of `KEY.safetensors` files, each the rows of one batch of runs, written whole or not at all: whatever is there
is finished. A run's key is a digest of everything that its numbers depend on (settings, seed, code), so that nothing is
computed twice and a changed setting or a changed source is another run. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import intervals
from .record import Record
from .settings import require

if TYPE_CHECKING:
    import xarray

FORMAT = "1"
SUFFIX = ".safetensors"
HEADER = 64_000_000
"""Bytes of a file's header above which it is refused unread."""

VARIABLES: dict[str, tuple[tuple[str, ...], str]] = {
    "drift": (
        ("run", "time"),
        "typical distance from the expert's twin: median over rollouts, mean under 0/1",
    ),
    "drift_10": (("run", "time"), "its 10 % quantile over rollouts"),
    "drift_90": (("run", "time"), "its 90 % quantile over rollouts"),
    "drift_mean": (("run", "time"), "its arithmetic mean over rollouts"),
    "growth": (("run",), "fitted growth a step"),
    "error_off": (("run",), "mean action error on the expert's states"),
    "error_on": (("run",), "mean action error on the learner's own states"),
    "cost_gap": (("run",), "what is lost of the expert's return"),
    "falls": (("run",), "share of rollouts that the environment ended where the expert's went on"),
    "ceiling": (("run",), "the deviation of two unrelated states"),
    "broke": (("run",), "rollouts that left the finite numbers"),
    "labels": (("run",), "expert labels"),
    "steps": (("run",), "environment steps while learning"),
    "updates": (("run",), "gradient updates"),
    "seconds": (
        ("run",),
        "seconds of training, the batch's shared among its runs; the one number that is not repeatable",
    ),
}
"""What is kept of each run: dimensions, and what it is."""

NUMERICS = ("settings", "streams", "core", "theory", "rollout", "data", "minibatches", "policies", "solve", "adam", "engine",
            "train", "growth", "intervals", "record", "twins", "results")  # fmt: skip
"""Modules that every number depends on."""


def rows(found: Record) -> dict[str, np.ndarray]:
    """The rows (R, ...) of the one learner of a comparison, under the names of `VARIABLES`."""
    a, budget = found.arrays, found.config["budgets"][found.learners[1]]
    divergence, runs = a["divergence"][1], len(a["length"][1])
    low, high = np.quantile(divergence, (0.1, 0.9), axis=1, method="inverted_cdf")
    return {
        "drift": intervals.typical(divergence, found.indicator),
        "drift_10": low,
        "drift_90": high,
        "drift_mean": divergence.mean(1),
        "growth": np.array([fit.alpha for fit in found.growth(1)]),
        "error_off": intervals.mean_error(a["error_off"][1], a["broke"][0]),
        "error_on": intervals.mean_error(a["error_on"][1], a["broke"][1]),
        "cost_gap": found.cost_gap(1),
        "falls": (a["terminated"][1] & ~a["terminated"][0]).mean(-1),
        "ceiling": np.array([found.ceiling(run) for run in range(runs)]),
        "broke": (a["broke"][1] >= 0).sum(-1).astype(float),
        "labels": np.asarray(budget["labels"], dtype=float),
        "steps": np.asarray(budget["steps"], dtype=float),
        "updates": np.full(runs, float(budget["updates"])),
        "seconds": np.full(runs, budget["seconds"] / runs),
    }


def code(*things: type) -> str:
    """A digest of the sources that numbers depend on: the library's numerical part, and the files of some classes.

    It does not depend on where they lie: a wheel's and a clone's rows are the same.
    """
    files = {inspect.getsourcefile(import_module(f"il_bench.{name}")) for name in NUMERICS}
    files |= {inspect.getsourcefile(thing) for thing in things}
    digest = hashlib.blake2b(digest_size=16)
    for content in sorted(
        Path(f).name.encode() + Path(f).read_bytes() for f in files if f is not None
    ):
        digest.update(content)
    return digest.hexdigest()


def key(identity: dict[str, Any]) -> str:
    """The address of one run: a digest of everything that it is made of, as JSON holds it."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


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
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".draft-", delete=False) as draft:
            try:
                draft.write(held)
                draft.flush()
                os.fsync(draft.fileno())
                os.replace(draft.name, path)
            except BaseException:
                Path(draft.name).unlink(missing_ok=True)
                raise
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
        name: (dims, _stacked([arrays[name] for _, arrays in ordered]), {"description": words})
        for name, (dims, words) in VARIABLES.items()
    }
    taken = {name: f"setting_{name}" for name in varying if name in variables}
    coordinates = {taken.get(n, n): ("run", _column(v)) for n, v in varying.items()}
    return xarray.Dataset(variables, coordinates, fixed)


def _told_apart(flat: list[dict[str, Any]]) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Settings in which runs of one environment and learner differ, as columns (R,), and all others as texts."""
    names = sorted({name for row in flat for name in row} - {"env", "algo", "seed"})
    seen: dict[str, dict[str, set[str]]] = {name: {} for name in names}
    for row in flat:
        for name in names:
            if name in row:
                seen[name].setdefault(f"{row['env']}/{row['algo']}", set()).add(str(row[name]))
    varying = [name for name in names if any(len(values) > 1 for values in seen[name].values())]
    columns = {n: [row.get(n) for row in flat] for n in ("env", "algo", *varying, "seed")}
    fixed = {}
    for name in set(names) - set(varying):
        values = {pair: next(iter(found)) for pair, found in seen[name].items()}
        fixed[name] = (
            values[next(iter(values))] if len(set(values.values())) == 1 else json.dumps(values)
        )
    return columns, dict(sorted(fixed.items()))


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
    whole = set(arrays) >= set(VARIABLES) and all(
        a.ndim == len(VARIABLES[n][0]) and len(a) == len(names) == len(identities)
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

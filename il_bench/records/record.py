"""The Record: what one comparison leaves behind, and the only thing that crosses from running to reporting.

A folder: `arrays.safetensors` (divergence and its ingredients), `record.json` (dims, coordinates, units, settings,
budgets, versions, machine), `policy.safetensors` (weights). Nothing is pickled and nothing is executed on loading.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..borders.resolve import environment
from ..core.env import Env
from ..core.settings import require
from ..stats import growth, intervals
from .rows import cell_texts
from .schema import DIMS, FORMAT, INDEX, flaws

if TYPE_CHECKING:
    import xarray

ARRAYS, WEIGHTS = "arrays.safetensors", "policy.safetensors"


LARGEST_INDEX = 64_000_000
"""Bytes of an index above which it is refused unread."""


@dataclass(repr=False)
class Record:
    """A comparison of learners with their expert, on twin rollouts.

    Attributes:
        arrays: NumPy arrays under the names and dimensions of `DIMS`; the first learner is the expert itself.
        config: everything else, as JSON holds it: "learners", "env", "runs", "budgets", "versions", ...
        weights: the policies' arrays, "bc/layer.00" and so on.
        path: the folder, once there is one.
        known_env: the environment of all runs, where it need not be made from `config`.
    """

    arrays: dict[str, np.ndarray]
    config: dict[str, Any]
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    path: Path | None = None
    known_env: Env | None = None

    def __repr__(self) -> str:
        """What is in it, not all of it."""
        runs, episodes, steps = self.arrays["reward"].shape[1:]
        return f"Record({', '.join(self.learners)}; R={runs}, E={episodes}, T={steps}; {self.path or 'not written'})"

    @property
    def learners(self) -> list[str]:
        """Names of the learners; the expert comes first."""
        return list(self.config["learners"])

    @cached_property
    def env(self) -> Env:
        """The environment of all runs; see `environment_of`."""
        return self.known_env or environment_of(self.config)

    @cached_property
    def data(self) -> xarray.Dataset:
        """All arrays as one labelled dataset; each setting is a coordinate along `run`."""
        import xarray

        variables = {
            name: (DIMS[name][0], a, {"description": DIMS[name][1]})
            for name, a in self.arrays.items()
        }
        runs = {k: ("run", np.asarray(v)) for k, v in self.config["runs"].items()}
        return xarray.Dataset(
            variables, {"learner": self.learners, "x": list(self.config["states"]), **runs}
        )

    def to_netcdf(self, path: str | Path) -> None:
        """Write the labelled dataset as NetCDF (needs scipy alone)."""
        data = self.data.copy()
        data.attrs = {
            name: json.dumps(self.config[name])
            for name in ("env", "expert", "learners", "versions")
        }
        data["terminated"] = data["terminated"].astype("int8")
        data.to_netcdf(path, engine="scipy")

    def to_minari(
        self,
        identifier: str,
        learner: str = "expert",
        runs: Sequence[int] | None = None,
        **metadata: Any,
    ) -> Any:
        """Write the rollouts of one learner as a Minari dataset; see `trajectories.write`.

        Args:
            identifier: such as il_bench/lane/expert-v0.
            learner: whose.
            runs: which runs, of one setting; `groups` has them by setting.
            **metadata: description, author and so on, of `minari.create_dataset_from_buffers`.
        """
        from ..borders.minari_out import write_arrays

        known = learner in self.learners
        require(
            known,
            f"learner: expected {' or '.join(self.learners)}, got {learner!r}; name one of this Record",
        )
        arrays = {name: array[self.learners.index(learner)] for name, array in self.arrays.items()}
        metadata = {"algorithm_name": learner, **metadata}
        return write_arrays(
            identifier, self.env, arrays, self.config.get("streams"), runs, **metadata
        )

    def alive(self, learner: int) -> np.ndarray:
        """(R, E, T) bool: the learner's episode and its twin's were both alive at the step."""
        length = np.minimum(self.arrays["length"][learner], self.arrays["length"][0])
        return np.arange(self.arrays["reward"].shape[-1]) < length[..., None]

    def groups(self) -> dict[tuple[tuple[str, float], ...], np.ndarray]:
        """Runs (indices) by the settings that differ between runs, seeds apart."""
        varying = {k: v for k, v in self.config["runs"].items() if k != "seed" and len(set(v)) > 1}
        varying = varying or {k: v for k, v in self.config["runs"].items() if k == "lipschitz"}
        keys = (
            list(zip(*([(k, x) for x in v] for k, v in varying.items()), strict=True))
            if varying
            else []
        )
        keys = keys or [()] * len(self.config["runs"]["seed"])
        return {
            key: np.array([i for i, k in enumerate(keys) if k == key])
            for key in dict.fromkeys(keys)
        }

    @property
    def indicator(self) -> bool:
        """Whether the divergence is 0 or 1."""
        return self.config["metric"] == "0/1"

    def drift(self, learner: int, at: int) -> np.ndarray:
        """Typical divergence of each run (R,) at a time, see `intervals.typical`."""
        return intervals.typical(self.arrays["divergence"][learner], self.indicator)[:, at]

    def cost_gap(self, learner: int) -> np.ndarray:
        """What each run (R,) loses of the expert's return, its rollouts' mean; inf where one left the finite numbers.

        An episode that ends early earns nothing more. Where rewards are negative that flatters it: read `falls` too.
        """
        lost = (self.arrays["reward"][0] - self.arrays["reward"][learner]).sum(-1)
        return np.where(self.arrays["broke"][learner] >= 0, np.inf, lost).mean(-1)

    def ceiling(self, run: int) -> float:
        """The deviation of two unrelated states of a run: the certificate's diameter, or else the expert's own spread.

        The spread is the largest median distance, over time, of the expert's episodes from one another, in the
        coordinates of the state; inf where it has one episode only.
        """
        diameter = self.config["diameter"][run]
        if diameter is not None:
            return float(diameter)
        state = self.arrays["state"][0, run]
        spread = float(
            np.median(np.linalg.norm(state - np.roll(state, 1, 0), axis=-1), axis=0).max()
        )
        return spread if spread > 0 else math.inf

    def growth(self, learner: int, resamples: int = 0) -> list[growth.Growth]:
        """Fitted growth a step of each run (R,), see `growth.fit`; with `resamples`, its interval and class."""
        delta, error, alive = (
            self.arrays["delta"][learner],
            self.arrays["error_off"][learner],
            self.alive(learner),
        )
        return [
            growth.fit(delta[r], error[r], alive[r], self.ceiling(r), resamples)
            for r in range(len(delta))
        ]

    def rows(self, at: tuple[int, ...] | None = None) -> list[dict[str, Any]]:
        """The comparison in numbers: one row a learner (the expert apart) and setting.

        Args:
            at: times at which the divergence is reported; 5 %, 25 % and 100 % of the horizon unless given.
        """
        horizon = self.arrays["reward"].shape[-1]
        at = at or tuple(dict.fromkeys(max(1, round(horizon * part)) for part in (0.05, 0.25, 1)))
        for t in at:
            require(
                0 <= t <= horizon,
                f"at: expected times from 0 to {horizon}, got {t}; choose within the horizon",
            )
        out = []
        for key, runs in self.groups().items():
            for k, name in list(enumerate(self.learners))[1:]:
                out.append({"learner": name, "settings": dict(key), **self._row(k, name, runs, at)})
        return out

    def _row(self, k: int, name: str, runs: np.ndarray, at: tuple[int, ...]) -> dict[str, Any]:
        a = self.arrays
        drift = intervals.typical(a["divergence"][k, runs], self.indicator)
        off = intervals.mean_error(a["error_off"][k, runs], a["broke"][0, runs])
        on = intervals.mean_error(a["error_on"][k, runs], a["broke"][k, runs])
        budget = self.config["budgets"].get(name, {})
        labels, steps = (
            np.median(np.asarray(budget[b])[runs]) if budget else 0 for b in ("labels", "steps")
        )
        return {
            "drift": {t: intervals.interval(drift[:, t]) for t in at},
            "growth": intervals.interval(np.array([g.alpha for g in self.growth(k)])[runs]),
            "error_off": intervals.interval(off),
            "error_on": intervals.interval(on),
            "exposure": intervals.interval(intervals.ratio(on, off)),
            "cost_gap": intervals.interval(self.cost_gap(k)[runs]),
            "falls": float((a["terminated"][k, runs] & ~a["terminated"][0, runs]).mean()),
            "runs": len(runs),
            "broke": int((a["broke"][k, runs] >= 0).any(-1).sum()),
            "labels": int(labels),
            "steps": int(steps),
            "updates": budget.get("updates", 0),
            "seconds": budget.get("seconds", 0.0),
        }

    def table(self, at: tuple[int, ...] | None = None) -> str:
        """The rows as text; see `rows`."""
        rows = self.rows(at)
        cells = [
            list(cell_texts(rows[0])),
            *([" ".join(c).strip() for c in cell_texts(row).values()] for row in rows),
        ]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        lines = [
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def save(
        self, path: str | Path, extras: Callable[[Path], object] = lambda folder: None
    ) -> Path:
        """Write the folder, whole or not at all.

        Args:
            path: a folder that is free.
            extras: writes whatever else belongs into the folder that it is given.

        Raises:
            ValueError: when the folder already holds something, or cannot be written.
        """
        from safetensors.numpy import save_file

        path = free_folder(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            for name, arrays in ((ARRAYS, self.arrays), (WEIGHTS, self.weights)):
                save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, draft / name)
                (draft / name).chmod(0o666 & ~_umask())
            (draft / INDEX).write_text(
                json.dumps({"format": FORMAT, **self.config}, indent=1) + "\n"
            )
            extras(draft)
            draft.chmod(0o777 & ~_umask())
            os.replace(draft, path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        self.path = path
        return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def free_folder(path: str | Path) -> Path:
    """The path, if a Record can be written there: it is free or an empty folder, and its parent is writable."""
    path = Path(path).absolute()
    held = path.exists() and (not path.is_dir() or any(path.iterdir()))
    require(
        not held,
        f"out: {path} already holds {'a Record' if (path / INDEX).exists() else 'files'}; name a new folder",
    )
    above = next(p for p in path.parents if p.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise ValueError(
            f"out: {path} cannot be written ({error.strerror}); name a folder that can"
        ) from None
    return path


def environment_of(config: dict[str, Any], name: str | None = None) -> Env:
    """The environment of all runs, from the name and the settings in a Record.

    Args:
        config: of the Record.
        name: `module:Class`, where the environment is a file's.

    Raises:
        ValueError: when it is a file's and `name` is not given: loading a Record runs no stranger's code.
    """
    held = config["env"]["name"]
    require(
        ":" not in held or name is not None,
        f"record: its environment {held!r} is a file's; name it, as in --env {held} or load(path, env=...)",
    )
    held_settings = config["env"]["settings"].items()
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in held_settings}
    try:
        return environment(name or held, settings)(**settings)
    except TypeError as error:
        raise ValueError(
            f"record: {name or held} is not the environment of this Record ({error})"
        ) from None


def load(path: str | Path, env: Env | None = None) -> Record:
    """Open a Record folder; nothing is executed.

    Args:
        path: the folder.
        env: the environment of all runs, where it is a file's and the Record may not import it.

    Raises:
        ValueError: when the folder is not a Record, is truncated, or is of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = Path(path)
    stands = (path / INDEX).is_file()
    require(
        stands, f"record: {path} is not a Record (it has no {INDEX}); name a folder that run wrote"
    )
    for name in (INDEX, ARRAYS, WEIGHTS):
        require(
            not (path / name).is_symlink(),
            f"record: {path / name} is a link; copy the file itself there",
        )
    size = (path / INDEX).stat().st_size
    require(
        size <= LARGEST_INDEX,
        f"record: {path / INDEX} has {size:,} bytes, more than any Record's; write it again",
    )
    try:
        config = json.loads((path / INDEX).read_text())
        arrays, weights = load_file(path / ARRAYS), load_file(path / WEIGHTS)
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(
            f"record: {path} is truncated or damaged ({error}); write it again"
        ) from None
    found = Record(arrays, config, weights, path)
    wrong = next(flaws(config, arrays), None)
    require(wrong is None, f"record: {path} {wrong}; write it again")
    config.pop("format")
    found.known_env = env
    return found

"""The Record: what one comparison leaves behind, and the only thing that crosses from running to reporting.

A folder: `arrays.safetensors` (divergence and its ingredients), `record.json` (dims, coordinates, units, settings,
budgets, versions, machine), `policy.safetensors` (weights). Nothing is pickled and nothing is executed on loading.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..borders.resolve import environment
from ..core.env import Env
from ..core.files import filling, require_solid, reservation, whole, write_arrays
from ..core.policy import Policy
from ..core.registry import ENVS
from ..core.settings import plain, require
from ..fit.fitting import restore
from ..stats import growth, intervals
from ..stats.growth import Growth
from . import rows
from .schema import DIMS, FORMAT, INDEX, Index, flaws, impossible_ends

if TYPE_CHECKING:
    import xarray

ARRAYS, WEIGHTS = "arrays.safetensors", "policy.safetensors"


NUMPY = {
    "BOOL": "bool",
    "F16": "f2",
    "F32": "f4",
    "F64": "f8",
    "I8": "i1",
    "I16": "i2",
    "I32": "i4",
    "I64": "i8",
    "U8": "u1",
    "U16": "u2",
    "U32": "u4",
    "U64": "u8",
}
"""Types of numbers, as a file names them and as NumPy does."""
LARGEST_INDEX = 64_000_000
"""Bytes of an index above which it is refused unread."""


@dataclass(repr=False)
class Record:
    """A comparison of learners with their expert, on twin rollouts.

    Attributes:
        arrays: NumPy arrays under the names and dimensions of `DIMS`; the first learner is the expert itself.
        config: everything else, as JSON holds it; `index` is the same, typed.
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
        names = ", ".join(self.learners)
        place = self.path or "not written"
        return f"Record({names}; R={runs}, E={episodes}, T={steps}; {place})"

    @property
    def index(self) -> Index:
        """What `config` says, typed."""
        return Index.of(self.config)

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

        variables = {}
        for name, array in self.arrays.items():
            dims, words = DIMS[name]
            variables[name] = (dims, array, {"description": words})
        names = {"learner": self.learners, "x": list(self.index.states)}
        runs = {name: ("run", np.asarray(each)) for name, each in self.index.runs.items()}
        return xarray.Dataset(variables, names | runs)

    def policies(self) -> dict[str, Policy]:
        """The policies by name, those whose weights are kept: what a net fitted, and no function or foreign model.

        Raises:
            ValueError: when the environment is a file's (see `load`), or a net is.
        """
        return {name: self.policy(name) for name in self.index.kinds if self._arrays_of(name)}

    def policy(self, learner: str) -> Policy:
        """The policy of one learner, R runs, ready to act: `il.load(folder).policy("dagger")[3].predict(observation)`.

        Raises:
            ValueError: when there is no such learner or none of its weights, or the environment or its net is a file's.
        """
        self.number_of(learner)
        arrays = self._arrays_of(learner)
        require(
            bool(arrays),
            f"learner: this Record keeps no weights of {learner!r}; it was no net that il_bench fitted",
        )
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return restore(self.index.kinds[learner], tensors, self.env.action_space)

    def _arrays_of(self, learner: str) -> dict[str, np.ndarray]:
        """A policy's own arrays by name."""
        start = f"{learner}/"
        own = {}
        for name, array in self.weights.items():
            if name.startswith(start):
                own[name.removeprefix(start)] = array
        return own

    def number_of(self, learner: str) -> int:
        """Where a learner stands in the arrays.

        Raises:
            ValueError: when there is no such learner.
        """
        known = " or ".join(self.learners)
        require(
            learner in self.learners,
            f"learner: expected {known}, got {learner!r}; name one of this Record",
        )
        return self.learners.index(learner)

    def to_netcdf(self, path: str | Path) -> None:
        """Write the labelled dataset as NetCDF (needs scipy alone), whole or not at all.

        Raises:
            ValueError: when it cannot be written.
        """
        data = self.data.copy()
        data.attrs = {
            name: json.dumps(self.config[name])
            for name in ("env", "expert", "learners", "versions")
        }
        for name, array in data.data_vars.items():
            if array.dtype == bool:
                data[name] = array.astype("int8")
        try:
            with whole(Path(path)) as draft:
                data.to_netcdf(draft, engine="scipy")
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(f"path: {path} cannot be written ({reason}); name another") from None

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

        number = self.number_of(learner)
        arrays = {name: array[number] for name, array in self.arrays.items()}
        metadata = {"algorithm_name": learner, **metadata}
        streams = self.index.streams
        return write_arrays(identifier, self.env, arrays, streams, runs, **metadata)

    @property
    def runs(self) -> int:
        """How many runs, R."""
        return int(self.arrays["reward"].shape[1])

    @property
    def horizon(self) -> int:
        """Steps of an episode, T."""
        return int(self.arrays["reward"].shape[-1])

    def is_one(self, learner: str) -> bool:
        """Whether a learner is one policy in all its runs, and not one of each run's own."""
        return learner in self.index.one

    def alive(self, learner: int) -> np.ndarray:
        """(R, E, T) bool: the learner's episode and its twin's were both alive at the step."""
        own = self.arrays["length"][learner]
        twins = self.arrays["length"][0]
        length = np.minimum(own, twins)
        step = np.arange(self.horizon)
        return step < length[..., None]

    def groups(self) -> dict[tuple[tuple[str, float], ...], np.ndarray]:
        """Runs (indices) by the settings that differ between runs, seeds apart."""
        settings = self._telling_settings()
        groups: dict[tuple[tuple[str, float], ...], list[int]] = {}
        for run in range(self.runs):
            own = {name: values[run] for name, values in settings.items()}
            key = tuple(own.items())
            runs = groups.setdefault(key, [])
            runs.append(run)
        return {key: np.array(runs) for key, runs in groups.items()}

    def _telling_settings(self) -> dict[str, list[float]]:
        """The settings that differ between runs, seeds apart; the dial where none does."""
        settings = dict(self.index.runs)
        del settings["seed"]
        varying = {}
        for name, values in settings.items():
            different = set(values)
            if len(different) > 1:
                varying[name] = values
        dial = {name: values for name, values in settings.items() if name == "lipschitz"}
        return varying or dial

    @cached_property
    def indicator(self) -> bool:
        """Whether the divergence is 0 or 1: what the index says, else the class of the environment, else its metric."""
        index = self.index
        if index.indicator is not None:
            return index.indicator
        name = index.env.name
        if name not in ENVS:
            return index.metric.startswith("0/1")
        cls: Any = ENVS[name]
        return bool(cls.indicator)

    def typical(self, learner: int) -> np.ndarray:
        """Typical divergence of each run over time (R, T+1), see `intervals.typical`."""
        return intervals.typical(self.arrays["divergence"][learner], self.indicator)

    def drift(self, learner: int, at: int) -> np.ndarray:
        """Typical divergence of each run (R,) at a time."""
        return self.typical(learner)[:, at]

    def returns(self, learner: int) -> np.ndarray:
        """Mean return of each run's rollouts (R,); -inf where one became NaN or infinite."""
        reward = self.arrays["reward"][learner]
        each = np.where(self._broke(learner), -np.inf, reward.sum(-1))
        return each.mean(-1)

    def _broke(self, learner: int) -> np.ndarray:
        """(R, E) bool: the rollout became NaN or infinite."""
        broke: np.ndarray = self.arrays["broke"][learner] >= 0
        return broke

    def cost_gap(self, learner: int) -> np.ndarray:
        """What each run (R,) loses of the expert's return, its rollouts' mean; inf where one became NaN or infinite.

        An episode that ends early earns nothing more. Where rewards are negative that flatters it: read `falls` too.
        """
        experts = self.arrays["reward"][0]
        own = self.arrays["reward"][learner]
        lost = (experts - own).sum(-1)
        each = np.where(self._broke(learner), np.inf, lost)
        return each.mean(-1)

    def demonstrated(self, learner: int) -> np.ndarray:
        """Share of each run's rollouts (R,) that began, exactly, where an episode that was learned from began.

        NaN where it is not known: of the expert, of a policy that nobody learned here, in Records of earlier versions.
        """
        return self._shares(self.index.demonstrated, learner)

    def uncoupled(self, learner: int) -> np.ndarray:
        """Share of each run's rollouts (R,) whose twins had the same seed and, from some step on, not the same noise.

        NaN where it is not known: of the expert, in Records of earlier versions.
        """
        return self._shares(self.index.uncoupled, learner)

    def _shares(self, by_name: dict[str, list[float]], learner: int) -> np.ndarray:
        """Shares of a learner's runs (R,); NaN where they are not known."""
        name = self.learners[learner]
        unknown = [math.nan] * self.runs
        return np.array(by_name.get(name, unknown))

    def ceiling(self, run: int) -> float:
        """The deviation of two unrelated states of a run: the certificate's diameter, or else the expert's own spread.

        The spread is the largest median distance, over time, of the expert's episodes from one another, in the
        coordinates of the state; inf where it has one episode only.
        """
        diameter = self.index.diameter[run]
        if diameter is not None:
            return float(diameter)
        state = self.arrays["state"][0, run]
        distance = np.linalg.norm(state - np.roll(state, 1, 0), axis=-1)
        spread = float(np.median(distance, axis=0).max())
        return spread if spread > 0 else math.inf

    def growth(self, learner: int, resamples: int = 0) -> list[Growth]:
        """Fitted growth a step of each run (R,), see `growth.fit`; with `resamples`, its interval and class.

        Fitted once and kept.
        """
        asked = learner, resamples
        if asked not in self._fits:
            self._fits[asked] = self._fitted(learner, resamples)
        return self._fits[asked]

    @cached_property
    def _fits(self) -> dict[tuple[int, int], list[Growth]]:
        """The fits that were asked for, by learner and number of resamples."""
        return {}

    def _fitted(self, learner: int, resamples: int) -> list[Growth]:
        delta = self.arrays["delta"][learner]
        error = self.arrays["error_off"][learner]
        alive = self.alive(learner)
        return [
            growth.fit(delta[run], error[run], alive[run], self.ceiling(run), resamples)
            for run in range(self.runs)
        ]

    def rows(self, at: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """The comparison in numbers; see `rows.rows`."""
        return rows.rows(self, at)

    def table(self, at: Sequence[int] | None = None) -> str:
        """The rows as text; see `rows.rows`."""
        return rows.table(self, at)

    def save(self, path: str | Path) -> Path:
        """Write the folder, whole or not at all.

        Args:
            path: a folder that is new or empty.

        Raises:
            ValueError: when the folder already holds something, or cannot be written.
        """
        index = {"format": FORMAT, **self.config}
        text = json.dumps(index, indent=1, default=plain)
        with reservation(path) as folder:
            try:
                with filling(folder, INDEX) as draft:
                    write_arrays(draft / ARRAYS, self.arrays, {})
                    write_arrays(draft / WEIGHTS, self.weights, {})
                    (draft / INDEX).write_text(text + "\n")
            except OSError as error:
                advice = "name a folder that can be written"
                raise ValueError(
                    f"out: {folder} cannot be written ({error.strerror}); {advice}"
                ) from None
        self.path = folder
        return folder


def environment_of(config: dict[str, Any], name: str | None = None) -> Env:
    """The environment of all runs, from the name and the settings in a Record.

    Args:
        config: of the Record.
        name: `module:Class`, where the environment is a file's.

    Raises:
        ValueError: when it is a file's and `name` is not given: loading a Record runs no stranger's code.
    """
    index = Index.of(config)
    own = index.env.name
    require(
        ":" not in own or name is not None,
        f"record: its environment {own!r} is a file's; name it, as in --env {own} or load(path, env=...)",
    )
    values = index.env.settings
    _require_harmless(own, values, name)
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        cls: Any = environment(name or own, settings)
        made: Env = cls(**settings)
        return made
    except TypeError as error:
        reason = f"{name or own} is not the environment of this Record ({error})"
        raise ValueError(f"record: {reason}") from None
    except (KeyError, ValueError, OverflowError) as error:
        # Of whom the command line names it is told in their own words.
        if name is not None:
            raise
        problem = error.args[0] if error.args else error
        raise ValueError(f"record: its environment cannot be had ({problem})") from None


def _require_harmless(own: str, settings: dict[str, Any], name: str | None) -> None:
    """Refuse a setting that may name a file, as that of Gymnasium's compatibility environments does: it is imported."""
    strange = [key for key, value in settings.items() if ":" in str(value)]
    keys = ", ".join(strange)
    require(
        not strange or name is not None,
        f"record: {keys} of its environment may name a file; name the environment, as in --env {own}",
    )


def load(path: str | Path, env: Env | None = None) -> Record:
    """Open a Record folder; nothing is executed.

    Args:
        path: the folder.
        env: the environment of all runs, where it is a file's and the Record may not import it.

    Raises:
        ValueError: when the folder is not a Record, is truncated, or is of another version.
    """
    path = Path(path)
    stands = (path / INDEX).is_file()
    advice = "name a folder that run wrote"
    require(stands, f"record: {path} is not a Record (it has no {INDEX}); {advice}")
    for name in (INDEX, ARRAYS, WEIGHTS):
        _require_file(path / name)
    with _damage_named(path):
        config = json.loads((path / INDEX).read_text())
        outlines = _outlines(path / ARRAYS)
    _require_none(path, flaws(config, outlines))
    with _damage_named(path):
        arrays = _read(path / ARRAYS, DIMS.__contains__)
    _require_none(path, impossible_ends(arrays))
    with _damage_named(path):
        weights = _read(path / WEIGHTS, lambda name: name.partition("/")[0] in config["learners"])
    config.pop("format")
    # Earlier versions kept an episode that ended by a clock of its own alive to the horizon.
    arrays.setdefault("truncated", np.zeros_like(arrays["terminated"]))
    return Record(arrays, config, weights, path, env)


def _require_none(path: Path, flaws: Iterator[str]) -> None:
    """Refuse a Record for the first of its flaws."""
    wrong = next(flaws, None)
    require(wrong is None, f"record: {path} {wrong}; write it again")


def _require_file(path: Path) -> None:
    """Refuse what is no file of the Record's own: a link leads elsewhere, a pipe never ends; an index without measure."""
    require(not path.is_symlink(), f"record: {path} is a link; copy the file itself there")
    there = path.exists()
    require(not there or path.is_file(), f"record: {path} is no file; write it again")
    size = path.stat().st_size if there and path.name == INDEX else 0
    limit = f"{path} has {size:,} bytes, more than any Record's"
    require(size <= LARGEST_INDEX, f"record: {limit}; write it again")
    if there:
        with _damage_named(path):
            require_solid(path)


def _outlines(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file that a Record has, in shape and kind: they take no memory, and none of their numbers is read."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        names = [name for name in file.keys() if name in DIMS]  # noqa: SIM118
        return {name: _outline(file.get_slice(name)) for name in names}


def _outline(array: Any) -> np.ndarray:
    """An array of the shape and the kind of one in a file, of which every number is the same one."""
    kind = array.get_dtype()
    require(kind in NUMPY, f"it holds numbers of type {kind}")
    number = np.zeros((), NUMPY[kind])
    return np.broadcast_to(number, array.get_shape())


def _read(path: Path, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """The arrays of a file whose names are wanted; whatever else is in it is not read."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        names = [name for name in file.keys() if wanted(name)]  # noqa: SIM118
        return {name: file.get_tensor(name) for name in names}


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Whatever reading a Record's files raises becomes one sentence."""
    from safetensors import SafetensorError

    try:
        yield
    # Of a type that NumPy lacks, safetensors raises TypeError or AttributeError.
    except (
        OSError,
        SafetensorError,
        ValueError,
        RecursionError,
        TypeError,
        AttributeError,
    ) as error:
        raise ValueError(
            f"record: {path} is truncated or damaged ({error}); write it again"
        ) from None

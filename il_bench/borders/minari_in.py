"""The border to Minari, Farama's format of offline datasets, inwards: demonstrations out of anyone's files.

`il.BC(demos="minari:ID")` learns from a dataset that lies on this machine; nothing is downloaded. Outwards the border is
crossed in trajectories.py, `record.to_minari(ID)`.

A dataset is a stranger's file. Reading it executes and unpickles nothing: its arrays come through h5py (or, where the
dataset says so, pyarrow), its description is JSON. Two things in Minari do run what a dataset names, because they build
the environment of its specification: `recover_environment()`, which is never called here, and loading a dataset whose
description lacks its spaces, which is refused before Minari sees it.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from ..core.env import Env
from ..core.policy import Log
from ..core.registry import name_of
from ..core.settings import Values, as_tuple, require
from ..fit.dataset import Dataset
from . import minari_hdf5

PREFIX = "minari:"
"""How a dataset is named where other sources could be."""


LARGEST_DESCRIPTION = 64_000_000
"""Bytes of a description above which it is refused unread."""


def package() -> Any:
    """The package `minari`, imported when it is first needed.

    Raises:
        ImportError: when it is not installed, with how to install it.
    """
    try:
        import minari
    except ImportError:
        raise ImportError(
            "minari is not installed; pip install 'minari[hdf5]', or il-bench[minari]"
        ) from None
    return minari


def folder(identifier: str) -> Path:
    """Where Minari keeps a dataset: below MINARI_DATASETS_PATH, or ~/.minari/datasets."""
    well = re.fullmatch(r"([-\w][-\w/]*[-\w]/)?[-\w]+-v\d+", identifier)
    require(
        bool(well),
        f"minari: expected an id such as il_bench/lane/expert-v0, got {identifier!r}; name it so",
    )
    package()
    from minari.storage import get_dataset_path

    return Path(get_dataset_path(identifier))


def demonstrations(source: str, env: Env, episodes: int, labels: Values, log: Log) -> Dataset:
    """The first episodes of a Minari dataset as samples, the same for every run, counted as labels.

    They are laid out as `data.dataset` lays out a rollout: sequences of the horizon (or of the longest episode), the
    end of an episode repeated with weight zero. What was written from a rollout comes back as it was, bit for bit.

    Args:
        source: minari:ID.
        env: the environment in which the copy will live, R runs; the dataset need not come from it, but must fit.
        episodes: how many.
        labels: how many labels, instead, one number or one for each run: as many episodes as hold them, the last one in
            part; 0 takes the episodes.
        log: labels are counted here; no environment step is taken.

    Raises:
        ValueError: when the dataset is missing, damaged, too small, or of another kind than the environment.
        ImportError: when minari, or what it reads the format with, is not installed.
    """
    identifier = source.removeprefix(PREFIX)
    held = opened(identifier)
    _require_fit(identifier, held, env)
    _warn_of_evaluation(identifier, held, env)
    each = torch.tensor(as_tuple(labels)).round().long()
    wanted = each.expand(env.runs)[:, None]
    parts = _first(identifier, held, episodes, int(wanted.max()))
    lengths = [len(action) for _, action in parts]
    steps = max(env.horizon, *lengths)
    time = np.arange(steps)
    alive = np.stack([time < length for length in lengths])
    obs = np.stack([_stretched(obs, steps) for obs, _ in parts])
    action = np.stack([_stretched(action, steps) for _, action in parts])
    action = action * alive[..., None]
    weight = torch.from_numpy(alive).flatten().expand(env.runs, -1)
    if wanted.any():
        weight = weight & (weight.cumsum(1) <= wanted)
    log.labels = log.labels + weight.sum(1).to(env.device)
    discrete = isinstance(env.action_space, spaces.Discrete)
    kind = torch.int64 if discrete else torch.float32
    return Dataset(
        obs=_shared(obs, env, torch.float32),
        action=_shared(action, env, kind),
        weight=weight.to(env.device, torch.float32),
        lengths=(steps,) * len(parts),
    )


def _stretched(rows: np.ndarray, steps: int) -> np.ndarray:
    """Rows (n, ...) as (steps, ...): cut off, or the last one repeated."""
    time = np.arange(steps)
    place = np.minimum(time, len(rows) - 1)
    return rows[place]


def _shared(array: np.ndarray, env: Env, kind: torch.dtype) -> torch.Tensor:
    """An array (E, T, n) of a file as samples (R, N, n) of every run."""
    whole = torch.from_numpy(np.ascontiguousarray(array))
    samples = whole.flatten(0, 1).to(env.device, kind)
    shared = samples.expand(env.runs, -1, -1)
    return shared.contiguous()


def opened(identifier: str) -> Any:
    """A dataset that lies on this machine, `minari.MinariDataset`; nothing is executed, nothing is downloaded.

    Raises:
        ValueError: when it is not there, or cannot be read without building its environment, or is damaged.
    """
    path = folder(identifier) / "data"
    require(
        path.is_dir(),
        f"minari: no dataset {identifier!r} in {path.parents[identifier.count('/') + 1]}; if it is a public one, "
        f"pip install 'minari[hf]' && minari download {identifier}",
    )
    try:
        about = _description(path / "metadata.json")
        if about.get("data_format") == "hdf5":
            there = minari_hdf5.count(path / minari_hdf5.FILE)
        else:
            _require_safe_arrow()
            there = sum(1 for _ in path.rglob("*"))
        _require_count(about.get("total_episodes"), there)
        return package().MinariDataset(path)
    except ImportError:
        raise
    except Exception as error:  # a stranger's file may raise anything
        raise _damaged(identifier, error) from None


def _damaged(identifier: str, error: Exception) -> ValueError:
    """What is said of a dataset that cannot be read."""
    reason = _first_line(error)
    return ValueError(f"minari: {identifier} cannot be read ({reason}); fetch or write it again")


def _description(path: Path) -> dict[str, Any]:
    """What a dataset says of itself, which must name its spaces."""
    size = path.stat().st_size if path.is_file() else LARGEST_DESCRIPTION + 1
    fits = size <= LARGEST_DESCRIPTION
    require(fits, "its metadata.json is missing or larger than any dataset's")
    about: dict[str, Any] = json.loads(path.read_text())
    names = ("observation_space", "action_space")
    lacking = [name for name in names if not isinstance(about.get(name), str)]
    require(
        not lacking,
        f"its description lacks {' and '.join(lacking)}, and building its environment to learn them would run a "
        "stranger's code",
    )
    return about


def _require_count(episodes: Any, there: int) -> None:
    """Refuse a number of episodes that are not there: room would be made for all of them."""
    whole = isinstance(episodes, int) and not isinstance(episodes, bool)
    possible = whole and 0 <= episodes <= there
    require(possible, f"its metadata.json counts {episodes!r} episodes where {there:,} may be")


def _require_safe_arrow() -> None:
    """Refuse a pyarrow that unpickles what a file names as a type (CVE-2023-47248)."""
    try:
        found = metadata.version("pyarrow")
    except metadata.PackageNotFoundError:
        raise ImportError(
            "minari: pyarrow is not installed, which this dataset needs; pip install pyarrow"
        ) from None
    number = tuple(int(part) for part in found.split(".")[:3])
    require(
        number >= (14, 0, 1),
        f"pyarrow {found} unpickles what a file holds; pip install 'pyarrow>=14.0.1'",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _require_fit(identifier: str, held: Any, env: Env) -> None:
    """Refuse a dataset whose observations or actions are not of the environment's kind and size."""
    obs, action = held.observation_space, held.action_space
    ours = env.observation_space
    flat = f"a flat Box of {ours.shape[0]}" if isinstance(ours, spaces.Box) else str(ours)
    require(
        type(obs) is type(ours) and obs.shape == ours.shape,
        f"minari: expected observations of {name_of(env)}, {flat}, "
        f"got {_short(obs)} from {identifier}; name a dataset of this environment",
    )
    same = type(action) is type(env.action_space) and action.shape == env.action_space.shape
    if isinstance(env.action_space, spaces.Discrete):
        same = same and (action.n, action.start) == (env.action_space.n, 0)
    kind = "Discrete" if isinstance(env.action_space, spaces.Discrete) else "a Box"
    size = (
        env.action_space.n
        if isinstance(env.action_space, spaces.Discrete)
        else env.action_space.shape
    )
    require(
        bool(same),
        f"minari: expected actions of {name_of(env)}, {kind} of {size}, got {_short(action)} from {identifier}; "
        "name a dataset of this environment",
    )


def _short(space: Any) -> str:
    """A space in a few words."""
    if isinstance(space, spaces.Dict):
        return f"Dict({', '.join(space.spaces)})"
    return f"Box{space.shape}" if isinstance(space, spaces.Box) else str(space)


def _warn_of_evaluation(identifier: str, held: Any, env: Env) -> None:
    """Say so when a dataset holds what `il.compare` will measure: an evaluation is on episodes that no learner has seen."""
    made = held.storage.metadata.get("il_bench")
    if not isinstance(made, dict) or (made.get("env"), made.get("purpose")) != (
        name_of(env),
        "evaluation",
    ):
        return
    shared = sorted(
        set(env.seeds) & {seed for seed in as_tuple(made.get("seeds")) if isinstance(seed, int)}
    )
    if shared:
        warnings.warn(
            f"minari: {identifier} holds the episodes that il.compare measures under seeds {shared}: the copy will be "
            "tested on its own demonstrations; write them from other seeds, or with compare(streams=...)",
            stacklevel=5,
        )


def _first(
    identifier: str, held: Any, episodes: int, labels: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Observations (T+1, O) and actions (T, U) of the first episodes, or of as many as hold the labels."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    count = 0
    indices = held.episode_indices if labels else held.episode_indices[:episodes]
    try:
        for episode in _episodes(identifier, held, indices):
            arrays = _arrays(episode, held)
            found.append(arrays)
            count += len(arrays[1])
            if labels and count >= labels:
                break
    except Exception as error:  # a stranger's file may raise anything
        raise _damaged(identifier, error) from None
    require(
        count >= labels,
        f"minari: expected {labels} labels, {identifier} holds {count}; ask for fewer",
    )
    require(
        labels > 0 or len(found) == episodes,
        f"minari: expected {episodes} episodes, {identifier} holds {len(found)}; ask for at most those",
    )
    return found


def _episodes(identifier: str, held: Any, numbers: Any) -> Iterator[Any]:
    """Episodes one by one; of HDF5 without what an environment noted besides, which nobody needs here."""
    file = folder(identifier) / "data" / minari_hdf5.FILE
    return minari_hdf5.episodes(file, numbers) if file.is_file() else held.iterate_episodes(numbers)


def _arrays(episode: Any, held: Any) -> tuple[np.ndarray, np.ndarray]:
    """One episode's observations (T+1, O) and actions (T, U), checked, float64."""
    obs = np.asarray(episode.observations, dtype=np.float64)
    action = np.asarray(episode.actions, dtype=np.float64)
    space = held.action_space
    steps = len(episode.rewards)
    fits = obs.shape == (steps + 1, *held.observation_space.shape)
    fits = fits and action.shape == (steps, *space.shape)
    require(
        steps > 0 and fits,
        f"episode {episode.id} of {steps} steps has observations {obs.shape} and actions {action.shape}",
    )
    finite = bool(np.isfinite(obs).all() and np.isfinite(action).all())
    require(finite, f"episode {episode.id} holds numbers that are not finite")
    if isinstance(space, spaces.Discrete):
        within = (action >= 0) & (action < space.n)
        whole = action % 1 == 0
        labels = bool((within & whole).all())
        require(labels, f"episode {episode.id} has actions that are not of {space}")
    size = math.prod(space.shape or ())
    return obs, action.reshape(steps, size)

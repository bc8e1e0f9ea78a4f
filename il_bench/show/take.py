"""Take: one rollout of some learners and of their expert's twin, as a film shows it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.env import Env
from ..core.registry import name_of
from ..core.settings import require
from ..records.record import Record
from ..records.rows import title_of
from .words import settings_text

MOST_TAKES = 6


@dataclass(frozen=True)
class Take:
    """One rollout of every learner of a Record.

    Attributes:
        env: the environment of its run.
        words: what tells it from other rollouts of the Record.
        names: of the learners (K,), the expert first.
        state: (K, T+1, X).
        drift: divergence (K, T+1), infinite where it is not a number.
        end: when the environment ended each episode (K,); T+1 where it did not.
        threshold: the divergence from which on two count as parted.
        bounded: whether the threshold is a tenth of the state space's diameter; 1 where nothing bounds that.
    """

    env: Env
    words: str
    names: tuple[str, ...]
    state: np.ndarray
    drift: np.ndarray
    end: np.ndarray
    threshold: float
    bounded: bool

    @property
    def horizon(self) -> int:
        """The last time, T."""
        return self.drift.shape[1] - 1

    def parted(self, learner: int) -> int:
        """When a learner was first further from its twin than the threshold; T+1 where it never was."""
        apart = self.drift[learner] > self.threshold
        return int(apart.argmax()) if apart.any() else self.horizon + 1


def take_of(record: Record, run: int, episode: int, env: Env | None = None) -> Take:
    """One rollout of a Record; `env` is the environment of that run, the Record's own unless given."""
    env = env or record.env[run]
    own = record.data.isel(run=run, episode=episode)
    drift = np.nan_to_num(own["divergence"].values, nan=np.inf, posinf=np.inf)
    diameter = env.certificate().diameter[0]
    bounded = math.isfinite(diameter)
    return Take(
        env=env,
        words=_words(record, run, episode),
        names=tuple(str(name) for name in own["learner"].values),
        state=own["state"].values,
        drift=drift,
        end=np.where(own["terminated"].values, own["length"].values, drift.shape[1]),
        threshold=_threshold(env, diameter),
        bounded=bounded and not env.indicator,
    )


def _threshold(env: Env, diameter: float) -> float:
    if env.indicator:
        return 0.5
    return 0.1 * diameter if math.isfinite(diameter) else 1.0


def _words(record: Record, run: int, episode: int) -> str:
    """The settings that differ between runs, or else the dial, and which rollout of them it is."""
    names = _several(record)
    if not names and "lipschitz" in _settings(record):
        names = ["lipschitz"]
    values = {name: record.data[name].values[run].item() for name in names}
    parts = settings_text(values.items()), f"run {run}", f"episode {episode}"
    return "    ".join(part for part in parts if part)


def _settings(record: Record) -> list[str]:
    """Coordinates along the runs, seeds apart."""
    coords = record.data.coords
    names = [str(name) for name in coords if coords[name].dims == ("run",)]
    return [name for name in names if name != "seed"]


def _several(record: Record) -> list[str]:
    """Those of them of which there are several values."""
    return [name for name in _settings(record) if len(_values(record, name)) > 1]


def _values(record: Record, name: str) -> np.ndarray:
    return np.unique(record.data[name].values)


def takes_by(record: Record, by: str, learner: int, episode: int | None = None) -> list[Take]:
    """A typical rollout for each value of a setting, for six of them at most, evenly chosen.

    Raises:
        ValueError: for a setting of which the Record has no two values.
    """
    _require_several(by, _several(record))
    takes = []
    for value in _some(_values(record, by)):
        has_value = record.data[by].values == value
        runs = np.flatnonzero(has_value).tolist()
        run, number = typical(record.data, learner, runs, episode)
        takes.append(take_of(record, run, number))
    return takes


def _require_several(by: str, several: list[str]) -> None:
    known = ", ".join(several) or "none"
    flag = several[0] if several else "lipschitz"
    require(
        by in several,
        f"by: expected a setting of which this record has several values ({known}), "
        f"got {by}; run with several, as in --{flag} 0.9 1.1",
    )


def _some(values: np.ndarray) -> np.ndarray:
    """As many of some values as there may be takes, evenly chosen."""
    last = len(values) - 1
    count = min(len(values), MOST_TAKES)
    places = np.linspace(0, last, count).round()
    return values[places.astype(int)]


def typical(
    data: Any, learner: int, run: int | list[int] | None = None, episode: int | None = None
) -> tuple[int, int]:
    """Run and episode in which a learner's last divergence is the median.

    Args:
        data: the Record's labelled dataset.
        learner: its place in the Record.
        run: the run, or several to choose from; all unless given.
        episode: the episode; any unless given.

    Raises:
        ValueError: when there is no such run or episode.
    """
    drift = data["divergence"].values[learner]
    last = np.nan_to_num(drift[..., -1], nan=np.inf, posinf=np.inf)  # (R, E)
    count, episode_count = last.shape
    runs = _numbers("run", run, count)
    episodes = _numbers("episode", episode, episode_count)
    pairs = itertools.product(runs, episodes)
    nearest_first = sorted(pairs, key=lambda pair: last[pair])
    middle = (len(nearest_first) - 1) // 2
    return nearest_first[middle]


def _numbers(name: str, given: int | list[int] | None, count: int) -> list[int]:
    """What to choose from."""
    if given is None:
        return list(range(count))
    numbers = given if isinstance(given, list) else [given]
    for number in numbers:
        require(
            0 <= number < count,
            f"{name}: expected 0 to {count - 1}, got {number}; "
            f"this record has {count}, counted from 0",
        )
    return numbers


def film_title(takes: list[Take], by: str | None) -> str:
    """What is filmed."""
    name = name_of(takes[0].env)
    return f"{name}    by {title_of(by)}" if by else f"{name}    {takes[0].words}"

"""Take: one rollout of some learners and of their expert's twin, as a film shows it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..core.env import Env
from ..core.registry import name_of
from ..core.settings import require
from ..records.record import Record
from ..records.rows import title_of
from .words import portion, settings_text

MOST_TAKES = 6
GAP = "    "
"""Between the words of a title."""

Place: TypeAlias = tuple[int, int]
"""A run and an episode of it."""


@dataclass(frozen=True)
class Take:
    """One rollout of every learner of a Record.

    Attributes:
        env: the environment of its run.
        words: the settings that tell its run from others of the Record.
        names: of the learners (K,), the expert first.
        state: (K, T+1, X).
        drift: divergence (K, T+1), infinite where it is not a number.
        end: when the environment ended each episode (K,); T+1 where it did not.
        threshold: the divergence from which on two count as parted.
        bounded: whether the threshold is a tenth of the state space's diameter; 1 where nothing bounds that.
        place: which run and episode of the Record it is, in words.
        note: of how many rollouts it is one, where that is worth a word.
        coupled: whether all learners shared their twin's noise, as far as is known.
        kl: how far chances were from the expert's at each step, (K, T) nats; None where that is not known.
    """

    env: Env
    words: str
    names: tuple[str, ...]
    state: np.ndarray
    drift: np.ndarray
    end: np.ndarray
    threshold: float
    bounded: bool
    place: str = ""
    note: str = ""
    coupled: bool = True
    kl: np.ndarray | None = None

    @property
    def horizon(self) -> int:
        """The last time, T."""
        return self.drift.shape[1] - 1

    def parted(self, learner: int) -> int:
        """When a learner was first further from its twin than the threshold; T+1 where it never was."""
        apart = self.drift[learner] > self.threshold
        return int(apart.argmax()) if apart.any() else self.horizon + 1


def take_of(record: Record, run: int, episode: int, env: Env | None = None, note: str = "") -> Take:
    """One rollout of a Record; `env` is the environment of that run, the Record's own unless given."""
    env = env or record.env[run]
    own = record.data.isel(run=run, episode=episode)
    drift = _known(own["divergence"].values)
    diameter = env.certificate().diameter[0]
    bounded = math.isfinite(diameter)
    return Take(
        env=env,
        words=_words(record, run),
        names=tuple(str(name) for name in own["learner"].values),
        state=own["state"].values,
        drift=drift,
        end=np.where(own["terminated"].values, own["length"].values, drift.shape[1]),
        threshold=_threshold(env, diameter),
        bounded=bounded and not env.indicator,
        place=f"run {run}{GAP}episode {episode}",
        note=note,
        coupled=_coupled(record, run),
        kl=own["kl_on"].values if "kl_on" in own else None,
    )


def _coupled(record: Record, run: int) -> bool:
    """Whether all learners shared their twins' noise in a run."""
    count = record.data.sizes["learner"]
    shares = [record.uncoupled(learner)[run] for learner in range(count)]
    return not any(share > 0 for share in shares)


def _threshold(env: Env, diameter: float) -> float:
    if env.indicator:
        return 0.5
    return 0.1 * diameter if math.isfinite(diameter) else 1.0


def _words(record: Record, run: int) -> str:
    """The settings that differ between runs, or else the dial."""
    names = _several(record)
    if not names and "lipschitz" in _settings(record):
        names = ["lipschitz"]
    values = {name: record.data[name].values[run].item() for name in names}
    return settings_text(values.items())


def _known(divergence: np.ndarray) -> np.ndarray:
    """A divergence, infinite where it is not a number."""
    return np.nan_to_num(divergence, nan=np.inf, posinf=np.inf)


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
        take = typical_take(record, learner, runs, episode)
        takes.append(take)
    return takes


def typical_take(
    record: Record,
    learner: int,
    run: int | list[int] | None = None,
    episode: int | None = None,
    env: Env | None = None,
) -> Take:
    """The rollout that `typical` chooses; `env` is the environment of its run, the Record's own unless given."""
    choice = record.data, learner, run, episode
    indicator = record.env.indicator if env is None else env.indicator
    note = parting(*choice) if indicator else ""
    chosen, number = typical(*choice, indicator)
    return take_of(record, chosen, number, env, note)


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
    data: Any,
    learner: int,
    run: int | list[int] | None = None,
    episode: int | None = None,
    indicator: bool = False,
) -> tuple[int, int]:
    """Run and episode in which a learner's last divergence is the median.

    Of divergences that are 0 or 1 the median is a rollout in which nothing happens, or everything at once. There it is
    that of the rollouts which are apart at the end, if any are, by the time at which they first came apart.

    Args:
        data: the Record's labelled dataset.
        learner: its place in the Record.
        run: the run, or several to choose from; all unless given.
        episode: the episode; any unless given.
        indicator: whether the divergence is 0 or 1.

    Raises:
        ValueError: when there is no such run or episode.
    """
    drift = _known(data["divergence"].values[learner])  # (R, E, T+1)
    last = drift[..., -1]
    places = _places(last.shape, run, episode)
    rank = last
    if indicator:
        places = _apart(last, places) or places
        rank = (drift > 0).argmax(-1)
    in_order = sorted(places, key=lambda place: rank[place])
    middle = (len(in_order) - 1) // 2
    return in_order[middle]


def parting(
    data: Any, learner: int, run: int | list[int] | None = None, episode: int | None = None
) -> str:
    """In how many of the rollouts to choose from a learner is apart at the end; "" where there is no choice."""
    last = _known(data["divergence"].values[learner, ..., -1])
    places = _places(last.shape, run, episode)
    if len(places) == 1:
        return ""
    apart = len(_apart(last, places))
    name = data["learner"].values[learner]
    shown = "; here is one" if apart else ""
    return f"{name} ends apart in {portion(apart / len(places))}{shown}"


def _apart(last: np.ndarray, places: list[Place]) -> list[Place]:
    """The rollouts at some places whose last divergence (R, E) is not 0."""
    return [place for place in places if last[place] > 0]


def _places(
    shape: tuple[int, ...], run: int | list[int] | None, episode: int | None
) -> list[Place]:
    """The rollouts to choose from, of so many runs and episodes."""
    runs = _numbers("run", run, shape[0])
    episodes = _numbers("episode", episode, shape[1])
    return list(itertools.product(runs, episodes))


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
    first = takes[0]
    name = name_of(first.env)
    if by:
        return f"{name}    by {title_of(by)}"
    return joined(name, first.words, first.place, first.note)


def joined(*words: str) -> str:
    """Words of a title side by side, those that say something."""
    return GAP.join(filter(None, words))

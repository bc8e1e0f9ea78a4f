"""Repetition: what a Record says was run, read so that it can be run again; nothing that it names is imported."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro

from ..borders import resolve
from ..cli import flags
from ..cli.options import RunOptions
from ..core.env import Env
from ..core.registry import short_name
from ..core.settings import require
from ..records import record


@dataclass(frozen=True)
class Again:
    """Run again what a Record says was run."""

    source: Annotated[Path, tyro.conf.arg(name="from")]
    """Folder of the Record."""
    env: str | None = None
    """module:Class, where the environment is a file's: a Record alone runs no stranger's code."""
    expert: str | None = None
    """module:name or sb3:PATH, where the expert is a file's."""
    trust: bool = False
    """The author of the zip in --expert sb3:PATH is trusted."""
    out: Path | None = None
    """Folder for the new Record; by default the next free runs/ENV-ALGO-NUMBER."""
    device: str = "cpu"
    """Where to compute: cpu or cuda."""
    threads: int = 1
    """Threads of torch."""
    video: bool = True
    """Make the film."""
    tensorboard: Path | None = None
    """Folder for TensorBoard."""


OWN = ("out", "device", "threads", "video", "trust", "tensorboard")
"""What is asked for anew: a Record does not say where to write, or whom to trust."""


def repeated(args: list[str]) -> tuple[RunOptions, Env, dict[str, Any], record.Record]:
    """What a Record says was run, ready to be run again.

    Raises:
        ValueError: for what the Record does not hold, or holds damaged, or has from a file that is not named.
    """
    again = flags.parsed(Again, args, "python -m il_bench.run")
    original = record.load(again.source)
    kept = _kept_options(original)
    expert = again.expert or kept.expert
    unnamed = again.expert is None
    stranger = unnamed and ":" in str(expert)
    advice = f"name it, as in --expert {expert}"
    require(not stranger, f"record: its expert {expert!r} is a file's; {advice}")
    original.known_env = record.environment_of(original.config, again.env)
    env = dataclasses.replace(original.env, device=again.device)
    names = [short_name(name) for name in kept.algo]
    learners = {name: _learner(original, name) for name in names}
    chosen: dict[str, Any] = {name: getattr(again, name) for name in OWN}
    options = dataclasses.replace(kept, expert=expert, **chosen)
    return options, env, learners, original


def _kept_options(original: record.Record) -> RunOptions:
    """The options that a Record keeps, but for those that are asked for anew.

    Raises:
        ValueError: naming the first one that there is not, or that is of another kind than it must be.
    """
    kept = original.index.options
    place = f"record: {original.path}"
    if kept is None:
        raise ValueError(f"{place} was not written by the run command; repeat it in Python")
    advice = "repeat it in Python"
    has_learners = "algo" in kept
    require(has_learners, f"{place} lacks algo among its options; {advice}")
    hints = get_type_hints(RunOptions)
    options: dict[str, Any] = {}
    for name in kept.keys() - OWN:
        known = name in hints
        require(known, f"{place} has {name!r} among its options, unknown here; {advice}")
        value = _up_to_date(name, kept[name])
        fits = _is_of(value, hints[name])
        shown = f"{value!r:.60}"
        require(fits, f"{place} has {shown} as {name} among its options; {advice}")
        several = isinstance(value, list)
        options[name] = tuple(value) if several else value
    return RunOptions(**options)


def _up_to_date(name: str, value: Any) -> Any:
    """An option as it is kept today: earlier versions kept the name of a single learner."""
    single = name == "algo" and isinstance(value, str)
    return [value] if single else value


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a value, as JSON holds it, is one that an option of this type may have."""
    if get_origin(hint) is tuple:
        return _are_words(value)
    kinds = get_args(hint) or (hint,)
    own = type(value)
    whole_for_real = own is int and float in kinds
    return own in kinds or whole_for_real


def _are_words(value: Any) -> bool:
    """Whether a value is a list of words."""
    is_list = isinstance(value, list)
    return is_list and all(isinstance(item, str) for item in value)


def _learner(original: record.Record, name: str) -> Any:
    """A learner with the settings that a Record holds of it."""
    algorithm = original.index.algorithms.get(name)
    if algorithm is None:
        place = f"record: {original.path}"
        raise ValueError(f"{place} holds no learner {name!r}; repeat it in Python")
    return resolve.recorded_learner(algorithm.name, algorithm.settings)

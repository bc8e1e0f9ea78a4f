"""What a Record must hold: the arrays with their dimensions, and the index; everything that reads one may rely on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ..core.policy import SPENT
from ..core.settings import LARGEST_COUNT

FORMAT = 2


INDEX = "record.json"


DIMS: dict[str, tuple[tuple[str, ...], str]] = {
    "state": (
        ("learner", "run", "episode", "time", "x"),
        "state; a finished episode stays in its last one",
    ),
    "delta": (
        ("learner", "run", "episode", "time", "d"),
        "signed deviation from the expert's twin; from the first end of the two on, what it was then",
    ),
    "divergence": (
        ("learner", "run", "episode", "time"),
        "distance D_t from the expert's twin, in L's metric; from the first end of the two on, what it was then",
    ),
    "action": (("learner", "run", "episode", "step", "u"), "action taken"),
    "reward": (("learner", "run", "episode", "step"), "reward; zero once an episode is finished"),
    "error_on": (
        ("learner", "run", "episode", "step", "u"),
        "signed action error on the learner's own states",
    ),
    "error_off": (
        ("learner", "run", "episode", "step", "u"),
        "signed action error on the expert's states",
    ),
    "length": (("learner", "run", "episode"), "steps lived"),
    "terminated": (("learner", "run", "episode"), "the environment ended the episode"),
    "truncated": (
        ("learner", "run", "episode"),
        "the environment cut the episode off by a clock of its own",
    ),
    "broke": (
        ("learner", "run", "episode"),
        "step at which the run became NaN or infinite, -1: never",
    ),
}
"""Name of each array, its dimensions, and what it is."""


CHANCES: dict[str, tuple[tuple[str, ...], str]] = {
    "kl_off": (
        ("learner", "run", "episode", "step"),
        "nats from the expert's chances to the learner's, KL(expert, learner), on the expert's prefixes",
    ),
    "kl_on": (
        ("learner", "run", "episode", "step"),
        "the same on the learner's own prefixes",
    ),
    "reverse_kl_off": (
        ("learner", "run", "episode", "step"),
        "nats from the learner's chances to the expert's, smoothed, on the expert's prefixes",
    ),
    "reverse_kl_on": (
        ("learner", "run", "episode", "step"),
        "the same on the learner's own prefixes",
    ),
    "nll_off": (
        ("learner", "run", "episode", "step"),
        "nats that the expert's next action costs under the learner on average, on the expert's prefixes",
    ),
    "nll_on": (
        ("learner", "run", "episode", "step"),
        "nats that the learner's next action costs under the expert, smoothed, on average, on its own prefixes",
    ),
    "outside_off": (
        ("learner", "run", "episode", "step"),
        "the learner's chance of actions that the expert never takes there, on the expert's prefixes",
    ),
    "outside_on": (
        ("learner", "run", "episode", "step"),
        "the same on the learner's own prefixes",
    ),
    "off_path": (
        ("learner", "run", "episode", "time"),
        "the prefix is to the expert what none of its own is",
    ),
}
"""Arrays of learners whose expert acts by chance and tells its chances; NaN of a learner that tells none."""


BYTES: dict[str, tuple[tuple[str, ...], str]] = {
    "bytes_off": (
        ("learner", "run", "episode", "step"),
        "bytes of the expert's next symbol on average, on the expert's prefixes",
    ),
    "bytes_on": (
        ("learner", "run", "episode", "step"),
        "bytes of the learner's next symbol on average, on its own prefixes",
    ),
}
"""Arrays of a language besides whose symbols stand for bytes: what costs are divided by."""


DIMS |= CHANCES | BYTES


KINDS = {"length": "iu", "broke": "i", "terminated": "b", "truncated": "b", "off_path": "b"}
"""NumPy's letters for what arrays may hold; all others hold floating-point numbers."""


LATE = {"truncated", *CHANCES, *BYTES}
"""Arrays that Records of earlier versions lack, or of experts that do not act by chance, or of languages without bytes."""


@dataclass(frozen=True)
class Named:
    """An environment or a learner: the name of its class, and its settings."""

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """What a policy cost to learn, see `policy.Log`; what is counted for each run is a list (R,)."""

    labels: list[int]
    asked: list[int]
    derivatives: list[int]
    interventions: list[int]
    switches: list[int]
    steps: list[int]
    episodes: list[int]
    collected: list[float]
    falls: list[int]
    effective: list[float]
    updates: int
    seconds: float
    broke: dict[str, int] = field(default_factory=dict)
    """By run, the update at which it became NaN or infinite."""


@dataclass(frozen=True)
class Index:
    """What a Record says besides its arrays; what has a default may be lacking in those of earlier versions."""

    learners: list[str]
    """Names; the expert comes first."""
    env: Named
    runs: dict[str, list[float]]
    """Each run's settings (R,) by name, "seed" among them."""
    expert: str
    """Name of its class."""
    algorithms: dict[str, Named]
    """Who learned, by the policy's name."""
    kinds: dict[str, str]
    """The nets that restore the policies, by the policy's name."""
    versions: dict[str, str]
    budgets: dict[str, Budget]
    states: dict[str, str]
    """Name and unit of each state coordinate (X)."""
    metric: str
    diameter: list[float | None]
    """How far two states can come apart (R,); None where nothing bounds them."""
    one: list[str] = field(default_factory=list)
    """Names of the policies that are one in all the runs."""
    excitation: dict[str, float] = field(default_factory=dict)
    streams: dict[str, Any] | None = None
    """From which streams start and noise were taken."""
    sample: bool = False
    indicator: bool | None = None
    """Whether the divergence is 0 or 1, where it is said."""
    demonstrated: dict[str, list[float]] = field(default_factory=dict)
    """By learner, each run's share (R,) of evaluated episodes that began where one that was learned from began."""
    uncoupled: dict[str, list[float]] = field(default_factory=dict)
    """By learner, each run's share (R,) of rollouts whose twins had the same seed and not the same noise."""
    match: list[str] = field(default_factory=list)
    """Budgets of which the learners were to have the same."""
    options: dict[str, Any] | None = None
    """What the run command was asked for."""
    warnings: list[str] = field(default_factory=list)
    """What a reader should know before the numbers, a sentence each."""

    @classmethod
    def of(cls, config: dict[str, Any]) -> Index:
        """The index that JSON holds, which has no `flaws`."""
        algorithms = config["algorithms"].items()
        budgets = config["budgets"].items()
        typed = {
            "env": _made(Named, config["env"]),
            "algorithms": {name: _made(Named, values) for name, values in algorithms},
            "budgets": {name: _made(Budget, _up_to_date(values)) for name, values in budgets},
        }
        return _made(cls, config | typed)


def _made(cls: type[Any], values: dict[str, Any]) -> Any:
    """An object of a dataclass from the values of its fields; there may be notes besides."""
    known = {}
    for entry in fields(cls):
        if entry.name in values:
            known[entry.name] = values[entry.name]
    return cls(**known)


LATE_COUNTS = ("derivatives", "interventions", "switches", "effective")
"""What is counted in a budget and was not in those of earlier versions."""


def _up_to_date(budget: dict[str, Any]) -> dict[str, Any]:
    """A budget, in earlier versions of which the labels were the questions asked, and less was counted for each run."""
    labels = budget.get("labels")
    runs = len(labels) if isinstance(labels, list) else 0
    before = {"asked": labels, **dict.fromkeys(LATE_COUNTS, [0] * runs), **budget}
    episodes = before.get("episodes")
    return before if isinstance(episodes, list) else before | {"episodes": [episodes] * runs}


def _number(value: Any) -> bool:
    """Whether something is a number that floating point can hold, infinite ones and NaN included."""
    whole = isinstance(value, int) and abs(value) <= LARGEST_COUNT
    return whole or isinstance(value, float)


def _finite(value: Any) -> bool:
    return _number(value) and math.isfinite(value)


def _count(value: Any) -> bool:
    return _finite(value) and value >= 0


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_count, value))


def _seeds(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_seed, value))


def _seed(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**64


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_number, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _names(value: Any) -> bool:
    return isinstance(value, list | dict) and all(map(_text, value))


def _numbers_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_number, value.values()))


def _lists_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_numbers, value.values()))


def _learners(value: Any) -> bool:
    if not isinstance(value, list) or not _names(value):
        return False
    different = set(value)
    return len(value) > 0 and len(different) == len(value)


def _named(value: Any) -> bool:
    whole = isinstance(value, dict) and isinstance(value.get("settings"), dict)
    return whole and _text(value.get("name"))


def _each_named(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_named, value.values()))


def _runs(value: Any) -> bool:
    if not isinstance(value, dict) or not _seeds(value.get("seed")):
        return False
    settings = [values for name, values in value.items() if name != "seed"]
    return all(map(_settings, settings))


def _settings(value: Any) -> bool:
    return _numbers(value) and not any(map(math.isnan, value))


SPENDING: dict[str, Callable[[Any], bool]] = {"collected": _numbers, "effective": _numbers}
"""What is counted for each run and is no count: returns may be of any sign, and infinite; sizes may be fractions."""


def _budget(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    whole = _up_to_date(value)
    spent = all(SPENDING.get(name, _counts)(whole.get(name)) for name in SPENT)
    counted = all(_count(value.get(name)) for name in ("updates", "seconds"))
    return spent and counted and _numbers_by_name(value.get("broke", {}))


def _budgets(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_budget, value.values()))


def _diameters(value: Any) -> bool:
    return isinstance(value, list) and all(map(_diameter, value))


def _diameter(value: Any) -> bool:
    return value is None or (_number(value) and value >= 0)


def _object(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


SHAPE: dict[str, Callable[[Any], bool]] = {
    "learners": _learners,
    "env": _named,
    "runs": _runs,
    "expert": _text,
    "algorithms": _each_named,
    "kinds": _texts,
    "versions": _texts,
    "budgets": _budgets,
    "states": lambda value: _names(value) and len(value) > 0,
    "metric": _text,
    "diameter": _diameters,
}
"""What the index must hold, and of what kind."""


OPTIONAL: dict[str, Callable[[Any], bool]] = {
    "one": lambda value: isinstance(value, list) and _names(value),
    "excitation": _numbers_by_name,
    "streams": _object,
    "sample": _flag,
    "indicator": _flag,
    "demonstrated": _lists_by_name,
    "uncoupled": _lists_by_name,
    "match": lambda value: isinstance(value, list) and _names(value),
    "options": _object,
    "warnings": lambda value: isinstance(value, list) and _names(value),
}
"""What it may hold besides, and of what kind."""


def flaws(config: Any, arrays: dict[str, np.ndarray]) -> Iterator[str]:
    """What keeps an index and arrays of these shapes and kinds from being a Record, most basic first; no number is read."""
    if not isinstance(config, dict):
        yield f"is damaged ({INDEX} holds no object)"
        return
    if config.get("format") != FORMAT:
        yield f"is of format {config.get('format')!r}, expected {FORMAT}"
    entries = [name for name in SHAPE if name not in config]
    missing = [name for name in DIMS if name not in arrays and name not in LATE]
    lacking = entries + missing
    if lacking:
        yield f"lacks {', '.join(lacking)}"
        return
    for name, fits in (SHAPE | OPTIONAL).items():
        if name in config and not fits(config[name]):
            yield f"has {name} of the wrong kind in {INDEX}"
    yield from _uneven_runs(Index.of(config))
    yield from _uneven_arrays(Index.of(config), arrays)


def _uneven_runs(index: Index) -> Iterator[str]:
    """What the index says of another number of runs than it has seeds."""
    runs = len(index.runs["seed"])
    rows: dict[str, Sequence[Any]] = {"diameter": index.diameter, **index.runs}
    for title in ("demonstrated", "uncoupled"):
        shares: dict[str, list[float]] = getattr(index, title)
        rows |= {f"{title} of {learner}": share for learner, share in shares.items()}
    for learner, budget in index.budgets.items():
        for name in SPENT:
            rows[f"{name} of {learner}"] = getattr(budget, name)
    for name, row in rows.items():
        if len(row) != runs:
            yield f"has {len(row)} of {name} for {runs} runs"


def _uneven_arrays(index: Index, arrays: dict[str, np.ndarray]) -> Iterator[str]:
    """Arrays of other dimensions than they should have."""
    sizes = {
        "learner": len(index.learners),
        "run": len(index.runs["seed"]),
        "x": len(index.states),
    }
    for name in [name for name in DIMS if name in arrays]:
        dims, _ = DIMS[name]
        shape = arrays[name].shape
        if len(shape) != len(dims):
            yield f"has {name} with {len(shape)} axes, expected {', '.join(dims)}"
        yield from _wrong_kind(name, arrays[name])
        for dim, size in zip(dims, shape, strict=False):
            expected = sizes.setdefault(dim, size)
            if size != expected:
                yield f"has {size} of {dim} in {name}, expected {expected}"
    for dim, size in sizes.items():
        if size == 0:
            yield f"has no {dim}"
    if sizes["time"] != sizes["step"] + 1:
        yield f"has {sizes['time']} times for {sizes['step']} steps"


def _wrong_kind(name: str, array: np.ndarray) -> Iterator[str]:
    """An array that holds something else than it should."""
    if array.dtype.kind not in KINDS.get(name, "f"):
        yield f"has {name} of {array.dtype}"


def impossible_ends(arrays: dict[str, np.ndarray]) -> Iterator[str]:
    """Episodes that end before they begin, or after the horizon, in arrays that have no `flaws`."""
    steps = arrays["reward"].shape[-1]
    last_step = steps - 1
    limits = {"length": (0, steps), "broke": (-1, last_step)}
    for name, (first, last) in limits.items():
        array = arrays[name]
        low = array.min()
        high = array.max()
        if low < first or high > last:
            yield f"has {name} outside {first} to {last}"

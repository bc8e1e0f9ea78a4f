"""What a Record must hold: the arrays with their dimensions, and the index; everything that reads one may rely on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.policy import SPENT

FORMAT = 2


INDEX = "record.json"


DIMS: dict[str, tuple[tuple[str, ...], str]] = {
    "state": (
        ("learner", "run", "episode", "time", "x"),
        "state; a finished episode stays in its last one",
    ),
    "delta": (
        ("learner", "run", "episode", "time", "d"),
        "signed deviation from the expert's twin",
    ),
    "divergence": (
        ("learner", "run", "episode", "time"),
        "distance D_t from the expert's twin, in L's metric",
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
    "broke": (
        ("learner", "run", "episode"),
        "step at which the run left the finite numbers, -1: never",
    ),
}
"""Name of each array, its dimensions, and what it is."""


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, int | float) for v in value)


def _names(value: Any) -> bool:
    return (
        isinstance(value, list | dict) and len(value) > 0 and all(isinstance(v, str) for v in value)
    )


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _named(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("settings"), dict)
    )


def _budget(value: Any) -> bool:
    counts = isinstance(value, dict) and all(_numbers(value.get(name)) for name in SPENT)
    return counts and all(
        isinstance(value.get(name), int | float) for name in ("episodes", "updates", "seconds")
    )


SHAPE: dict[str, Callable[[Any], bool]] = {
    "learners": lambda v: isinstance(v, list) and _names(v) and len(set(v)) == len(v) > 1,
    "env": _named,
    "runs": lambda v: isinstance(v, dict) and "seed" in v and all(map(_numbers, v.values())),
    "expert": lambda v: isinstance(v, str),
    "algorithms": lambda v: isinstance(v, dict) and all(map(_named, v.values())),
    "kinds": _texts,
    "versions": _texts,
    "budgets": lambda v: isinstance(v, dict) and all(map(_budget, v.values())),
    "states": _names,
    "metric": lambda v: isinstance(v, str),
    "diameter": lambda v: (
        isinstance(v, list) and all(d is None or isinstance(d, int | float) for d in v)
    ),
}
"""What the index must hold, and of what kind."""


def flaws(config: Any, arrays: dict[str, np.ndarray]) -> Iterator[str]:
    """What keeps an index and its arrays from being a Record, most basic first."""
    if not isinstance(config, dict):
        yield f"is damaged ({INDEX} holds no object)"
        return
    if config.get("format") != FORMAT:
        yield f"is of format {config.get('format')!r}, expected {FORMAT}"
    lacking = [name for name in (*SHAPE, *DIMS) if name not in config and name not in arrays]
    if lacking:
        yield f"lacks {', '.join(lacking)}"
        return
    yield from (
        f"has {name} of the wrong kind in {INDEX}"
        for name, fits in SHAPE.items()
        if not fits(config[name])
    )
    runs = len(config["runs"]["seed"])
    rows = {"diameter": config["diameter"], **config["runs"]}
    rows |= {f"{b} of {name}": v[b] for name, v in config["budgets"].items() for b in SPENT}
    yield from (
        f"has {len(row)} of {name} for {runs} runs"
        for name, row in rows.items()
        if len(row) != runs
    )
    sizes = {"learner": len(config["learners"]), "run": runs, "x": len(config["states"])}
    for name, (dims, _) in DIMS.items():
        if arrays[name].ndim != len(dims):
            yield f"has {name} with {arrays[name].ndim} axes, expected {', '.join(dims)}"
        for dim, n in zip(dims, arrays[name].shape, strict=False):
            if sizes.setdefault(dim, n) != n:
                yield f"has {n} of {dim} in {name}, expected {sizes[dim]}"

"""Settings: numbers that broadcast over runs, their combinations, and the one way to refuse a wrong one.

This file imports nothing heavy: names, help texts and refusals must not wait for torch.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

Values: TypeAlias = float | tuple[float, ...]
"""A setting: one number, or one for each run (R,)."""


def require(ok: bool, sentence: str) -> None:
    """Raise ValueError(sentence) unless `ok`: what came, what was expected, what to do."""
    if not ok:
        raise ValueError(sentence)


def one_of(run: int, runs: int) -> slice:
    """The slice that keeps one run of R; negative numbers count from the end.

    Raises:
        IndexError: when there is no such run, which also ends `for one in env`.
    """
    if not -runs <= run < runs:
        raise IndexError(f"run: expected 0 to {runs - 1}, got {run}; choose one of the {runs} runs")
    return slice(run % runs, run % runs + 1)


def plain(value: Any) -> Any:
    """The same in Python's own numbers: of NumPy's and torch's numbers and arrays, within tuples, lists and dicts too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
        return tuple(value) if isinstance(value, list) else value
    if type(value) in (tuple, list):
        return type(value)(plain(item) for item in value)
    if type(value) is dict:
        return {name: plain(item) for name, item in value.items()}
    return value


def in_plain_numbers(settings: Any) -> None:
    """Write Python's own numbers into a frozen settings object: a NumPy scalar is a number, and JSON must hold it.

    An array stays one in a field that is neither the seed nor one number for each run: it is no setting of runs.
    """
    many = {*per_run_fields(settings), "seed"}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name in many or getattr(value, "ndim", 0) == 0:
            object.__setattr__(settings, field.name, plain(value))


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One or several values as a tuple."""
    value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's numbers and arrays
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def per_run_fields(settings: Any) -> list[str]:
    """Names of the fields of a settings dataclass that may hold one value for each run."""
    return _per_run_fields(settings if isinstance(settings, type) else type(settings))


@functools.cache
def _per_run_fields(cls: type) -> list[str]:
    try:  # annotations may be strings: Values, il.Values, float | tuple[float, ...]
        hints = get_type_hints(cls)
    except NameError:  # a name that only type checkers import
        hints = {
            f.name: Values if f.type in ("Values", "il.Values") else f.type
            for f in dataclasses.fields(cls)
        }
    return [f.name for f in dataclasses.fields(cls) if hints[f.name] == Values]


def require_choice(settings: Any) -> None:
    """Refuse a value that the Literal of its field does not list.

    Raises:
        ValueError: in one sentence.
    """
    try:
        hints = get_type_hints(type(settings))
    except NameError:  # a name that only type checkers import
        return
    for name in (f.name for f in dataclasses.fields(settings)):
        value, choices = getattr(settings, name), get_args(hints[name])
        if get_origin(hints[name]) is Literal and value not in choices:
            raise ValueError(
                f"{name}: expected {', '.join(choices[:-1])} or {choices[-1]}, got {value!r}; choose one"
            )


def require_count(name: str, value: Any) -> int:
    """A number of things, in Python's own numbers.

    Raises:
        ValueError: when it is not whole, or less than one.
    """
    number = plain(value)
    whole = isinstance(number, int) and not isinstance(number, bool)
    require(whole and number >= 1, f"{name}: expected a whole number of at least 1, got {value!r}")
    return int(number)


def require_counts(settings: Any, *names: str) -> None:
    """Refuse numbers of things that are not whole or less than one; all settings come to hold Python's own numbers."""
    in_plain_numbers(settings)
    for name in names:
        for value in as_tuple(getattr(settings, name)):
            require_count(name, value)


def combinations(settings: dict[str, Any], many: list[str], seeds: Any) -> dict[str, Any]:
    """Every combination of the settings that hold several values, for every seed: one value for each run (R,).

    Args:
        settings: names to values; those in `many` may be tuples.
        many: names of the settings that may hold one value for each run.
        seeds: how many, or which; a number, or several.

    Returns:
        The settings, with "seed" added; those that vary, and the seed, are tuples (R,), seeds varying fastest.
    """
    seeds = plain(seeds)
    several = isinstance(seeds, tuple | list | range)
    require(
        several or (isinstance(seeds, int) and seeds >= 1),
        f"seeds: expected at least 1, got {seeds!r}; try 8",
    )
    numbers = tuple(seeds) if isinstance(seeds, tuple | list | range) else tuple(range(seeds))
    require(len(numbers) > 0, "seeds: expected at least 1, got none; try 8")
    require(
        len(set(numbers)) == len(numbers),
        f"seeds: expected different ones, got {numbers}; repeat none",
    )
    empty = [k for k, v in settings.items() if k in many and len(as_tuple(v)) == 0]
    require(
        not empty, f"{', '.join(empty)}: expected one number or several, got none; give such as 1.2"
    )
    swept = {k: as_tuple(v) for k, v in settings.items() if k in many and len(as_tuple(v)) > 1}
    single = {k: as_tuple(v)[0] if k in many else v for k, v in settings.items() if k not in swept}
    rows = list(itertools.product(*swept.values(), numbers))
    return {**single, **dict(zip([*swept, "seed"], zip(*rows, strict=True), strict=True))}


def default_of(field: dataclasses.Field[Any], chosen: Mapping[str, Any] | None = None) -> Any:
    """The default of a settings field; of a plug, an object of the class that `chosen` names, or its default one.

    A plug is a field whose metadata holds the registry of what can be put there: `metadata={"plug": NETS}`.
    """
    plug = field.metadata.get("plug")
    if plug is not None:
        return plug.made((chosen or {}).get(field.name, field.default), {})
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def parts(cls: type, chosen: Mapping[str, Any] | None = None) -> Iterator[type]:
    """A settings class and those within it, plugs as `chosen` names them: whose fields make its flat settings."""
    yield cls
    for field in dataclasses.fields(cls):
        default = default_of(field, chosen)
        if dataclasses.is_dataclass(default):
            yield from parts(type(default), chosen)


def plugs(cls: type) -> dict[str, Any]:
    """The plugs of a settings class and of those within it: name to registry."""
    return {
        field.name: field.metadata["plug"]
        for part in parts(cls)
        for field in dataclasses.fields(part)
        if "plug" in field.metadata
    }


def nested_per_run_fields(cls: type, chosen: Mapping[str, Any] | None = None) -> list[str]:
    """`per_run_fields`, those of settings dataclasses within included."""
    return [name for part in parts(cls, chosen) for name in per_run_fields(part)]


def flatten(settings: Any) -> dict[str, Any]:
    """All fields of a settings object under their own names; a plug as its name beside its own fields.

    Nested dictionaries, as JSON holds them, are flattened alike.
    """
    out: dict[str, Any] = {}
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            out |= flatten(value) if isinstance(value, Mapping) else {name: value}
        return out
    for field in dataclasses.fields(settings):
        value, plug = getattr(settings, field.name), field.metadata.get("plug")
        if plug is not None:
            out[field.name] = plug.name(type(value))
        out |= flatten(value) if dataclasses.is_dataclass(value) else {field.name: value}
    return out


def nested(settings: Any) -> dict[str, Any]:
    """The fields of a settings object as nested dictionaries; a plug as its name beside its own fields."""
    out: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value, plug = getattr(settings, field.name), field.metadata.get("plug")
        if plug is not None:
            out |= {field.name: plug.name(type(value)), **nested(value)}
        else:
            out[field.name] = nested(value) if dataclasses.is_dataclass(value) else plain(value)
    return out


def build(cls: type, values: Mapping[str, Any]) -> Any:
    """A settings object, nested ones included, from flat values; its own checks speak for themselves."""
    chosen: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        default = default_of(field, values)
        if dataclasses.is_dataclass(default):
            chosen[field.name] = build(type(default), values)
        elif field.name in values:
            chosen[field.name] = values[field.name]
    return cls(**chosen)

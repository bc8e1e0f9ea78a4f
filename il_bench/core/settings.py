"""Settings: numbers that broadcast over runs, their combinations, and the one way to refuse a wrong one.

This file imports nothing heavy: names, help texts and refusals must not wait for torch.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

LARGEST_COUNT = 2**53
"""Beyond it a floating-point number does not tell neighbours apart: nothing is counted so far."""
MOST_SEEDS = 1_000_000
"""Of one setting: a list of more would fill the memory before anything is said."""

Values: TypeAlias = float | tuple[float, ...]
"""A setting: one number, or one for each run (R,)."""


@dataclass(frozen=True)
class Times:
    """A default that is so many times the one that a settings class has of its own."""

    factor: int


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
    first = run % runs
    return slice(first, first + 1)


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
        is_array = getattr(value, "ndim", 0) > 0
        if field.name in many or not is_array:
            object.__setattr__(settings, field.name, plain(value))


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One or several values as a tuple."""
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        value = value.tolist()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def per_run_fields(settings: Any) -> list[str]:
    """Names of the fields of a settings dataclass that may hold one value for each run."""
    cls = settings if isinstance(settings, type) else type(settings)
    return _per_run_fields(cls)


@functools.cache
def _per_run_fields(cls: type) -> list[str]:
    fields = dataclasses.fields(cls)
    try:  # annotations may be strings: Values, il.Values, float | tuple[float, ...]
        hints = get_type_hints(cls)
    except NameError:  # a name that only type checkers import
        return [field.name for field in fields if field.type in ("Values", "il.Values")]
    return [field.name for field in fields if hints[field.name] == Values]


@functools.cache
def type_hints(cls: type) -> Mapping[str, Any]:
    """The types of a class's fields, read once."""
    return get_type_hints(cls)


def require_choice(settings: Any) -> None:
    """Refuse a value that the Literal of its field does not list.

    Raises:
        ValueError: in one sentence.
    """
    try:
        cls: Any = type(settings)
        hints = type_hints(cls)
    except NameError:  # a name that only type checkers import
        return
    for field in dataclasses.fields(settings):
        hint = hints[field.name]
        value = getattr(settings, field.name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            *others, last = get_args(hint)
            wanted = f"{', '.join(others)} or {last}"
            raise ValueError(f"{field.name}: expected {wanted}, got {value!r}; choose one")


def require_count(name: str, value: Any) -> int:
    """A number of things, in Python's own numbers.

    Raises:
        ValueError: when it is not whole, less than one, or more than can be counted.
    """
    number = plain(value)
    whole = isinstance(number, int) and not isinstance(number, bool)
    require(whole and number >= 1, f"{name}: expected a whole number of at least 1, got {value!r}")
    counted = number <= LARGEST_COUNT
    require(counted, f"{name}: expected at most {LARGEST_COUNT:,}, got more; ask for less")
    return int(number)


def require_counts(settings: Any, *names: str) -> None:
    """Refuse numbers of things that `require_count` refuses; all settings come to hold Python's own numbers."""
    in_plain_numbers(settings)
    for name in names:
        setting = getattr(settings, name)
        for value in as_tuple(setting):
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
    numbers = _seeds(seeds)
    several = {name: as_tuple(value) for name, value in settings.items() if name in many}
    empty = [name for name, values in several.items() if len(values) == 0]
    wanted = "expected one number or several, got none; give such as 1.2"
    names = ", ".join(empty)
    require(not empty, f"{names}: {wanted}")
    single = {name: value for name, value in settings.items() if name not in many}
    axes = {}
    for name, values in several.items():
        if len(values) > 1:
            axes[name] = values
        else:
            single[name] = values[0]
    axes["seed"] = numbers
    rows = itertools.product(*axes.values())
    values_of_runs = zip(*rows, strict=True)
    columns = dict(zip(axes, values_of_runs, strict=True))
    # In the order in which they came: whoever writes them down writes the same every time.
    return {name: single[name] for name in settings if name in single} | columns


def _seeds(seeds: Any) -> tuple[int, ...]:
    """The seeds, of which a number says how many.

    Raises:
        ValueError: when there is none, or one comes twice.
    """
    seeds = plain(seeds)
    several = isinstance(seeds, tuple | list | range)
    enough = several or (isinstance(seeds, int) and seeds >= 1)
    require(enough, f"seeds: expected at least 1, got {seeds!r}; try 8")
    few = several or seeds <= MOST_SEEDS
    require(few, f"seeds: expected at most {MOST_SEEDS:,}, got more; ask for fewer")
    numbers = tuple(seeds if several else range(seeds))
    require(len(numbers) > 0, "seeds: expected at least 1, got none; try 8")
    different = len(set(numbers)) == len(numbers)
    require(different, f"seeds: expected different ones, got {numbers}; repeat none")
    return numbers


def default_of(
    field: dataclasses.Field[Any], chosen: Mapping[str, Any] | None = None, holder: Any = None
) -> Any:
    """The default of a settings field: the one that is chosen for its name, or its own.

    A plug is a field whose metadata holds the registry of what can be put there: `metadata={"plug": NETS}`. Its default is
    an object of the class that is named.

    Args:
        field: of a settings class.
        chosen: defaults by name, where they are not its own.
        holder: the object that has the field, where it stands in a default itself: what it holds goes before what its class
            would give.
    """
    own = _own_default(field) if holder is None else getattr(holder, field.name)
    names = chosen or {}
    plug = field.metadata.get("plug")
    if plug is not None:
        return plug.made(names.get(field.name, own), {})
    # What is within has fields of its own, which are chosen one by one.
    if dataclasses.is_dataclass(own):
        return own
    default = names.get(field.name, own)
    return default.factor * own if isinstance(default, Times) else default


def _own_default(field: dataclasses.Field[Any]) -> Any:
    """The default that the class gives a field."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def parts(cls: type, chosen: Mapping[str, Any] | None = None, holder: Any = None) -> Iterator[type]:
    """A settings class and those within it, plugs as `chosen` names them: whose fields make its flat settings."""
    yield cls
    for field in dataclasses.fields(cls):
        default = default_of(field, chosen, holder)
        if dataclasses.is_dataclass(default):
            inner = type(default)
            yield from parts(inner, chosen, default)


def plugs(cls: type) -> dict[str, Any]:
    """The plugs of a settings class and of those within it: name to registry."""
    registries = {}
    for part in parts(cls):
        for field in dataclasses.fields(part):
            if "plug" in field.metadata:
                registries[field.name] = field.metadata["plug"]
    return registries


def nested_per_run_fields(cls: type, chosen: Mapping[str, Any] | None = None) -> list[str]:
    """`per_run_fields`, those of settings dataclasses within included."""
    names: list[str] = []
    for part in parts(cls, chosen):
        names += per_run_fields(part)
    return names


def flatten(settings: Any) -> dict[str, Any]:
    """All fields of a settings object under their own names; a plug as its name beside its own fields.

    Nested dictionaries, as JSON holds them, are flattened alike.
    """
    flat: dict[str, Any] = {}
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            flat |= flatten(value) if isinstance(value, Mapping) else {name: value}
        return flat
    for name, value in _named_values(settings):
        flat |= flatten(value) if dataclasses.is_dataclass(value) else {name: value}
    return flat


def _named_values(settings: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a settings object; what is in a plug comes twice, first as its name."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if "plug" in field.metadata:
            yield field.name, field.metadata["plug"].name(type(value))
        yield field.name, value


def nested(settings: Any) -> dict[str, Any]:
    """The fields of a settings object as nested dictionaries; a plug as its name beside its own fields."""
    dictionary: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if "plug" in field.metadata:
            dictionary[field.name] = field.metadata["plug"].name(type(value))
            dictionary |= nested(value)
        elif dataclasses.is_dataclass(value):
            dictionary[field.name] = nested(value)
        else:
            dictionary[field.name] = plain(value)
    return dictionary


def build(cls: type, values: Mapping[str, Any], holder: Any = None) -> Any:
    """A settings object, nested ones included, from flat values; its own checks speak for themselves.

    What no value is given for is as the class has it, or as `holder`, an object of it that is a default, does.
    """
    chosen: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        name = field.name
        default = default_of(field, values, holder)
        if dataclasses.is_dataclass(default):
            inner = type(default)
            chosen[name] = build(inner, values, default)
        elif name in values:
            chosen[name] = default
    return cls(**chosen) if holder is None else dataclasses.replace(holder, **chosen)

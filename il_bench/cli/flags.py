"""Flags: the fields of settings dataclasses as command-line flags, with their docstring lines as help."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import inspect
import io
import itertools
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, TypeAlias

from ..core.settings import (
    as_tuple,
    build,
    combinations,
    default_of,
    nested_per_run_fields,
    per_run_fields,
    plugs,
    require,
    type_hints,
)
from . import complaints, light

Row: TypeAlias = "tuple[str, Any, Any]"
"""A field of a class that is made: its name, its type, its default."""


@functools.cache
def field_docs(cls: type) -> Mapping[str, str]:
    """The string below each field of a dataclass and of its bases."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        for node, after in itertools.pairwise(_body(base)):
            name = _field_name(node)
            text = _text(after)
            if name and text:
                docs[name] = " ".join(text.split())
    return docs


def _body(cls: type) -> list[ast.stmt]:
    """The statements of a class; none of one that was made at run time, whose bases have the words."""
    module: Any = sys.modules.get(cls.__module__)
    try:
        source = inspect.getsource(module)
        definition = _definitions(source).get(cls.__qualname__)
    except (OSError, TypeError, SyntaxError):
        return []
    return definition.body if definition else []


@functools.lru_cache(maxsize=64)  # what two classes have in common is read once
def _definitions(source: str) -> Mapping[str, ast.ClassDef]:
    """The classes of a file, by their qualified names."""
    tree = ast.parse(source)
    return dict(_classes(tree.body, ""))


def _classes(body: list[ast.stmt], place: str) -> Iterator[tuple[str, ast.ClassDef]]:
    """The classes among statements and within those, each with its name behind that of its place."""
    for node in body:
        inside = place
        if isinstance(node, ast.ClassDef):
            yield place + node.name, node
            inside = f"{place}{node.name}."
        elif isinstance(node, ast.FunctionDef):
            inside = f"{place}{node.name}.<locals>."
        for branch in ("body", "orelse"):
            yield from _classes(getattr(node, branch, []), inside)


def _field_name(node: ast.stmt) -> str:
    """The name that an annotated assignment gives; "" of anything else."""
    target = node.target if isinstance(node, ast.AnnAssign) else None
    return target.id if isinstance(target, ast.Name) else ""


def _text(node: ast.stmt) -> str:
    """The words of a statement that is a string; "" of anything else."""
    value = node.value if isinstance(node, ast.Expr) else None
    words = value.value if isinstance(value, ast.Constant) else ""
    return words if isinstance(words, str) else ""


def flags_of(
    cls: type,
    hide: tuple[str, ...] = (),
    chosen: Mapping[str, Any] | None = None,
    several: Collection[str] = (),
    names: Mapping[str, str] | None = None,
    holder: Any = None,
) -> type:
    """A dataclass with the fields of `cls` as flags; numbers that may differ between runs take several values.

    Args:
        cls: a settings dataclass; fields that are settings dataclasses themselves give their own fields.
        hide: fields that are no flags.
        chosen: defaults by name, where they are not the class's own; what is put into a plug gives, besides the plug's own
            flag, the fields that it has.
        several: fields of which several values are read where the class takes one.
        names: of fields whose flags do not bear their own.
        holder: an object of the class whose fields are the defaults, where the class's own are not.

    Raises:
        ValueError: for a field without a default.
    """
    hints = type_hints(cls)
    many = per_run_fields(cls)
    rows: list[Row] = []
    words = _Words(field_docs(cls), names or {})
    for field in dataclasses.fields(cls):
        name = field.name
        if name in hide:
            continue
        hint: Any = hints[name]
        default = _default(cls, field, chosen, holder)
        if "plug" in field.metadata:
            plugged = field.metadata["plug"].name(type(default))
            rows.append(_row(name, str, plugged, words))
        if dataclasses.is_dataclass(default):
            _require_apart(cls, default, chosen)
            inner = flags_of(type(default), (), chosen, several, names, default)
            rows.append(group(f"{name}_settings", inner))
        elif name in many:
            rows.append(_row(name, tuple[float, ...], as_tuple(default), words))
        elif name in several:
            rows.append(_row(name, tuple[hint, ...], (default,), words))
        else:
            rows.append(_row(name, hint, default, words))
    summary = (cls.__doc__ or cls.__name__).splitlines()[0]
    return dataclasses.make_dataclass(cls.__name__, rows, namespace={"__doc__": summary})


def setting_names(
    cls: type,
    hide: tuple[str, ...] = (),
    chosen: Mapping[str, Any] | None = None,
    holder: Any = None,
) -> Iterator[str]:
    """The settings for which `flags_of` makes flags, without making any; arguments as there."""
    for field in dataclasses.fields(cls):
        if field.name in hide:
            continue
        default = _default(cls, field, chosen, holder)
        within = dataclasses.is_dataclass(default)
        if "plug" in field.metadata or not within:
            yield field.name
        if within:
            yield from setting_names(type(default), (), chosen, default)


def _default(
    cls: type,
    field: dataclasses.Field[Any],
    chosen: Mapping[str, Any] | None,
    holder: Any = None,
) -> Any:
    """The default of a field, which must have one."""
    default = default_of(field, chosen, holder)
    lacks = f"{cls.__name__}: field {field.name!r} has no default"
    advice = "give it one, so that the class can be tried"
    require(default is not dataclasses.MISSING, f"{lacks}; {advice}")
    return default


@dataclasses.dataclass(frozen=True)
class _Words:
    """What is said of fields: their help, and their flags' names where those are not their own."""

    helps: Mapping[str, str]
    names: Mapping[str, str]


def _row(name: str, kind: Any, default: Any, words: _Words) -> Row:
    """One field of a flags class."""
    import tyro

    spelled = words.names.get(name)
    plain = spelled is None
    text = words.helps.get(name, "")
    described = tyro.conf.arg(name=spelled, help=text, prefix_name=plain)
    return name, Annotated[kind, described], dataclasses.field(default=default)


def group(name: str, kind: type) -> Row:
    """One field of a flags class that holds another one.

    Its help is handed over: tyro would look for it in the sources, which takes longer than all the rest.
    """
    import tyro

    described = tyro.conf.arg(help=kind.__doc__)
    return name, Annotated[kind, described], dataclasses.field(default_factory=kind)


def flat(flags: Any) -> dict[str, Any]:
    """All fields of nested flags under their own names."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(flags):
        value = getattr(flags, field.name)
        values |= flat(value) if dataclasses.is_dataclass(value) else {field.name: value}
    return values


def _require_apart(cls: type, inside: Any, chosen: Mapping[str, Any] | None) -> None:
    """Refuse settings in a field whose flags would be the class's own.

    Raises:
        ValueError: with the first of them.
    """
    own = {field.name for field in dataclasses.fields(cls)}
    within = _names_within(inside, chosen)
    for part, name in within:
        theirs = f"{name}: {part.__name__} has a setting of this name"
        both = f"{theirs}, and so has {cls.__name__}"
        require(name not in own, f"{both}; rename the one that is yours")


def _names_within(inside: Any, chosen: Mapping[str, Any] | None) -> Iterator[tuple[type, str]]:
    """Every setting of an object and of those within it, with the class that has it."""
    cls = type(inside)
    for field in dataclasses.fields(cls):
        default = _default(cls, field, chosen, inside)
        if dataclasses.is_dataclass(default):
            yield from _names_within(default, chosen)
        yield cls, field.name


def chosen_plugs(cls: type, args: list[str], owner: str = "") -> dict[str, str]:
    """What a command line puts into the plugs of a settings class, before their flags are known."""
    chosen: dict[str, str] = {}
    for name in plugs(cls):
        flag = name.replace("_", "-")
        plain = peek(args, f"--{flag}", "")
        value = peek(args, f"--{owner}.{flag}", plain)
        if value:
            chosen[name] = value
    return chosen


def peek_all(args: list[str], flag: str) -> tuple[str, ...]:
    """All values of a flag, before the flags of the classes that they name are known."""
    values: list[str] = []
    taken = False
    for token in args:
        if token.startswith("-"):
            name, equals, value = token.partition("=")
            taken = name == flag
            values += [value] if taken and equals else []
        elif taken:
            values.append(token)
    return tuple(values)


def settings_of(cls: type, args: list[str], prog: str, seeds: int = 1, **fixed: Any) -> Any:
    """An environment of R runs from its own flags alone: every combination of their values."""
    kind = flags_of(cls, hide=("seed", "device"))
    values = flat(parsed(kind, args, prog)) | fixed
    every = combinations(values, nested_per_run_fields(cls), seeds)
    return build(cls, every)


def parsed(kind: Any, args: list[str], prog: str, description: str = "") -> Any:
    """An instance of a settings dataclass from command-line arguments, by tyro.

    Raises:
        ValueError: with tyro's complaint as one sentence; SystemExit after help was shown.
    """
    import tyro

    said = io.StringIO()
    try:
        quietly = contextlib.redirect_stderr(said)
        with quietly, light.nothing_postponed(), light.unchecked():
            return tyro.cli(kind, args=args, prog=prog, description=description or None)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ValueError(f"{complaints.sentence(said.getvalue())}; see {prog} --help") from None


def peek(args: list[str], flag: str, default: str) -> str:
    """The value of a flag, before the flags of the class that it names are known."""
    for here, there in zip(args, [*args[1:], default], strict=True):
        if here == flag or here.startswith(f"{flag}="):
            return there if here == flag else here.partition("=")[2]
    return default

"""Flags: the fields of settings dataclasses as command-line flags, with their docstring lines as help."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import io
import itertools
import re
import textwrap
from collections.abc import Collection, Mapping
from typing import Annotated, Any, get_type_hints

from ..core.settings import (
    as_tuple,
    build,
    combinations,
    default_of,
    nested_per_run_fields,
    per_run_fields,
    plugs,
    require,
)
from . import light


def field_docs(cls: type) -> dict[str, str]:
    """The string below each field of a dataclass and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        except (OSError, TypeError, SyntaxError):  # made at run time: its bases have the words
            continue
        for node, after in itertools.pairwise(body):
            text = (
                after.value.value
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                else None
            )
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(text, str)
            ):
                found[node.target.id] = " ".join(text.split())
    return found


def flags_of(
    cls: type,
    hide: tuple[str, ...] = (),
    chosen: Mapping[str, Any] | None = None,
    several: Collection[str] = (),
    names: Mapping[str, str] | None = None,
) -> type:
    """A dataclass with the fields of `cls` as flags; numbers that may differ between runs take several values.

    Args:
        cls: a settings dataclass; fields that are settings dataclasses themselves give their own fields.
        hide: fields that are no flags.
        chosen: what is put into its plugs, by name; a plug gives its own flag and the fields of what is put there.
        several: fields of which several values are read where the class takes one.
        names: of fields whose flags do not bear their own.

    Raises:
        ValueError: for a field without a default.
    """
    helps, hints, many = field_docs(cls), get_type_hints(cls), per_run_fields(cls)
    rows: list[tuple[str, Any, Any]] = []
    words = _Words(helps, names or {})
    for f in dataclasses.fields(cls):
        if f.name in hide:
            continue
        default = default_of(f, chosen)
        require(
            default is not dataclasses.MISSING,
            f"{cls.__name__}: field {f.name!r} has no default; give it one, so that the class can be tried",
        )
        if "plug" in f.metadata:
            name = f.metadata["plug"].name(type(default))
            rows.append(_row(f.name, str, name, words))
        if dataclasses.is_dataclass(default):
            inner = flags_of(type(default), (), chosen, several, names)
            rows.append((f"{f.name}_settings", inner, dataclasses.field(default_factory=inner)))
        elif f.name in many:
            rows.append(_row(f.name, tuple[float, ...], as_tuple(default), words))
        elif f.name in several:
            hint: Any = hints[f.name]
            rows.append(_row(f.name, tuple[hint, ...], (default,), words))
        else:
            rows.append(_row(f.name, hints[f.name], default, words))
    summary = (cls.__doc__ or cls.__name__).splitlines()[0]
    return dataclasses.make_dataclass(cls.__name__, rows, namespace={"__doc__": summary})


@dataclasses.dataclass(frozen=True)
class _Words:
    """What is said of fields: their help, and their flags' names where those are not their own."""

    helps: dict[str, str]
    names: Mapping[str, str]


def _row(name: str, kind: Any, default: Any, words: _Words) -> tuple[str, Any, Any]:
    """One field of a flags class."""
    import tyro

    spelled = words.names.get(name)
    plain = spelled is None
    described = tyro.conf.arg(name=spelled, help=words.helps.get(name, ""), prefix_name=plain)
    return name, Annotated[kind, described], dataclasses.field(default=default)


def flat(flags: Any) -> dict[str, Any]:
    """All fields of nested flags under their own names."""
    out: dict[str, Any] = {}
    for f in dataclasses.fields(flags):
        value = getattr(flags, f.name)
        out |= flat(value) if dataclasses.is_dataclass(value) else {f.name: value}
    return out


def chosen_plugs(cls: type, args: list[str], owner: str = "") -> dict[str, str]:
    """What a command line puts into the plugs of a settings class, before their flags are known."""
    chosen: dict[str, str] = {}
    for name in plugs(cls):
        flag = name.replace("_", "-")
        value = peek(args, f"--{owner}.{flag}", "") or peek(args, f"--{flag}", "")
        chosen |= {name: value} if value else {}
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
    got = parsed(flags_of(cls, hide=("seed", "device")), args, prog)
    return build(cls, combinations(flat(got) | fixed, nested_per_run_fields(cls), seeds))


def parsed(kind: Any, args: list[str], prog: str, description: str = "") -> Any:
    """An instance of a settings dataclass from command-line arguments, by tyro.

    Raises:
        ValueError: with tyro's complaint as one sentence; SystemExit after help was shown.
    """
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), light.nothing_postponed():
            return tyro.cli(kind, args=args, prog=prog, description=description or None)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ValueError(f"{_complaint(said.getvalue())}; see {prog} --help") from None


def _complaint(box: str) -> str:
    """What tyro says in its box, as one line: the complaint, and the flag that may have been meant."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    if len(lines) > 1 and set(lines[1]) == {"-"}:  # in an ASCII console: a title and a rule instead
        lines = lines[2:]
    rules = [i for i, line in enumerate(lines) if line and set(line) <= set("─-")] or [len(lines)]
    meant = (
        re.search(r"--\w[\w-]*", " ".join(lines[rules[0] :]))
        if "Perhaps you meant" in box
        else None
    )
    words = " ".join(" ".join(lines[: rules[0]]).split())
    cannot = re.match(r"Error parsing (--[\w-]+).*?\[(.*?)\]", words)
    words = (
        f"{cannot[1]} cannot take {cannot[2]}"
        if cannot and "type matching" in words
        else words.rstrip(".")
    )
    return words + (f"; did you mean {meant[0]}?" if meant else "")


def peek(args: list[str], flag: str, default: str) -> str:
    """The value of a flag, before the flags of the class that it names are known."""
    for here, there in zip(args, [*args[1:], default], strict=True):
        if here == flag or here.startswith(f"{flag}="):
            return there if here == flag else here.partition("=")[2]
    return default

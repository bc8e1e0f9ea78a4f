"""Imports: what a file is made of in turn, read from its source, so that nothing is run to know it.

Files on one's desk are followed wherever they lead, imports within functions too; of an installed package its version
is enough, and Python's own library is taken as given.
"""

from __future__ import annotations

import ast
import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium

FOLLOWED = ("envs", "experts", "learners", "nets", "datasets")
"""Rooms of the library whose files count where they are used."""
SOURCE = ".py"
COMPILED = (".so", ".pyd")
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages."""


def followed(roots: Iterable[str]) -> tuple[dict[str, Path], set[str]]:
    """The files of modules and of everything on the desk that these import in turn.

    Args:
        roots: names of the modules to begin with; their own files count even in an installed package.

    Returns:
        Files by the names of their modules, and the installed packages that they use.
    """
    first = set(roots)
    waiting = _shortest_last(first)
    met: set[str] = set()
    files: dict[str, Path] = {}
    packages: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in met or (name not in first and name.partition(".")[0] in packages):
            continue
        met.add(name)
        file = file_of(name)
        if file is None or _is_standard(file):
            continue
        if _is_installed(file):
            packages.add(name.partition(".")[0])
        if name in first or _is_own(name, file):
            files[_label(name, file)] = file
            waiting += _shortest_last(_needs(name, file))
    return files, packages


def _shortest_last(names: Iterable[str]) -> list[str]:
    """Packages come before what lies in them: of an installed one nothing else is looked for."""
    return sorted(names, key=len, reverse=True)


def roots(*classes: type) -> set[str]:
    """The modules of classes and of those that they inherit from."""
    names = {base.__module__ for cls in classes for base in cls.__mro__}
    return {name for name in names if _counts(name)}


def roots_of_callable(thing: Any) -> set[str]:
    """The modules of a function, of an object's class, or of a Gymnasium id; and those in which it bears a name."""
    if thing is None:
        return set()
    if isinstance(thing, str):
        return _roots_of_id(thing)
    model = getattr(thing, "model", thing)  # of a zip
    names = {str(getattr(thing, "__module__", "")), *_holders(thing)}
    names |= {base.__module__ for base in type(model).__mro__}
    inner = getattr(thing, "func", None)  # of a partial
    if inner is not None:
        names |= roots_of_callable(inner)
    return {name for name in names if _counts(name)}


def _roots_of_id(identifier: str) -> set[str]:
    """The module that registers an id with Gymnasium, and that of its class."""
    module, _, own = identifier.rpartition(":")
    spec = gymnasium.registry.get(own)
    entry = getattr(spec, "entry_point", None)
    made = {entry.partition(":")[0]} if isinstance(entry, str) else roots_of_callable(entry)
    return {name for name in (module, *made) if _counts(name)}


def _holders(thing: Any) -> list[str]:
    """Modules of the desk that hold something under a name: where an object was made, whoever's its class is."""
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and _counts(name) and _is_own(name, Path(file)):
            values = list(vars(module).values())
            if any(value is thing for value in values):
                names.append(name)
    return names


def _counts(name: str) -> bool:
    """Whether a module can be one to begin with: the library's rooms that every number needs are counted anyway."""
    top, _, rest = name.partition(".")
    room = rest.partition(".")[0]
    if top == "il_bench":
        return room in FOLLOWED
    return bool(top) and top not in sys.stdlib_module_names


def file_of(name: str) -> Path | None:
    """The file of a module, which is not imported for that; None where it has none."""
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return None if file is None else Path(file)
    spec = _specification(name)
    located = getattr(spec, "has_location", False)
    return Path(spec.origin) if located else None


def _specification(name: str) -> Any:
    """How a module would be imported."""
    parent, _, _ = name.rpartition(".")
    places = _places(parent) if parent else None
    if parent and places is None:
        return None
    for finder in sys.meta_path:
        spec = finder.find_spec(name, places)
        if spec is not None:
            return spec
    return None


def _places(package: str) -> Any:
    """Where the modules of a package lie; None where it is no package."""
    module = sys.modules.get(package)
    if module is not None:
        return getattr(module, "__path__", None)
    return getattr(_specification(package), "submodule_search_locations", None)


def _is_own(name: str, file: Path) -> bool:
    """Whether a module is a file of the user's own, or of the library's rooms that count where they are used."""
    if name.partition(".")[0] == "il_bench":
        return _counts(name)
    code = file.suffix == SOURCE or file.suffix in COMPILED
    return code and not _is_installed(file) and not _is_standard(file)


def _is_installed(file: Path) -> bool:
    return not INSTALLED.isdisjoint(file.parts)


def _is_standard(file: Path) -> bool:
    """Whether a file belongs to Python itself."""
    return not _is_installed(file) and file.resolve().is_relative_to(_standard())


@cache
def _standard() -> Path:
    return Path(sysconfig.get_path("stdlib")).resolve()


def _label(name: str, file: Path) -> str:
    """What a module is called wherever it is imported from: a script is called by its file."""
    return file.stem if name == "__main__" else name


def _needs(name: str, file: Path) -> set[str]:
    """Names of modules that a module imports, those above it included."""
    names = set(_parents(name))
    if file.suffix == SOURCE:
        package = name if file.stem == "__init__" else name.rpartition(".")[0]
        status = file.stat()
        names |= _imported(file, package, status.st_mtime_ns)
    module = sys.modules.get(name)
    if module is not None and name.partition(".")[0] != "il_bench":
        names |= set(_bound(module))
    return {each for each in names if each.partition(".")[0] not in sys.stdlib_module_names}


def _parents(name: str) -> Iterator[str]:
    """The packages in which a module lies."""
    while "." in name:
        name, _, _ = name.rpartition(".")
        yield name


def _bound(module: ModuleType) -> Iterator[str]:
    """Modules whose things a module holds, however it came by them."""
    for value in list(vars(module).values()):
        owner = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(owner, str):
            yield owner


@lru_cache(maxsize=4096)
def _imported(file: Path, package: str, changed: int) -> frozenset[str]:
    """Names that the source of a file imports, wherever in it; some may be no modules."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # it cannot be run either
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= _names_from(node, package)
    above = {parent for name in names for parent in _parents(name)}
    return frozenset(names | above)


def _names_from(node: ast.ImportFrom, package: str) -> set[str]:
    """Names that `from a import b` may mean."""
    module = node.module or ""
    if node.level:
        levels = package.split(".")
        base = levels[: len(levels) - node.level + 1]
        module = ".".join([*base, *filter(None, [module])])
    members = {f"{module}.{alias.name}" for alias in node.names}
    return {module, *members}


@cache
def version(package: str) -> str:
    """The version of an installed package, without the label of its build; "" where there is none."""
    for name in _distributions(package):
        try:
            whole = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return whole.partition("+")[0]
    return ""


def _distributions(package: str) -> Iterator[str]:
    """What a package may come with: most bear its name, scikit-learn is sklearn's."""
    yield package
    yield from _all_distributions().get(package, [])


@cache
def _all_distributions() -> Mapping[str, list[str]]:
    """The distributions of every installed package, which take a while to read."""
    return metadata.packages_distributions()

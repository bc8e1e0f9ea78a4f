"""Strangers: whose code raised an error, in which file and line, said in one sentence.

An environment, an expert, a policy, a learner or a net may be anybody's file. What it raises is for its author to mend,
and is told from an error of our own by the innermost frame of the traceback that belongs to either; the libraries that
both are built on belong to neither.
"""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from dataclasses import dataclass
from types import FrameType

OURS = "il_bench"
"""Our own package."""

BUILT_ON = frozenset(
    {
        "cloudpickle",
        "dask",
        "distributed",
        "gymnasium",
        "h5py",
        "imageio",
        "joblib",
        "matplotlib",
        "minari",
        "numpy",
        "pandas",
        "pluggy",
        "PIL",
        "rich",
        "safetensors",
        "scipy",
        "sklearn",
        "stable_baselines3",
        "torch",
        "tyro",
        "xarray",
    }
)
"""Packages to which an error is never put down: whoever called them is to blame."""

THEIRS = "gymnasium.envs."
"""Environments that come with Gymnasium: those are a stranger's like any other."""
MAKING = "gymnasium.envs.registration"
"""Of which this module only makes them."""

REFUSING = ("validate", "__post_init__")
"""Where settings refuse what they cannot be, in a sentence of their own."""

ROLES = {
    "Env": "environment",
    "Wrapper": "environment",
    "Expert": "expert",
    "Policy": "policy",
    "Net": "net",
    "Module": "network",
}
"""What a class is, by the names of those that it is made from."""

TRACEBACK = "IL_BENCH_TRACEBACK"
"""Variable of the environment: set, an error shows where it was raised."""

LONGEST = 300
"""Letters of a stranger's message that are shown, at most."""


@dataclass(frozen=True)
class Blame:
    """Where a stranger's code raised an error.

    Attributes:
        who: what it is part of, such as "environment Hill"; "" where it is a function that nobody has.
        function: in which.
        file: in which.
        line: at which.
    """

    who: str
    function: str
    file: str
    line: int

    def __str__(self) -> str:
        """Such as: environment Hill: transition in hill.py, line 12."""
        owner = f"{self.who}: " if self.who else ""
        return f"{owner}{self.function} in {self.file}, line {self.line}"


def blame(error: BaseException) -> Blame | None:
    """Where a stranger's code raised an error; None where it was ours, or a refusal of settings in its own words."""
    theirs: list[tuple[FrameType, int]] = []
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if _is_ours(frame):
            break
        if _is_library(frame):
            continue
        theirs.append((frame, line))
    if not theirs:
        return None
    frame, line = theirs[0]
    code = frame.f_code
    refuses = isinstance(error, ValueError | TypeError) and code.co_name in REFUSING
    if refuses:
        return None
    owners = [_owner(frame) for frame, _ in theirs]
    who = next(filter(None, owners), "")
    return Blame(who, code.co_name, _shown(code.co_filename), line)


def sentence(error: BaseException) -> str:
    """Whose code raised an error, where, and when if that is known; "" where it is no stranger's."""
    place = blame(error)
    if place is None:
        return ""
    notes = getattr(error, "__notes__", [])
    when = "".join(f", {note}" for note in notes)
    return f"{place}, raised {in_words(error)}{when}; mend it there"


def in_words(error: BaseException) -> str:
    """An error's kind and message, on one line; it may say nothing, or escape sequences, or not the same each time."""
    kind = type(error).__name__
    try:
        words = str(error)
    # A stranger's error may not even be able to say what it is.
    except Exception:
        words = "it cannot say more"
    same_each_time = re.sub(r" at 0x[0-9a-f]+", "", words)
    line = " ".join(same_each_time.split())
    shown = "".join(letter if letter.isprintable() else "?" for letter in line[:LONGEST])
    return f"{kind} ({shown})" if shown else kind


def _module(frame: FrameType) -> str:
    """The module that a frame runs, by its name when it was imported; of a script that of its specification."""
    spec = frame.f_globals.get("__spec__")
    name = getattr(spec, "name", None) or frame.f_globals.get("__name__", "")
    return str(name)


def _is_ours(frame: FrameType) -> bool:
    package, _, _ = _module(frame).partition(".")
    return package == OURS


def _is_library(frame: FrameType) -> bool:
    """Whether a frame belongs to Python itself, or to what we are built on."""
    name = _module(frame)
    if name.startswith(THEIRS) and name != MAKING:
        return False
    package, _, _ = name.partition(".")
    return package in BUILT_ON or _is_python(frame.f_code.co_filename)


def _is_python(file: str) -> bool:
    """Whether a file is of Python's own library, or none at all."""
    if file.startswith("<"):
        return True
    paths = sysconfig.get_paths()
    installed = [paths["purelib"], paths["platlib"]]
    if any(_is_below(file, folder) for folder in installed):
        return False
    return any(_is_below(file, paths[name]) for name in ("stdlib", "platstdlib"))


def _is_below(file: str, folder: str) -> bool:
    return file.startswith(os.path.join(folder, ""))


def _owner(frame: FrameType) -> str:
    """What a method belongs to, such as "environment Hill"; "" of a function."""
    owner = frame.f_locals.get("self")
    if owner is None:
        return ""
    kind = type(owner)
    bases = [base.__name__ for base in kind.__mro__]
    roles = [ROLES[name] for name in bases if name in ROLES]
    learner = ["learner"] if hasattr(kind, "learn") else []
    role = next(iter(roles + learner), "")
    return f"{role} {kind.__name__}".strip()


def _shown(file: str) -> str:
    """A file as one would name it from here."""
    try:
        relative = os.path.relpath(file)
    except ValueError:  # on another drive
        return file
    return file if relative.startswith("..") else relative

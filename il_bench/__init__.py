"""il_bench: how far, and how fast, does a copy drift from the expert it imitates?

    import il_bench as il
    env = il.make("lane", lipschitz=(1.1, 1.2), seeds=8)

Names are imported when they are first used, so that `import il_bench` costs no more than Gymnasium does. It registers
every environment with Gymnasium as `il_bench/Name-v0`. Learners and nets are found by registry: `il.BC` is the class
that `il.learner("bc")` makes.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .core.registry import LEARNERS, NETS, register_with_gymnasium

if TYPE_CHECKING:  # the same names, for editors and type checkers
    from . import exposure
    from .borders.resolve import expert, make
    from .borders.sb3_off_policy import Replay
    from .borders.sb3_policies import from_sb3, to_sb3
    from .borders.sb3_ppo import Practice
    from .core.arrays import affine, column, coordinates, namespace
    from .core.automaton import Automaton
    from .core.env import (
        ArchiveEnv,
        Certificate,
        Env,
        Expert,
        FiniteEnv,
        LoggedEnv,
        StochasticExpert,
    )
    from .core.filter import Filter
    from .core.policy import Log, Policy
    from .core.registry import ENVS, EXPERTS, learner, net
    from .core.settings import Values, as_tuple, require
    from .core.streams import Streams, white
    from .core.tokens import TokenEnv, apart, zero_or_one
    from .envs._language import Language, TextEnv
    from .fit.fitting import load_policy
    from .fit.training import Training
    from .jobs.matched import matched
    from .jobs.store import open
    from .learners.bc import BC
    from .learners.dagger import DAgger
    from .learners.smile import SMILe
    from .measures.assess import assess
    from .measures.contract import check
    from .measures.lipschitz import assert_lipschitz
    from .nets.mlp import MLP
    from .records.record import Record, load
    from .records.twins import compare
    from .show.plots import plot
    from .show.video import film

# MKL rounds a product differently for arrays of other alignment unless told not to, and then run 2 of 4 would not equal
# run 2 alone. Read at MKL's first call; costs nothing measurable.
os.environ.setdefault("MKL_CBWR", "AUTO")

__version__ = "0.9.0"

_HOMES = {
    "borders.resolve": "expert make",
    "borders.sb3_off_policy": "Replay",
    "borders.sb3_policies": "from_sb3 to_sb3",
    "borders.sb3_ppo": "Practice",
    "core.arrays": "affine column coordinates namespace",
    "core.automaton": "Automaton",
    "core.env": "ArchiveEnv Certificate Env Expert FiniteEnv LoggedEnv StochasticExpert",
    "core.filter": "Filter",
    "core.policy": "Log Policy",
    "core.registry": "ENVS EXPERTS LEARNERS NETS learner net",
    "core.settings": "Values as_tuple require",
    "core.streams": "Streams white",
    "core.tokens": "TokenEnv apart zero_or_one",
    "envs._language": "Language TextEnv",
    "fit.fitting": "load_policy",
    "fit.training": "Training",
    "jobs.store": "open",
    "jobs.matched": "matched",
    "measures.assess": "assess",
    "measures.contract": "check",
    "measures.lipschitz": "assert_lipschitz",
    "records.record": "Record load",
    "records.twins": "compare",
    "show.plots": "plot",
    "show.video": "film",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    value: Any
    if name == "exposure":  # a room whose functions are public, all of them
        value = importlib.import_module(f".{name}", __name__)
    elif name in _HOME:
        value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    else:
        value = _registered(name) if name[:1].isupper() else None
    if value is None:
        raise AttributeError(
            f"module 'il_bench' has no attribute {name!r}; it has {', '.join(__dir__())}"
        )
    globals()[name] = value
    return value


def _registered(name: str) -> Any:
    """The class of a learner or a net, by the name that it bears in its file: BC, DAgger, MLP."""
    for registry in (LEARNERS, NETS):
        if short := registry.by_class_name(name):
            return registry[short]
    return None


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, "BC", "DAgger", "SMILe", "MLP"})


register_with_gymnasium()

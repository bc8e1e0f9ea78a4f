"""il_bench: how far, and how fast, does a copy drift from the expert it imitates?

    import il_bench as il
    env = il.make("lane", lipschitz=(1.1, 1.2), seeds=8)

Names are imported when they are first used, so that `import il_bench` costs no more than Gymnasium does. It registers
every environment with Gymnasium as `il_bench/Name-v0`.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from .registry import register_with_gymnasium

# MKL rounds a product differently for arrays of other alignment unless told not to, and then run 2 of 4 would not equal
# run 2 alone. Read at MKL's first call; costs nothing measurable.
os.environ.setdefault("MKL_CBWR", "AUTO")

__version__ = "0.2.0"

_HOME = {
    "make": "registry", "expert": "registry", "ENVS": "registry", "EXPERTS": "registry", "LEARNERS": "registry",
    "Env": "core", "Expert": "core", "Policy": "core", "Certificate": "core", "Values": "settings", "Log": "core",
    "namespace": "core", "Streams": "streams", "Training": "train", "BC": "learners.bc", "DAgger": "learners.dagger",
    "SMILe": "learners.smile",
    "compare": "twins", "Record": "record", "load": "record", "open": "results", "check": "contract",
    "assert_lipschitz": "lipschitz", "assess": "measure",
    "plot": "plots", "film": "video",
}  # fmt: skip

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module 'il_bench' has no attribute {name!r}; it has {', '.join(sorted(_HOME))}"
        )
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


register_with_gymnasium()

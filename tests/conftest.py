import dataclasses
import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # tests need no display

import pytest
import torch

import il_bench as il  # before torch: it asks MKL for reproducible products
from il_bench.train import Training

torch.set_num_threads(1)

SMALL = Training(hidden=(16,), updates=60, batch=16)
"""Enough training to tell right from wrong, not to be good."""


def tiny(name: str, **settings):
    """A registered environment, small enough for a test."""
    settings = {"horizon": 12, **settings}
    return il.make(name, **settings)


def learners():
    """Every registered learner with settings small enough for a test, by name and net."""
    small = {"episodes": 2, "rounds": 3, "validation": 2, "training": SMALL}
    out = {}
    for name, cls in il.LEARNERS.items():
        known = {f.name for f in dataclasses.fields(cls)}
        out[name] = cls(**{k: v for k, v in small.items() if k in known})
    return out


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    """Whatever a test leaves behind lies in its own folder; mistakes must speak in sentences, not tracebacks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IL_BENCH_TRACEBACK", raising=False)

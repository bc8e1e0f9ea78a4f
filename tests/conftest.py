import atexit
import dataclasses
import functools
import gc
import itertools
import os
import random
import shutil
import sys
import tempfile
import types

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # tests need no display
# Of small matrices threads of BLAS cost several times what they save, and each core has its process.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["IL_BENCH_DATA"] = tempfile.mkdtemp(
    prefix="il_bench-"
)  # nobody's own data is read, let alone written

import numpy as np
import pytest
import torch
from hypothesis import settings

import il_bench as il  # before torch computes: it asks MKL for reproducible products
from il_bench.borders.contest import Contest
from il_bench.borders.discriminator import Judging
from il_bench.borders.sb3_off_policy import Replay
from il_bench.borders.sb3_ppo import Practice
from il_bench.datasets import letters
from il_bench.fit.training import Training

torch.set_num_threads(1)
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")  # new examples: pytest --hypothesis-profile default

WORDS = (
    "o",
    "at",
    "the",
    "queen",
    "quiet",
    "just",
    "zebra",
    "hammock",
    "vexing",
    "folder",
    "sympathetic",
    "abcdefghijklmn",
)
"""What the letters of the tests spell, in each fold once; nobody wrote them."""


def written_words() -> letters.Letters:
    """Synthetic letters in the format of the real ones: a random pattern for each, of which three bits in ten are flipped."""
    rng = np.random.default_rng(0)
    pattern = rng.random((letters.ALPHABET, letters.HEIGHT * letters.WIDTH)) < 0.3
    spelled = np.array(
        [ord(c) - ord("a") for word in WORDS * letters.FOLDS for c in word], dtype=np.uint8
    )
    flipped = rng.random((len(spelled), pattern.shape[1])) < 0.3
    length = np.array([len(word) for word in WORDS] * letters.FOLDS, dtype=np.uint8)
    fold = np.repeat(np.arange(letters.FOLDS, dtype=np.uint8), len(WORDS))
    return letters.Letters((pattern[spelled] ^ flipped).astype(np.uint8), spelled, length, fold)


letters.save(written_words())
atexit.register(shutil.rmtree, os.environ["IL_BENCH_DATA"], ignore_errors=True)

SMALL = Training(hidden=(16,), updates=60, batch=16)
"""Enough training to tell right from wrong, not to be good."""


BRIEF = {"steps": 18, "rollout": 6, "minibatch": 6}
"""Practice in three rounds of a few steps."""
PRACTICE = Practice(**BRIEF, copies=2, epochs=1)
PRACTISING = {
    **BRIEF,
    "practice": PRACTICE,
    "contest": Contest((8,), PRACTICE, Judging(views=2, view=8, judge_hidden=(8,))),
    "replay": Replay(**BRIEF, hidden=(8,)),
    "judging": Judging(views=2, view=8, judge_hidden=(8,), penalty=10.0),
    "warmup": 6,
}
"""Settings of learners that practise."""


def tiny(name: str, **settings):
    """A registered environment, small enough for a test."""
    settings = {"horizon": 12, **settings}
    return il.make(name, **settings)


@functools.cache
def learners():
    """Every registered learner with settings small enough for a test, by name and net."""
    small = {"episodes": 2, "rounds": 3, "validation": 2, "training": SMALL, **PRACTISING}
    out = {}
    for name, cls in il.LEARNERS.items():
        known = {f.name for f in dataclasses.fields(cls)}
        out[name] = cls(**{k: v for k, v in small.items() if k in known})
    return out


def pytest_make_collect_report(collector):
    """What a module of tests draws while it is imported is the same in every process: torch seeds each differently."""
    _seed_the_process()


def _seed_the_process() -> None:
    """The generators of Python, NumPy and torch that a test may draw from without naming one."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


def pytest_collection_finish(session):
    """What was imported and collected stays to the end: it need not be looked through for garbage again and again."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _on_numbers_of_its_own():
    """A test draws the same numbers alone, in company, and on every machine."""
    _seed_the_process()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    """Whatever a test leaves behind lies in its own folder; mistakes must speak in sentences, not tracebacks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IL_BENCH_TRACEBACK", raising=False)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    last = next(reversed(sys.modules))
    yield
    later = itertools.takewhile(last.__ne__, reversed(sys.modules))
    for name in list(later):  # the next test may have another file of that name
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def no_figures(monkeypatch):
    """Runs of the command draw no figure, which takes as long as all the rest of a small one."""
    from il_bench.jobs import session

    blank = types.SimpleNamespace(plot=lambda comparison, path: None)
    monkeypatch.setattr(session, "plots", blank)

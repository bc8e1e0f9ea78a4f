"""Damaged inputs for `unbreakable.py`: strangers' files with bytes changed, and flags that nobody would type."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import il_bench as il
from il_bench import run, sweep
from il_bench.core.policy import Log
from il_bench.jobs.checkpoint import Checkpoint

Outcomes: TypeAlias = "dict[str, dict[str, int]]"
"""Counts of what came of it, by kind."""

TINY = ("--rollouts", "4", "--horizon", "10", "--hidden", "8", "--updates", "20")
SPEAKERS = "record: ", "results: ", "policy: ", "minari: ", "checkpoint: "
"""How the sentences of the readers begin."""
REFUSALS = (ValueError, ImportError)
"""What they raise: a dataset may be of a format whose reader is not installed."""
SIGNS = list('0123456789{}[]",:-eaN')
"""What an index is written in."""
DATASET = "il_bench/tube/expert-v0"
FLAGS = (
    "--lipschitz", "--seeds", "--rollouts", "--horizon", "--hidden", "--updates", "--lr", "--batch", "--episodes",
    "--env", "--algo", "--memory", "--jobs", "--sample", "--no-resume", "--out", "--rounds", "--beta", "--p",
)  # fmt: skip
VALUES = (
    "0", "1", "2", "-1", "1.5", "nan", "inf", "-inf", "1e400", "9" * 400, "", " ", "tube", "lane", "bc", "dagger",
    "0:1:1e-9", "1:inf:1", "0.9:1.1:0.1", "../x", "a:b", "os:system", "\x1b[31m", "[/b]", "é", "--", "-h=", "=", "x" * 5000,
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A file that is damaged, and who reads it.

    Attributes:
        kind: what it is part of.
        path: the file.
        read: reads it, and all that comes with it.
    """

    kind: str
    path: Path
    read: Callable[[], Any]


def targets(folder: Path) -> list[Target]:
    """A Record, a folder of results, a policy, kept rounds and, where Minari is installed, a dataset."""
    env = il.make("tube", horizon=6, seeds=2)
    expert = il.expert(env)
    small = il.Training(hidden=(4,), updates=4)
    policy = il.BC(1, small).learn(env, expert)
    record = il.compare(env, expert, episodes=2, bc=policy)
    made = [*_of_record(record, folder), *_of_results(folder)]
    kept = policy.save(folder / "policy.safetensors")
    made.append(Target("policy", kept, lambda: il.load_policy(kept)))
    made += _of_rounds(env, expert, folder)
    with contextlib.suppress(ImportError):
        made += _of_dataset(record, env, folder)
    return made


def _of_record(record: Any, folder: Path) -> list[Target]:
    place = record.save(folder / "record")

    def read() -> None:
        comparison = il.load(place)
        comparison.table()
        comparison.policies()

    names = ("record.json", "arrays.safetensors", "policy.safetensors")
    return [Target("Record", place / name, read) for name in names]


def _of_results(folder: Path) -> list[Target]:
    place = folder / "rows"
    args = ["--env", "tube", "--algo", "bc", "--seeds", "2", *TINY, "--jobs", "1"]
    _quiet(sweep.main, [*args, "--out", str(place)])
    rows = next(iter(place.glob("*.safetensors")))
    return [Target("results", rows, lambda: il.open(place))]


def _of_rounds(env: Any, expert: Any, folder: Path) -> list[Target]:
    place = folder / "rounds"
    learner = il.DAgger(rounds=2, training=il.Training(hidden=(4,), updates=4))
    rounds = Checkpoint(place)
    learner.learn(env, expert, None, Log(checkpoint=rounds))
    rounds.flush()

    def read() -> None:
        learner.learn(env, expert, None, Log(checkpoint=Checkpoint(place)))

    files = sorted(place.glob("*.safetensors"))
    return [Target("checkpoint", file, read) for file in files[-1:]]


def _of_dataset(record: Any, env: Any, folder: Path) -> list[Target]:
    os.environ["MINARI_DATASETS_PATH"] = str(folder / "datasets")
    record.to_minari(DATASET)
    place = folder / "datasets" / DATASET / "data"
    learner = il.BC(2, il.Training(hidden=(4,), updates=1), demos=f"minari:{DATASET}")
    other = il.make("tube", horizon=6, seeds=(7,))

    def read() -> None:
        learner.learn(other, il.expert(other))

    names = ("main_data.hdf5", "metadata.json")
    return [Target("Minari", place / name, read) for name in names]


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A file that is nearly right."""
    kind, at = rng.integers(6), int(rng.integers(max(len(data), 1)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        count = int(rng.integers(1, 9))
        more = bytes(rng.integers(0, 256, count, dtype=np.uint8))
        return data[:at] + more + data[at:]
    if kind == 2:
        size = int(rng.choice([0, 1, 2**31, 2**40, 10**10, 2**63]))
        return size.to_bytes(8, "little") + data[8:]
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        # The header and the index are where a reader can be led astray.
        end = min(len(changed), 2000) if kind < 5 else len(changed)
        spot = int(rng.integers(end))
        changed[spot] = int(rng.integers(256)) if kind == 3 else ord(rng.choice(SIGNS))
    return bytes(changed)


def fuzz(folder: Path, rng: np.random.Generator, inputs: int) -> tuple[Outcomes, float]:
    """Files with bytes changed, in turn of every kind: each is read or refused in one sentence.

    Returns:
        Outcomes by kind, and the processor time that the slowest answer took, s.
    """
    every = targets(folder)
    whole = {target.path: target.path.read_bytes() for target in every}
    outcomes: dict[str, Counter[str]] = {target.kind: Counter() for target in every}
    for target in every:
        tried(target.read)  # what is imported on the way is no part of an answer
    slowest = 0.0
    for number in range(inputs):
        target = every[number % len(every)]
        content = whole[target.path]
        target.path.write_bytes(mutated(content, rng))
        began = time.process_time()
        outcome = tried(target.read)
        slowest = max(slowest, time.process_time() - began)
        outcomes[target.kind][outcome] += 1
        target.path.write_bytes(content)
    return {kind: dict(counts) for kind, counts in outcomes.items()}, slowest


def tried(read: Callable[[], Any]) -> str:
    """What a reader made of it."""
    try:
        _quiet(read)
    except Exception as error:
        words = str(error)
        in_one = words.startswith(SPEAKERS) and "\n" not in words
        sentence = in_one and isinstance(error, REFUSALS)
        if not sentence:
            print(f"  {type(error).__name__}: {error}", flush=True)
        return "refused in a sentence" if sentence else type(error).__name__
    return "read"


def flag_sets(folder: Path, rng: np.random.Generator, sets: int) -> dict[str, int]:
    """Command lines at random: carried out, or refused in one sentence with nothing left behind."""
    outcomes: Counter[str] = Counter()
    for number in range(sets):
        place = folder / f"flags-{number}"
        main = (run.main, sweep.main)[number % 2]
        outcomes[_given(main, _flags(rng), place)] += 1
        shutil.rmtree(place, ignore_errors=True)
    return dict(outcomes)


def _flags(rng: np.random.Generator) -> list[str]:
    """Some flags, each with some values, some of which make sense."""
    words: list[str] = []
    for _ in range(int(rng.integers(1, 5))):
        words.append(str(rng.choice(FLAGS)))
        count = int(rng.integers(0, 3))
        words += [str(value) for value in rng.choice(VALUES, count)]
    return words


def _given(main: Callable[[list[str]], None], words: list[str], place: Path) -> str:
    """What became of a command line; what can be carried out is only planned: it is refused for its folder at the end."""
    said = io.StringIO()
    place.write_text("a file, so that no work begins")
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            main([*words, "--out", str(place)])
    except SystemExit as stop:
        (*_, last) = said.getvalue().splitlines() or [""]
        sentence = stop.code == 2 and last.startswith(("il_bench: ", "  "))
        outcome = "refused in a sentence" if sentence else f"exit code {stop.code}"
    except Exception as error:
        print(f"  {words}: {type(error).__name__}: {error}", flush=True)
        outcome = type(error).__name__
    else:
        outcome = "carried out"
    left = place.read_text() if place.is_file() else ""
    place.unlink(missing_ok=True)
    return outcome if left else "something was left behind"


def _quiet(work: Callable[..., Any], *args: Any) -> None:
    """Do something without its words."""
    with contextlib.redirect_stdout(io.StringIO()):
        work(*args)

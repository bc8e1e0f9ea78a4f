"""Kills for `unbreakable.py`: commands ended by SIGKILL at random moments, then given again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import il_bench as il

TINY = ("--rollouts", "4", "--horizon", "10", "--hidden", "8", "--updates", "20")
SWEEP = "--env tube linear --algo bc dagger --rounds 4 --lipschitz 0.8:1.2:0.1 --seeds 4"
PLAN = (*SWEEP.split(), *TINY, "--batch", "2")
RUN = ("--rounds", "12", "--seeds", "2", *TINY[:-1], "240", "--no-video")
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
WAIT = 600.0
"""Seconds in which a cluster must have come up, or batches be finished."""
WHO = ("parent", "worker", "all")
"""Which processes of a command are killed."""
ROWS = "*.safetensors"
"""Files of results."""
SCHEDULER = ("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard")
WORKER = ("distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard")
"""The two parts of a cluster."""
Process: TypeAlias = "subprocess.Popen[bytes]"


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        module: of il_bench.
        args: what it is given, but for its place.
        place: the flag of its folder or file.
        name: of that folder or file.
        same: whether what a whole and a killed one left, at two places, is the same.
    """

    module: str
    args: tuple[str, ...]
    place: str
    name: str
    same: Callable[[Path, Path], bool]

    def words(self, place: Path) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", f"il_bench.{self.module}", *self.args, self.place, str(place)]

    def finish(self, place: Path) -> bool:
        """Carry it out to the end; whether it came there."""
        folder = place.parent
        folder.mkdir(parents=True, exist_ok=True)
        ended = subprocess.run(self.words(place), check=False, cwd=folder, **QUIET)
        return ended.returncode == 0


def same_rows(one: Path, two: Path) -> bool:
    """Whether two folders of results hold the same numbers, bit for bit."""
    first, second = (il.open(place).drop_vars("seconds") for place in (one, two))
    return bool(first.identical(second))


def same_record(one: Path, two: Path) -> bool:
    """Whether two Records hold the same numbers, bit for bit."""
    first, second = (il.load(place).arrays for place in (one, two))
    return all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)


def same_film(one: Path, two: Path) -> bool:
    """Whether two films are the same bytes."""
    return one.read_bytes() == two.read_bytes()


def run(folder: Path) -> Command:
    """A comparison."""
    return Command("run", RUN, "--out", "out", same_record)


def checkpoints(folder: Path) -> Command:
    """A comparison whose rounds are kept."""
    return Command("run", (*RUN, "--checkpoint-every", "1"), "--out", "out", same_record)


def render(folder: Path) -> Command:
    """A film."""
    record = folder / "record"
    env = il.make("lane", horizon=60, seeds=1)
    expert = il.expert(env)
    il.compare(env, expert, episodes=2, copy=expert).save(record)
    return Command("render", (str(record),), "--out", "film.mp4", same_film)


def sweep(folder: Path) -> Command:
    """A sweep on two processes."""
    return Command("sweep", (*PLAN, "--jobs", "2"), "--out", "out", same_rows)


COMMANDS: dict[str, Callable[[Path], Command]] = {
    "run": run,
    "checkpoints": checkpoints,
    "render": render,
    "sweep": sweep,
}
"""What is killed, by its short name."""
CLUSTER = "cluster"
"""The short name of a sweep on a Dask cluster."""
TITLES = {
    "run": "run",
    "checkpoints": "run with kept rounds",
    "render": "render",
    "sweep": "sweep (loky)",
    CLUSTER: "sweep (Dask)",
}
"""What is said of it."""


def kills(
    short: str, folder: Path, rng: np.random.Generator, times: int
) -> tuple[str, dict[str, int]]:
    """Kill a command so many times, then give it again.

    Returns:
        What the command is called; how many were tried, and how many ended as if uninterrupted.
    """
    if short == CLUSTER:
        return TITLES[short], _of_cluster(folder, rng, times)
    command = COMMANDS[short](folder)
    return TITLES[short], _killed(command, folder, rng, times)


def _killed(command: Command, folder: Path, rng: np.random.Generator, times: int) -> dict[str, int]:
    """Kill a command again and again, each time in a new place, and carry it out there."""
    began = time.monotonic()
    whole = folder / "whole" / command.name
    _require_end(command, whole)
    longest = time.monotonic() - began
    counts: Counter[str] = Counter(tried=0, survived=0)
    for number in range(times):
        place = folder / f"killed-{number}" / command.name
        place.parent.mkdir(parents=True)
        who = WHO[rng.integers(len(WHO))]
        kill(command.words(place), place.parent, who, rng.uniform(0.2, 1.0) * longest)
        _clear(place)
        counts["tried"] += 1
        counts["survived"] += command.finish(place) and command.same(whole, place)
    return dict(counts)


def _require_end(command: Command, place: Path) -> None:
    """Carry out a command that nobody kills: without its outcome there is nothing to compare."""
    if not command.finish(place):
        raise RuntimeError(f"{' '.join(command.words(place))} did not come to its end")


def _clear(place: Path) -> None:
    """Make room where the command had come to its end before it was killed: it writes over nothing."""
    if place.is_file():
        place.unlink()
    elif (place / "record.json").exists():
        shutil.rmtree(place)


def kill(words: list[str], folder: Path, who: str, after: float) -> None:
    """Begin a command and kill it, one of its workers, or all of it, some seconds later."""
    work = _begun(words, folder)
    time.sleep(after)
    children = children_of(work.pid)
    if who == "worker" and children:
        os.kill(int(children[-1]), signal.SIGKILL)
        time.sleep(1)
    if who == "parent":
        work.kill()
    elif work.poll() is None:
        os.killpg(work.pid, signal.SIGKILL)
    work.wait()


def children_of(process: int) -> list[str]:
    """Ids of a process's children."""
    command = ["pgrep", "-P", str(process)]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    return listing.stdout.split()


def _of_cluster(folder: Path, rng: np.random.Generator, times: int) -> dict[str, int]:
    """A sweep on a Dask cluster, of which scheduler, worker or the command itself is killed; processes here do the rest."""
    here = sweep(folder)
    whole = folder / "whole" / here.name
    _require_end(here, whole)
    batches = len(list(whole.glob(ROWS)))
    counts: Counter[str] = Counter(tried=0, survived=0)
    for number in range(times):
        place = folder / f"killed-{number}" / here.name
        place.parent.mkdir(parents=True)
        _kill_on_cluster(place, number % 3, int(rng.integers(batches // 2)))
        counts["tried"] += 1
        counts["survived"] += here.finish(place) and here.same(whole, place)
    return dict(counts)


def _kill_on_cluster(place: Path, who: int, after: int) -> None:
    """Begin a cluster and a sweep on it; kill its scheduler (0), worker (1) or the sweep (2) after so many batches."""
    file = place.parent / "scheduler.json"
    parts: list[Process] = []
    try:
        for role in (SCHEDULER, WORKER):
            words = [sys.executable, "-m", *role, "--scheduler-file", str(file)]
            parts.append(_begun(words, place.parent))
        there = ("--backend", "dask", "--scheduler", _address(file))
        command = Command("sweep", (*PLAN, *there), "--out", place.name, same_rows)
        parts.append(_begun(command.words(place), place.parent))
        _await(lambda: len(list(place.glob(ROWS))) > after or parts[2].poll() is not None)
        os.killpg(parts[who].pid, signal.SIGKILL)
        time.sleep(2)
    finally:
        for part in parts:
            if part.poll() is None:
                os.killpg(part.pid, signal.SIGKILL)
            part.wait()


def _begun(words: list[str], folder: Path) -> Process:
    """A command under way, in a session of its own, so that all of it can be killed."""
    return subprocess.Popen(words, cwd=folder, start_new_session=True, **QUIET)


def _address(file: Path) -> str:
    """Where a scheduler answers, once it has written that down."""
    _await(lambda: file.is_file() and file.stat().st_size > 0)
    return str(json.loads(file.read_text())["address"])


def _await(fact: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + WAIT
    while not fact():
        if time.monotonic() > until:
            raise TimeoutError(f"nothing within {WAIT:g} s")
        time.sleep(0.1)

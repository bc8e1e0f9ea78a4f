"""Kills for `unbreakable.py`: commands ended by SIGKILL at random moments, then given again."""

from __future__ import annotations

import importlib.util
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
from typing import Any

import numpy as np

import il_bench as il

TINY = ("--rollouts", "4", "--horizon", "10", "--hidden", "8", "--updates", "20")
SWEEP = "--env tube linear --algo bc dagger --rounds 4 --lipschitz 0.8:1.2:0.1 --seeds 8"
PLAN = (*SWEEP.split(), *TINY, "--batch", "2")
RUN = ("--rounds", "12", "--seeds", "2", *TINY[:-1], "240", "--no-video")
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
WAIT = 20.0
"""Seconds that a cluster has to come up."""


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


def commands(folder: Path) -> dict[str, Command]:
    """What is killed, by what is said of it."""
    record = folder / "record"
    env = il.make("lane", horizon=60, seeds=1)
    expert = il.expert(env)
    il.compare(env, expert, episodes=2, copy=expert).save(record)
    kept = ("--checkpoint-every", "1")
    return {
        "run": Command("run", RUN, "--out", "out", same_record),
        "run with kept rounds": Command("run", (*RUN, *kept), "--out", "out", same_record),
        "render": Command("render", (str(record),), "--out", "film.mp4", same_film),
        "sweep (loky)": Command("sweep", (*PLAN, "--jobs", "2"), "--out", "out", same_rows),
    }


def kills(folder: Path, rng: np.random.Generator, each: int) -> dict[str, dict[str, int]]:
    """Kill every command so many times, then give it again: how many were tried, and how many ended as if uninterrupted."""
    outcomes = {}
    for name, command in commands(folder).items():
        place = folder / name.replace(" ", "-")
        outcomes[name] = _killed(command, place, rng, each)
        print(f"  {name}: {outcomes[name]}", flush=True)
    if importlib.util.find_spec("distributed"):
        outcomes["sweep (Dask)"] = _of_cluster(folder / "dask", rng, each)
    return outcomes


def _killed(command: Command, folder: Path, rng: np.random.Generator, each: int) -> dict[str, int]:
    """Kill a command again and again in one place, begun anew where it came to its end."""
    began = time.monotonic()
    whole = folder / "whole" / command.name
    command.finish(whole)
    longest = time.monotonic() - began
    counts: Counter[str] = Counter(tried=0, survived=0)
    for number in range(each):
        place = folder / f"killed-{number}" / command.name
        place.parent.mkdir(parents=True)
        who = ("parent", "worker", "all")[rng.integers(3)]
        kill(command.words(place), place.parent, who, rng.uniform(0.2, 1.0) * longest)
        counts["tried"] += 1
        if place.is_file():
            place.unlink()  # a film that was finished is not drawn over
        elif command.place == "--out" and (place / "record.json").exists():
            shutil.rmtree(place)
        counts["survived"] += command.finish(place) and command.same(whole, place)
    return dict(counts)


def kill(words: list[str], folder: Path, who: str, after: float) -> None:
    """Begin a command and kill it, one of its workers, or all of it, some seconds later."""
    work = subprocess.Popen(words, cwd=folder, start_new_session=True, **QUIET)
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


def _of_cluster(folder: Path, rng: np.random.Generator, each: int) -> dict[str, int]:
    """The same on a Dask cluster, of which scheduler, worker or the command itself is killed; loky does the rest."""
    here = Command("sweep", (*PLAN, "--jobs", "2"), "--out", "out", same_rows)
    whole = folder / "whole" / here.name
    here.finish(whole)
    counts: Counter[str] = Counter(tried=0, survived=0)
    for number in range(each):
        place = folder / f"killed-{number}" / here.name
        place.parent.mkdir(parents=True)
        _kill_on_cluster(place, number % 3, rng)
        counts["tried"] += 1
        counts["survived"] += here.finish(place) and here.same(whole, place)
    return dict(counts)


def _kill_on_cluster(place: Path, who: int, rng: np.random.Generator) -> None:
    """Begin a cluster and a sweep on it, and kill its scheduler (0), its worker (1) or the sweep (2) at some moment."""
    file = place.parent / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli"]
    scheduler = ["dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file"]
    worker = ["dask_worker", "--nthreads", "1", "--no-dashboard", "--scheduler-file"]
    parts = []
    try:
        for role in (scheduler, worker):
            module, *rest = role
            words = [*dask[:-1], f"{dask[-1]}.{module}", *rest, str(file)]
            parts.append(subprocess.Popen(words, cwd=place.parent, start_new_session=True, **QUIET))
        address = _address(file)
        there = ("--backend", "dask", "--scheduler", address)
        sweep = Command("sweep", (*PLAN, *there), "--out", place.name, same_rows)
        parts.append(
            subprocess.Popen(sweep.words(place), cwd=place.parent, start_new_session=True, **QUIET)
        )
        time.sleep(rng.uniform(4, 12))
        os.killpg(parts[who].pid, signal.SIGKILL)
        time.sleep(2)
    finally:
        for part in parts:
            if part.poll() is None:
                os.killpg(part.pid, signal.SIGKILL)
            part.wait()


def _address(file: Path) -> str:
    """Where a scheduler answers, once it has written that down."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if file.is_file() and file.stat().st_size:
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.1)
    raise TimeoutError(f"no scheduler within {WAIT:g} s")

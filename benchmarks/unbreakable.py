"""Unbreakable: a sweep killed at random moments, a thousand batches without growth, and strangers' files by the thousand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from claims import Claim, goal
from publish import publish, table

import il_bench as il
from il_bench import sweep
from il_bench.jobs import plan, workers

KILLS, INPUTS, BATCHES = 24, 12_000, 1000
SPEAKERS = "record: ", "results: ", "policy: "
"""How the sentences of the readers begin."""
SIGNS = list('0123456789{}[]",:-eaN')
"""What an index is written in."""

TINY = ("--rollouts", "4", "--horizon", "10", "--hidden", "8", "--updates", "20")
SWEEP = "--env tube linear --algo bc dagger --rounds 4 --lipschitz 0.8:1.2:0.1 --seeds 8"
PLAN = (*SWEEP.split(), *TINY, "--batch", "2", "--jobs", "2")


def kills(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Kill a sweep again and again, parent, worker or all of them, until it is finished; compare with one left alone."""
    sweep.main([*PLAN, "--out", str(folder / "whole")])
    whole = il.open(folder / "whole").drop_vars("seconds")
    began = time.time()
    out = folder / "killed"
    counts: Counter[str] = Counter()
    while counts.total() < KILLS:
        if len(batches(out)) > 60:
            out = out.with_name(f"{out.name}+")  # nearly done: begin another
        counts[kill_one(out, rng)] += 1
        if batches(out):
            il.open(out)  # whatever is there can be read
        print(f"  {counts.total()} of {KILLS} kills", flush=True)
    same = []
    for one in sorted(folder.glob("killed*")):
        sweep.main([*PLAN, "--out", str(one)])
        rows = il.open(one).drop_vars("seconds")
        same.append(rows.identical(whole))
    seconds = time.time() - began
    kinds = dict(counts)
    return {"kills": kinds, "identical": all(same), "sweeps": len(same), "seconds": seconds}


def batches(folder: Path) -> list[Path]:
    """What a sweep has left so far."""
    return list(folder.glob("[!.]*")) if folder.is_dir() else []


def kill_one(out: Path, rng: np.random.Generator) -> str:
    """Begin a sweep and kill it at a random moment; what was killed."""
    who = ("parent", "worker", "all")[rng.integers(3)]
    command = [sys.executable, "-m", "il_bench.sweep", *PLAN, "--out", str(out)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    work = subprocess.Popen(command, start_new_session=True, **quiet)
    time.sleep(rng.uniform(0.5, 9))
    victim = _kill(work, who)
    if who == "worker":
        time.sleep(1)
        os.killpg(work.pid, signal.SIGKILL)
    work.wait()
    return victim


def _kill(work: subprocess.Popen, who: str) -> str:
    """SIGKILL to the parent, to one of its workers, or to all; what was killed."""
    children = children_of(work.pid)
    if who == "all":
        os.killpg(work.pid, signal.SIGKILL)
    elif who == "worker" and children:
        os.kill(int(children[-1]), signal.SIGKILL)
        return "worker"
    else:
        os.kill(work.pid, signal.SIGKILL)
        return "parent"
    return who


def children_of(process: int) -> list[str]:
    """Ids of a process's children."""
    command = ["pgrep", "-P", str(process)]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    return listing.stdout.split()


def resident() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(folder: Path) -> dict[str, Any]:
    """A sweep of a thousand batches in one process: memory, open files and processes after 100 and after all."""
    out = folder / "soak"
    args = ["--env", "tube", "--algo", "dagger", "--rounds", "2", "--seeds", str(BATCHES), *TINY]
    args += ["--batch", "1", "--jobs", "1", "--out", str(out)]
    options, settings = plan.asked(args)
    work, _ = plan.planned(options, settings, [("tube", "dagger")])
    every = list(plan.batched(work, set(), 1, 1))
    states = {}
    for done, _ in enumerate(workers.outcomes(options, every), 1):
        if done in (100, BATCHES):
            states[str(done)] = state()
    rows = int(il.open(out).sizes["run"])
    return {**states, "rows": rows}


def state() -> dict[str, float]:
    """What this process has taken of the machine."""
    files = list(Path("/proc/self/fd").iterdir())
    processes = children_of(os.getpid())
    return {"memory": resident(), "files": len(files), "processes": len(processes)}


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


def fuzz(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Records, results and policies with bytes changed: each is read, or refused in one sentence; nothing else happens."""
    record = folder / "record"
    env = il.make("tube", horizon=6, seeds=2)
    expert = il.expert(env)
    small = il.Training(hidden=(4,), updates=4)
    il.compare(env, expert, episodes=2, bc=il.BC(1, small).learn(env, expert)).save(record)
    results = folder / "rows"
    args = ["--env", "tube", "--algo", "bc", "--seeds", "2", *TINY, "--jobs", "1"]
    sweep.main([*args, "--out", str(results)])
    (rows,) = results.iterdir()
    names = ("record.json", "arrays.safetensors", "policy.safetensors")
    targets = [*(record / name for name in names), rows]
    whole = {path: path.read_bytes() for path in targets}
    outcomes: Counter[str] = Counter()
    before = resident()
    for number in range(INPUTS):
        path = targets[number % len(targets)]
        path.write_bytes(mutated(whole[path], rng))
        outcomes[_tried(record, results, path == rows)] += 1
        path.write_bytes(whole[path])
        if number % 2000 == 1999:
            print(f"  {number + 1:,} of {INPUTS:,} inputs: {dict(outcomes)}", flush=True)
    return {"inputs": INPUTS, "outcomes": dict(outcomes), "memory": resident() - before}


def _tried(record: Path, folder: Path, rows: bool) -> str:
    """What a reader made of it."""
    try:
        if rows:
            il.open(folder)
        else:
            comparison = il.load(record)
            comparison.table()
            comparison.policies()
        return "read"
    except Exception as error:
        words = str(error)
        in_one = words.startswith(SPEAKERS) and "\n" not in words
        sentence = in_one and isinstance(error, ValueError)
        if not sentence:
            print(f"  {type(error).__name__}: {error}", flush=True)
        return "refused in a sentence" if sentence else type(error).__name__


def claims(
    killed: dict[str, Any], steady: dict[str, Any], strangers: dict[str, Any]
) -> list[Claim]:
    """What was withstood."""
    begun = "Sweeps that were killed by SIGKILL and begun again"
    early, late = steady["100"], steady[str(BATCHES)]
    growth = late["memory"] / early["memory"] - 1
    memory = f"Memory grew by {growth:.1%} over {BATCHES - 100} batches (goal: below 5 %)"
    same = all(late[name] == early[name] for name in ("files", "processes"))
    quiet = ("read", "refused in a sentence")
    fine = sum(strangers["outcomes"].get(word, 0) for word in quiet)
    files = f"{fine:,} of {strangers['inputs']:,} damaged files were read or refused in one sentence (goal: all)"
    return [
        Claim(
            f"{begun} left what an uninterrupted one leaves, bit for bit.",
            killed["identical"],
            f"{begun} left something else than an uninterrupted one.",
        ),
        goal(memory, growth < 0.05),
        Claim(
            "Open files and processes did not become more or fewer.",
            same,
            "The number of open files or processes changed.",
        ),
        goal(files, fine == strangers["inputs"]),
    ]


def rows_of(
    killed: dict[str, Any], steady: dict[str, Any], strangers: dict[str, Any]
) -> list[list[str]]:
    """The table: what was done, how often, and what came of it."""
    early, late = steady["100"], steady[str(BATCHES)]
    count = sum(killed["kills"].values())
    kinds = ", ".join(f"{number:,} {what}" for what, number in strangers["outcomes"].items())
    both = f"open files {early['files']} and {late['files']}"
    processes = f"processes {early['processes']} and {late['processes']}"
    memory = f"memory {early['memory']:.0f} MB after 100, {late['memory']:.0f} MB after all"
    return [
        [
            "sweeps killed at random moments, then finished",
            f"{count} kills {json.dumps(killed['kills'])}",
            "identical, bit for bit" if killed["identical"] else "NOT identical",
        ],
        [f"{BATCHES:,} batches in one process", memory, f"{both}, {processes}"],
        ["files with bytes changed", f"{strangers['inputs']:,} inputs (goal: 10,000)", kinds],
    ]


def main() -> None:
    """All three; a few minutes."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        strangers = fuzz(folder, rng)
        steady = soak(folder)
        killed = kills(folder, rng)
    outcome = killed, steady, strangers
    lines = table(["what was done", "how often", "what came of it"], rows_of(*outcome))
    publish(
        "unbreakable",
        claims(*outcome),
        lines,
        kills=killed,
        soak=steady,
        fuzz=strangers,
    )


if __name__ == "__main__":
    main()

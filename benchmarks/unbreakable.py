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
from publish import publish, table

import il_bench as il
from il_bench import sweep
from il_bench.jobs import plan, workers

KILLS, INPUTS, BATCHES = 24, 12_000, 1000
SPEAKERS = "record: ", "results: ", "policy: "
"""How the sentences of the readers begin."""

TINY = ("--rollouts", "4", "--horizon", "10", "--hidden", "8", "--updates", "20")
PLAN = ("--env", "tube", "linear", "--algo", "bc", "dagger", "--rounds", "4", "--lipschitz", "0.8:1.2:0.1", "--seeds", "8",
        *TINY, "--batch", "2", "--jobs", "2")  # fmt: skip


def kills(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Kill a sweep again and again, parent, worker or all of them, until it is finished; compare with one left alone."""
    sweep.main([*PLAN, "--out", str(folder / "whole")])
    whole, out, counts, began = (
        il.open(folder / "whole").drop_vars("seconds"),
        folder / "killed",
        Counter(),
        time.time(),
    )
    while sum(counts.values()) < KILLS:
        if out.is_dir() and len(list(out.glob("[!.]*"))) > 60:  # nearly done: begin another
            out = out.with_name(out.name + "+")
        who = ("parent", "worker", "all")[rng.integers(3)]
        work = subprocess.Popen(
            [sys.executable, "-m", "il_bench.sweep", *PLAN, "--out", str(out)],
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(rng.uniform(0.5, 9))
        counts[_kill(work, who)] += 1
        if who == "worker":
            time.sleep(1)
            os.killpg(work.pid, signal.SIGKILL)
        work.wait()
        if out.is_dir() and any(out.glob("[!.]*")):
            il.open(out)  # whatever is there can be read
        print(f"  killed {sum(counts.values())} of {KILLS} ({who})", flush=True)
    same = []
    for one in sorted(folder.glob("killed*")):
        sweep.main([*PLAN, "--out", str(one)])
        same.append(il.open(one).drop_vars("seconds").identical(whole))
    return {
        "kills": dict(counts),
        "identical": all(same),
        "sweeps": len(same),
        "seconds": time.time() - began,
    }


def _kill(work: subprocess.Popen, who: str) -> str:
    """SIGKILL to the parent, to one of its workers, or to all; what was killed."""
    children = subprocess.run(
        ["pgrep", "-P", str(work.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    if who == "all":
        os.killpg(work.pid, signal.SIGKILL)
    elif who == "worker" and children:
        os.kill(int(children[-1]), signal.SIGKILL)
        return "worker"
    else:
        os.kill(work.pid, signal.SIGKILL)
        return "parent"
    return who


def resident() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(folder: Path) -> dict[str, Any]:
    """A sweep of a thousand batches in one process: memory, open files and processes after 100 and after all."""
    args = ["--env", "tube", "--algo", "dagger", "--rounds", "2", "--seeds", str(BATCHES), *TINY, "--batch", "1",
            "--jobs", "1", "--out", str(folder / "soak")]  # fmt: skip
    options, settings = plan.asked(args)
    work, _ = plan.planned(options, settings, [("tube", "dagger")])
    found = {}
    for done, _ in enumerate(workers.outcomes(options, list(plan.batched(work, set(), 1, 1))), 1):
        if done in (100, BATCHES):
            children = subprocess.run(
                ["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False
            )
            found[done] = {
                "memory": resident(),
                "files": len(list(Path("/proc/self/fd").iterdir())),
                "processes": len(children.stdout.split()),
            }
    return {str(k): v for k, v in found.items()} | {
        "rows": int(il.open(folder / "soak").sizes["run"])
    }


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A file that is nearly right."""
    kind, at = rng.integers(6), int(rng.integers(max(len(data), 1)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return (
            data[:at]
            + bytes(rng.integers(0, 256, int(rng.integers(1, 9)), dtype=np.uint8))
            + data[at:]
        )
    if kind == 2:
        return int(rng.choice([0, 1, 2**31, 2**40, 10**10, 2**63])).to_bytes(8, "little") + data[8:]
    held = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        # The header and the index are where a reader can be led astray.
        spot = int(rng.integers(min(len(held), 2000))) if kind < 5 else int(rng.integers(len(held)))
        held[spot] = (
            int(rng.integers(256)) if kind == 3 else ord(rng.choice(list('0123456789{}[]",:-eaN')))
        )
    return bytes(held)


def fuzz(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Records, results and policies with bytes changed: each is read, or refused in one sentence; nothing else happens."""
    record = folder / "record"
    env = il.make("tube", horizon=6, seeds=2)
    expert = il.expert(env)
    small = il.Training(hidden=(4,), updates=4)
    il.compare(env, expert, episodes=2, bc=il.BC(1, small).learn(env, expert)).save(record)
    sweep.main(
        [
            "--env",
            "tube",
            "--algo",
            "bc",
            "--seeds",
            "2",
            *TINY,
            "--jobs",
            "1",
            "--out",
            str(folder / "rows"),
        ]
    )
    (rows,) = (folder / "rows").iterdir()
    targets = [
        *(record / name for name in ("record.json", "arrays.safetensors", "policy.safetensors")),
        rows,
    ]
    whole, outcome, before = {path: path.read_bytes() for path in targets}, Counter(), resident()
    for i in range(INPUTS):
        path = targets[i % len(targets)]
        path.write_bytes(mutated(whole[path], rng))
        outcome[_tried(record, folder / "rows", path == rows)] += 1
        path.write_bytes(whole[path])
        if i % 2000 == 1999:
            print(f"  {i + 1:,} of {INPUTS:,} inputs: {dict(outcome)}", flush=True)
    return {"inputs": INPUTS, "outcomes": dict(outcome), "memory": resident() - before}


def _tried(record: Path, folder: Path, rows: bool) -> str:
    """What a reader made of it."""
    try:
        if rows:
            il.open(folder)
        else:
            found = il.load(record)
            found.table()
            found.policies()
        return "read"
    except Exception as error:
        sentence = (
            isinstance(error, ValueError)
            and str(error).startswith(SPEAKERS)
            and "\n" not in str(error)
        )
        if not sentence:
            print(f"  {type(error).__name__}: {error}", flush=True)
        return "refused in a sentence" if sentence else type(error).__name__


def main() -> None:
    """All three; a few minutes."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        strangers = fuzz(folder, rng)
        steady = soak(folder)
        killed = kills(folder, rng)
    early, late = steady["100"], steady[str(BATCHES)]
    growth = late["memory"] / early["memory"] - 1
    rows = [
        ["sweeps killed at random moments, then finished", f"{sum(killed['kills'].values())} kills {json.dumps(killed['kills'])}",
         "identical, bit for bit" if killed["identical"] else "NOT identical"],
        [f"{BATCHES:,} batches in one process", f"memory {early['memory']:.0f} MB after 100, {late['memory']:.0f} MB after all "
         f"({growth:+.1%}; goal: below 5 %)", f"open files {early['files']} and {late['files']}, processes "
         f"{early['processes']} and {late['processes']}"],
        ["files with bytes changed", f"{strangers['inputs']:,} inputs (goal: 10,000)",
         ", ".join(f"{n:,} {what}" for what, n in strangers["outcomes"].items())],
    ]  # fmt: skip
    odd = sum(
        n
        for what, n in strangers["outcomes"].items()
        if what not in ("read", "refused in a sentence")
    )
    claim = (
        f"Sweeps that were killed by SIGKILL and begun again left {'what' if killed['identical'] else 'NOT what'} an "
        f"uninterrupted one leaves; memory grew by {growth:.1%} over 900 batches; {strangers['inputs'] - odd:,} of "
        f"{strangers['inputs']:,} damaged files were read or refused in one sentence."
    )
    publish("unbreakable", claim, table(["what was done", "how often", "what came of it"], rows),
            kills=killed, soak=steady, fuzz=strangers)  # fmt: skip


if __name__ == "__main__":
    main()

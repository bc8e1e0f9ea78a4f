"""The same protocol in il_bench and in the library `imitation`: seconds, memory and drift of BC and DAgger.

    python benchmarks/vs_imitation.py                     # builds the peer's environment in results/peer, once
    python benchmarks/vs_imitation.py --peer FOLDER       # or uses, or builds, the one in FOLDER

The peer needs a virtual environment of its own (2 GB, two minutes, from a package index): imitation 1.0.1 keeps Gymnasium
at 0.29 and stable-baselines3 at 2.2. With torch pinned first nothing else needed a pin on 2026-11-25; the versions that
ran are kept with the result. To build it by hand:

    python3.11 -m venv results/peer && results/peer/bin/pip install torch==2.13.0
    results/peer/bin/pip install imitation==1.0.1 && touch results/peer/ready

The protocol: linear tracking (`vs_imitation_ours.py`, `vs_imitation_peer.py`), 2 x 32 tanh, Adam 1e-3, batch 32. BC has 4
epochs of 50 expert episodes; DAgger 10 rounds of 10 episodes, after each 4 epochs of all data so far, beta linear over
15 rounds. So 5,000 labels and 624 updates, or 10,000 and 6,860; ours shares the latter by data, which is within 2
updates of the peer's in every round. States in float64, one thread, one process at a time, the two sides in turn.

The clocks hold what a user waits for: rollouts, labels and training, of BC too. Imports, a small run that loads what is
loaded late, and evaluation are outside. What belongs to imitation is left to it (a Gaussian head and its likelihood,
sampled actions while it collects); what is not learning is off there: progress bar, log, rollouts for the log. Drift is
that of the mean action, measured here for both by the same code under the same starts and noise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from publish import RESULTS, publish, table
from vs_imitation_ours import DIALS, LABELS, UPDATES, Regulator, Tracking, write_task

import il_bench as il
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.fit.fitting import restore
from il_bench.nets.mlp import MLPPolicy

HERE = Path(__file__).parent
PINS = (
    "torch==2.13.0",
    "imitation==1.0.1",
)  # in this order: the second must find a torch of the first's version
NAMES = {"bc": "BC", "dagger": "DAgger"}
SEEDS = {"bc": 5, "dagger": 3}  # drift has heavy tails, and BC is cheap
MANY, EVALUATED, GOAL_ONE, GOAL_MANY = 64, 64, 30, 150


def peer_python(folder: Path) -> str:
    """The interpreter of the peer's environment, which is built where it is not there yet.

    Raises:
        SystemExit: in one sentence, when it cannot be built.
    """
    python = str(folder / "bin" / "python")
    if (folder / "ready").exists():
        return python
    print(f"building {folder} with {' and '.join(PINS)}: two minutes, once", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    steps = [
        [shutil.which("python3.11") or sys.executable, "-m", "venv", str(folder)],
        *([*pip, pin] for pin in PINS),
    ]
    for step in steps:
        if subprocess.run(step, stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(
                f"peer: expected {folder} to be built, but `{' '.join(step)}` failed as said above; "
                "it needs a package index, or build it by hand as this file's head says"
            )
    (folder / "ready").touch()
    return python


class Session:
    """Runs both sides' processes, one at a time, and says how far it is."""

    def __init__(self, peer: str, folder: Path):
        self.peer, self.folder, self.task = peer, folder, folder / "task.npz"
        self.done, self.of, self.began = (
            0,
            sum(2 * count + 1 for count in SEEDS.values()),
            time.perf_counter(),
        )
        write_task(self.task)

    def ours(self, algorithm: str, seed: int, runs: int) -> dict[str, Any]:
        """What il_bench's process leaves: each dial's clocks, counts and arrays."""
        script = [
            sys.executable,
            str(HERE / "vs_imitation_ours.py"),
            str(self.task),
            algorithm,
            str(seed),
            str(runs),
        ]
        return self._run(
            "il_bench",
            script,
            f"{NAMES[algorithm]}, " + (f"seed {seed}" if runs == 1 else f"{runs} runs"),
        )

    def theirs(self, algorithm: str, seed: int) -> dict[str, Any]:
        """What imitation's process leaves, likewise."""
        script = [
            self.peer,
            str(HERE / "vs_imitation_peer.py"),
            str(self.task),
            algorithm,
            str(seed),
        ]
        return self._run("imitation", script, f"{NAMES[algorithm]}, seed {seed}")

    def _run(self, side: str, command: list[str], words: str) -> dict[str, Any]:
        self.done += 1
        out, quiet = (
            self.folder / f"{self.done}.npz",
            {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        )
        ended = subprocess.run(
            [*command, str(out)], env=os.environ | quiet, capture_output=True, text=True
        )
        if ended.returncode:
            raise SystemExit(f"{side}: `{' '.join(command)}` failed:\n{ended.stderr[-3000:]}")
        held = dict(np.load(out))
        spent = ", ".join(f"{held[f'{i}/spent'][0]:.2f}" for i in range(len(DIALS)))
        elapsed = time.perf_counter() - self.began
        print(
            f"[{self.done:2d} of {self.of}, {elapsed:3.0f} s] {side:9s} {words}: processor {spent} s",
            flush=True,
        )
        return held


def policy_of(held: dict[str, Any], which: int) -> MLPPolicy:
    """A side's policies on dial number `which`; the peer's one network acts on observations and actions as they are."""
    part = {k.partition("/")[2]: v for k, v in held.items() if k.startswith(f"{which}/")}
    if "weight0" not in part:
        arrays = {
            k: torch.from_numpy(v) for k, v in part.items() if k.startswith(("layer.", "scaling."))
        }
    else:
        arrays = {
            f"layer.{2 * i:02d}": torch.from_numpy(part[f"weight{i}"].T.copy())[None]
            for i in range(3)
        }
        arrays |= {
            f"layer.{2 * i + 1:02d}": torch.from_numpy(part[f"bias{i}"])[None, None]
            for i in range(3)
        }
        for name, size in (("mean", 4), ("std", 4), ("shift", 2), ("scale", 2)):
            arrays[f"scaling.{name}"] = torch.full((1, 1, size), float(name in ("std", "scale")))
    policy = restore("mlp", arrays, Tracking.action_space)
    assert isinstance(policy, MLPPolicy)
    return policy


def drift(session: Session, policy: MLPPolicy, which: int, first: int) -> list[float]:
    """Each run's median distance from the expert's twin at the horizon, over rollouts that no learner has seen."""
    env = Tracking(
        task=str(session.task),
        lipschitz=DIALS[which],
        seed=tuple(range(first, first + policy.runs)),
    )
    streams = il.Streams(env.seeds).fork("evaluation")
    drivers = by_expert(env, Regulator(env)), by_policy(env, policy)
    ends = [rollout(env, drive, streams, EVALUATED).state[:, :, -1] for drive in drivers]
    return env.distance(*ends).quantile(0.5, 1).tolist()


def measure(session: Session) -> list[dict[str, Any]]:
    """One row for each process and dial: who, what, seconds, memory, drift; labels and updates are checked."""
    rows = []
    for algorithm in NAMES:
        tasks = [
            (side, seed) for seed in range(SEEDS[algorithm]) for side in ("imitation", "il_bench")
        ] + [("il_bench, 64", 0)]
        for side, seed in tasks:
            runs = MANY if side == "il_bench, 64" else 1
            held = (
                session.theirs(algorithm, seed)
                if side == "imitation"
                else session.ours(algorithm, seed, runs)
            )
            for which, big in enumerate(DIALS):
                counts = int(held[f"{which}/labels"]), int(held[f"{which}/updates"])
                assert counts == (LABELS[algorithm], UPDATES[algorithm]), (
                    f"{side} {algorithm}: {counts}"
                )
                cpu, wall = (float(seconds) / runs for seconds in held[f"{which}/spent"])
                rows.append({
                    "side": side, "algorithm": algorithm, "lipschitz": big, "seed": seed, "cpu": cpu, "wall": wall,
                    "memory": int(held["memory"]), "drift": drift(session, policy_of(held, which), which, seed),
                })  # fmt: skip
                if side == "imitation":
                    rows[-1] |= {
                        "collecting": held[f"{which}/collecting"].tolist(),
                        "versions": held["versions"].tolist(),
                    }
    return rows


def pick(rows: list[dict[str, Any]], side: str, algorithm: str, big: float) -> list[dict[str, Any]]:
    """The rows of one cell, by seed."""
    return [
        r for r in rows if (r["side"], r["algorithm"], r["lipschitz"]) == (side, algorithm, big)
    ]


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each algorithm and dial: medians over seeds, and ratios of pairs with one seed."""
    found = []
    for algorithm in NAMES:
        for big in DIALS:
            peer, one, many = (
                pick(rows, side, algorithm, big)
                for side in ("imitation", "il_bench", "il_bench, 64")
            )
            cell: dict[str, Any] = {"algorithm": algorithm, "lipschitz": big}
            for clock in ("cpu", "wall"):
                ratios = [p[clock] / o[clock] for p, o in zip(peer, one, strict=True)]
                cell |= {
                    f"{clock}_ratios": ratios,
                    f"{clock}_ratio_64": median(p[clock] for p in peer) / many[0][clock],
                }
            for name, part in (("imitation", peer), ("il_bench", one), ("il_bench_64", many)):
                cell[name] = {
                    key: median(r[key] for r in part) for key in ("cpu", "wall", "memory")
                }
                cell[name]["drift"] = median(d for r in part for d in r["drift"])
            found.append(cell)
    return found


def words(cells: list[dict[str, Any]]) -> str:
    """What was found, in one sentence, and what it cost in memory."""
    one, many = [], []
    for algorithm in NAMES:
        part = [c for c in cells if c["algorithm"] == algorithm]
        one.append(f"{median(r for c in part for r in c['cpu_ratios']):.0f} × ({NAMES[algorithm]})")
        many.append(f"{median(c['cpu_ratio_64'] for c in part):.0f} × ({NAMES[algorithm]})")
    smaller = sum(c["il_bench"]["drift"] <= c["imitation"]["drift"] for c in cells)
    memory = [
        max(c[side]["memory"] for c in cells) / 1e9
        for side in ("imitation", "il_bench", "il_bench_64")
    ]
    return (
        f"At equal labels and updates, imitation 1.0.1 takes {' and '.join(one)} the processor time of one il_bench run "
        f"(goal: {GOAL_ONE} ×), and {' and '.join(many)} that of a run among {MANY} (goal: {GOAL_MANY} ×), at equal or "
        f"smaller drift in {smaller} of {len(cells)} cases (goal: all); memory at its peak {memory[0]:.2f} GB there, "
        f"{memory[1]:.2f} here, {memory[2]:.2f} for {MANY} runs."
    )


def line(cell: dict[str, Any]) -> list[str]:
    """One row of the table."""
    peer, one, many = cell["imitation"], cell["il_bench"], cell["il_bench_64"]
    drifts = [f"{part['drift']:.2g}" for part in (peer, one, many)]
    seconds = [f"{part['cpu']:.2g} ({part['wall']:.2g})" for part in (peer, one)]
    return [
        NAMES[cell["algorithm"]], f"{cell['lipschitz']:g}", *seconds, f"{median(cell['cpu_ratios']):.0f} ×",
        f"{many['cpu']:.2g} ({many['wall']:.2g})", f"{cell['cpu_ratio_64']:.0f} ×", *drifts,
    ]  # fmt: skip


def main() -> None:
    """A few seeds of both algorithms on three dials in both libraries, and 64 seeds at once in ours."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--peer",
        type=Path,
        default=RESULTS / "peer",
        help="folder of the peer's virtual environment",
    )
    peer = peer_python(parser.parse_args().peer.absolute())
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        session = Session(peer, Path(folder))
        rows = measure(session)
    cells, versions = summary(rows), rows[0]["versions"]
    header = [
        "learner", "L", "imitation: processor (wall), s", "il_bench", "ratio", f"a run among {MANY}", "ratio",
        "D at t = 100: imitation", "il_bench", f"il_bench, {MANY} seeds",
    ]  # fmt: skip
    for row in rows:
        row.pop("versions", None)
    lines = table(header, [line(cell) for cell in cells])
    publish("vs_imitation", words(cells), lines, cells=cells, rows=rows, peer=versions)


if __name__ == "__main__":
    main()

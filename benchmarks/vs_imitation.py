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
from claims import Claim, goal
from publish import RESULTS, publish, table
from vs_imitation_ours import DIALS, LABELS, UPDATES, Regulator, Tracking, write_task

import il_bench as il
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.fit.fitting import restore
from il_bench.nets.mlp import MLPPolicy

HERE = Path(__file__).parent
PINS = "torch==2.13.0", "imitation==1.0.1"
"""In this order: the second must find a torch of the first's version."""
NAMES = {"bc": "BC", "dagger": "DAgger"}
SEEDS = {"bc": 5, "dagger": 3}
"""Drift has heavy tails, and BC is cheap."""
SIDES = {"imitation": "imitation", "il_bench": "il_bench", "il_bench_64": "il_bench, 64"}
"""How a side is named in a cell, and in a row."""
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
        self.peer = peer
        self.folder = folder
        self.task = folder / "task.npz"
        self.done = 0
        self.of = sum(2 * count + 1 for count in SEEDS.values())
        self.began = time.perf_counter()
        write_task(self.task)

    def ours(self, algorithm: str, seed: int, runs: int) -> dict[str, Any]:
        """What il_bench's process leaves: each dial's clocks, counts and arrays."""
        command = self._command("ours", algorithm, seed)
        command.append(str(runs))
        which = f"seed {seed}" if runs == 1 else f"{runs} runs"
        return self._run("il_bench", command, f"{NAMES[algorithm]}, {which}")

    def theirs(self, algorithm: str, seed: int) -> dict[str, Any]:
        """What imitation's process leaves, likewise."""
        command = self._command("peer", algorithm, seed)
        return self._run("imitation", command, f"{NAMES[algorithm]}, seed {seed}")

    def _command(self, side: str, algorithm: str, seed: int) -> list[str]:
        python = self.peer if side == "peer" else sys.executable
        script = HERE / f"vs_imitation_{side}.py"
        return [python, str(script), str(self.task), algorithm, str(seed)]

    def _run(self, side: str, command: list[str], words: str) -> dict[str, Any]:
        self.done += 1
        out = self.folder / f"{self.done}.npz"
        surroundings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        ended = subprocess.run(
            [*command, str(out)], env=surroundings, capture_output=True, text=True
        )
        if ended.returncode:
            raise SystemExit(f"{side}: `{' '.join(command)}` failed:\n{ended.stderr[-3000:]}")
        arrays = dict(np.load(out))
        spent = ", ".join(f"{arrays[f'{i}/spent'][0]:.2f}" for i in range(len(DIALS)))
        elapsed = time.perf_counter() - self.began
        place = f"[{self.done:2d} of {self.of}, {elapsed:3.0f} s]"
        print(f"{place} {side:9s} {words}: processor {spent} s", flush=True)
        return arrays


def policy_of(arrays: dict[str, Any], which: int) -> MLPPolicy:
    """A side's policies on dial number `which`; the peer's one network acts on observations and actions as they are."""
    start = f"{which}/"
    part = {name.removeprefix(start): v for name, v in arrays.items() if name.startswith(start)}
    weights = of_peer(part) if "weight0" in part else of_ours(part)
    policy = restore("mlp", weights, Tracking.action_space)
    assert isinstance(policy, MLPPolicy)
    return policy


def of_ours(part: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The arrays of our policies among the rest."""
    names = [name for name in part if name.startswith(("layer.", "scaling."))]
    return {name: torch.from_numpy(part[name]) for name in names}


def of_peer(part: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The peer's network as one of ours, without scaling."""
    arrays = {}
    for layer in range(3):
        weight = part[f"weight{layer}"].T.copy()
        bias = part[f"bias{layer}"]
        first = 2 * layer
        second = first + 1
        arrays[f"layer.{first:02d}"] = torch.from_numpy(weight)[None]
        arrays[f"layer.{second:02d}"] = torch.from_numpy(bias)[None, None]
    for name, size in (("mean", 4), ("std", 4), ("shift", 2), ("scale", 2)):
        value = float(name in ("std", "scale"))
        arrays[f"scaling.{name}"] = torch.full((1, 1, size), value)
    return arrays


def drift(session: Session, policy: MLPPolicy, which: int, first: int) -> list[float]:
    """Each run's median distance from the expert's twin at the horizon, over rollouts that no learner has seen."""
    seeds = tuple(range(first, first + policy.runs))
    env = Tracking(task=str(session.task), lipschitz=DIALS[which], seed=seeds)
    streams = il.Streams(env.seeds).fork("evaluation")
    expert = Regulator(env)
    ends = []
    for driver in (by_expert(env, expert), by_policy(env, policy)):
        states = rollout(env, driver, streams, EVALUATED).state
        ends.append(states[:, :, -1])
    distance = env.distance(*ends)
    return distance.quantile(0.5, 1).tolist()


def measure(session: Session) -> list[dict[str, Any]]:
    """One row for each process and dial: who, what, seconds, memory, drift; labels and updates are checked."""
    rows = []
    for algorithm, count in SEEDS.items():
        for seed in range(count):
            theirs = session.theirs(algorithm, seed)
            rows += rows_of(session, theirs, "imitation", algorithm, seed)
            ours = session.ours(algorithm, seed, 1)
            rows += rows_of(session, ours, "il_bench", algorithm, seed)
        many = session.ours(algorithm, 0, MANY)
        rows += rows_of(session, many, "il_bench, 64", algorithm, 0)
    return rows


def rows_of(
    session: Session, arrays: dict[str, Any], side: str, algorithm: str, seed: int
) -> list[dict[str, Any]]:
    """A row for each dial of one process."""
    rows = []
    runs = MANY if side == "il_bench, 64" else 1
    for which, big in enumerate(DIALS):
        counts = int(arrays[f"{which}/labels"]), int(arrays[f"{which}/updates"])
        expected = LABELS[algorithm], UPDATES[algorithm]
        assert counts == expected, f"{side} {algorithm}: {counts}"
        cpu, wall = (float(seconds) / runs for seconds in arrays[f"{which}/spent"])
        row = {"side": side, "algorithm": algorithm, "lipschitz": big, "seed": seed}
        row |= {"cpu": cpu, "wall": wall, "memory": int(arrays["memory"])}
        row["drift"] = drift(session, policy_of(arrays, which), which, seed)
        if side == "imitation":
            row["collecting"] = arrays[f"{which}/collecting"].tolist()
            row["versions"] = arrays["versions"].tolist()
        rows.append(row)
    return rows


def pick(rows: list[dict[str, Any]], side: str, algorithm: str, big: float) -> list[dict[str, Any]]:
    """The rows of one cell, by seed."""
    place = side, algorithm, big
    keys = "side", "algorithm", "lipschitz"
    return [row for row in rows if tuple(row[key] for key in keys) == place]


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each algorithm and dial: medians over seeds, and ratios of pairs with one seed."""
    return [cell_of(rows, algorithm, big) for algorithm in NAMES for big in DIALS]


def cell_of(rows: list[dict[str, Any]], algorithm: str, big: float) -> dict[str, Any]:
    """One of them."""
    parts = {name: pick(rows, side, algorithm, big) for name, side in SIDES.items()}
    peer, one, (many,) = parts.values()
    cell: dict[str, Any] = {"algorithm": algorithm, "lipschitz": big}
    for clock in ("cpu", "wall"):
        pairs = zip(peer, one, strict=True)
        ratios = [theirs[clock] / ours[clock] for theirs, ours in pairs]
        usual = median(row[clock] for row in peer)
        cell[f"{clock}_ratios"] = ratios
        cell[f"{clock}_ratio_64"] = usual / many[clock]
    for name, part in parts.items():
        cell[name] = middles(part)
    return cell


def middles(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of one side."""
    drifts = [drift for row in rows for drift in row["drift"]]
    numbers: dict[str, Any] = {"drift": median(drifts), "drifts": drifts}
    for name in ("cpu", "wall", "memory"):
        numbers[name] = median(row[name] for row in rows)
    return numbers


def claims(cells: list[dict[str, Any]]) -> list[Claim]:
    """What is said of seconds, drift and memory, with its conditions."""
    memory = [max(cell[name]["memory"] for cell in cells) / 1e9 for name in SIDES]
    theirs, ours, many = (f"{size:.2f} GB" for size in memory)
    return [
        faster(cells, "cpu_ratios", "one il_bench run", GOAL_ONE),
        faster(cells, "cpu_ratio_64", f"a run among {MANY}", GOAL_MANY),
        *(no_further(cell) for cell in cells),
        Claim(f"Memory at its peak is {theirs} there, {ours} here and {many} for {MANY} runs."),
    ]


def faster(cells: list[dict[str, Any]], key: str, what: str, least: int) -> Claim:
    """That imitation takes so many times the processor time, at equal labels and updates."""
    ratios = {
        name: median(np.hstack([cell[key] for cell in cells if cell["algorithm"] == algorithm]))
        for algorithm, name in NAMES.items()
    }
    spoken = " and ".join(f"{ratio:.0f} × ({name})" for name, ratio in ratios.items())
    words = (
        "At equal labels and updates, imitation 1.0.1 takes "
        f"{spoken} the processor time of {what} (goal: {least} ×)"
    )
    return goal(words, min(ratios.values()) >= least)


def no_further(cell: dict[str, Any]) -> Claim:
    """That our runs do not drift further than the peer's few; the two share no seeds, so nothing is paired."""
    theirs, ours = (cell[name]["drifts"] for name in ("imitation", "il_bench_64"))
    above = sum(drift >= cell["il_bench_64"]["drift"] for drift in theirs)
    where = f"{NAMES[cell['algorithm']]}, L = {cell['lipschitz']:g}"
    words = (
        f"{median(ours):.2g} here ({len(ours)} runs), {median(theirs):.2g} there ({len(theirs)})"
    )
    return Claim(
        f"{where}: median D is no larger, {words}, and {above} of its {len(theirs)} runs are at or "
        "above ours.",
        median(ours) <= median(theirs),
        f"{where}: median D is larger, {words}.",
    )


def line(cell: dict[str, Any]) -> list[str]:
    """One row of the table."""
    parts = [cell[name] for name in SIDES]
    theirs, ours, many = map(clocks, parts)
    ratio = median(cell["cpu_ratios"])
    return [
        NAMES[cell["algorithm"]],
        f"{cell['lipschitz']:g}",
        theirs,
        ours,
        f"{ratio:.0f} ×",
        many,
        f"{cell['cpu_ratio_64']:.0f} ×",
        *(f"{part['drift']:.2g}" for part in parts),
    ]


def clocks(part: dict[str, Any]) -> str:
    """Seconds of the processor, and on the wall."""
    return f"{part['cpu']:.2g} ({part['wall']:.2g})"


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
    cells = summary(rows)
    versions = rows[0]["versions"]
    header = [
        "learner",
        "L",
        "imitation: processor (wall), s",
        "il_bench",
        "ratio",
        f"a run among {MANY}",
        "ratio",
        "D at t = 100: imitation",
        "il_bench",
        f"il_bench, {MANY} seeds",
    ]
    for row in rows:
        row.pop("versions", None)
    lines = table(header, [line(cell) for cell in cells])
    publish("vs_imitation", claims(cells), lines, cells=cells, rows=rows, peer=versions)


if __name__ == "__main__":
    main()

"""Tasks and learners: what is imitated and by whom, in one place for the benchmarks that compare learners."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import il_bench as il
from il_bench.jobs.matched import MATCHED
from il_bench.records.rows import VARIABLES
from il_bench.stats.intervals import Contrast, contrast

ROUNDS = 8
"""Of learners that have rounds; each collects an eighth of the demonstrations."""
MEASURES = {"drift": "D at the end", "cost_gap": "return lost", "ended": "falls"}
"""By what a copy can be judged, less of which is better."""
OFTEN, SELDOM = 0.8, 0.1
"""Goals on the fork: how often squared error runs into the island, and densities at most."""
COUNTS = il.Training("table")
COUNTS_PER_STEP = il.Training("table-per-step")


@dataclass(frozen=True)
class Task:
    """What is imitated, from how much, and by what number a copy of it is judged.

    Attributes:
        env: its name.
        settings: those that are not its defaults.
        measure: one of `MEASURES`.
        demonstrations: episodes' worth of labels, a multiple of `ROUNDS`.
        training: how labels become a policy.
        runs: seeds.
        episodes: twin rollouts of each run.
    """

    env: str
    settings: dict[str, Any] = field(default_factory=dict)
    measure: str = "drift"
    demonstrations: int = 8
    training: il.Training = field(default_factory=il.Training)
    runs: int = 8
    episodes: int = 16

    def make(self, first: int = 0) -> il.Env:
        """The environment of all runs; the first seed is `first`."""
        seeds = range(first, first + self.runs)
        return il.make(self.env, seeds=seeds, **self.settings)

    def learner(self, name: str) -> Any:
        """A learner by its name in `LEARNERS`, with this task's demonstrations and training."""
        algorithm, settings = LEARNERS[name]
        cls = il.LEARNERS[algorithm]
        in_rounds = {"rounds": ROUNDS, "episodes": self.demonstrations // ROUNDS}
        once = {"episodes": self.demonstrations}
        size = in_rounds if "rounds" in cls.__dataclass_fields__ else once
        training = self.training
        if "net" in settings:
            training = il.Training(settings["net"], updates=training.updates)
        own = {key: value for key, value in settings.items() if key != "net"}
        return cls(**size, training=training, **own)

    def record(self, names: tuple[str, ...], first: int = 0) -> il.Record:
        """Learners compared at equal labels, run by run, and equal updates, where there are several."""
        env = self.make(first)
        learners = {name: self.learner(name) for name in names}
        match = MATCHED if len(names) > 1 else ()
        return il.matched(env, il.expert(env), learners, match, self.episodes)

    def numbers(self, record: il.Record, name: str) -> np.ndarray:
        """What each run (R,) of a learner is judged by."""
        each = VARIABLES[self.measure].measure(record, record.number_of(name))
        return each[:, -1] if self.measure == "drift" else each

    def beside(self, ours: np.ndarray, theirs: np.ndarray) -> Contrast:
        """One learner's numbers (R,) beside another's of the same runs: shares by their difference."""
        ratio = False if self.measure == "ended" else None
        return contrast(ours, theirs, ratio)


LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bc": ("bc", {}),
    "noise": ("noise", {}),
    "noise, noised labels": ("noise", {"label": "noised"}),
    "dart": ("dart", {}),
    "dagger": ("dagger", {}),
    "smile": ("smile", {}),
    "gated": ("gated", {}),
    "aggrevate": ("aggrevate", {}),
    "lols": ("lols", {}),
    "chunk": ("chunk", {}),
    "chunk of 16": ("chunk", {"chunk": 16}),
    "chunk, replanned": ("chunk", {"execute": 1}),
    "tasil": ("tasil", {}),
    "mdn": ("bc", {"net": "mdn"}),
    "flow": ("bc", {"net": "flow"}),
    "dagger, mdn": ("dagger", {"net": "mdn"}),
    "dagger, flow": ("dagger", {"net": "flow"}),
    "finetune": ("finetune", {"practice": il.Practice(steps=8192, gamma=0.9, rate=1e-3)}),
}
"""Algorithm and settings, by the name in the tables."""

LONG = il.Training(updates=8000)
FORK = Task("fork", measure="ended", demonstrations=32, training=LONG, episodes=64)
CLIFF = {"horizon": 80, "actions": 200, "rarity": 400.0}

TASKS = {
    "tube, L = 1.2": Task("tube", {"lipschitz": 1.2}),
    "tube, L = 1.2, noise .05": Task("tube", {"lipschitz": 1.2, "noise": 0.05}),
    "tube, L = .8": Task("tube", {"lipschitz": 0.8}),
    "tube, a gate's labels": Task("tube", {"lipschitz": 1.2}),
    "linear, L = 1.2": Task("linear", {"lipschitz": 1.2}),
    "linear, L = 1.2, noise .05": Task("linear", {"lipschitz": 1.2, "noise": 0.05}),
    "lane, L = 1.2": Task("lane", {"lipschitz": 1.2}),
    "lane, L = 1.2, wind .005": Task("lane", {"lipschitz": 1.2, "wind": 0.005}),
    "lane, a gate's labels": Task("lane", {"lipschitz": 1.2}),
    "pair, system 1": Task("pair", demonstrations=96),
    "sign, system 1": Task("sign", demonstrations=96),
    "power, p = 1": Task("power", {"p": 1.0}),
    "power, p = 3": Task("power", {"p": 3.0}),
    "power, p = 5": Task("power", {"p": 5.0}),
    "arm, by position": Task("arm", {"control": "position"}),
    "arm, by torque": Task("arm", {"control": "torque"}),
    "arm, by torque, tremor .05": Task("arm", {"control": "torque", "tremor": 0.05}),
    "quad": Task("quad", measure="ended"),
    "quad, a gate's labels": Task("quad", measure="ended"),
    "quad, wind .05": Task("quad", {"wind": 0.05}, measure="ended"),
    "fork": FORK,
    "fork, DAgger's labels": FORK,
    "fork, its expert yields": dataclasses.replace(FORK, settings={"yields": True}),
    "trap": Task("trap", {}, "cost_gap", 40, COUNTS, episodes=64),
    "parity": Task("parity", {}, "cost_gap", 40, COUNTS, episodes=64),
    "recover, k = 8": Task("recover", {}, "cost_gap", 40, COUNTS, episodes=64),
    "cliff with a way back": Task(
        "resetcliff", CLIFF, "cost_gap", 400, COUNTS_PER_STEP, episodes=32
    ),
    "cliff without": Task(
        "resetcliff", CLIFF | {"recoverable": False}, "cost_gap", 400, COUNTS_PER_STEP, episodes=32
    ),
}
"""What is imitated, by its name in the tables."""

"""TensorBoard, stable-baselines3's habit: drift, loss and exposure gap of every learner, round by round.

`python -m il_bench.run --tensorboard logs` writes what `tensorboard --logdir logs` shows. Weights & Biases takes the same
through its own synchronisation: `wandb.init(sync_tensorboard=True)` before `il_bench` is asked to log.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.streams import Streams
from ..records.twins import compare
from ..stats.intervals import mean_error, ratio

EPISODES = 8
"""Twin rollouts of each run after each round, on starts that neither training nor evaluation uses."""


def watcher(folder: Path, env: Env, expert: Expert, learner: str) -> Callable[[Policy, Log], None]:
    """What to call with a policy and its log whenever it has been fitted: it rolls out twins and writes their numbers.

    Args:
        folder: of the logs; each learner has its own in it.
        env: the environment, R runs; medians over the runs of each setting are written.
        expert: who is imitated.
        learner: its name.

    Raises:
        ValueError: where tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise ValueError(
            'tensorboard: it is not installed; pip install "il-bench[tensorboard]"'
        ) from None
    writer = SummaryWriter(str(folder / learner))
    streams = Streams(env.seeds, env.device).fork("tensorboard")

    def write(policy: Policy, log: Log) -> None:
        found = compare(env, expert, {learner: policy}, episodes=EPISODES, streams=streams)
        a = found.arrays
        off, on = (mean_error(a[f"error_{where}"][1], a["broke"][1]) for where in ("off", "on"))
        numbers = {
            "drift": found.drift(1, env.horizon), "exposure gap": ratio(on, off), "error on": on, "error off": off,
            "cost gap": found.cost_gap(1), "loss": np.asarray(log.loss, dtype=float),
        }  # fmt: skip
        for key, runs in found.groups().items():
            where = ", ".join(f"{'L' if k == 'lipschitz' else k} = {v:g}" for k, v in key)
            for name, values in numbers.items():
                writer.add_scalar(
                    f"{name}/{where or 'all runs'}", _middle(values, runs), log.updates
                )
        writer.flush()

    return write


def _middle(values: Any, runs: np.ndarray) -> float:
    """Median over some runs; NaN where nothing is known."""
    return float(np.median(values[runs])) if values.ndim else float(values)

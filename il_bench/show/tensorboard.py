"""TensorBoard, stable-baselines3's habit: drift, loss and exposure gap of every learner, round by round.

`python -m il_bench.run --tensorboard logs` writes what `tensorboard --logdir logs` shows. Weights & Biases takes the same
through its own synchronisation: `wandb.init(sync_tensorboard=True)` before `il_bench` is asked to log.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.streams import Streams
from ..records.twins import compare
from .words import settings_text

EPISODES = 8
"""Twin rollouts of each run after each round, on starts that neither training nor evaluation uses."""


SCALARS = {
    "exposure gap": "exposure",
    "error on": "error_on",
    "error off": "error_off",
    "cost gap": "cost_gap",
    "return": "return",
}
"""What is written beside drift and loss, and the column of the table that it is."""


def watcher(folder: Path, env: Env, expert: Expert, learner: str) -> Callable[[Policy, Log], None]:
    """What to call with a policy and its log whenever it has been fitted: it rolls out twins and writes their numbers.

    Args:
        folder: of the logs; each learner has its own in it.
        env: the environment, R runs; medians over the runs of each setting are written.
        expert: who is imitated.
        learner: its name.

    What cannot be written any more, on a disk that has become full, is warned of: it costs no training.

    Raises:
        ValueError: where tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise ValueError(
            'tensorboard: it is not installed; pip install "il-bench[tensorboard]"'
        ) from None
    # Its thread writes when it likes, wherever the process is by then.
    place = (folder / learner).absolute()
    writer = SummaryWriter(str(place))
    streams = Streams(env.seeds, env.device).fork("tensorboard")

    def add(policy: Policy, log: Log) -> None:
        record = compare(env, expert, {learner: policy}, episodes=EPISODES, streams=streams)
        loss = np.asarray(log.loss, dtype=float)
        runs_of = record.groups().values()
        for row, runs in zip(record.rows(at=(env.horizon,)), runs_of, strict=True):
            where = settings_text(row["settings"].items()) or "all runs"
            numbers = {"drift": row["drift"][env.horizon].value, "loss": _middle(loss, runs)}
            numbers |= {tag: row[column].value for tag, column in SCALARS.items()}
            for tag, value in numbers.items():
                writer.add_scalar(f"{tag}/{where}", value, log.updates)

    def write(policy: Policy, log: Log) -> None:
        try:
            add(policy, log)
            writer.flush()
        except OSError as error:
            reason = error.strerror or error
            warnings.warn(f"tensorboard: {folder} cannot be written ({reason})", stacklevel=2)

    return write


def _middle(values: Any, runs: np.ndarray) -> float:
    """Median over some runs; NaN where nothing is known."""
    return float(np.median(values[runs])) if values.ndim else float(values)

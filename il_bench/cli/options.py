"""What the command is asked for, and how a command says what it cannot do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """What to run, and where to leave it."""

    env: str = "lane"
    """Environment: a registered name, module:Class, or a Gymnasium id such as Pendulum-v1."""
    algo: tuple[str, ...] = ("dagger",)
    """Learners: registered names or module:Class; beside a single one behaviour cloning is trained, matched to it."""
    match: tuple[str, ...] = ()
    """What several learners are given the same of: some of labels, updates and steps; the rest is shown beside."""
    expert: str | None = None
    """Expert: a registered name, module:Class, module:function or sb3:PATH; the environment's own by default."""
    trust: bool = False
    """The author of the zip in --expert sb3:PATH is trusted: opening it runs what was serialised into it."""
    seeds: int = 8
    """Independent runs (seeds 0, 1, ...) of every setting."""
    rollouts: int = 64
    """Twin rollouts of each run, on seeds that no learner has seen."""
    sample: bool = False
    """Let policies act by chance in the evaluation, not deterministically."""
    device: str = "cpu"
    """Where to compute: cpu or cuda."""
    threads: int = 1
    """Threads of torch; one is fastest for many small runs."""
    out: Path | None = None
    """Folder for the Record; by default the next free runs/ENV-ALGO-NUMBER."""
    video: bool = True
    """Make the film."""
    memory: float = 0.0
    """Gigabytes that this may take, at most; 0 sets no limit. What takes more is refused (a sweep is split instead)."""
    tensorboard: Path | None = None
    """Folder for TensorBoard: drift, loss and exposure gap of each learner, round by round."""
    checkpoint_every: int = 0
    """Keep every so many rounds of a learner that has rounds, so that the same command goes on after an interruption."""

"""Workers: batches computed side by side, here or on a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..cli.progress import progress
from ..core.files import sweep_away
from ..core.settings import require
from ..records import rows
from . import store
from .lifeline import end_with
from .plan import Group, SweepOptions


def compute(folder: str, group: Group, device: str = "cpu", parent: int | None = None) -> int:
    """Train, roll out as twins, and write one batch; what a worker does.

    Args:
        folder: of the results.
        group: the batch.
        device: cpu or cuda.
        parent: the process with which a worker is to end, if it is one.

    Returns:
        How many runs were written.
    """
    import torch

    from ..records.twins import compare

    if parent is not None:
        end_with(parent)
    torch.set_num_threads(1)
    env, learner = group.things(device)
    expert = group.expert(env)
    policy = learner.learn(env, expert)
    comparison = compare(
        env,
        expert,
        {group.algo: policy},
        episodes=group.common["rollouts"],
        sample=group.common["sample"],
    )
    store.write(Path(folder), group.identities(), rows.numbers(comparison))
    return group.runs


KILLED = ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")
"""What joblib's backends raise when a worker was killed."""


GONE = ("FutureCancelledError", "CancelledError", "CommClosedError")
"""What Dask raises when its scheduler was."""


def processes(options: SweepOptions) -> int:
    """How many processes."""
    return options.jobs or (os.cpu_count() or 1)


def carry_out(options: SweepOptions, batches: list[Group]) -> None:
    """Compute batches side by side and show how far they are; each is kept as soon as it is finished."""
    if options.out.is_dir():
        sweep_away(options.out)
    total, finished = sum(batch.runs for batch in batches), 0
    with progress(counted=True) as add:
        report = add("runs", total)
        try:
            for runs in outcomes(options, batches):
                finished += runs
                report(finished, "")
        except KeyboardInterrupt:
            _stop_workers()
            kept = f"{finished:,} of {total:,} runs are kept in {options.out}"
            words = f"\nil_bench: interrupted; {kept}, the same command does the rest"
            print(words, file=sys.stderr, flush=True)
            os._exit(130)


def outcomes(options: SweepOptions, batches: list[Group]) -> Iterator[int]:
    """How many runs each batch wrote, as batches finish; a batch whose worker was killed is tried again."""
    for attempt in range(3):
        done = store.keys(options.out) if attempt else set()
        left = [batch for batch in batches if not done.issuperset(batch.keys())]
        try:
            yield from _parallel(options, left)
            return
        except Exception as error:
            # Named, not imported: which of these exist depends on the backend.
            require(
                type(error).__name__ not in GONE,
                f"scheduler: the cluster went away; what is finished is kept in {options.out}, start the cluster again "
                "and give the same command",
            )
            if type(error).__name__ not in KILLED:
                raise
            print(
                f"a worker was killed; going on with what is left ({type(error).__name__})",
                file=sys.stderr,
            )
    raise ValueError(
        "sweep: workers were killed three times, perhaps for memory; try a smaller --batch or --jobs 1"
    )


def _parallel(options: SweepOptions, batches: list[Group]) -> Iterator[int]:
    if processes(options) == 1 and options.backend == "loky":
        yield from (compute(str(options.out), batch, options.device) for batch in batches)
        return
    import joblib

    folder, parent = str(options.out.absolute()), os.getpid() if options.backend == "loky" else None
    with _backend(options):
        parallel = joblib.Parallel(
            processes(options), return_as="generator_unordered", batch_size=1, max_nbytes=None
        )
        work = joblib.delayed(compute)
        yield from parallel(work(folder, batch, options.device, parent) for batch in batches)


def _backend(options: SweepOptions) -> Any:
    """Joblib's configuration: worker processes here, or a Dask cluster."""
    import joblib

    if options.backend == "loky":
        return joblib.parallel_config("loky", inner_max_num_threads=1)
    try:
        from dask.distributed import Client
    except ImportError:
        raise ValueError(
            'backend dask: it is not installed; pip install "il-bench[cluster]"'
        ) from None
    try:
        Client(options.scheduler, timeout=10)
    except OSError as error:
        raise ValueError(
            f"scheduler: nothing answers at {options.scheduler} ({error}); start dask scheduler"
        ) from None
    return joblib.parallel_config("dask")


def _stop_workers() -> None:
    """End loky's processes at once; drafts that they leave are never read."""
    if "joblib" in sys.modules:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=False, kill_workers=True)

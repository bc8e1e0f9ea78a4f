"""`python -m il_bench.sweep --env tube lane --algo bc dagger --lipschitz 0.8:1.3:0.05 --seeds 64 --out results/`.

Every combination of environment, learner and values is trained and measured, batch by batch, on all cores or on a
cluster. Whatever is finished is kept, and the same command goes on where an interrupted one ended: nothing is computed
twice, and a sweep that has grown computes what is new.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import cells, flags, results
from .cells import Group
from .options import told
from .settings import require

KILLED = ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")
"""What joblib's backends raise when a worker was killed."""
GONE = ("FutureCancelledError", "CancelledError", "CommClosedError")
"""What Dask raises when its scheduler was."""


@dataclass(frozen=True)
class Options:
    """Sweep over environments, learners and any of their settings; several values of a flag are all tried."""

    env: tuple[str, ...] = ("tube",)
    """Environments: registered names, module:Class, or Gymnasium ids."""
    algo: tuple[str, ...] = ("bc", "dagger")
    """Learners: registered names or module:Class."""
    expert: str | None = None
    """Expert of every environment: module:Class or module:function; each environment's own by default."""
    seeds: int = 16
    """Independent runs (seeds 0, 1, ...) of every setting."""
    rollouts: int = 64
    """Twin rollouts of each run, on seeds that no learner has seen."""
    sample: bool = False
    """Let policies act by chance in the evaluation, not deterministically."""
    out: Path = Path("results")
    """Folder for the results; what is finished there is not computed again."""
    resume: bool = True
    """Keep what is finished; --no-resume computes everything again."""
    batch: int = 64
    """Runs that are trained side by side, at most."""
    memory: float = 0.0
    """Gigabytes that all processes together may take, at most: batches become small enough; 0 sets no limit."""
    jobs: int = 0
    """Processes, of one thread each; 0 takes one for each core."""
    backend: Literal["loky", "dask"] = "loky"
    """Where batches go: processes here, or a Dask cluster whose workers share the folder --out."""
    scheduler: str | None = None
    """Address of the Dask scheduler, such as tcp://host:8786."""
    device: str = "cpu"
    """Where to compute: cpu or cuda."""


@told
def main(args: list[str]) -> None:
    """The command."""
    options, settings = asked(args)
    pairs = [(env, algo) for env in options.env for algo in options.algo]
    plan, skipped = planned(options, settings, pairs)
    done = results.keys(options.out) if options.resume and options.out.is_dir() else set()
    batches = list(batched(plan, done, options.batch, workers(options), options.memory * 1e9))
    total, left = sum(g.runs for g in plan), sum(g.runs for g in batches)
    for sentence in skipped:
        print(f"left out: {sentence}")
    print(
        f"{total:,} runs, {total - left:,} of them finished before, {left:,} to do in {len(batches)} batches"
    )
    if batches:
        largest = max((cells.memory(batch) for batch in batches), key=lambda memory: memory.total)
        print(f"memory: about {workers(options)} x {largest}")
    carry_out(options, batches)
    print(f"results in {options.out}: python -m il_bench.table {options.out} --by lipschitz,algo")


def asked(args: list[str]) -> tuple[Options, dict[str, list[str]]]:
    """The sweep's own options, and all other flags with their values.

    Raises:
        ValueError: in one sentence, for what cannot be read; SystemExit after help was shown.
    """
    own = {f"--{f.name}" for f in dataclasses.fields(Options)} | {
        "--no-resume",
        "--no-sample",
        "--help",
        "-h",
    }
    helping = [a for a in args if a in ("--help", "-h")]
    found = cells.given([a for a in args if a not in helping])
    mine = [word for k, v in found.items() if k in own for word in (k, *v)]
    about = "Every other flag is a setting of the environments or the learners; first:last:step is a range of numbers."
    options = flags.parsed(Options, [*mine, *helping], "python -m il_bench.sweep", about)
    for name in ("seeds", "rollouts", "batch"):
        require(
            getattr(options, name) >= 1,
            f"{name}: expected at least 1, got {getattr(options, name)}",
        )
    require(
        options.memory >= 0,
        f"memory: expected gigabytes, at least 0, got {options.memory}; 0 sets no limit",
    )
    require(
        options.jobs >= 0,
        f"jobs: expected at least 0, got {options.jobs}; 0 takes one for each core",
    )
    remote = options.backend == "dask"
    require(
        remote or options.scheduler is None,
        "scheduler: it goes with --backend dask; give both or neither",
    )
    require(
        bool(options.env and options.algo),
        "sweep: expected an environment and a learner; name one of each",
    )
    return options, {k: v for k, v in found.items() if k not in own}


def planned(
    options: Options, settings: dict[str, list[str]], pairs: list[tuple[str, str]]
) -> tuple[list[Group], list[str]]:
    """All groups of runs, and sentences about combinations that one environment cannot have but another can.

    Raises:
        ValueError: with all mistakes at once, before anything is computed.
    """
    common = {"expert": options.expert, "rollouts": options.rollouts, "sample": options.sample}
    unknown = cells.unknown(options.env, options.algo)
    known = [pair for pair in pairs if not unknown.keys() & set(pair)]
    # Whether a flag is nobody's can be said only where everybody is known.
    mistakes, plan, envs = list(unknown.values()) or cells.unused(settings, pairs), [], set()
    wrong: dict[str, tuple[str, str]] = {}
    for env, algo in known:
        try:
            for group in cells.groups(env, algo, settings, options.seeds, common):
                fine, refused = cells.possible(group)
                wrong |= {where: (env, why) for where, why in refused.items()}
                if fine:
                    plan.append(group.part(fine))
                    envs.add(env)
        except ValueError as error:
            mistakes.append(f"{env}, {algo}: {error}")
    # What one environment cannot have while it can have the rest, and others too, is left out and said.
    several = len(options.env) > 1
    mistakes += [
        f"{where}: {why}" for where, (env, why) in wrong.items() if not (several and env in envs)
    ]
    require(
        len(set(mistakes)) != 1, f"sweep: {mistakes[0] if mistakes else ''} (nothing was computed)"
    )
    listed = "\n".join(f"  {line}" for line in dict.fromkeys(mistakes))
    require(
        not mistakes,
        f"sweep: {len(set(mistakes))} mistakes, nothing was computed; mend them all:\n{listed}",
    )
    return plan, [f"{where}: {why}" for where, (_, why) in wrong.items()]


def workers(options: Options) -> int:
    """How many processes."""
    return options.jobs or (os.cpu_count() or 1)


def batched(
    plan: list[Group], done: set[str], largest: int, jobs: int, limit: float = 0.0
) -> Iterator[Group]:
    """What is left to do, in batches of at most `largest` runs, small enough that every process has work.

    Raises:
        ValueError: when not even single runs, one in each process, fit into `limit` bytes; 0 sets none.
    """
    for group in plan:
        names = [results.key(identity) for identity in group.identities()]
        left = [run for run, name in enumerate(names) if name not in done]
        size = max(1, min(largest, math.ceil(len(left) / jobs)))
        if left and limit:
            size = min(size, cells.memory(group.part(left)).runs_within(limit / jobs))
        for at in range(0, len(left), size):
            yield group.part(left[at : at + size])


def carry_out(options: Options, batches: list[Group]) -> None:
    """Compute batches side by side and show how far they are; each is kept as soon as it is finished."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    total, finished = sum(b.runs for b in batches), 0
    columns = (
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, TimeRemainingColumn()) as progress:
        bar = progress.add_task("", total=total)
        try:
            for runs in outcomes(options, batches):
                finished += runs
                progress.advance(bar, runs)
        except KeyboardInterrupt:
            progress.stop()
            _stop_workers()
            print(f"\nil_bench: interrupted; {finished:,} of {total:,} runs are kept in {options.out}, the same command "
                  "does the rest", file=sys.stderr)  # fmt: skip
            sys.stderr.flush()
            os._exit(130)


def outcomes(options: Options, batches: list[Group]) -> Iterator[int]:
    """How many runs each batch wrote, as batches finish; a batch whose worker was killed is tried again."""
    for attempt in range(3):
        left = [b for b in batches if not _written(options.out, b)] if attempt else batches
        try:
            yield from _parallel(options, left)
            return
        except (
            Exception
        ) as error:  # named, not imported: which of these exist depends on the backend
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


def _written(folder: Path, batch: Group) -> bool:
    return {results.key(i) for i in batch.identities()} <= results.keys(folder)


def _parallel(options: Options, batches: list[Group]) -> Iterator[int]:
    if workers(options) == 1 and options.backend == "loky":
        yield from (cells.compute(str(options.out), batch, options.device) for batch in batches)
        return
    import joblib

    folder, parent = str(options.out.absolute()), os.getpid() if options.backend == "loky" else None
    with _backend(options):
        parallel = joblib.Parallel(
            workers(options), return_as="generator_unordered", batch_size=1, max_nbytes=None
        )
        work = joblib.delayed(cells.compute)
        yield from parallel(work(folder, batch, options.device, parent) for batch in batches)


def _backend(options: Options) -> Any:
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


if __name__ == "__main__":
    main()

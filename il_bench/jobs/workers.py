"""Workers: batches computed side by side, here or on a cluster; one that fails costs no other.

A batch that fails is tried again in halves, down to single runs: what failed is then known by its settings, and
everything else is finished. A run whose worker ended with it is tried once more, as somebody else may have ended it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from pathlib import Path

from ..cli.console import complain
from ..cli.progress import progress
from ..core import strangers
from ..core.files import DRAFT, sweep_away
from ..core.settings import require
from ..records import rows
from . import store, traces
from .crew import Alone, Answer, Cluster, Crew, Ended, Gone, Processes
from .lifeline import end_with
from .plan import Group, SweepOptions

STILLBORN = 3
"""Workers in a row that ended before they could begin, with nothing between, at which a sweep ends."""


@dataclass(frozen=True)
class Orders:
    """What goes with every batch.

    Attributes:
        folder: of the results.
        device: cpu or cuda.
        parent: the process with which a worker is to end; None where there is none.
        timeout: seconds that a batch may take; 0 sets no limit.
        traces: folder for what a worker that hung leaves.
    """

    folder: Path
    device: str = "cpu"
    parent: int | None = None
    timeout: float = 0.0
    traces: Path = Path()

    def trace(self, batch: Group) -> Path:
        """Where a worker that hung in a batch says so."""
        (first,) = batch.part([0]).keys()
        return self.traces / f"{first}-{batch.runs}"


def compute(folder: str | Path, batch: Group, device: str = "cpu") -> int:
    """Train, roll out as twins, and write one batch.

    Args:
        folder: of the results.
        batch: some runs.
        device: cpu or cuda.

    Returns:
        How many runs were written.
    """
    import torch

    from ..records.twins import compare

    torch.set_num_threads(1)
    env, learner = batch.things(device)
    expert = batch.expert(env)
    policy = learner.learn(env, expert)
    comparison = compare(
        env,
        expert,
        {batch.algo: policy},
        episodes=batch.common["rollouts"],
        sample=batch.common["sample"],
    )
    store.write(Path(folder), batch.identities(), rows.numbers(comparison))
    return batch.runs


def attempt(orders: Orders, batch: Group) -> str:
    """Compute a batch, whatever its cells do; what a worker does.

    Returns:
        What went wrong in its own words; "" where nothing did.

    Raises:
        ValueError: when this worker's code is not the sweep's, or the folder cannot be written.
    """
    if orders.parent is not None:
        end_with(orders.parent)
    try:
        with traces.watched(orders.trace(batch), orders.timeout):
            require_same_code(batch)
            compute(orders.folder, batch, orders.device)
    except (KeyboardInterrupt, store.Unwritable, OtherCode):
        raise
    except BaseException as error:  # a stranger's code may raise anything, or want to leave
        if os.environ.get(strangers.TRACEBACK):
            traceback.print_exc()
        return strangers.sentence(error) or strangers.in_words(error)
    return ""


class OtherCode(ValueError):
    """A worker's code is not the one that the sweep was planned with."""


_same: set[str] = set()
"""Addresses of the code that this process has, looked up before it first computed with it."""


def require_same_code(batch: Group) -> None:
    """Refuse a batch that was planned with other code than is here: its numbers would bear a wrong address.

    It is asked once in a process: what was imported then is what computes.
    """
    planned = batch.code
    if planned is None or planned.address in _same:
        return
    here = batch.code_here()
    if here.address != planned.address:
        different = planned.apart(here)
        raise OtherCode(
            f"sweep: it was planned with code {planned}, and a worker has {here}, which differs in {different}; "
            "give the same command again, on a cluster with the same code everywhere"
        )
    _same.add(planned.address)


def begin() -> None:
    """What a worker process does first: import what every batch needs."""
    from ..records import twins  # noqa: F401


def processes(options: SweepOptions) -> int:
    """How many processes."""
    return options.jobs or (os.cpu_count() or 1)


def crew_of(options: SweepOptions) -> Crew:
    """Who computes: this process alone where one job was asked for and none may be ended for taking too long."""
    if options.backend == "dask":
        return Cluster(options.scheduler)
    if options.jobs == 1 and not options.timeout:
        return Alone()
    return Processes(processes(options), begin)


def carry_out(options: SweepOptions, plan: list[Group], batches: list[Group]) -> None:
    """Compute batches side by side and show how far they are; each is kept as soon as it is finished."""
    if options.out.is_dir():
        sweep_away(options.out)
    total = sum(batch.runs for batch in batches)
    finished = failed = 0
    try:
        with progress(counted=True) as add, contextlib.closing(outcomes(options, batches)) as ends:
            report = add("runs", total)
            for outcome in ends:
                finished += outcome.finished
                failed += outcome.failed
                report(finished + failed, f"{failed:,} failed" if failed else "")
    except KeyboardInterrupt:
        _tell_interruption(options.out, plan)
        os._exit(130)  # a pool's threads would wait for workers that are killed


def _tell_interruption(out: Path, plan: list[Group]) -> None:
    """Say what is kept, as the folder has it: batches may have ended that nobody heard of."""
    keys = [key for group in plan for key in group.keys()]  # noqa: SIM118
    kept = len(store.keys(out).intersection(keys)) if out.is_dir() else 0
    amount = f"{kept:,} of {len(keys):,} runs are kept in {out}"
    print(file=sys.stderr)  # where the signal has left ^C
    complain(f"interrupted; {amount}, the same command does the rest")


@dataclass(frozen=True)
class Outcome:
    """What became of a batch, or of a part of it: how many runs are settled."""

    finished: int = 0
    failed: int = 0


def outcomes(options: SweepOptions, batches: list[Group]) -> Generator[Outcome, None, None]:
    """What became of each batch, as they end.

    Raises:
        ValueError: when nothing more can be computed; what is finished is kept.
    """
    if not batches:
        return
    crew = crew_of(options)
    folder = options.out.absolute()
    parent = os.getpid() if isinstance(crew, Processes) else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = tempfile.TemporaryDirectory(prefix=DRAFT, dir=folder, ignore_cleanup_errors=True)
        with draft as name:
            orders = Orders(folder, options.device, parent, options.timeout, Path(name))
            yield from _Shift(crew, orders, deque(batches)).outcomes()
    except OSError as error:
        raise ValueError(f"results: {folder} cannot be written ({error.strerror})") from None
    finally:
        crew.dismiss()


@dataclass
class _Shift:
    """Batches that wait, and those that somebody is at.

    Attributes:
        crew: who computes.
        orders: what goes with every batch.
        waiting: batches, in their order; parts of those that failed come last.
        busy: batches by whoever's answer is expected.
        suspects: single runs whose worker ended once.
        stillborn: workers in a row that ended before they could begin.
    """

    crew: Crew
    orders: Orders
    waiting: deque[Group]
    busy: dict[Answer, Group] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)
    stillborn: int = 0

    def outcomes(self) -> Generator[Outcome, None, None]:
        """See `outcomes`."""
        while self.waiting or self.busy:
            while self.waiting and self.crew.has_room() and self._may_begin():
                batch = self.waiting.popleft()
                answer = self.crew.submit(attempt, self.orders, batch)
                self.busy[answer] = batch
            answers, _ = wait(self.busy, return_when=FIRST_COMPLETED)
            for answer in answers:
                yield self._outcome(self.busy.pop(answer), answer)

    def _may_begin(self) -> bool:
        """Whether the next batch may begin: where it is not certain whose fault an end was, a suspect is tried alone."""
        if self.crew.certain or not self.busy:
            return True
        both = (self.waiting[0], *self.busy.values())
        return not any(map(self._is_suspect, both))

    def _is_suspect(self, batch: Group) -> bool:
        (first,) = batch.part([0]).keys()
        return batch.runs == 1 and first in self.suspects

    def _outcome(self, batch: Group, answer: Answer) -> Outcome:
        """What came of a batch."""
        try:
            words = self.crew.result(answer)
        except Gone:
            raise ValueError(
                f"scheduler: the cluster went away; what is finished is kept in {self.orders.folder}, start the "
                "cluster again and give the same command"
            ) from None
        except Ended as end:
            return self._of_ended(batch, end)
        self.stillborn = 0
        return self._of_failed(batch, words) if words else Outcome(finished=batch.runs)

    def _of_ended(self, batch: Group, end: Ended) -> Outcome:
        """A worker ended with its batch: it hung, or left, or was killed."""
        if not end.began:
            return self._of_stillborn(batch, end)
        self.stillborn = 0
        where = traces.hang(self.orders.trace(batch), attempt.__name__)
        if where:
            limit = f"no result after --timeout {self.orders.timeout:g} s"
            return self._of_failed(batch, f"{limit}; it hung in {where}")
        if batch.runs == 1 and not self._is_suspect(batch):
            self.suspects.update(batch.keys())
            self.waiting.append(batch)
            return Outcome()
        return self._of_failed(batch, f"its worker process ended, {end}")

    def _of_stillborn(self, batch: Group, end: Ended) -> Outcome:
        """A worker ended before it could begin, for which no batch is to blame."""
        self.stillborn += 1
        self.waiting.appendleft(batch)
        require(
            self.stillborn < STILLBORN,
            f"sweep: {STILLBORN} workers in a row ended before they could begin ({end}), perhaps for memory; try a "
            "smaller --batch or --jobs 1, what is finished is kept",
        )
        return Outcome()

    def _of_failed(self, batch: Group, words: str) -> Outcome:
        """A batch failed: it is tried again in halves, and a single run is kept as failed."""
        if batch.runs > 1:
            self.waiting += batch.halves()
            return Outcome()
        (key,) = batch.keys()
        (cell,) = batch.cells()
        (seed,) = batch.values["seed"]
        failure = store.Failure(key, cell, batch.place(0), seed, words)
        store.write_failure(self.orders.folder, failure)
        return Outcome(failed=1)

"""Crew: who computes a sweep's batches: this process, worker processes beside it, or a Dask cluster.

Each worker process is alone in its pool, so that when one ends it is known what it was at, and the others go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeAlias

Work: TypeAlias = Callable[..., Any]
Answer: TypeAlias = "Future[Any]"

KILLED = ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")
"""What is raised where a worker ended before its work did."""
GONE = ("FutureCancelledError", "CancelledError", "CommClosedError")
"""What Dask raises when its scheduler went away."""
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Variables of the environment that limit a worker's threads."""
IN_FLIGHT = 1000
"""Batches that a cluster is handed at a time, at most."""


class Ended(Exception):
    """A worker ended before its work did.

    Attributes:
        began: whether it had come so far as to begin.
    """

    def __init__(self, words: str, began: bool = True):
        Exception.__init__(self, words)
        self.began = began


class Gone(Exception):
    """The cluster went away."""


class Crew(Protocol):
    """Whoever computes.

    Attributes:
        certain: whether it is known which batch a worker ended with; a cluster blames all that it held.
    """

    certain: bool

    def has_room(self) -> bool:
        """Whether more work can be handed out."""
        ...

    def submit(self, work: Work, *args: Any) -> Answer:
        """Hand out work."""
        ...

    def result(self, answer: Answer) -> Any:
        """What came of it: whatever the work raised, `Ended` or `Gone` where it could not end."""
        ...

    def dismiss(self) -> None:
        """End all workers at once; drafts that they leave are never read."""
        ...


class Alone:
    """This process computes; whatever ends it ends all."""

    certain = True

    def __init__(self) -> None:
        self._room = True

    def has_room(self) -> bool:
        """One batch at a time."""
        return self._room

    def submit(self, work: Work, *args: Any) -> Answer:
        """Compute at once."""
        answer: Answer = Future()
        self._room = False
        try:
            answer.set_result(work(*args))
        except ValueError as error:
            answer.set_exception(error)
        return answer

    def result(self, answer: Answer) -> Any:
        """See `Crew.result`."""
        self._room = True
        return answer.result()

    def dismiss(self) -> None:
        """There is nobody else."""


class Processes:
    """Worker processes beside this one, each in a pool of its own.

    Args:
        count: how many.
        begin: what each does first; who ends before that was done never got so far as to work.
    """

    certain = True

    def __init__(self, count: int, begin: Work):
        self._count = count
        self._begin = begin
        self._idle: list[Any] = []
        self._busy: dict[Answer, Any] = {}
        self._begun: dict[Any, Answer] = {}

    def has_room(self) -> bool:
        """Whether a worker is idle, or could be taken on."""
        return len(self._busy) < self._count

    def submit(self, work: Work, *args: Any) -> Answer:
        """Hand work to an idle worker, or to a new one."""
        worker = self._idle.pop() if self._idle else self._hired()
        answer: Answer = worker.submit(work, *args)
        self._busy[answer] = worker
        return answer

    def result(self, answer: Answer) -> Any:
        """See `Crew.result`; a worker that ended is replaced when the next one is needed."""
        worker = self._busy.pop(answer)
        error = answer.exception()
        if error is None or type(error).__name__ not in KILLED:
            self._idle.append(worker)
            return answer.result()
        began = self._begun.pop(worker).exception() is None
        worker.shutdown(wait=False, kill_workers=True)
        raise Ended(_how(error), began) from None

    def dismiss(self) -> None:
        """See `Crew.dismiss`."""
        for worker in self._begun:
            worker.shutdown(kill_workers=True)

    def _hired(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor

        worker = ProcessPoolExecutor(1, env=dict.fromkeys(ONE_THREAD, "1"))
        self._begun[worker] = worker.submit(self._begin)
        return worker


def _how(error: BaseException) -> str:
    """How a worker ended, as far as its exit code tells: SIGSEGV(-11), EXIT(1)."""
    codes = re.search(r"\{(.+)\}", str(error))
    return codes[1] if codes else type(error).__name__


class Cluster:
    """The workers of a Dask cluster, which see the folder of the results.

    Args:
        scheduler: its address; None starts one here.

    Raises:
        ValueError: when Dask is not installed, or nothing answers there.
    """

    certain = False

    def __init__(self, scheduler: str | None):
        self._client = _client(scheduler)
        self._executor = self._client.get_executor(pure=False)
        self._busy = 0

    def has_room(self) -> bool:
        """The scheduler knows better than we who is idle."""
        return self._busy < IN_FLIGHT

    def submit(self, work: Work, *args: Any) -> Answer:
        """See `Crew.submit`."""
        self._busy += 1
        answer: Answer = self._executor.submit(work, *args)
        return answer

    def result(self, answer: Answer) -> Any:
        """See `Crew.result`."""
        self._busy -= 1
        try:
            return answer.result()
        except BaseException as error:
            # Named, not imported: which of these exist depends on the version.
            name = type(error).__name__
            if name in KILLED:
                raise Ended(name) from None
            if name in GONE:
                raise Gone(name) from None
            raise

    def dismiss(self) -> None:
        """See `Crew.dismiss`; the cluster itself is not ours."""
        self._client.close(timeout=5)


def _client(scheduler: str | None) -> Any:
    try:
        from dask.distributed import Client
    except ImportError:
        advice = 'pip install "il-bench[cluster]"'
        raise ValueError(f"backend dask: it is not installed; {advice}") from None
    try:
        return Client(scheduler, timeout=10)
    except OSError as error:
        raise ValueError(
            f"scheduler: nothing answers at {scheduler} ({error}); start dask scheduler"
        ) from None

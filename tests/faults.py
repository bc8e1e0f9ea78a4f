"""Faults: what tests let go wrong: a cell that raises, a worker that leaves or hangs, a disk that fills, a clock that jumps."""

import ctypes
import errno
import os
import time
from concurrent.futures import Future
from pathlib import Path

from il_bench.jobs.crew import Alone, Ended, Gone


class Unpicklable(Exception):
    def __reduce__(self):
        raise TypeError("on purpose")


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("on purpose")


def raises():
    raise RuntimeError("on purpose\n\x1b[31m")


def takes_all_memory():
    raise MemoryError


def exits_well():
    raise SystemExit(0)


def cannot_be_pickled():
    raise Unpicklable(lambda: None)


def says_nothing():
    raise Silent


def leaves():
    os._exit(0)


def crashes():
    ctypes.string_at(0)


def hangs():
    time.sleep(600)


def nothing():
    return 0


CELLS = {
    raises: "RuntimeError (on purpose ?[31m)",
    takes_all_memory: "MemoryError",
    exits_well: "SystemExit (0)",
    cannot_be_pickled: "Unpicklable (",
    says_nothing: "Silent (it cannot say more)",
}
"""What a cell may do without ending its process, and how it is told."""

FAULTY = """
from dataclasses import dataclass
from pathlib import Path
import faults
import il_bench as il

@dataclass(frozen=True)
class Faulty:
    '''Cloning that fails at L = 1.1, until that is mended.'''

    def learn(self, env, expert, streams=None, log=None):
        if 1.1 in il.as_tuple(env.lipschitz) and not Path("mended").exists():
            faults.{fault}()
        small = il.Training(hidden=(4,), updates=4)
        return il.BC(training=small).learn(env, expert, streams, log)
"""


def write_learner(fault):
    """A learner on the desk, faulty:Faulty, that does this at L = 1.1."""
    Path("faulty.py").write_text(FAULTY.format(fault=fault.__name__))


def fill_disk(monkeypatch):
    """Let no file be finished any more."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)


def jump_clock(monkeypatch, seconds):
    """Let the clock show another time from now on."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)


class Fragile:
    """A crew of one whose worker ends, in the manner of a killed process, as long as `ends(orders, batch)` says so."""

    certain = True

    def __init__(self, ends, error=None):
        self._alone = Alone()
        self._ends = ends
        self._error = error or Ended("SIGKILL(-9)")

    def has_room(self):
        return self._alone.has_room()

    def submit(self, work, orders, batch):
        if not self._ends(orders, batch):
            return self._alone.submit(work, orders, batch)
        answer = Future()
        answer.set_exception(self._error)
        return answer

    def result(self, answer):
        return self._alone.result(answer)

    def dismiss(self):
        self._alone.dismiss()


class Blaming(Fragile):
    """One that holds several batches at a time, and blames all of them for the end of one."""

    certain = False

    def __init__(self, ends):
        super().__init__(lambda orders, batch: self._held_one(ends(orders, batch)))
        self._held = []

    def _held_one(self, ends):
        self._held.append(ends)
        return any(self._held)

    def has_room(self):
        return True

    def result(self, answer):
        self._held.pop(0)
        return super().result(answer)


STILLBORN = Ended("EXIT(1)", began=False)
CLUSTER_GONE = Gone("CancelledError")

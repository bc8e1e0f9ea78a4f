"""What is not learning: help, planning, growth, questions, threads, the film's frames; ratios within one run.

Each row says what follows from the seconds reported before the work of 0.3, on another day, and what is measured now.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from claims import Claim
from publish import publish, table

import il_bench as il
from il_bench.jobs import plan
from il_bench.records import record
from il_bench.stats import growth

REPEATS = 3
COMMANDS = ("run", "sweep", "table", "measure", "render", "certify", "sb3", "fetch")
BUSY = "x = 0\nwhile True: x += 1"


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of a piece of work, the median of a few."""
    return median(_once(work) for _ in range(REPEATS))


def _once(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def command(*args: str) -> float:
    """Wall seconds of a Python process."""
    with tempfile.TemporaryDirectory() as folder:

        def call() -> object:
            return subprocess.run(
                [sys.executable, *args], cwd=folder, capture_output=True, check=True
            )

        return seconds(call)


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Other processes that compute meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def helps() -> list[list[str]]:
    """Help of each command, in units of importing torch."""
    torch_wall = command("-c", "import torch")
    rows = []
    for name in COMMANDS:
        wall = command("-m", f"il_bench.{name}", "--help")
        before = "0.2" if name == "run" else "1.0 and more"
        rows.append([f"`{name} --help` / `import torch`", before, f"{wall / torch_wall:.2f}"])
    return rows


def pictures() -> list[list[str]]:
    """Drawing the figure of 64 runs, against training them; how often growth is fitted for it, twice."""
    env = il.make("lane", lipschitz=(1.1, 1.2), wind=(0.0, 0.005), seeds=16)
    expert = il.expert(env)
    training = il.Training(updates=1000)
    began = time.perf_counter()
    bc = il.BC(episodes=8, training=training).learn(env, expert)
    dagger = il.DAgger(training=training).learn(env, expert)
    learned = time.perf_counter() - began
    comparison = il.compare(env, expert, bc=bc, dagger=dagger, episodes=16)
    fits = []
    real = growth.fit

    def counted(*args: Any, **named: Any) -> Any:
        fits.append(1)
        return real(*args, **named)

    growth.fit = record.growth.fit = counted
    first = _once(lambda: il.plot(comparison))
    again = _once(lambda: (il.plot(comparison), comparison.rows(), str(comparison.table())))
    growth.fit = record.growth.fit = real
    return [
        ["figure of 64 runs / training them", "1.5", f"{first / learned:.2f}"],
        ["figure, rows and table again / the first figure", "not measured", f"{again / first:.2f}"],
        ["growth fits for figure, rows and table of 2 x 64", "not measured", str(len(fits))],
    ]


def questions() -> list[list[str]]:
    """States about which an expert is asked, for each label that is used."""

    class Counting(il.Expert):
        """Counts."""

        states = 0

        def act(self, state: torch.Tensor) -> torch.Tensor:
            """See `Expert.act`."""
            Counting.states += state.shape[0] * state.shape[1]
            return expert.act(state)

    env = il.make("lane", seeds=4)
    expert = il.expert(env)
    policy = il.BC(8, il.Training(updates=20)).learn(env, Counting())
    assert policy.log is not None
    learning = Counting.states / int(torch.as_tensor(policy.log.labels).sum())
    Counting.states = 0
    il.compare(env, Counting(), episodes=8, bc=policy)
    needed = 4 * 8 * 200 * 2  # the expert's own rollout, and its answers along the copy's
    return [
        ["states asked about / labels, BC", "2.0", f"{learning:.2f}"],
        ["states asked about / needed, compare", "2.0", f"{Counting.states / needed:.2f}"],
    ]


def planning() -> list[list[str]]:
    """Planning a sweep over 200 values of a flag that cannot stand side by side, against planning over one."""

    def planned(values: str) -> None:
        args = ["--env", "tube", "--algo", "bc", "--horizon", values, "--seeds", "1"]
        options, settings = plan.asked(args)
        groups, _ = plan.planned(options, settings, [("tube", "bc")])
        list(plan.batched(groups, set(), 64, 2))

    planned("20")
    one, many = seconds(lambda: planned("20")), seconds(lambda: planned("20:219:1"))
    return [["planning 200 values / planning one", "200", f"{many / one:.1f}"]]


def threads() -> list[list[str]]:
    """Learning beside a busy neighbour with torch's default threads, against one thread."""
    env = il.make("tube", seeds=1)
    expert = il.expert(env)

    def learn() -> None:
        il.BC(8, il.Training(updates=1000)).learn(env, expert)

    with neighbours(1):
        torch.set_num_threads(1)
        one = seconds(learn)
        torch.set_num_threads(2)
        default = seconds(learn)
    torch.set_num_threads(1)
    return [["BC beside a busy neighbour, 2 threads set / 1 set", "8.1", f"{default / one:.2f}"]]


def films() -> list[list[str]]:
    """Making the film of the default command, against importing torch."""
    env = il.make("lane", seeds=2)
    expert = il.expert(env)
    bc = il.BC(2, il.Training(updates=100)).learn(env, expert)
    comparison = il.compare(env, expert, episodes=4, bc=bc, dagger=bc)
    torch_wall = command("-c", "import torch")
    with tempfile.TemporaryDirectory() as folder:
        wall = seconds(lambda: il.film(comparison, path=Path(folder) / "a.mp4"))
    return [["film of three on a lane / `import torch`", "4", f"{wall / torch_wall:.1f}"]]


def claims(rows: list[list[str]]) -> list[Claim]:
    """What is less than it was, of what a number was there for before."""
    known = [row for row in rows if row[1] != "not measured"]
    more = [what for what, before, now in known if float(now) >= float(before.split()[0])]
    return [
        Claim(
            f"All {len(known)} ratios that have one before are below it.",
            not more,
            f"Of {len(known)} ratios {len(more)} are not below the one before: {', '.join(more)}.",
        )
    ]


def main() -> None:
    """All rows."""
    torch.set_num_threads(1)
    parts = (helps, pictures, questions, planning, threads, films)
    rows = [row for part in parts for row in part()]
    caption = (
        f"Medians of {REPEATS} where seconds are compared; every figure of the last column is a "
        "ratio within one run, or a count. Those before were worked out from seconds reported "
        "earlier, on another day, and were not measured again."
    )
    lines = table(["what", "before", "now"], rows)
    publish("overheads", claims(rows), lines, caption, rows=rows)


if __name__ == "__main__":
    main()

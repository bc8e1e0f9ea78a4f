"""The default command from Enter to its last line: wall time, memory, and the time that --help takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from statistics import median

from claims import Claim, goal
from publish import publish, table

REPEATS = 5
WALL, WALL_RATIO, MEMORY, HELP = 20, 7, 1.5, 0.5
"""Goals: seconds of the command, the same in units of `import torch`, GB, seconds of its help."""


def timed(*args: str) -> tuple[float, float]:
    """Wall seconds of a command, and the largest resident memory of any child so far, GB."""
    command = [sys.executable, "-m", *args]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, used.ru_maxrss / 1e6


def results() -> dict[str, float]:
    """Medians of a few repeats; `import torch` in the same run is the yardstick that the machine sets."""
    torch = [timed("torch.version")[0] for _ in range(REPEATS)]
    helps = [timed("il_bench.run", "--help")[0] for _ in range(REPEATS)]
    runs = [timed("il_bench.run", "--algo", "dagger") for _ in range(REPEATS)]
    walls, memories = zip(*runs, strict=True)
    return {
        "wall": median(walls),
        "memory": max(memories),
        "help": median(helps),
        "torch": median(torch),
    }


def claims(results: dict[str, float]) -> list[Claim]:
    """Which goals are met."""
    wall, memory = results["wall"], results["memory"]
    ratio = wall / results["torch"]
    in_units = f"{ratio:.1f} times `import torch` (goal: {WALL_RATIO})"
    help_wall = results["help"]
    return [
        goal(f"The command takes {wall:.1f} s (goal: {WALL} s)", wall <= WALL),
        goal(f"That is {in_units}", ratio <= WALL_RATIO),
        goal(f"It needs {memory:.2f} GB (goal: {MEMORY} GB)", memory <= MEMORY),
        goal(f"Its help takes {help_wall:.2f} s (goal: {HELP} s)", help_wall <= HELP),
    ]


def main() -> None:
    """The table of the command, its memory and its help."""
    outcome = results()
    wall, memory, help_wall, torch = outcome.values()
    command = "`python -m il_bench.run --algo dagger`"
    both = f"{WALL} s, and {WALL_RATIO} times `import torch`"
    rows = [
        [f"{command}, film included", f"{wall:.1f} s", both, f"{wall / torch:.1f}"],
        ["its memory", f"{memory:.2f} GB", f"{MEMORY} GB", ""],
        [
            "`python -m il_bench.run --help`",
            f"{help_wall:.2f} s",
            f"{HELP} s",
            f"{help_wall / torch:.2f}",
        ],
    ]
    lines = table(["command", "measured", "goal", "/ import torch"], rows)
    caption = (
        f"Medians of {REPEATS}; the last column is in units of `import torch` ({torch:.2f} s) on "
        "the same machine."
    )
    publish("front_door", claims(outcome), lines, caption, **outcome)


if __name__ == "__main__":
    main()

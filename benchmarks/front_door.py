"""The default command from Enter to its last line: wall time, memory, and the time that --help takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time

from publish import publish, table

REPEATS = 5


def timed(*args: str) -> tuple[float, float]:
    """Wall seconds of a command, and the largest resident memory of any child so far, GB."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", *args], cwd=folder, check=True, capture_output=True)
        wall = time.perf_counter() - began
    return wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6


def main() -> None:
    """Medians of a few repeats; `import torch` in the same run is the yardstick that the machine sets."""
    torch = sorted(timed("torch.version")[0] for _ in range(REPEATS))[REPEATS // 2]
    help_wall = sorted(timed("il_bench.run", "--help")[0] for _ in range(REPEATS))[REPEATS // 2]
    runs = [timed("il_bench.run", "--algo", "dagger") for _ in range(REPEATS)]
    wall, memory = sorted(w for w, _ in runs)[REPEATS // 2], max(m for _, m in runs)
    rows = [
        [
            "`python -m il_bench.run --algo dagger`, film included",
            f"{wall:.1f} s",
            "20 s, and 7 times `import torch`",
            f"{wall / torch:.1f}",
        ],
        ["its memory", f"{memory:.2f} GB", "1.5 GB", ""],
        [
            "`python -m il_bench.run --help`",
            f"{help_wall:.2f} s",
            "0.5 s",
            f"{help_wall / torch:.2f}",
        ],
    ]
    claim = f"Medians of {REPEATS}; the last column is in units of `import torch` ({torch:.2f} s) on the same machine."
    publish(
        "front_door",
        claim,
        table(["command", "measured", "goal", "/ import torch"], rows),
        wall=wall,
        memory=memory,
        help=help_wall,
        torch=torch,
    )


if __name__ == "__main__":
    main()

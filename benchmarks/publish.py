"""Publishing: a benchmark's result goes into its JSON, and its table into the pages between its markers."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from claims import Claim

HERE = Path(__file__).parent
PAGES = HERE.parent / "docs" / "results.md", HERE.parent / "README.md"
"""Where tables stand."""
RESULTS = HERE.parent / "results"
"""Where figures go; git ignores it."""


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(name: str, claims: list[Claim], lines: str, **result: Any) -> None:
    """Write `name.json`, and the block `<!-- benchmark: name -->` of the pages.

    Args:
        name: of the script, without its ending.
        claims: what is said of the numbers; those that do not hold say so.
        lines: the Markdown that the pages show.
        **result: the numbers.
    """
    command = f"python benchmarks/{name}.py"
    packages = {p: version(p) for p in ("il-bench", "torch", "numpy", "gymnasium", "scipy")}
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    words = " ".join(str(claim) for claim in claims)
    readme = f"{headed(command, machine, packages)}\n\n{lines}\n\n{words}"
    kept = {
        "command": command,
        "claims": [claim.kept() for claim in claims],
        **result,
        "versions": packages,
        "machine": machine,
        "readme": readme,
    }
    (HERE / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    insert(name, readme)
    print(f"{lines}\n\n{words}")


def headed(command: str, machine: dict[str, Any], packages: dict[str, str]) -> str:
    """A table's first line: the command that wrote it, and where."""
    where = f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}"
    return f"`{command}` ({where}, torch {packages['torch']}, NumPy {packages['numpy']})"


def insert(name: str, block: str) -> None:
    """Put a block between its markers in the pages that have them."""
    start, end = f"<!-- benchmark: {name} -->", "<!-- end -->"
    for page in PAGES:
        before, found, rest = page.read_text().partition(start)
        if found:
            page.write_text(f"{before}{start}\n{block}\n{end}{rest.partition(end)[2]}")


@contextlib.contextmanager
def figure(
    name: str, columns: int = 1, size: tuple[float, float] = (5.5, 4.0), **shared: Any
) -> Iterator[list[Any]]:
    """Panels side by side, saved as `results/NAME.png` when they have been drawn.

    Args:
        name: of the file, without its ending.
        columns: how many panels.
        size: of one panel, inches.
        **shared: of matplotlib's `subplots`, such as sharey=True.
    """
    from matplotlib.figure import Figure

    page = Figure(figsize=(size[0] * columns, size[1]), layout="constrained", dpi=130)
    panels = list(page.subplots(1, columns, squeeze=False, **shared)[0])
    yield panels
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    RESULTS.mkdir(exist_ok=True)
    page.savefig(RESULTS / f"{name}.png")
    print(f"figure: {os.path.relpath(RESULTS / f'{name}.png')}")


def processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.partition(":")[2].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor()


def main() -> None:
    """Put every result that is there into the pages again."""
    for path in sorted(HERE.glob("*.json")):
        insert(path.stem, json.loads(path.read_text())["readme"])


if __name__ == "__main__":
    main()

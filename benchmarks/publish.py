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

import torch
from claims import Claim

HERE = Path(__file__).parent
PAGES = HERE.parent / "docs" / "results.md", HERE.parent / "README.md"
"""Where tables stand."""
RESULTS = HERE.parent / "results"
"""Where figures go; git ignores it."""
PACKAGES = "il-bench", "torch", "numpy", "gymnasium", "scipy"
"""Those whose versions a result names."""


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(name: str, claims: list[Claim], lines: str, caption: str = "", **numbers: Any) -> None:
    """Write `name.json`, and the block `<!-- benchmark: name -->` of the pages.

    Args:
        name: of the script, without its ending.
        claims: what is said of the numbers; those that do not hold say so.
        lines: the Markdown that the pages show.
        caption: what the columns are; it stands before the claims.
        **numbers: the data.
    """
    command = f"python benchmarks/{name}.py"
    packages = {package: version(package) for package in PACKAGES}
    computer = machine()
    sentences = [caption, *map(str, claims)]
    words = " ".join(sentences).strip()
    readme = f"{headed(command, computer, packages)}\n\n{lines}\n\n{words}"
    contents = {
        "command": command,
        "claims": [claim.entry() for claim in claims],
        **numbers,
        "versions": packages,
        "machine": computer,
        "readme": readme,
    }
    text = json.dumps(contents, indent=1)
    (HERE / f"{name}.json").write_text(f"{text}\n")
    insert(name, readme)
    print(f"{lines}\n\n{words}")


def device() -> str:
    """Where a benchmark of very many trainings computes: on a GPU, if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def machine() -> dict[str, Any]:
    """Where the numbers come from."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "gpu": card,
        "python": platform.python_version(),
    }


def headed(command: str, computer: dict[str, Any], packages: dict[str, str]) -> str:
    """A table's first line: the command that wrote it, and where."""
    cores = f"{computer['cores']} cores of {computer['processor']}"
    card = f"{computer['gpu']}, " if computer["gpu"] else ""
    libraries = f"torch {packages['torch']}, NumPy {packages['numpy']}"
    return f"`{command}` ({cores}, {card}Python {computer['python']}, {libraries})"


def insert(name: str, block: str) -> None:
    """Put a block between its markers in the pages that have them."""
    start, end = f"<!-- benchmark: {name} -->", "<!-- end -->"
    for page in PAGES:
        before, marker, rest = page.read_text().partition(start)
        if marker:
            after = rest.partition(end)[2]
            page.write_text(f"{before}{start}\n{block}\n{end}{after}")


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

    width, height = size
    page = Figure(figsize=(width * columns, height), layout="constrained", dpi=130)
    (row,) = page.subplots(1, columns, squeeze=False, **shared)
    panels = list(row)
    yield panels
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.png"
    page.savefig(path)
    print(f"figure: {os.path.relpath(path)}")


def processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
        return next(names).strip()
    except (OSError, StopIteration):
        return platform.processor()


def main() -> None:
    """Put every result that is there into the pages again."""
    for path in sorted(HERE.glob("*.json")):
        result = json.loads(path.read_text())
        insert(path.stem, result["readme"])


if __name__ == "__main__":
    main()

"""`python -m il_bench.render RECORD --run 3`: draw a Record's film again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .cli.flags import parsed
from .cli.told import told


@dataclass(frozen=True)
class RenderOptions:
    """Draw a film from a Record."""

    record: Annotated[Path, tyro.conf.Positional]
    """Folder of the Record."""
    run: int | None = None
    """Which run; by default a typical one."""
    episode: int | None = None
    """Which rollout of it; by default a typical one."""
    learners: tuple[str, ...] = ()
    """Which learners, the expert among them; all by default."""
    out: Path | None = None
    """Where the film goes, .mp4; by default rollout-run-episode.mp4 in the working directory."""
    gif: Path | None = None
    """Where a GIF goes, if one is wanted."""
    env: str | None = None
    """module:Class, where the environment is a file's: a Record alone runs no stranger's code."""


@told
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(RenderOptions, args, "python -m il_bench.render")
    from .records import record
    from .show import video

    found = record.load(options.record)
    found.known_env = record.environment_of(found.config, options.env)
    stem = "-".join(str(n) for n in (options.run, options.episode) if n is not None)
    out = options.out or Path(f"rollout-{stem}.mp4" if stem else "rollout.mp4")
    learners = list(options.learners) or None
    print(video.film(found, out, options.run, options.episode, learners=learners, gif=options.gif))


if __name__ == "__main__":
    main(sys.argv[1:])

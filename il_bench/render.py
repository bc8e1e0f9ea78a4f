"""`python -m il_bench.render RECORD --run 3`: draw a Record's film again, into its folder."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from .cli.command import command
from .cli.console import say
from .cli.flags import parsed
from .core.files import sweep_away
from .core.settings import require


@dataclass(frozen=True)
class RenderOptions:
    """Draw a film from a Record."""

    record: Annotated[Path, tyro.conf.Positional]
    """Folder of the Record."""
    run: int | None = None
    """Which run; by default a typical one."""
    episode: int | None = None
    """Which rollout of it; by default a typical one."""
    by: str | None = None
    """A setting whose values stand side by side (six at most, evenly chosen), such as lipschitz."""
    learners: tuple[str, ...] = ()
    """Which learners, the expert among them; all by default, and under --by all but the expert."""
    out: Path | None = None
    """Where the film goes, .mp4; by default the next free rollout-....mp4 in the Record's folder."""
    gif: Path | None = None
    """Where a GIF goes, if one is wanted."""
    env: str | None = None
    """module:Class, where the environment is a file's: a Record alone runs no stranger's code."""


@command
def main(args: list[str]) -> None:
    """The command."""
    options = parsed(RenderOptions, args, "python -m il_bench.render")
    from .records import record
    from .show import video

    source = record.load(options.record)
    source.known_env = record.environment_of(source.config, options.env)
    sweep_away(options.record)
    out = options.out or _free_path(options)
    _require_new("out", out)
    _require_new("gif", options.gif)
    film: Any = video.film(
        source,
        out,
        options.run,
        options.episode,
        learners=options.learners or None,
        gif=options.gif,
        by=options.by,
    )
    for written in (film, options.gif):
        if written is not None:
            say(written.absolute())


def _require_new(flag: str, path: Path | None) -> None:
    """Refuse to write where something stands, a link included, before anything is drawn."""
    taken = path is not None and os.path.lexists(path)
    require(not taken, f"{flag}: {path} is there already; name another, or move it away")


def _free_path(options: RenderOptions) -> Path:
    """A name in the Record's folder that says what is shown and that no file has."""
    choice = {"by": options.by, "run": options.run, "episode": options.episode}
    words = [f"{name}-{value}" for name, value in choice.items() if value is not None]
    stem = "-".join(["rollout", *words, *options.learners])
    path = options.record / f"{stem}.mp4"
    number = 1
    while os.path.lexists(path):
        number += 1
        path = path.with_name(f"{stem}-{number}.mp4")
    return path


if __name__ == "__main__":
    main(sys.argv[1:])

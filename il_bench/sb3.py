"""`python -m il_bench.sb3 train Hopper-v5`: an expert trained with stable-baselines3, left as a zip.

`--expert sb3:PATH --trust` brings it back, see borders/sb3_zips.py.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .borders.resolve import ZIP
from .cli import light
from .cli.command import command
from .cli.console import say
from .cli.flags import parsed
from .cli.progress import progress
from .core.settings import require

if TYPE_CHECKING:
    from .borders.sb3_training import Recipe, Report, Trained


@command
def main(args: list[str]) -> None:
    """The command `train ENV`."""
    first = " ".join(args[:1])
    helping = bool({"-h", "--help"} & set(args))
    require(
        first == "train" or helping,
        f"sb3: expected train first, got {first or 'nothing'}; try train Hopper-v5",
    )
    flags = args[1:] if first == "train" else args
    with light.for_help(args):
        from .borders.sb3_training import Recipe, train
    recipe = parsed(Recipe, flags, "python -m il_bench.sb3 train")
    with _stoppable(), _progress(recipe) as report:
        trained = train(recipe, report)
    say(_summary(recipe, trained))
    where = f"--env {recipe.env} --expert {ZIP}{trained.zip} --trust"
    say(f"next: python -m il_bench.run {where}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """A job that is stopped from outside keeps its best policy, as one that is interrupted does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress(recipe: Recipe) -> Iterator[Report]:
    """A bar of the steps; lines, where a bar that moves cannot be seen."""
    with progress(counted=True) as add:
        bar = add(recipe.env, recipe.steps)

        def report(done: int, words: str) -> None:
            bar(done, words)
            if words and not sys.stdout.isatty():
                say(f"step {done:,}: {words}")

        yield report


def _summary(recipe: Recipe, trained: Trained) -> str:
    """What was reached, and which files it lies in."""
    reached = f"return {trained.mean:,.1f} ± {trained.deviation:,.1f}"
    files = str(trained.zip)
    if trained.statistics is not None:
        files += f" and {trained.statistics}, which scales its observations (keep them together)"
    return f"{reached} over {recipe.episodes} episodes; wrote {files}"


if __name__ == "__main__":
    main(sys.argv[1:])

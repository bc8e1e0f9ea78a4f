"""`python -m il_bench.sb3 train Hopper-v5`: an expert trained with stable-baselines3, left as a zip.

`--expert sb3:PATH --trust` brings it back, see zips.py.
"""

from __future__ import annotations

import signal
import sys

from .cli import light
from .cli.flags import parsed
from .cli.told import told
from .core.settings import require


@told
def main(args: list[str]) -> None:
    """The command `train ENV`."""
    named = args[:1] == ["train"] or bool({"-h", "--help"} & set(args))
    require(
        named,
        f"sb3: expected train first, got {' '.join(args[:1]) or 'nothing'}; try train Hopper-v5",
    )
    with light.for_help(args):
        from .borders.sb3_training import Recipe, train
        from .borders.sb3_zips import PREFIX
    recipe = parsed(Recipe, args[args[:1] == ["train"] :], "python -m il_bench.sb3 train")
    before = signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # a job that is stopped keeps its best policy too
    try:
        out, mean, spread = train(recipe)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(f"return {mean:,.1f} ± {spread:,.1f} over {recipe.episodes} episodes; wrote {out}")
    print(f"next: python -m il_bench.run --env {recipe.env} --expert {PREFIX}{out} --trust")


if __name__ == "__main__":
    main(sys.argv[1:])

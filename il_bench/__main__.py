"""`python -m il_bench` is `python -m il_bench.run`."""

from .run import main

main()
